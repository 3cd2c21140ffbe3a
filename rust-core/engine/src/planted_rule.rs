//! A rule planted at one place holds for all messages of all links, publishers and stores.
//!
//! The place is `channel/session_state/admission`.

use std::thread;
use std::time::Duration;

use crate::codec::Encoding;
use crate::error::{ErrorKind, Result};
use crate::planted::{Planted, plant};
use crate::value::Timestamp;
use crate::value::{Limits, Value};
use crate::{Channel, Listener, Options, Payload, Publisher, Server, Subscriber};

const SOON: Duration = Duration::from_secs(60);

const REFUSED: usize = 777;

fn payload(bytes: usize) -> Payload {
    Payload::from_bytes(Encoding::Raw, vec![7; bytes].into())
}

fn planted<R>(length: usize, run: impl FnOnce() -> R) -> R {
    plant(Planted::RefusedLength(length), run).unwrap()
}

/// Asserts that the planted rule refuses this message, and that it passes without the rule.
fn is_refused<T>(what: &str, send: impl Fn() -> Result<T>) -> T {
    let refused = planted(REFUSED, &send).err().map(|error| error.kind());
    assert_eq!(refused, Some(ErrorKind::TooLarge), "{what}");
    send().unwrap_or_else(|error| panic!("{what}: {error}"))
}

fn both(transport: &str, what: &str) -> (Listener, Channel, Channel) {
    let endpoint = format!("{transport}:planted-{what}-{}", std::process::id());
    let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
    let near = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    let far = listener.accept(SOON).unwrap();
    (listener, near, far)
}

/// Sends data singly and in batches, at the first attempt and later. The accepted lengths are [`LENGTHS`].
fn data_is_refused(what: &str, channel: &Channel) {
    is_refused(what, || channel.send_payload(&payload(REFUSED), SOON));
    let batch = [payload(10), payload(20), payload(REFUSED), payload(30)];
    let error = planted(REFUSED, || channel.send_payloads(&batch, SOON)).unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::TooLarge, Some(2)), "{what}: a batch");
    channel.send_payloads(&batch, SOON).unwrap();
    is_refused(what, || channel.send_payload(&payload(REFUSED), SOON));
    is_refused(what, || channel.send_bytes(Encoding::Raw, &[7; REFUSED], SOON));
}

const LENGTHS: [usize; 9] = [REFUSED, 10, 20, 10, 20, REFUSED, 30, REFUSED, REFUSED];

#[test]
fn rule_holds_for_data_and_batches_over_rings_streams_and_mailslots() {
    for transport in ["shm", "unix", "fifo", "dgram"] {
        let (_listener, near, far) = match transport {
            "fifo" | "dgram" => {
                let endpoint = format!("{transport}:planted-data-{}", std::process::id());
                let far = Channel::open(&endpoint, &Options::default(), SOON).unwrap();
                let near = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
                (None, near, far)
            }
            _ => {
                let (listener, near, far) = both(transport, "data");
                (Some(listener), near, far)
            }
        };
        data_is_refused(transport, &near);
        let lengths = LENGTHS.map(|_| far.recv(SOON).unwrap().body().len());
        assert_eq!(lengths, LENGTHS, "{transport}");
    }
}

#[test]
fn rule_holds_for_data_requests_and_replies_in_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = format!("spool:{}/spool", folder.path().display());
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    data_is_refused("spool", &client);
    let next = || server.next(SOON).unwrap().unwrap();
    assert_eq!(LENGTHS.map(|_| next().body().len()), LENGTHS);
    let pending = is_refused("a request", || client.start_call(&payload(REFUSED), SOON));
    let request = next();
    is_refused("a reply", || request.reply_payload(&payload(REFUSED)));
    assert_eq!(client.finish_call(&pending, SOON).unwrap().body().len(), REFUSED);
}

#[test]
fn rule_holds_for_requests_and_replies_of_channels() {
    for transport in ["shm", "unix"] {
        let (_listener, near, far) = both(transport, "calls");
        for round in 0..3 {
            let what = format!("{transport}, round {round}");
            let pending = is_refused(&what, || near.start_call(&payload(REFUSED), SOON));
            let request = far.recv(SOON).unwrap();
            is_refused(&what, || far.reply_payload(&request, &payload(REFUSED), SOON));
            assert_eq!(near.finish_call(&pending, SOON).unwrap().body().len(), REFUSED, "{what}");
        }
    }
}

#[test]
fn rule_holds_for_replies_of_servers() {
    for transport in ["shm", "unix"] {
        let endpoint = format!("{transport}:planted-server-{}", std::process::id());
        let server = Server::serve(&endpoint, &Options::default()).unwrap();
        let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        for round in 0..3 {
            let what = format!("{transport}, round {round}");
            let pending = client.start_call(&payload(8), SOON).unwrap();
            let request = server.next(SOON).unwrap().unwrap();
            is_refused(&what, || request.reply_payload(&payload(REFUSED)));
            assert_eq!(client.finish_call(&pending, SOON).unwrap().body().len(), REFUSED, "{what}");
        }
    }
}

#[test]
fn rule_holds_for_loaned_arrays() {
    for transport in ["shm", "unix"] {
        let (_listener, near, far) = both(transport, "loans");
        for round in 0..3 {
            let value = || Value::map([("array", Value::from(near.loan::<u64>(&[12_500]).unwrap()))]);
            let length = Payload::new(&value(), Encoding::Cbor, &Limits::default()).unwrap().len();
            let refused = planted(length, || near.send(&value(), SOON)).err().map(|error| error.kind());
            assert_eq!(refused, Some(ErrorKind::TooLarge), "{transport}, round {round}");
            thread::scope(|scope| {
                let received = scope.spawn(|| far.recv(SOON).unwrap().body().len());
                near.send(&value(), SOON).unwrap();
                assert_eq!(received.join().unwrap(), length, "{transport}, round {round}");
            });
        }
    }
}

fn published_is_refused(what: &str, publisher: &Publisher) {
    is_refused(what, || publisher.send_payload(&payload(REFUSED)));
    let batch = [payload(10), payload(20), payload(REFUSED), payload(30)];
    let error = planted(REFUSED, || publisher.send_payloads(&batch)).unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::TooLarge, Some(2)), "{what}: a batch");
    publisher.send_payloads(&batch).unwrap();
    is_refused(what, || publisher.send_payload(&payload(REFUSED)));
    is_refused(what, || publisher.send_encoded([Ok(payload(REFUSED))]));
    is_refused(what, || publisher.send_bytes(Encoding::Raw, &[7; REFUSED]));
}

#[test]
fn rule_holds_for_published_messages_and_batches() {
    for transport in ["shm", "unix"] {
        let endpoint = format!("{transport}:planted-published-{}", std::process::id());
        let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
        let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
        publisher.wait_for_subscribers(1, SOON).unwrap();
        published_is_refused(transport, &publisher);
        for (number, length) in (1..).zip(LENGTHS.into_iter().chain([REFUSED])) {
            let message = subscriber.recv(SOON).unwrap();
            assert_eq!((message.sequence(), message.body().len()), (number, length), "{transport}");
        }
    }
}

#[test]
fn rule_holds_for_what_is_published_to_stores() {
    for transport in ["file", "journal"] {
        let folder = tempfile::tempdir().unwrap();
        let endpoint = format!("{transport}:{}/store", folder.path().display());
        published_is_refused(transport, &Publisher::new(&endpoint, &Options::default()).unwrap());
    }
}

#[test]
fn rule_holds_for_published_loans() {
    for transport in ["shm", "unix"] {
        let endpoint = format!("{transport}:planted-published-loans-{}", std::process::id());
        let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
        for round in 0..3 {
            let value = || Value::map([("array", Value::from(publisher.loan::<u64>(&[12_500]).unwrap()))]);
            let length = Payload::new(&value(), Encoding::Cbor, &Limits::default()).unwrap().len();
            let refused = planted(length, || publisher.send(&value())).err().map(|error| error.kind());
            assert_eq!(refused, Some(ErrorKind::TooLarge), "{transport}, round {round}");
            publisher.send(&value()).unwrap();
        }
    }
}

#[test]
fn rule_holds_for_relayed_messages_whose_numbers_may_run_out() {
    for transport in ["shm", "unix"] {
        let endpoint = format!("{transport}:planted-relayed-{}", std::process::id());
        let publisher = Publisher::relay(&endpoint, &Options::default(), 7, 5).unwrap();
        let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
        publisher.wait_for_subscribers(1, SOON).unwrap();
        let relay = |number, bytes| publisher.relay_payload(number, Timestamp(1), &payload(bytes));
        let refused = planted(REFUSED, || relay(9, REFUSED)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::TooLarge, "{transport}");
        // A refused message leaves no gap in the numbers.
        assert!(relay(5, 10).unwrap() && !relay(5, 10).unwrap() && relay(u64::MAX, 20).unwrap());
        assert_eq!(subscriber.recv(SOON).unwrap().sequence(), 5, "{transport}");
        let alone = publisher.send_payload(&payload(30)).unwrap_err();
        let in_batch = publisher.send_payloads(&[payload(30), payload(40)]).unwrap_err();
        for error in [alone, in_batch] {
            assert_eq!(error.kind(), ErrorKind::InvalidState, "{transport}: {error}");
        }
        assert!(!relay(u64::MAX, 30).unwrap(), "{transport}");
    }
}
