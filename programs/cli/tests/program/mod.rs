//! The real program in a separate runtime directory.

// Each test file uses a part of this.
#![allow(dead_code)]

pub mod pty;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};

/// Only guards against a hang.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Place(tempfile::TempDir);

#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

pub struct Running {
    child: Child,
    pub stdin: Option<ChildStdin>,
    lines: Option<BufReader<ChildStdout>>,
    errors: Option<BufReader<ChildStderr>>,
}

impl Place {
    pub fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &std::path::Path {
        self.0.path()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        // A background test of a shell without job control has SIGINT ignored.
        let mut command = Command::new("env");
        command.arg("--default-signal=INT,QUIT").arg(env!("CARGO_BIN_EXE_linkspan"));
        command.args(arguments).env("LINKSPAN_DIR", self.path());
        command.env("LINKSPAN_STATE_DIR", self.path().join("state"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut child = self.command(arguments).spawn().unwrap();
        let stdin = child.stdin.take();
        let lines = child.stdout.take().map(BufReader::new);
        let errors = child.stderr.take().map(BufReader::new);
        Running { child, stdin, lines, errors }
    }

    pub fn run_with(&self, arguments: &[&str], input: &[u8]) -> Finished {
        let mut running = self.start(arguments);
        // A program that refuses the input may not read all of it.
        let _ = running.stdin.take().unwrap().write_all(input);
        running.end()
    }

    pub fn run(&self, arguments: &[&str]) -> Finished {
        self.run_with(arguments, b"")
    }

    /// Returns the names in the directory without the lock file.
    pub fn leftovers(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.path()).unwrap();
        let mut names: Vec<_> = names.map(|n| n.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|n| n != ".lock");
        names
    }

    /// Waits until a subscriber has marked that it waits for a publisher here: a lock that may be shared.
    pub fn wait_for_a_waiting_subscriber(&self) {
        use std::os::unix::fs::MetadataExt;
        let begun = std::time::Instant::now();
        loop {
            let inode = std::fs::metadata(self.path().join(".lock")).map_or(0, |facts| facts.ino());
            let locks = std::fs::read_to_string("/proc/locks").unwrap();
            if locks.lines().any(|lock| lock.contains("READ") && lock.contains(&format!(":{inode} "))) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "no subscriber has marked that it waits: {locks}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn wait_for(&self, file: &str) {
        let begun = std::time::Instant::now();
        // Its temporary name goes a moment after it has its own one: a test that kills the program means neither.
        let is_temporary = |name: &String| name.starts_with(".new.");
        while !self.path().join(file).exists() || self.leftovers().iter().any(is_temporary) {
            assert!(begun.elapsed() < PATIENCE, "{file} has not appeared");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn line(&mut self) -> String {
        read_line(&mut self.lines)
    }

    pub fn error_line(&mut self) -> String {
        read_line(&mut self.errors)
    }

    pub fn write(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush()).unwrap();
    }

    pub fn close_stdout(&mut self) {
        self.lines = None;
    }

    pub fn wait_for_handlers(&self) {
        let pid = self.pid();
        let begun = std::time::Instant::now();
        loop {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
            let caught = status.lines().find_map(|l| l.strip_prefix("SigCgt:")).unwrap();
            let caught = u64::from_str_radix(caught.trim(), 16).unwrap();
            // Handled last: signal-hook loses a signal during the installation.
            if [SIGINT, SIGTERM, SIGXFSZ].iter().all(|number| caught & (1 << (number - 1)) != 0) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "no handler in process {pid}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        // In a Turkish locale `kill` does not accept CONT.
        let kill = Command::new("kill").args(["-s", name, &pid]).env("LC_ALL", "C").status().unwrap();
        assert!(kill.success());
    }

    pub fn end(mut self) -> Finished {
        drop(self.stdin.take());
        self.wait()
    }

    /// Waits for its end, with its standard input still open.
    pub fn wait(mut self) -> Finished {
        let stdin = self.stdin.take();
        let mut lines = self.lines.take();
        let mut errors = self.errors.take().unwrap();
        let mut child = self.child;
        let pid = child.id();
        let finished = within_or(
            move || {
                // Either pipe may fill.
                let reader = std::thread::spawn(move || {
                    let mut err = String::new();
                    errors.read_to_string(&mut err).unwrap();
                    err
                });
                let mut out = String::new();
                if let Some(lines) = &mut lines {
                    lines.read_to_string(&mut out).unwrap();
                }
                let code = child.wait().unwrap().code();
                Finished { code, out, err: reader.join().unwrap() }
            },
            || drop(Command::new("kill").args(["-9", &pid.to_string()]).status()),
        );
        drop(stdin);
        finished
    }
}

fn read_line<R: BufRead + Send + 'static>(from: &mut Option<R>) -> String {
    let mut lines = from.take().unwrap();
    let (line, lines) = within(move || {
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        (line, lines)
    });
    *from = Some(lines);
    line.trim_end().to_owned()
}

fn within<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    within_or(f, || {})
}

fn within_or<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static, hangs: impl FnOnce()) -> T {
    let (done, wait): (_, Receiver<T>) = channel();
    std::thread::spawn(move || {
        let _ = done.send(f());
    });
    wait.recv_timeout(PATIENCE).unwrap_or_else(|e| {
        hangs();
        panic!("a program hangs, or its test failed: {e}")
    })
}

/// With the prefix of endpoints, and the ending of files.
pub fn on_each_transport(test: impl Fn(&Place, &dyn Fn(&str) -> String, &dyn Fn(&str) -> String)) {
    for transport in ["shm", "unix"] {
        eprintln!("over {transport}");
        let place = Place::new();
        test(&place, &|name| format!("{transport}:{name}"), &|name| {
            format!("{}.{transport}", name.replace('/', "@"))
        });
        assert_eq!(place.leftovers(), [""; 0], "over {transport}");
    }
}
