//! The errors of a wait that found nothing, for each object that receives: a table of
//! `docs/reference-exchange.md`.

use std::time::Duration;

use linkspan::{Channel, Error, ErrorKind, Listener, Options, Publisher, Result, Server, Subscriber, Value};

use crate::support::{SOON, name};

const TRANSPORTS: [&str; 3] = ["shm", "unix", "tcp"];
const MOMENT: Duration = Duration::from_millis(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Other {
    Nobody,
    Silent,
    Ended,
}

const TABLE: [(Other, ErrorKind); 3] = [
    (Other::Nobody, ErrorKind::NotFound),
    (Other::Silent, ErrorKind::Timeout),
    (Other::Ended, ErrorKind::Disconnected),
];

fn kind<T>(outcome: Result<T>) -> ErrorKind {
    outcome.map(drop).map_err(|e: Error| e.kind()).expect_err("there is nothing to receive")
}

#[test]
fn wait_of_a_subscriber_ends_with_the_kind_of_the_table() {
    for (transport, (other, expected)) in TRANSPORTS.into_iter().flat_map(|t| TABLE.map(|row| (t, row))) {
        let endpoint = name(transport);
        let publisher =
            (other != Other::Nobody).then(|| Publisher::new(&endpoint, &Options::default()).unwrap());
        let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
        if let Some(publisher) = publisher {
            publisher.send(&Value::Int(1)).unwrap();
            assert_eq!(subscriber.recv(SOON).unwrap().value().unwrap(), &Value::Int(1));
            if other == Other::Ended {
                publisher.close(SOON).unwrap();
            } else {
                std::mem::forget(publisher);
            }
        }
        let shown = format!("{transport}, {other:?}");
        assert_eq!(kind(subscriber.recv(MOMENT)), expected, "recv, {shown}");
        assert_eq!(kind(subscriber.recv_into(&mut [0; 8], MOMENT)), expected, "recv_into, {shown}");
        assert_eq!(kind(subscriber.next(MOMENT)), expected, "next, {shown}");
        assert_eq!(kind(subscriber.recv_many(3, MOMENT)), expected, "recv_many, {shown}");
        assert_eq!(kind(subscriber.try_recv()), ErrorKind::Empty, "try_recv, {shown}");
        let at_once = if other == Other::Silent { ErrorKind::Timeout } else { ErrorKind::NotFound };
        assert_eq!(kind(subscriber.recv(Duration::ZERO)), at_once, "recv without waiting, {shown}");
    }
}

#[test]
fn wait_of_a_channel_ends_with_the_kind_of_the_table() {
    for (transport, (other, expected)) in TRANSPORTS.into_iter().flat_map(|t| TABLE.map(|row| (t, row))) {
        let endpoint = name(transport);
        let shown = format!("{transport}, {other:?}");
        if other == Other::Nobody {
            assert_eq!(kind(Channel::connect(&endpoint, &Options::default(), MOMENT)), expected, "{shown}");
            let dialled = Channel::dial(&endpoint, &Options::default()).unwrap();
            assert_eq!(kind(dialled.recv(MOMENT)), expected, "recv, {shown}");
            continue;
        }
        let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
        let near = Channel::connect(&listener.endpoint(), &Options::default(), SOON).unwrap();
        let far = listener.accept(SOON).unwrap();
        near.send(&Value::Int(1), SOON).unwrap();
        far.recv(SOON).unwrap();
        assert_eq!(kind(listener.accept(MOMENT)), ErrorKind::Timeout, "accept, {shown}");
        if other == Other::Ended {
            far.close(SOON).unwrap();
            drop(listener);
        }
        assert_eq!(kind(near.recv(MOMENT)), expected, "recv, {shown}");
        assert_eq!(kind(near.recv_many(3, MOMENT)), expected, "recv_many, {shown}");
        assert_eq!(kind(near.call(&Value::Null, MOMENT)), expected, "call, {shown}");
        assert_eq!(kind(near.try_recv()), ErrorKind::Empty, "try_recv, {shown}");
    }
}

#[test]
fn wait_of_a_server_ends_with_a_time_out() {
    for transport in TRANSPORTS {
        let server = Server::serve(&name(transport), &Options::default()).unwrap();
        assert_eq!(kind(server.next(MOMENT)), ErrorKind::Timeout, "{transport}");
        let client = Channel::connect(server.endpoint(), &Options::default(), SOON).unwrap();
        client.close(SOON).unwrap();
        // Its clients come and go.
        assert_eq!(kind(server.next(MOMENT)), ErrorKind::Timeout, "{transport}");
    }
}
