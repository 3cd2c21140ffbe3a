//! Other users of the machine at a name, with and without permission.

use super::*;

#[test]
fn refused_user_gets_the_error_before_it_sends_anything() {
    for transport in ["shm", "unix"] {
        let shared = Shared::new(transport, &[]);
        shared.beside_good_clients(|| {
            let stream = support::as_user(NOBODY, NOBODY, || shared.connect());
            let mut stream: Box<dyn Connection> = Box::new(stream);
            assert_eq!(refusal(&answer(&mut stream)), ErrorKind::PermissionDenied);
            let refused = support::as_user(NOBODY, NOBODY, || {
                Channel::connect(&shared.endpoint, &Options::default(), SOON).err().unwrap()
            });
            assert_eq!(refused.kind(), ErrorKind::PermissionDenied, "{refused}");
            assert!(refused.text().contains("not on the listener's list"), "{refused}");
        });
    }
}

fn called(client_id: &str) -> Options {
    let mut options = Options::default();
    options.set("client_id", &client_id.into()).unwrap();
    options
}

#[test]
fn client_id_of_another_user_gets_nothing_of_its_owner() {
    for transport in ["shm", "unix"] {
        let shared = Shared::new(transport, &[i64::from(NOBODY)]);
        let listener = Listener::listen(&shared.endpoint, &shared.options).unwrap();
        let panel = called("panel");
        let own = Channel::connect(&shared.endpoint, &panel, SOON).unwrap();
        let to_own = listener.accept(SOON).unwrap();
        to_own.send(&Value::from("for panel alone"), SOON).unwrap();
        drop(own);
        assert_eq!(to_own.recv(SOON).unwrap_err().kind(), ErrorKind::Disconnected);
        drop(to_own);
        support::as_user(NOBODY, NOBODY, || {
            let other = Channel::connect(&shared.endpoint, &panel, SOON).unwrap();
            let to_other = listener.accept(SOON).unwrap();
            to_other.send(&Value::from("for the other"), SOON).unwrap();
            assert_eq!(other.recv(SOON).unwrap().value().unwrap(), &Value::from("for the other"));
            other.send(&Value::Int(1), SOON).unwrap();
            // The listener runs in this process, whose user differs from the querying thread's.
            let source = to_other.recv(SOON).unwrap().source().to_owned();
            assert!(source.starts_with("panel"), "{source}");
        });
        let again = Channel::connect(&shared.endpoint, &panel, SOON).unwrap();
        let to_again = listener.accept(SOON).unwrap();
        to_again.send(&Value::from("next"), SOON).unwrap();
        for expected in ["for panel alone", "next"] {
            assert_eq!(again.recv(SOON).unwrap().value().unwrap(), &Value::from(expected), "{transport}");
        }
    }
}

#[test]
fn source_of_another_user_has_the_user() {
    let shared = Shared::new("unix", &[i64::from(NOBODY)]);
    let listener = Listener::listen(&shared.endpoint, &shared.options).unwrap();
    for (uid, source) in [(0, "panel"), (NOBODY, "panel@nobody")] {
        let sent = || {
            let channel = Channel::connect(&shared.endpoint, &called("panel"), SOON).unwrap();
            channel.send(&Value::Int(1), SOON).unwrap();
            channel
        };
        let channel = if uid == 0 { sent() } else { support::as_user(uid, uid, sent) };
        let accepted = listener.accept(SOON).unwrap();
        assert_eq!(accepted.recv(SOON).unwrap().source(), source);
        drop(channel);
    }
    // Neither a name nor a program's title can imitate a name with an owner.
    let spoilt = |key: &str, value: &str| {
        let mut map = hello_map();
        map.insert(key.to_owned(), value.into());
        hello(map)
    };
    let mut stream = shared.connect();
    stream.write_all(&spoilt("client_id", "panel@root")).unwrap();
    let mut stream: Box<dyn Connection> = Box::new(stream);
    assert_eq!(refusal(&answer(&mut stream)), ErrorKind::InvalidEndpoint);
    let mut stream = shared.connect();
    stream.write_all(&spoilt("title", "panel@root")).unwrap();
    let header = Header { body: 1, sequence: 1, ..Header::new(Kind::Data, Encoding::Cbor) };
    stream.write_all(&[&header.to_bytes()[..], b"\x01"].concat()).unwrap();
    let accepted = listener.accept(SOON).unwrap();
    assert_eq!(accepted.recv(SOON).unwrap().source(), "panelroot-1");
}

/// Checks that silent connections of another user take few descriptors, and that others can connect.
fn silent_connections_of_another_user(
    endpoint: &str,
    options: &Options,
    connect: impl Fn() -> OwnedFd + Sync,
) {
    const SILENT: usize = 200;
    let server = Server::serve(endpoint, options).unwrap();
    thread::scope(|s| {
        s.spawn(|| server.run(|request| Ok(request.value()?.clone())));
        let _closing = Closing(&server);
        let call = || {
            let good = Channel::connect(endpoint, &Options::default(), SOON).unwrap();
            good.call(&Value::Int(1), SOON).unwrap();
        };
        call();
        let silent: Vec<OwnedFd> =
            support::as_user(NOBODY, NOBODY, || (0..SILENT).map(|_| connect()).collect());
        call();
        let held = silent.iter().filter(|fd| !is_hung_up(fd)).count();
        assert!(held <= 24, "{held} descriptors for connections that say nothing");
    });
}

#[test]
fn silent_connections_of_another_user_are_bounded_and_block_no_peer() {
    for transport in ["shm", "unix"] {
        let shared = Shared::new(transport, &[i64::from(NOBODY)]);
        silent_connections_of_another_user(&shared.endpoint, &shared.options, || shared.connect().into());
    }
    let endpoint = name("tcp");
    let address: std::net::SocketAddr = endpoint.strip_prefix("tcp://").unwrap().parse().unwrap();
    silent_connections_of_another_user(&endpoint, &Options::default(), || {
        TcpStream::connect(address).unwrap().into()
    });
}

#[test]
fn evicted_callers_reconnect_by_themselves() {
    // More at once than may wait, all of a user other than the listener's.
    let shared = Shared::new("unix", &[i64::from(NOBODY)]);
    let server = Server::serve(&shared.endpoint, &shared.options).unwrap();
    thread::scope(|s| {
        s.spawn(|| server.run(|request| Ok(request.value()?.clone())));
        let _closing = Closing(&server);
        let callers: Vec<_> = (0..32)
            .map(|i| {
                let endpoint = &shared.endpoint;
                s.spawn(move || {
                    support::as_user(NOBODY, NOBODY, || {
                        let channel = Channel::connect(endpoint, &Options::default(), SOON).unwrap();
                        channel.call(&Value::Int(i), SOON).unwrap().value().unwrap().clone()
                    })
                })
            })
            .collect();
        for (i, caller) in callers.into_iter().enumerate() {
            assert_eq!(caller.join().unwrap(), Value::Int(i as i64));
        }
    });
}
