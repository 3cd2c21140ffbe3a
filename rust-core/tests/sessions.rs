//! The promises of a session: unconsumed messages reach the next incarnation, once and in order.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use linkspan::frame::{HEADER, Header, Kind, flags};
use linkspan::{Channel, Encoding, ErrorKind, Listener, Options, Payload, Server, Value};

use crate::support::hellos::{hello, hello_map};
use crate::support::{self, SOON, name};

const MOMENT: Duration = Duration::from_millis(30);

fn options(of: &[(&str, Value)]) -> Options {
    let mut options = Options::default();
    for (name, value) in of {
        options.set(name, value).unwrap();
    }
    options
}

fn pair(endpoint: &str, a: &Options, b: &Options) -> (Listener, Channel, Channel) {
    let listener = Listener::listen(endpoint, b).unwrap();
    let a = Channel::connect(endpoint, a, SOON).unwrap();
    let b = listener.accept(SOON).unwrap();
    (listener, a, b)
}

/// Accepts the next peer, while the connecting side polls from time to time.
fn accept_from(a: &Channel, listener: &Listener) -> Channel {
    thread::scope(|s| {
        let accepting = s.spawn(|| listener.accept(SOON).unwrap());
        while !accepting.is_finished() {
            assert!(!a.poll().unwrap());
        }
        accepting.join().unwrap()
    })
}

fn stat(channel: &Channel, key: &str) -> u64 {
    channel.stats().at(key).unwrap().as_u64().unwrap()
}

fn numbers(channel: &Channel, count: i64) -> Vec<i64> {
    (0..count).map(|_| channel.recv(SOON).unwrap().value().unwrap().as_i64().unwrap()).collect()
}

/// A channel's end leaves the session's next channel open.
fn end_of_a_channel_is_not_that_of_its_session(t: &str) {
    let endpoint = name(t);
    let (listener, a, b) = pair(&endpoint, &Options::default(), &Options::default());
    drop(b);
    let mut before = accept_from(&a, &listener);
    for n in 0..3 {
        a.send(&Value::Int(n), SOON).unwrap();
        assert_eq!(numbers(&before, 1), [n]);
        before.send(&Value::Int(n), SOON).unwrap();
        assert_eq!(numbers(&a, 1), [n]);
        drop(before);
        before = accept_from(&a, &listener);
    }
}

fn next_listener_gets_unconsumed_messages(t: &str) {
    let endpoint = name(t);
    let (listener, a, b) = pair(&endpoint, &Options::default(), &Options::default());
    for i in 0..10 {
        a.send(&Value::Int(i), SOON).unwrap();
    }
    // The fourth makes the first three consumed.
    assert_eq!(numbers(&b, 4), [0, 1, 2, 3]);
    drop((b, listener));
    let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
    let b = accept_from(&a, &listener);
    a.send(&Value::Int(10), SOON).unwrap();
    let again = numbers(&b, 8);
    // Unacknowledged messages come in order before the new one.
    assert_eq!(again, (3..=10).collect::<Vec<_>>());
    assert_eq!(b.try_recv().unwrap_err().kind(), ErrorKind::Empty);
    a.close(SOON).unwrap();
    assert!(stat(&a, "replayed") >= 7, "{:?}", a.stats());
    assert_eq!(stat(&a, "unacknowledged"), 0);
}

fn close_waits_for_the_next_listener(t: &str) {
    let endpoint = name(t);
    let (listener, a, b) = pair(&endpoint, &Options::default(), &Options::default());
    for i in 0..3 {
        a.send(&Value::Int(i), SOON).unwrap();
    }
    drop((b, listener));
    thread::scope(|s| {
        let closing = s.spawn(|| a.close(SOON));
        let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
        let b = listener.accept(SOON).unwrap();
        assert_eq!(numbers(&b, 3), [0, 1, 2]);
        b.close(SOON).unwrap();
        closing.join().unwrap().unwrap();
    });
}

fn named_client_gets_its_unconsumed_messages(t: &str) {
    let endpoint = name(t);
    let panel = options(&[("client_id", "panel".into())]);
    let (listener, a, b) = pair(&endpoint, &panel, &Options::default());
    for i in 0..5 {
        b.send(&Value::Int(i), SOON).unwrap();
    }
    assert_eq!(numbers(&a, 2), [0, 1]);
    drop(a);
    assert_eq!(b.recv(SOON).unwrap_err().kind(), ErrorKind::Disconnected);
    drop(b);
    let other = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    let to_other = listener.accept(SOON).unwrap();
    to_other.send(&Value::Int(100), SOON).unwrap();
    assert_eq!(numbers(&other, 1), [100]);
    let a = Channel::connect(&endpoint, &panel, SOON).unwrap();
    let b = listener.accept(SOON).unwrap();
    b.send(&Value::Int(5), SOON).unwrap();
    let again = numbers(&a, 5);
    assert_eq!(again, [1, 2, 3, 4, 5]);
}

fn messages_for_an_ended_nameless_client_are_dropped_and_counted(t: &str) {
    let endpoint = name(t);
    let (_listener, a, b) = pair(&endpoint, &Options::default(), &Options::default());
    for i in 0..5 {
        b.send(&Value::Int(i), SOON).unwrap();
    }
    drop(a);
    assert_eq!(b.recv(SOON).unwrap_err().kind(), ErrorKind::Disconnected);
    if t == "tcp" {
        // The same incarnation might connect again after a cut connection.
        assert_eq!(stat(&b, "unacknowledged"), 5);
    } else {
        assert_eq!((stat(&b, "dropped"), stat(&b, "unacknowledged")), (5, 0), "{:?}", b.stats());
    }
}

fn client_name_belongs_to_one_program(t: &str) {
    let endpoint = name(t);
    let panel = options(&[("client_id", "panel".into())]);
    let (listener, a, _b) = pair(&endpoint, &panel, &Options::default());
    let error = Channel::connect(&endpoint, &panel, SOON).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::AddressInUse);
    assert!(error.text().contains("panel"), "{error}");
    drop(a);
    Channel::connect(&endpoint, &panel, SOON).unwrap();
    listener.accept(SOON).unwrap();
}

fn manual_acknowledgement(t: &str) {
    let endpoint = name(t);
    let manual = options(&[("ack", "manual".into())]);
    let (listener, a, b) = pair(&endpoint, &Options::default(), &manual);
    for i in 0..6 {
        a.send(&Value::Int(i), SOON).unwrap();
    }
    assert_eq!(numbers(&b, 4), [0, 1, 2, 3]);
    b.ack().unwrap();
    assert_eq!(numbers(&b, 1), [4]);
    drop((b, listener));
    let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
    let b = accept_from(&a, &listener);
    a.send(&Value::Int(6), SOON).unwrap();
    assert_eq!(numbers(&b, 3), [4, 5, 6]);
}

fn best_effort_is_not_repeated(t: &str) {
    let endpoint = name(t);
    let (listener, a, b) =
        pair(&endpoint, &options(&[("delivery", "best_effort".into())]), &Options::default());
    for i in 0..5 {
        a.send(&Value::Int(i), SOON).unwrap();
    }
    assert_eq!(numbers(&b, 2), [0, 1]);
    drop((b, listener));
    let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
    // The first message after the loss may still have gone into the old link; the next does not.
    let second = thread::scope(|s| {
        let accepted = s.spawn(|| listener.accept(SOON).unwrap());
        let mut sent = 0;
        while !accepted.is_finished() {
            // There is no reader yet, and one more message must fit.
            if sent < 50 && a.try_send(&Value::Int(-1)).is_ok() {
                sent += 1;
            }
            assert!(!a.poll().unwrap());
        }
        accepted.join().unwrap()
    });
    a.send(&Value::Int(7), SOON).unwrap();
    let seen = std::iter::repeat_with(|| numbers(&second, 1)[0]).find(|n| *n != -1).unwrap();
    assert_eq!(seen, 7);
}

fn kept_messages_are_bounded(t: &str) {
    let endpoint = name(t);
    let (_listener, a, b) =
        pair(&endpoint, &options(&[("replay_count", Value::Int(8))]), &Options::default());
    for i in 0..8 {
        a.try_send(&Value::Int(i)).unwrap();
    }
    assert_eq!(a.try_send(&Value::Int(8)).unwrap_err().kind(), ErrorKind::Full);
    let error = a.send(&Value::Int(8), MOMENT).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.text().contains("8 messages"), "{error}");
    thread::scope(|s| {
        let sending = s.spawn(|| a.send(&Value::Int(8), SOON));
        assert_eq!(numbers(&b, 9), (0..9).collect::<Vec<_>>());
        sending.join().unwrap().unwrap();
    });
}

fn side_that_only_sends_gets_acknowledgements(t: &str) {
    let endpoint = name(t);
    let (_listener, a, b) = pair(&endpoint, &Options::default(), &Options::default());
    let count = 5000i64;
    // A sender may finish before its peer takes the first message.
    for half in [0..count / 2, count / 2..count] {
        thread::scope(|s| {
            s.spawn(|| {
                for i in half.clone() {
                    a.send(&Value::Int(i), SOON).unwrap();
                }
            });
            assert_eq!(numbers(&b, count / 2), half.clone().collect::<Vec<_>>());
        });
    }
    // Some messages were acknowledged, although the program never received.
    assert!(stat(&a, "acknowledged") > 0, "{:?}", a.stats());
    thread::scope(|s| {
        s.spawn(|| assert_eq!(b.recv(SOON).unwrap_err().kind(), ErrorKind::Disconnected));
        a.close(SOON).unwrap();
    });
    assert_eq!(stat(&a, "acknowledged"), count as u64);
}

fn idempotent_call_outlives_its_server(t: &str) {
    let endpoint = name(t);
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    let client = Channel::connect(&endpoint, &options(&[("idempotent", true.into())]), SOON).unwrap();
    thread::scope(|s| {
        let calling = s.spawn(|| client.call(&Value::from("question"), SOON));
        let request = server.next(SOON).unwrap().unwrap();
        assert_eq!(request.value().unwrap(), &Value::from("question"));
        drop(server);
        let server = Server::serve(&endpoint, &Options::default()).unwrap();
        let request = server.next(SOON).unwrap().unwrap();
        request.reply(&Value::from("answer")).unwrap();
        let answer = calling.join().unwrap().unwrap();
        assert_eq!(answer.value().unwrap(), &Value::from("answer"));
        server.close(SOON).unwrap();
    });
}

fn call_without_answer_reports_an_unknown_outcome(t: &str) {
    let endpoint = name(t);
    let moment = Duration::from_millis(50);
    let lonely = Channel::connect(&endpoint, &Options::default(), moment).err().unwrap();
    assert!(lonely.kind() == ErrorKind::NotFound && lonely.retryable(), "nothing was sent: {lonely}");
    for idempotent in [false, true] {
        let endpoint = name(t);
        let server = Server::serve(&endpoint, &Options::default()).unwrap();
        let set = options(&[("idempotent", idempotent.into())]);
        let client = Channel::connect(&endpoint, &set, SOON).unwrap();
        let error = client.call(&Value::from("pay 100 EUR"), moment).unwrap_err();
        assert_eq!((error.kind(), error.retryable()), (ErrorKind::Timeout, idempotent), "{error}");
        assert!(error.text().contains("0.05 s") && error.text().contains("unknown"), "{error}");
        // In two steps the result is equal; a poll does not withdraw the call.
        let asked = client.start_call(&client.encode(&Value::from("again")).unwrap(), SOON).unwrap();
        assert!(client.finish_call(&asked, Duration::ZERO).unwrap_err().retryable());
        let error = client.finish_call(&asked, moment).unwrap_err();
        assert_eq!((error.kind(), error.retryable()), (ErrorKind::Timeout, idempotent), "{error}");
        if !idempotent {
            let error = thread::scope(|s| {
                let calling = s.spawn(|| client.call(&Value::from("third"), SOON));
                while server.next(SOON).unwrap().unwrap().value().unwrap() != &Value::from("third") {}
                drop(server);
                calling.join().unwrap().unwrap_err()
            });
            // A dropped request is answered, but not if its server ended first.
            assert!(!error.retryable(), "{error}");
        }
    }
}

fn server_gets_unconsumed_requests_of_its_predecessor(t: &str) {
    let endpoint = name(t);
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    for i in 0..4 {
        client.send(&Value::Int(i), SOON).unwrap();
    }
    for i in 0..2 {
        assert_eq!(server.next(SOON).unwrap().unwrap().value().unwrap(), &Value::Int(i));
    }
    drop(server);
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    client.send(&Value::Int(4), SOON).unwrap();
    thread::scope(|s| {
        let receiving = s.spawn(|| {
            for i in 2..=4 {
                assert_eq!(server.next(SOON).unwrap().unwrap().value().unwrap(), &Value::Int(i));
            }
        });
        // A message on a link that had just ended is sent again with the next call.
        while !receiving.is_finished() {
            let _ = client.try_send(&Value::Int(-1));
            thread::yield_now();
        }
    });
}

fn closing_client_wakes_when_its_message_is_acknowledged_by_hand(t: &str) {
    let endpoint = name(t);
    let server = Server::serve(&endpoint, &options(&[("ack", "manual".into())])).unwrap();
    let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    client.send(&Value::Int(1), SOON).unwrap();
    let message = server.next(SOON).unwrap().unwrap();
    thread::scope(|s| {
        let closing = s.spawn(|| client.close(SOON * 2));
        // The server reads the client's leave before it handles the message.
        for _ in 0..5 {
            assert_eq!(server.next(MOMENT).unwrap_err().kind(), ErrorKind::Timeout);
        }
        assert!(!closing.is_finished());
        message.ack().unwrap();
        let deadline = Instant::now() + SOON;
        while !closing.is_finished() {
            assert!(Instant::now() < deadline, "nothing wakes the client");
            assert_eq!(server.next(MOMENT).unwrap_err().kind(), ErrorKind::Timeout);
        }
        closing.join().unwrap().unwrap();
    });
}

fn both_sides_fill_the_replay_memory(t: &str) {
    let endpoint = name(t);
    let small = options(&[("replay_count", Value::Int(50))]);
    let (_listener, a, b) = pair(&endpoint, &small, &small);
    let payload = Payload::from_bytes(Encoding::Raw, vec![7; 3000].into());
    let count = 2000u64;
    // Each side sends more than the other keeps.
    let one = |me: &Channel| {
        thread::scope(|s| {
            s.spawn(|| (0..count).for_each(|_| assert!(me.send_payload(&payload, SOON).unwrap() > 0)));
            for i in 1..=count {
                assert_eq!(me.recv(SOON).unwrap().sequence(), i);
            }
            assert_eq!(me.try_recv().unwrap_err().kind(), ErrorKind::Empty);
        });
    };
    thread::scope(|s| {
        s.spawn(|| one(&a));
        s.spawn(|| one(&b));
    });
}

fn answer_goes_to_its_caller(t: &str) {
    let endpoint = name(t);
    let open = Channel::open(&endpoint, &Options::default(), SOON).unwrap();
    thread::scope(|s| {
        let first = Channel::open(&endpoint, &Options::default(), SOON).unwrap();
        // Long enough for a busy machine to deliver the request.
        let time_out = Duration::from_secs(2);
        let calling = s.spawn(move || first.call(&Value::from("first"), time_out).unwrap_err().kind());
        let request = open.recv(SOON).unwrap();
        assert_eq!(calling.join().unwrap(), ErrorKind::Timeout);
        let second = Channel::open(&endpoint, &Options::default(), SOON).unwrap();
        let calling = s.spawn(move || second.call(&Value::from("second"), SOON).unwrap());
        let other = open.recv(SOON).unwrap();
        let error = open.reply(&request, &Value::from("for the first"), SOON).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Disconnected);
        open.reply(&other, &Value::from("for the second"), SOON).unwrap();
        assert_eq!(calling.join().unwrap().value().unwrap(), &Value::from("for the second"));
    });
}

fn successor_is_admitted_before_the_end_of_its_predecessor_is_noticed(t: &str) {
    let endpoint = name(t);
    let open = Channel::open(&endpoint, &Options::default(), SOON).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    // A busy machine may notice the predecessor's end after 100 ms, when a caller is refused.
    let second = loop {
        let first = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        first.send(&Value::Int(1), SOON).unwrap();
        assert_eq!(open.recv(SOON).unwrap().value().unwrap(), &Value::Int(1));
        let second = thread::scope(|s| {
            s.spawn(move || {
                thread::sleep(Duration::from_millis(30));
                drop(first);
            });
            Channel::connect(&endpoint, &Options::default(), SOON)
        });
        match second {
            Ok(second) => break second,
            Err(e) => assert!(e.kind() == ErrorKind::AddressInUse && Instant::now() < deadline, "{e}"),
        }
    };
    second.send(&Value::Int(2), SOON).unwrap();
    assert_eq!(open.recv(SOON).unwrap().value().unwrap(), &Value::Int(2));
    let third = Channel::connect(&endpoint, &Options::default(), SOON);
    assert_eq!(third.unwrap_err().kind(), ErrorKind::AddressInUse);
}

/// An answer is kept for a client that has gone, whether the write or the next connection shows it.
#[test]
fn answer_to_an_idempotent_request_goes_over_the_next_link_of_its_client() {
    for is_late in [false, true] {
        let endpoint = name("unix");
        let server = Server::serve(&endpoint, &Options::default()).unwrap();
        let path = Path::new(&std::env::var("LINKSPAN_DIR").unwrap())
            .join(format!("{}.unix", endpoint.split_once(':').unwrap().1.replace('/', "@")));
        // An unchanged incarnation of one client.
        let connect = || {
            let mut stream = UnixStream::connect(&path).unwrap();
            stream.set_read_timeout(Some(SOON)).unwrap();
            stream.write_all(&hello(hello_map())).unwrap();
            support::read_hello(&mut stream);
            stream
        };
        let nothing_comes = || assert_eq!(server.next(MOMENT).unwrap_err().kind(), ErrorKind::Timeout);
        let mut first = connect();
        let new = Header::new(Kind::Request, Encoding::Cbor);
        let header = Header { body: 1, sequence: 1, flags: flags::IDEMPOTENT, ..new };
        first.write_all(&[&header.to_bytes()[..], b"\x01"].concat()).unwrap();
        let request = server.next(SOON).unwrap().unwrap();
        drop(first);
        let mut second = None;
        if is_late {
            second = Some(connect());
            nothing_comes();
        }
        request.reply(&Value::Int(5)).unwrap();
        let mut second = second.unwrap_or_else(connect);
        nothing_comes();
        let mut head = [0; HEADER];
        second.read_exact(&mut head).unwrap();
        let header = Header::from_bytes(&head).unwrap();
        assert_eq!((header.kind, header.correlation), (Kind::Reply, 1), "late: {is_late}");
        assert_eq!(server.stats().at("dropped").unwrap().as_u64().unwrap(), 0);
    }
}

macro_rules! suite {
    ($($case:ident)*) => {
        mod shm { $(#[test] fn $case() { super::$case("shm") })* }
        mod unix { $(#[test] fn $case() { super::$case("unix") })* }
        mod tcp { $(#[test] fn $case() { super::$case("tcp") })* }
    };
}

suite! {
    next_listener_gets_unconsumed_messages close_waits_for_the_next_listener
    named_client_gets_its_unconsumed_messages messages_for_an_ended_nameless_client_are_dropped_and_counted client_name_belongs_to_one_program
    manual_acknowledgement best_effort_is_not_repeated kept_messages_are_bounded side_that_only_sends_gets_acknowledgements
    both_sides_fill_the_replay_memory answer_goes_to_its_caller successor_is_admitted_before_the_end_of_its_predecessor_is_noticed idempotent_call_outlives_its_server call_without_answer_reports_an_unknown_outcome
    server_gets_unconsumed_requests_of_its_predecessor closing_client_wakes_when_its_message_is_acknowledged_by_hand
    end_of_a_channel_is_not_that_of_its_session
}

// A pipe has one client at a time, so tests with two clients are omitted.
mod fifo {
    macro_rules! cases {
        ($($case:ident)*) => { $(#[test] fn $case() { super::$case("fifo") })* };
    }
    cases! {
        next_listener_gets_unconsumed_messages close_waits_for_the_next_listener
        messages_for_an_ended_nameless_client_are_dropped_and_counted
        manual_acknowledgement best_effort_is_not_repeated kept_messages_are_bounded side_that_only_sends_gets_acknowledgements
        both_sides_fill_the_replay_memory idempotent_call_outlives_its_server call_without_answer_reports_an_unknown_outcome
    server_gets_unconsumed_requests_of_its_predecessor end_of_a_channel_is_not_that_of_its_session
    }
}

/// Connects a client, sends it this many messages, and ends it without consumption.
fn comes_and_goes(listener: &Listener, endpoint: &str, client_id: &str, messages: i64) {
    let client = Channel::connect(endpoint, &options(&[("client_id", client_id.into())]), SOON).unwrap();
    let to_client = listener.accept(SOON).unwrap();
    for i in 0..messages {
        to_client.send(&Value::Int(i), SOON).unwrap();
    }
    drop(client);
    assert_eq!(to_client.recv(SOON).unwrap_err().kind(), ErrorKind::Disconnected);
}

#[test]
fn visitors_for_whom_nothing_is_kept_do_not_displace_an_absent_client() {
    let endpoint = name("unix");
    let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
    comes_and_goes(&listener, &endpoint, "panel", 3);
    for i in 0..300 {
        comes_and_goes(&listener, &endpoint, &format!("visitor-{i}"), 0);
    }
    let panel = Channel::connect(&endpoint, &options(&[("client_id", "panel".into())]), SOON).unwrap();
    let to_panel = listener.accept(SOON).unwrap();
    to_panel.send(&Value::Int(3), SOON).unwrap();
    assert_eq!(numbers(&panel, 4), [0, 1, 2, 3]);
    assert_eq!(listener.stats().at("forgotten").unwrap(), &Value::from(0u64));
}

#[test]
fn losses_of_disconnected_clients_are_reported_counted_and_listed() {
    let endpoint = name("unix");
    let few = options(&[("absent_clients", Value::Int(2))]);
    let listener = Listener::listen(&endpoint, &few).unwrap();
    for (client, messages) in [("first", 3), ("second", 1), ("third", 1)] {
        comes_and_goes(&listener, &endpoint, client, messages);
    }
    let events = listener.events();
    let lost: Vec<_> = events.iter().filter(|event| event.kind.name() == "forgotten").collect();
    assert_eq!(lost.len(), 1, "{events:?}");
    assert_eq!(lost[0].missed, 3);
    assert!(lost[0].text.contains("first") && lost[0].text.contains("absent_clients"), "{lost:?}");
    let stats = listener.stats();
    assert_eq!(stats.at("forgotten").unwrap(), &Value::from(3u64));
    assert_eq!(stats.at("dropped").unwrap(), &Value::from(3u64));
    let listed = linkspan::registry::list().unwrap();
    let ours = listed.iter().find(|listed| listed.endpoint == endpoint).unwrap();
    assert_eq!(ours.forgotten, Some(3));
}
