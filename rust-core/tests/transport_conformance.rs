//! Channels, servers and their clients in detail; the suite `conformance` has the promises of all patterns.

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use linkspan::{Channel, Encoding, ErrorKind, EventKind, Listener, Options, Payload, Role, Server, Value};

mod dgram;
use crate::support;
use crate::support::{SOON, name, readable};

fn pair(endpoint: &str, options: &Options) -> (Channel, Channel) {
    let listener = Listener::listen(endpoint, options).unwrap();
    let a = Channel::connect(endpoint, options, SOON).unwrap();
    let b = listener.accept(SOON).unwrap();
    (a, b)
}

fn raw(bytes: Vec<u8>) -> Payload {
    Payload::from_bytes(Encoding::Raw, bytes.into())
}

fn waiting_receiver_gets_last_messages_and_the_next_peer(t: &str) {
    let endpoint = name(t);
    let (a, b) = pair(&endpoint, &Options::default());
    b.send(&Value::from("last words"), SOON).unwrap();
    drop(b);
    assert_eq!(a.recv(SOON).unwrap().value().unwrap(), &Value::from("last words"));
    thread::scope(|s| {
        s.spawn(|| {
            let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
            let b = listener.accept(SOON).unwrap();
            b.send(&Value::from("back"), SOON).unwrap();
            assert_eq!(b.recv(SOON).unwrap().value().unwrap(), &Value::from("welcome"));
            // The next receive acknowledges it.
            assert_eq!(b.recv(SOON).unwrap_err().kind(), ErrorKind::Disconnected);
        });
        assert_eq!(a.recv(SOON).unwrap().value().unwrap(), &Value::from("back"));
        a.send(&Value::from("welcome"), SOON).unwrap();
        a.close(SOON).unwrap();
    });
    let kinds: Vec<_> = a.events().iter().map(|e| e.kind.name()).collect();
    assert_eq!(kinds[..3], ["connected", "disconnected", "reconnected"]);
}

fn accepted_peer_that_ended_stays_disconnected(t: &str) {
    let endpoint = name(t);
    let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
    for i in 0..3 {
        let a = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        a.send(&Value::Int(i), SOON).unwrap();
        drop(a);
        let b = listener.accept(SOON).unwrap();
        assert_eq!(b.recv(SOON).unwrap().value().unwrap(), &Value::Int(i));
        assert_eq!(b.recv(SOON).unwrap_err().kind(), ErrorKind::Disconnected);
        assert_eq!(b.send(&Value::Null, SOON).unwrap_err().kind(), ErrorKind::Disconnected);
    }
}

fn open_takes_both_roles(t: &str) {
    let endpoint = name(t);
    let roles = Mutex::new(Vec::new());
    thread::scope(|s| {
        for _ in 0..2 {
            s.spawn(|| {
                let channel = Channel::open(&endpoint, &Options::default(), SOON).unwrap();
                roles.lock().unwrap().push(channel.role());
                channel.send(&Value::from(channel.role().name()), SOON).unwrap();
                let other = if channel.role() == Role::Listener { "connector" } else { "listener" };
                assert_eq!(channel.recv(SOON).unwrap().value().unwrap(), &Value::from(other));
                channel.close(SOON).ok();
            });
        }
    });
    let mut roles = roles.into_inner().unwrap();
    roles.sort_by_key(|r| r.name());
    assert_eq!(roles, [Role::Connector, Role::Listener]);
}

fn open_takes_one_peer(t: &str) {
    let endpoint = name(t);
    let a = Channel::open(&endpoint, &Options::default(), SOON).unwrap();
    let b = Channel::open(&endpoint, &Options::default(), SOON).unwrap();
    assert_eq!((a.role(), b.role()), (Role::Listener, Role::Connector));
    let error = Channel::open(&endpoint, &Options::default(), SOON).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::AddressInUse);
    drop(b);
    let b = Channel::open(&endpoint, &Options::default(), SOON).unwrap();
    b.send(&Value::from("second"), SOON).unwrap();
    assert_eq!(a.recv(SOON).unwrap().value().unwrap(), &Value::from("second"));
}

fn close_waits_until_consumed(t: &str) {
    let (a, b) = pair(&name(t), &Options::default());
    a.send(&Value::Int(1), SOON).unwrap();
    let error = a.close(Duration::from_millis(30)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.text().contains("1 message "), "{error}");
    assert_eq!(a.send(&Value::Null, SOON).unwrap_err().kind(), ErrorKind::InvalidState);
    assert_eq!(a.recv(SOON).unwrap_err().kind(), ErrorKind::InvalidState);
    a.close(SOON).unwrap();
    assert_eq!(b.recv(SOON).unwrap().value().unwrap(), &Value::Int(1));
    assert_eq!(b.recv(SOON).unwrap_err().kind(), ErrorKind::Disconnected);
    b.close(SOON).unwrap();
}

fn closing_side_sends_its_consumed_number(t: &str) {
    let (a, b) = pair(&name(t), &Options::default());
    a.send(&Value::Int(1), SOON).unwrap();
    b.recv(SOON).unwrap();
    b.close(SOON).unwrap();
    a.close(SOON).unwrap();

    let (a, b) = pair(&name(t), &Options::default());
    for i in 0..3 {
        a.send(&Value::Int(i), SOON).unwrap();
    }
    b.recv(SOON).unwrap();
    // A message that was only polled for was not consumed.
    assert!(b.poll().unwrap());
    b.close(SOON).unwrap();
    let error = a.close(Duration::from_millis(30)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.text().contains("2 messages"), "{error}");

    let endpoint = name(t);
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    client.send(&Value::Int(1), SOON).unwrap();
    drop(server.next(SOON).unwrap().unwrap());
    server.close(SOON).unwrap();
    client.close(SOON).unwrap();
}

/// A side that polls sees the peer acknowledge, close and hang up; the acknowledgement stays.
fn close_after_polling_an_ended_peer(t: &str) {
    let endpoint = name(t);
    let options = Options::default();
    let a = Channel::open(&endpoint, &options, SOON).unwrap();
    let b = Channel::open(&endpoint, &options, SOON).unwrap();
    a.send(&Value::from("from a"), SOON).unwrap();
    b.send(&Value::from("from b"), SOON).unwrap();
    a.recv(SOON).unwrap();
    b.recv(SOON).unwrap();
    thread::scope(|s| {
        s.spawn(|| a.close(SOON).unwrap());
        let gone = |b: &Channel| b.events().iter().any(|e| e.kind == EventKind::Disconnected);
        while !gone(&b) {
            assert!(!b.poll().unwrap());
        }
    });
    b.close(SOON).unwrap();
}

fn second_thread_in_one_direction(t: &str) {
    let (waits, waiting) = support::waiting_options();
    let (b, a) = pair(&name(t), &waits);
    thread::scope(|s| {
        let receiving = s.spawn(|| a.recv(SOON).unwrap());
        waiting.recv_timeout(SOON).unwrap();
        assert_eq!(a.try_recv().unwrap_err().kind(), ErrorKind::InvalidState);
        a.send(&Value::from("the other direction is free"), SOON).unwrap();
        b.recv(SOON).unwrap();
        b.send(&Value::Null, SOON).unwrap();
        receiving.join().unwrap();
    });
}

fn many_clients_one_server(t: &str) {
    let endpoint = name(t);
    if !takes_many_peers(t) {
        return a_second_client_is_refused(&endpoint);
    }
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    const CLIENTS: i64 = 8;
    const CALLS: i64 = 50;
    thread::scope(|s| {
        s.spawn(|| {
            server.run(|request| Ok(Value::from(vec![request.value()?.clone(), request.source().into()])))
        });
        let clients: Vec<_> = (0..CLIENTS)
            .map(|c| {
                let endpoint = &endpoint;
                s.spawn(move || {
                    let mut options = Options::default();
                    options.set("client_id", &format!("client-{c}").into()).unwrap();
                    let channel = Channel::connect(endpoint, &options, SOON).unwrap();
                    for i in 0..CALLS {
                        let reply = channel.call(&Value::Int(c * 1000 + i), SOON).unwrap();
                        assert_eq!(reply.get("0").unwrap(), &Value::Int(c * 1000 + i));
                        assert_eq!(reply.get("1").unwrap(), &Value::from(format!("client-{c}")));
                    }
                })
            })
            .collect();
        for client in clients {
            client.join().unwrap();
        }
        server.close(SOON).unwrap();
    });
}

fn takes_many_peers(t: &str) -> bool {
    t != "fifo"
}

/// Such a name has one client at a time, and a second one is refused at once.
fn a_second_client_is_refused(endpoint: &str) {
    let server = Server::serve(endpoint, &Options::default()).unwrap();
    thread::scope(|s| {
        s.spawn(|| server.run(|request| Ok(request.value()?.clone())));
        for i in 0..4i64 {
            let first = Channel::connect(endpoint, &Options::default(), SOON).unwrap();
            assert_eq!(first.call(&Value::Int(i), SOON).unwrap().value().unwrap(), &Value::Int(i));
            let error = Channel::connect(endpoint, &Options::default(), SOON).err().unwrap();
            assert_eq!((error.kind(), error.endpoint()), (ErrorKind::AddressInUse, Some(endpoint)));
            assert!(error.text().contains("has its client"), "{error}");
            assert_eq!(first.call(&Value::Int(-i), SOON).unwrap().value().unwrap(), &Value::Int(-i));
        }
        server.close(SOON).unwrap();
    });
}

fn failing_handler_fails_the_call(t: &str) {
    let endpoint = name(t);
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    thread::scope(|s| {
        s.spawn(|| {
            let request = server.next(SOON).unwrap().unwrap();
            let failure = linkspan::RemoteFailure {
                code: 42,
                kind: "lab.too_hot".into(),
                text: "the oven is on".into(),
                data: linkspan::codec::encode(&Value::from(vec![1i64, 2]), Encoding::Cbor).unwrap(),
            };
            request.fail(&failure).unwrap();
            assert_eq!(request.reply(&Value::Null).unwrap_err().kind(), ErrorKind::InvalidState);
            drop(server.next(SOON).unwrap().unwrap());
        });
        let channel = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        let error = channel.call(&Value::Null, SOON).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Remote);
        let failure = error.remote_failure().unwrap();
        assert_eq!((failure.code, &*failure.kind, &*failure.text), (42, "lab.too_hot", "the oven is on"));
        assert_eq!(
            linkspan::codec::decode(&failure.data, Encoding::Cbor).unwrap(),
            Value::from(vec![1i64, 2])
        );
        let error = channel.call(&Value::Null, SOON).unwrap_err();
        assert_eq!(error.remote_failure().unwrap().kind, "linkspan.unanswered");
    });
}

fn call_fails_when_its_server_dies(t: &str) {
    let endpoint = name(t);
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    let channel = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    thread::scope(|s| {
        s.spawn(|| {
            let request = server.next(SOON).unwrap().unwrap();
            server.close(SOON).unwrap();
            drop(request);
        });
        assert_eq!(channel.call(&Value::Int(1), SOON).unwrap_err().kind(), ErrorKind::Disconnected);
    });
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    thread::scope(|s| {
        s.spawn(|| server.next(SOON).unwrap().unwrap().reply(&Value::from("the second server")).unwrap());
        assert_eq!(
            channel.call(&Value::Int(2), SOON).unwrap().value().unwrap(),
            &Value::from("the second server")
        );
    });
}

fn large_requests_and_replies(t: &str) {
    let endpoint = name(t);
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    thread::scope(|s| {
        s.spawn(|| server.run(|request| Ok(request.value()?.clone())));
        let channel = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        for size in [10usize, 300_000, 5_000_000] {
            let value = Value::from(bytes::Bytes::from(vec![5; size]));
            assert!(channel.call(&value, SOON).unwrap().value().unwrap() == &value, "{size}");
        }
        server.close(SOON).unwrap();
    });
}

fn close_loses_no_accepted_message(t: &str) {
    let endpoint = name(t);
    let large = Value::from(bytes::Bytes::from(vec![3; 3_000_000]));
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    thread::scope(|s| {
        let answering = s.spawn(|| {
            server.next(SOON).unwrap().unwrap().reply(&large).unwrap();
            // Ended without a close, with most of the answer still on this side.
            drop(server);
        });
        let channel = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        assert!(channel.call(&Value::Null, SOON).unwrap().value().unwrap() == &large);
        answering.join().unwrap();
    });
    let (a, b) = pair(&name(t), &Options::default());
    thread::scope(|s| {
        s.spawn(|| {
            a.send(&large, Duration::from_millis(1)).unwrap();
            drop(a);
        });
        assert!(b.recv(SOON).unwrap().value().unwrap() == &large);
    });
}

fn descriptor_for_event_loops(t: &str) {
    let (a, b) = pair(&name(t), &Options::default());
    let fd = b.fileno().unwrap();
    assert!(!readable(fd, 0));
    for round in 0..3 {
        for i in 0..3 {
            a.send(&Value::Int(i), SOON).unwrap();
        }
        assert!(readable(fd, 60));
        for i in 0..3 {
            assert!(readable(fd, 0), "message {i} of round {round} waits");
            assert_eq!(b.try_recv().unwrap().value().unwrap(), &Value::Int(i));
        }
        assert_eq!(b.try_recv().unwrap_err().kind(), ErrorKind::Empty);
        assert!(!readable(fd, 0));
    }
    for time in [Duration::from_micros(1), Duration::from_millis(5), Duration::from_millis(50)] {
        assert_eq!(b.recv(time).unwrap_err().kind(), ErrorKind::Timeout);
        assert!(!readable(fd, 0));
        a.send(&Value::Null, SOON).unwrap();
        assert!(readable(fd, 60), "a message came after a receive of {time:?} had timed out");
        b.try_recv().unwrap();
    }
    drop(a);
    assert!(readable(fd, 60));
    assert_eq!(b.try_recv().unwrap_err().kind(), ErrorKind::Disconnected);
}

/// A call that sends may notice the peer's end, but an event loop waits only for the descriptor.
fn descriptor_is_readable_after_send_noticed_the_end(t: &str) {
    let endpoint = name(t);
    let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
    let a = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    let b = listener.accept(SOON).unwrap();
    let fd = b.fileno().unwrap();
    drop(a);
    assert!(readable(fd, 60));
    let noticed = (0..1000).find_map(|i| b.try_send(&Value::Int(i)).err()).expect("the end is noticed");
    assert_eq!(noticed.kind(), ErrorKind::Disconnected);
    assert!(readable(fd, 0), "its end was not received yet");
    assert_eq!(b.try_recv().unwrap_err().kind(), ErrorKind::Disconnected);
    assert!(!readable(fd, 0), "its end was received");
    let a = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    let fd = a.fileno().unwrap();
    drop((b, listener.accept(SOON).unwrap(), listener));
    assert!(readable(fd, 60));
    let unsent = (0..1000).find_map(|i| a.try_send(&Value::Int(i)).err()).expect("the end is noticed");
    assert!(matches!(unsent.kind(), ErrorKind::Full | ErrorKind::Disconnected), "{unsent}");
    assert!(readable(fd, 0), "it has not tried to connect again");
    assert_eq!(a.try_recv().unwrap_err().kind(), ErrorKind::Empty);
    if t != "tcp" {
        // The removal of the name may be noticed late, once for each of its files.
        let is_quiet = (0..100).any(|_| {
            let is_quiet = !readable(fd, 0);
            assert_eq!(a.try_recv().unwrap_err().kind(), ErrorKind::Empty);
            is_quiet
        });
        assert!(is_quiet, "no process listens, and the descriptor stays readable");
    }
    let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
    assert!(readable(fd, 60), "the peer listens");
    assert_eq!(a.try_recv().unwrap_err().kind(), ErrorKind::Empty);
    // Its calls take the steps of the connection.
    thread::scope(|s| {
        s.spawn(|| listener.accept(SOON).unwrap().send(&Value::Int(7), SOON).unwrap());
        assert_eq!(a.recv(SOON).unwrap().value().unwrap(), &Value::Int(7));
    });
}

fn close_wakes_waiting_threads(t: &str) {
    let (waits, waiting) = support::waiting_options();
    let (a, _b) = pair(&name(t), &waits);
    let alone = Channel::open(&name(t), &waits, SOON).unwrap();
    let (deserted, b) = pair(&name(t), &waits);
    drop(b);
    for one in [a, alone, deserted] {
        while waiting.try_recv().is_ok() {}
        thread::scope(|s| {
            let receiving = s.spawn(|| one.recv(None).unwrap_err());
            waiting.recv_timeout(SOON).unwrap();
            one.close(SOON).unwrap();
            assert_eq!(receiving.join().unwrap().kind(), ErrorKind::InvalidState);
        });
    }
}

/// A close wakes a flushing thread at once. The closing thread learns of the peer's end.
fn close_ends_a_flush_of_another_thread(t: &str) {
    let (waits, waiting) = support::waiting_options();
    let (a, _b) = pair(&name(t), &waits);
    a.send(&Value::Int(1), SOON).unwrap();
    while waiting.try_recv().is_ok() {}
    thread::scope(|s| {
        let flushing = s.spawn(|| a.flush(SOON).unwrap_err());
        waiting.recv_timeout(SOON).unwrap();
        let closed = a.close(Duration::from_millis(30)).unwrap_err();
        assert_eq!((closed.kind(), closed.missed()), (ErrorKind::Timeout, Some(1)), "{closed}");
        let error = flushing.join().unwrap();
        let (kind, text) = (error.kind(), error.text());
        assert_eq!((kind, text), (ErrorKind::InvalidState, "the channel is closed"), "{error}");
    });
}

fn close_gives_up_the_name(t: &str) {
    let endpoint = name(t);
    let (waits, waiting) = support::waiting_options();
    let listener = Listener::listen(&endpoint, &waits).unwrap();
    thread::scope(|s| {
        let accepting = s.spawn(|| listener.accept(None).err().unwrap());
        waiting.recv_timeout(SOON).unwrap();
        listener.close();
        assert_eq!(accepting.join().unwrap().kind(), ErrorKind::InvalidState);
    });
    let open = Channel::open(&endpoint, &Options::default(), SOON).unwrap();
    assert_eq!(open.role(), Role::Listener);
    open.close(SOON).unwrap();
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    server.close(SOON).unwrap();
    let again = Listener::listen(&endpoint, &Options::default()).unwrap();
    // The closed objects still live.
    assert_eq!(listener.accept(SOON).err().unwrap().kind(), ErrorKind::InvalidState);
    drop((listener, open, server));
    Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    again.accept(SOON).unwrap();
}

fn server_is_called(t: &str) {
    let endpoint = name(t);
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    let channel = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    let error = channel.recv(SOON).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState);
    assert!(error.text().starts_with("is a server, call it"), "{error}");
    channel.send(&Value::from("no answer wanted"), SOON).unwrap();
    let request = server.next(SOON).unwrap().unwrap();
    assert!(!request.wants_reply());
    assert_eq!(request.value().unwrap(), &Value::from("no answer wanted"));
    assert_eq!(request.reply(&Value::Null).unwrap_err().kind(), ErrorKind::InvalidState);
}

fn on_wait_ends_a_wait(t: &str) {
    // Not while the pair is made, which may take long on a busy machine.
    let paired = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let ends = paired.clone();
    let mut options = Options::default();
    options.on_wait = Some(std::sync::Arc::new(move || !ends.load(std::sync::atomic::Ordering::Relaxed)));
    let (_a, b) = pair(&name(t), &options);
    paired.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(b.recv(SOON).unwrap_err().kind(), ErrorKind::Cancelled);
}

macro_rules! suite {
    ($($case:ident)*) => {
        mod shm { $(#[test] fn $case() { super::$case("shm") })* }
        mod unix { $(#[test] fn $case() { super::$case("unix") })* }
        mod tcp { $(#[test] fn $case() { super::$case("tcp") })* }
        mod fifo { $(#[test] fn $case() { super::$case("fifo") })* }
    };
}

suite! {
    close_loses_no_accepted_message
    waiting_receiver_gets_last_messages_and_the_next_peer accepted_peer_that_ended_stays_disconnected
    open_takes_both_roles open_takes_one_peer close_waits_until_consumed closing_side_sends_its_consumed_number
    close_after_polling_an_ended_peer second_thread_in_one_direction
    many_clients_one_server failing_handler_fails_the_call call_fails_when_its_server_dies large_requests_and_replies
    descriptor_for_event_loops descriptor_is_readable_after_send_noticed_the_end on_wait_ends_a_wait
    close_wakes_waiting_threads close_ends_a_flush_of_another_thread server_is_called close_gives_up_the_name
}

macro_rules! suite_of {
    ($transport:ident: $($case:ident)*) => {
        mod $transport { $(#[test] fn $case() { super::$case(stringify!($transport)) })* }
    };
}

// A store keeps its messages whichever process ends. The suite `spool` replaces the omitted cases.
suite_of! {
    spool: close_loses_no_accepted_message
    open_takes_both_roles second_thread_in_one_direction
    many_clients_one_server failing_handler_fails_the_call large_requests_and_replies on_wait_ends_a_wait close_wakes_waiting_threads
}
