//! TCP on this machine: addresses, deadlines, peers that disconnect, and refused peers.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use linkspan::frame::{HEADER, Header, Kind};
use linkspan::{
    Channel, Encoding, ErrorKind, Listener, Options, Publisher, Role, Server, Subscriber, Value, registry,
};

use crate::support::alone::alone;
use crate::support::{SOON, name, proven, waiting_options};

fn options() -> Options {
    Options::default()
}

fn address(endpoint: &str) -> SocketAddr {
    endpoint.strip_prefix("tcp://").unwrap().parse().unwrap()
}

fn any_port() -> String {
    let endpoint = name("tcp");
    format!("{}:0", endpoint.rsplit_once(':').unwrap().0)
}

#[test]
fn port_that_was_left_open_is_shown() {
    let listener = Listener::listen(&any_port(), &options()).unwrap();
    let shown = listener.endpoint();
    assert_ne!(address(&shown).port(), 0);
    let a = Channel::connect(&shown, &options(), SOON).unwrap();
    a.send(&Value::Int(1), SOON).unwrap();
    let b = listener.accept(SOON).unwrap();
    assert_eq!(b.endpoint(), shown);
    assert_eq!(b.recv(SOON).unwrap().value().unwrap(), &Value::Int(1));

    let server = Server::serve(&any_port(), &options()).unwrap();
    let publisher = Publisher::new(&any_port(), &options()).unwrap();
    let open = Channel::open(&any_port(), &options(), SOON).unwrap();
    assert_eq!(open.role(), Role::Listener);
    let all = [&shown, server.endpoint(), publisher.endpoint(), open.endpoint()].map(address);
    assert!(all.iter().all(|one| one.port() != 0), "{all:?}");
    let other = Channel::open(open.endpoint(), &options(), SOON).unwrap();
    assert_eq!(other.role(), Role::Connector);

    let error = Channel::connect(&any_port(), &options(), SOON).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidEndpoint, "{error}");
}

#[test]
fn names_and_numbers_of_this_machine() {
    name("tcp");
    for host in ["localhost", "[::1]", "127.0.0.1"] {
        let listener = Listener::listen(&format!("tcp://{host}:0"), &options()).unwrap();
        let shown = listener.endpoint();
        assert!(shown.starts_with(&format!("tcp://{host}:")), "{shown}");
        let a = Channel::connect(&shown, &options(), SOON).unwrap();
        let b = listener.accept(SOON).unwrap();
        b.send(&Value::from(host), SOON).unwrap();
        assert_eq!(a.recv(SOON).unwrap().value().unwrap(), &Value::from(host));
    }
    let error = Channel::connect("tcp://nobody.invalid:1", &options(), Duration::ZERO).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

/// A listener whose queue is full, so the kernel completes no further connection and reports nothing.
fn black_hole() -> (TcpListener, Vec<TcpStream>, String) {
    let socket =
        rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &address(&any_port())).unwrap();
    rustix::net::listen(&socket, 0).unwrap();
    let listener = TcpListener::from(socket);
    let at = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(one) = TcpStream::connect_timeout(&at, Duration::from_millis(200)) {
        waiting.push(one);
        assert!(waiting.len() < 10, "a queue that never fills");
    }
    (listener, waiting, format!("tcp://{at}"))
}

#[test]
fn silent_peer_is_waited_for_until_the_deadline() {
    let (_listener, _waiting, endpoint) = black_hole();
    for wait in [Duration::ZERO, Duration::from_millis(300)] {
        let error = Channel::connect(&endpoint, &options(), wait).err().unwrap();
        assert_eq!((error.kind(), error.endpoint()), (ErrorKind::NotFound, Some(&*endpoint)), "{error}");
    }
    let (waits, waiting) = waiting_options();
    let channel = Channel::dial(&endpoint, &waits).unwrap();
    thread::scope(|s| {
        let receiving = s.spawn(|| channel.recv(None).unwrap_err());
        waiting.recv_timeout(SOON).unwrap();
        channel.close(SOON).unwrap();
        assert_eq!(receiving.join().unwrap().kind(), ErrorKind::InvalidState, "closing wakes it");
    });
}

/// Answers a connection with these bytes instead of a hello; returns all received bytes.
fn impostor(answer: impl FnOnce(&mut TcpStream) + Send + 'static) -> (String, mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind(address(&any_port())).unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    let (sender, received) = mpsc::channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let mut bytes = vec![0; HEADER + 32];
        stream.read_exact(&mut bytes).unwrap();
        answer(&mut stream);
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        bytes.extend(rest);
        sender.send(bytes).unwrap();
    });
    (endpoint, received)
}

#[test]
fn peer_without_the_token_gets_no_answer() {
    let frame = |body: &[u8]| {
        let header = Header { body: body.len() as u64, ..Header::new(Kind::Hello, Encoding::Raw) };
        [&header.to_bytes()[..], body].concat()
    };
    let guess = frame(&[7; 64]);
    let (endpoint, received) = impostor(move |stream| stream.write_all(&guess).unwrap());
    let error = Channel::connect(&endpoint, &options(), SOON).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.text().contains(".token") && error.text().contains("linkspan setup --group"), "{error}");
    let bytes = received.recv_timeout(SOON).unwrap();
    assert_eq!(bytes.len(), HEADER + 32, "a random number, and no word more");

    // A process that forwards the exchange to the right listener gets an answer that is valid only there.
    let server = Server::serve(&any_port(), &options()).unwrap();
    let right = address(server.endpoint());
    let (endpoint, received) = impostor(move |stream| {
        let mut passed = TcpStream::connect(right).unwrap();
        passed.write_all(&frame(&[9; 32])).unwrap();
        let mut answer = [0; HEADER + 64];
        passed.read_exact(&mut answer).unwrap();
        stream.write_all(&answer).unwrap();
    });
    let error = Channel::connect(&endpoint, &options(), SOON).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert_eq!(received.recv_timeout(SOON).unwrap().len(), HEADER + 32);

    let (endpoint, _received) = impostor(|stream| stream.write_all(&[b'X'; 200]).unwrap());
    let error = Channel::connect(&endpoint, &options(), SOON).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
}

fn reset(stream: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
}

#[test]
fn peers_that_break_off() {
    let server = Server::serve(&any_port(), &options()).unwrap();
    let endpoint = server.endpoint().to_owned();
    thread::scope(|s| {
        s.spawn(|| server.run(|request| Ok(request.value()?.clone())));
        let good = Channel::connect(&endpoint, &options(), SOON).unwrap();
        let check =
            |i: i64| assert_eq!(good.call(&Value::Int(i), SOON).unwrap().value().unwrap(), &Value::Int(i));
        check(0);
        // Before any byte, before the proof, after it, in the middle of a frame.
        reset(TcpStream::connect(address(&endpoint)).unwrap());
        let mut early = TcpStream::connect(address(&endpoint)).unwrap();
        early.write_all(&[b'L'; 10]).unwrap();
        reset(early);
        reset(proven(address(&endpoint)));
        let half = proven(address(&endpoint));
        half.shutdown(Shutdown::Write).unwrap();
        check(1);
        // A half-open connection only waits for its hello.
        drop(half);
        check(2);
        let kinds: Vec<_> = good.events().iter().map(|e| e.kind.name()).collect();
        assert_eq!(kinds, ["connected"]);
        server.close(SOON).unwrap();
    });
}

#[test]
fn reset_is_disconnected() {
    for broken in ["reset", "half"] {
        let listener = TcpListener::bind(address(&any_port())).unwrap();
        let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
        // Without hellos, so the other side is not identified.
        let mut plain = options();
        plain.set("framing", &"lines".into()).unwrap();
        let a = Channel::connect(&endpoint, &plain, SOON).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(b"{\"n\":1}\n{\"n\":2}\n").unwrap();
        assert_eq!(a.recv(SOON).unwrap().get("n").unwrap(), &Value::Int(1));
        drop(listener);
        match broken {
            "reset" => reset(peer),
            _ => peer.shutdown(Shutdown::Both).unwrap(),
        }
        assert_eq!(a.recv(SOON).unwrap().get("n").unwrap(), &Value::Int(2));
        let error = a.recv(Duration::from_millis(300)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Disconnected, "{broken}: {error}");
    }
}

#[test]
fn subscriber_that_disconnects_is_removed() {
    let publisher = Publisher::new(&any_port(), &options()).unwrap();
    let good = Subscriber::new(publisher.endpoint(), &options()).unwrap();
    publisher.send(&Value::Int(0)).unwrap();
    assert_eq!(good.recv(SOON).unwrap().value().unwrap(), &Value::Int(0));
    let other = Subscriber::new(publisher.endpoint(), &options()).unwrap();
    other.recv(SOON).unwrap();
    assert_eq!(publisher.subscribers(), 2);
    drop(other);
    while publisher.subscribers() > 1 {
        thread::yield_now();
    }
    publisher.send(&Value::Int(1)).unwrap();
    assert_eq!(good.recv(SOON).unwrap().value().unwrap(), &Value::Int(1));
}

#[test]
fn listings_show_listeners_and_not_dead_ones() {
    alone!(listings_show_listeners_and_not_dead_ones);
    let mut named = options();
    named.set("client_id", &"echo".into()).unwrap();
    let server = Server::serve(&any_port(), &named).unwrap();
    let endpoint = server.endpoint().to_owned();
    let directory = std::path::PathBuf::from(std::env::var_os("LINKSPAN_DIR").unwrap());
    let record = directory.join(format!(".owner.{}.tcp", address(&endpoint)));
    assert!(record.exists(), "{}", record.display());
    thread::scope(|s| {
        s.spawn(|| server.run(|request| Ok(request.value()?.clone())));
        let client = Channel::connect(&endpoint, &options(), SOON).unwrap();
        client.call(&Value::Int(1), SOON).unwrap();
        let begun = Instant::now();
        // The server counts an answer after sending it, so the caller may have it earlier.
        let one = loop {
            let listed = registry::list().unwrap().into_iter().find(|one| one.endpoint == endpoint);
            let counts = listed.as_ref().is_some_and(|one| one.messages == Some(2));
            if counts || begun.elapsed() > SOON {
                break listed;
            }
        };
        // Before any assertion: the scope waits for the server's thread.
        server.close(SOON).unwrap();
        let one = one.unwrap();
        assert!(one.problem.is_none(), "{one:?}");
        assert_eq!((one.pattern, one.pid), (Some("request"), Some(std::process::id())));
        assert_eq!((one.program.as_deref(), one.peers, one.messages), (Some("echo"), Some(1), Some(2)));
        assert!(one.user.is_some(), "{one:?}");
    });
    drop(server);
    assert!(!record.exists());
    assert!(registry::list().unwrap().iter().all(|one| one.endpoint != endpoint));

    // The file of a killed process.
    std::fs::write(&record, "{}").unwrap();
    assert_eq!(registry::clean().unwrap().removed, [endpoint]);
    assert!(!record.exists());
}
