//! TCP beyond this machine: nothing without keys or with the wrong ones, everything with the right ones.
//!
//! Each side is a separate process with separate keys, at an address other than loopback. If the machine has
//! none, the test makes a network.
#![cfg(feature = "tls")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use linkspan::keys::Keyring;
use linkspan::{Channel, Listener, Options, Publisher, Result, Server, Subscriber, Value, latest};

use crate::support::SOON;

const ROLE: &str = "LINKSPAN_TEST_KEYS_ROLE";
const TEST: &str = "tcp_keys::each_side_shows_a_key_that_the_other_trusts";

#[test]
fn each_side_shows_a_key_that_the_other_trusts() {
    match std::env::var(ROLE) {
        Ok(role) => play(&role),
        Err(_) => try_all(),
    }
}

fn outer_address() -> Option<String> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: the kernel only looks up the route.
    socket.connect("203.0.113.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip().to_string())
}

fn play(role: &str) {
    let (verb, endpoint) = role.split_once(' ').unwrap();
    let done = match verb {
        "serve" => serve(endpoint),
        "listen" => Listener::listen(endpoint, &Options::default()).map(drop),
        "lines" => {
            let mut lines = Options::default();
            lines.set("framing", &"lines".into()).unwrap();
            Listener::listen(endpoint, &lines).map(drop)
        }
        "call" => call(endpoint),
        "look" => latest(endpoint, &Options::default(), SOON).map(drop),
        _ => panic!("{verb}"),
    };
    match done {
        Ok(()) => print_line("done"),
        Err(e) => print_line(&format!("{} {e}", e.kind())),
    }
    std::process::exit(0);
}

fn print_line(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n>{line}").unwrap();
    out.flush().unwrap();
}

fn serve(host: &str) -> Result<()> {
    let options = Options::default();
    let server = Server::serve(&format!("tcp://{host}:0"), &options)?;
    let publisher = Publisher::new(&format!("tcp://{host}:0"), &options)?;
    publisher.send(&Value::from("published"))?;
    let listener = Listener::listen(&format!("tcp://{host}:0"), &options)?;
    print_line(&format!("{} {} {}", server.endpoint(), publisher.endpoint(), listener.endpoint()));
    std::thread::spawn(move || {
        while let Ok(channel) = listener.accept(None) {
            std::thread::spawn(move || {
                while let Ok(message) = channel.recv(None) {
                    let source = Value::from(message.source());
                    channel.send(&Value::from(vec![message.value().unwrap().clone(), source]), SOON).unwrap();
                }
            });
        }
    });
    std::thread::spawn(move || server.run(|request| Ok(request.value()?.clone())));
    std::io::stdin().lock().read_to_end(&mut Vec::new()).unwrap();
    Ok(())
}

fn call(endpoints: &str) -> Result<()> {
    let [server, publisher, listener]: [&str; 3] =
        endpoints.split(' ').collect::<Vec<_>>().try_into().unwrap();
    let options = Options::default();
    let client = Channel::connect(server, &options, SOON)?;
    for size in [0usize, 10, 16_000, 70_000, 5_000_000] {
        let value = Value::from(bytes::Bytes::from(vec![7; size]));
        assert!(client.call(&value, SOON)?.value()? == &value, "{size} bytes");
    }
    let subscriber = Subscriber::new(publisher, &options)?;
    let message = subscriber.recv(SOON)?;
    assert_eq!(message.value()?, &Value::from("published"));
    assert!(message.source().contains('@'), "{}", message.source());
    assert_eq!(latest(publisher, &options, SOON)?.value()?, &Value::from("published"));
    let mut named = Options::default();
    named.set("client_id", &"panel".into())?;
    let channel = Channel::connect(listener, &named, SOON)?;
    let own = Keyring::new()?.own()?.is_some();
    assert!(own);
    for round in 0..20i64 {
        for i in 0..10 {
            channel.send(&Value::from(vec![round * 10 + i; 500]), SOON)?;
        }
        for i in 0..10 {
            let answer = channel.recv(SOON)?;
            assert_eq!(answer.get("0/0")?, &Value::Int(round * 10 + i));
            assert!(answer.get("1")?.as_text()?.starts_with("panel@"), "{:?}", answer.get("1")?);
        }
    }
    channel.close(SOON)
}

struct Side {
    folder: tempfile::TempDir,
}

impl Side {
    fn new() -> Side {
        Side { folder: tempfile::tempdir().unwrap() }
    }

    fn keys(&self) -> Keyring {
        Keyring::at(self.folder.path().join("keys"))
    }

    fn begin(&self, role: &str) -> (Child, BufReader<ChildStdout>) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", TEST, "--nocapture"])
            .env(ROLE, role)
            .env("LINKSPAN_DIR", self.folder.path().join("run"))
            .env("LINKSPAN_KEYS", self.keys().directory())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        (child, stdout)
    }

    fn run(&self, role: &str) -> String {
        let (mut child, mut stdout) = self.begin(role);
        let line = read_line(&mut stdout);
        drop(child.stdin.take());
        child.wait().unwrap();
        line
    }
}

fn read_line(stdout: &mut impl BufRead) -> String {
    let mut line = String::new();
    while !line.starts_with('>') {
        line.clear();
        assert!(stdout.read_line(&mut line).unwrap() > 0, "it ended without a word");
    }
    line[1..].trim_end().to_owned()
}

fn try_all() {
    let Some(host) = outer_address() else {
        let marker = "LINKSPAN_TEST_OWN_NETWORK";
        assert!(std::env::var_os(marker).is_none(), "no address of its own in a network of its own");
        let exe = std::env::current_exe().unwrap();
        let script = format!(
            "ip link set lo up && ip addr add 10.77.0.1/32 dev lo && ip route add default dev lo src 10.77.0.1 && exec {} --exact {TEST} --nocapture",
            exe.display()
        );
        let status = Command::new("unshare").args(["-rn", "sh", "-c", &script]).env(marker, "1").status();
        assert!(
            status.unwrap().success(),
            "this machine has no address beyond its loopback, and no network could be made"
        );
        return;
    };
    let (here, there) = (Side::new(), Side::new());

    // Without keys no process listens or connects, and nothing is sent.
    let refused = here.run(&format!("listen tcp://{host}:0"));
    assert!(refused.starts_with("PermissionDenied") && refused.contains("linkspan keys new"), "{refused}");
    let refused = here.run("listen tcp://0.0.0.0:0");
    assert!(refused.starts_with("PermissionDenied"), "{refused}");
    let silent = std::net::TcpListener::bind(format!("{host}:0")).unwrap();
    let refused = here.run(&format!("look tcp://{}", silent.local_addr().unwrap()));
    assert!(refused.starts_with("PermissionDenied") && refused.contains("linkspan keys new"), "{refused}");
    silent.set_nonblocking(true).unwrap();
    assert_eq!(silent.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "no connection was made");

    let (here_key, there_key) = (here.keys().make().unwrap(), there.keys().make().unwrap());
    let refused = here.run(&format!("lines tcp://{host}:0"));
    assert!(refused.starts_with("Unsupported"), "{refused}");
    let (mut server, mut stdout) = here.begin(&format!("serve {host}"));
    let endpoints = read_line(&mut stdout);
    let call = format!("call {endpoints}");

    // Neither trusts the other; then one does; then both do.
    let refused = there.run(&call);
    assert!(refused.starts_with("PermissionDenied"), "{refused}");
    assert!(refused.contains(&format!("linkspan keys trust NAME {here_key}")), "{refused}");
    there.keys().trust("server", &here_key).unwrap();
    let refused = there.run(&call);
    assert!(refused.starts_with("PermissionDenied"), "{refused}");
    assert!(refused.contains(&format!("linkspan keys trust NAME {there_key}")), "{refused}");
    here.keys().trust("client", &there_key).unwrap();
    assert_eq!(there.run(&call), "done");
    // Our own key is trusted at its place.
    assert_eq!(here.run(&call), "done");

    // A client without TLS, or with half a handshake, is disconnected.
    let address = endpoints.split(' ').next().unwrap().strip_prefix("tcp://").unwrap().to_owned();
    for words in
        [&b"LKSP, but no TLS, and long enough for a listener to look at it here"[..], &[22, 3, 1, 2, 0, 1]]
    {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(words).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.windows(4).any(|four| four == b"LKSP"), "nothing in the clear: {answer:?}");
    }
    assert_eq!(there.run(&call), "done");

    // Silent clients keep no others out, and are disconnected.
    let silent: Vec<TcpStream> = (0..60)
        .map(|n| {
            let mut stream = TcpStream::connect(&address).unwrap();
            stream.set_read_timeout(Some(SOON)).unwrap();
            if n % 2 == 1 {
                stream.write_all(&[22, 3, 1, 2, 0, 1]).unwrap();
            }
            stream
        })
        .collect();
    assert_eq!(there.run(&call), "done");
    for (n, mut stream) in silent.into_iter().enumerate() {
        match stream.read_to_end(&mut Vec::new()) {
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {
                panic!("silent caller {n} is still there")
            }
            _ended => {}
        }
    }

    here.keys().revoke("client").unwrap();
    let refused = there.run(&call);
    assert!(refused.starts_with("PermissionDenied"), "what was revoked counts at once: {refused}");
    drop(server.stdin.take());
    assert!(server.wait().unwrap().success());
}
