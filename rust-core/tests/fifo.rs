//! Named pipes with programs without Linkspan, and with programs that keep another program's pipe open.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use linkspan::{Channel, Framing, Options, Server, Value};

use crate::support::programs::program;
use crate::support::{SOON, name};

fn lines() -> Options {
    let mut options = Options::default();
    options.framing = Framing::Lines;
    options
}

fn path(endpoint: &str) -> PathBuf {
    let file = endpoint.strip_prefix("fifo:").unwrap().replace('/', "@") + ".fifo";
    PathBuf::from(std::env::var("LINKSPAN_DIR").unwrap()).join(file)
}

#[test]
fn shell_calls_a_server() {
    let endpoint = name("fifo");
    let server = Server::serve(&endpoint, &lines()).unwrap();
    let path = path(&endpoint);
    thread::scope(|s| {
        s.spawn(|| server.run(|request| Ok(request.get("params/0")?.clone())));
        // Opened for reading and writing, so no answer is missed.
        let reply =
            OpenOptions::new().read(true).write(true).open(path.with_extension("fifo.reply")).unwrap();
        let mut reply = BufReader::new(reply);
        for i in 1..=3 {
            // Each `echo` opens the pipe, writes, and closes it: the server sees no end.
            let text = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"params\":[{i}],\"id\":{i}}}");
            let done =
                Command::new("sh").args(["-c", "echo \"$0\" > \"$1\"", &text]).arg(&path).status().unwrap();
            assert!(done.success());
            let mut line = String::new();
            reply.read_line(&mut line).unwrap();
            assert_eq!(line, format!("{{\"jsonrpc\":\"2.0\",\"result\":{i},\"id\":{i}}}\n"));
        }
        server.close(SOON).unwrap();
    });
    assert!(!path.exists() && !path.with_extension("fifo.reply").exists());
}

#[test]
fn client_waits_for_a_pipe_that_another_program_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
    let endpoint = format!("fifo:{}", path.display());
    thread::scope(|s| {
        let writer = s.spawn(|| {
            let channel = Channel::connect(&endpoint, &lines(), SOON).unwrap();
            channel.send(&Value::map([("op", Value::from("x"))]), SOON).unwrap();
        });
        // It waits before there is a reader, or finds one: both must work.
        let mut line = String::new();
        BufReader::new(File::open(&path).unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "{\"op\":\"x\"}\n");
        writer.join().unwrap();
    });
    assert!(path.exists(), "a pipe made by another program stays");
}

#[test]
fn killed_peer_is_disconnected_while_others_keep_its_pipes_open() {
    let endpoint = name("fifo");
    let survivor = Channel::open(&endpoint, &Options::default(), SOON).unwrap();
    let program = program("test-victim");
    for incarnation in 0..20 {
        let mut victim = Command::new(&program)
            .args(["exchange", &endpoint, &incarnation.to_string()])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        survivor.recv(SOON).unwrap();
        let mut kept = Vec::new();
        for entry in std::fs::read_dir(format!("/proc/{}/fd", victim.id())).unwrap() {
            let entry = entry.unwrap().path();
            if std::fs::read_link(&entry).is_ok_and(|to| to.to_string_lossy().contains(".fifo")) {
                let both =
                    OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(entry);
                kept.push(both.unwrap());
            }
        }
        assert!(kept.len() >= 2, "its pipes were not found");
        drop(survivor.events());
        victim.kill().unwrap();
        victim.wait().unwrap();
        // The pipes stay open, so only the lock shows its end.
        while !survivor.events().iter().any(|e| e.kind.name() == "disconnected") {
            drop(survivor.recv(Duration::from_millis(50)));
        }
    }
}
