//! The promises of a publisher and its subscribers, with equal case names for every transport.

use std::thread;
use std::time::Duration;

use linkspan::{Channel, Error, ErrorKind, Options, Publisher, Server, Subscriber, Value, Wait, latest};

use crate::support;
use crate::support::{SOON, name};

fn options(set: &[(&str, Value)]) -> Options {
    let mut options = Options::default();
    for (name, value) in set {
        options.set(name, value).unwrap();
    }
    options
}

fn late_subscribers_get_the_latest_first(t: &str) {
    let endpoint = name(t);
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    for i in 1..=3i64 {
        assert_eq!(publisher.send(&Value::Int(i)).unwrap(), i as u64);
    }
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    let first = subscriber.recv(SOON).unwrap();
    assert_eq!((first.value().unwrap(), first.sequence()), (&Value::Int(3), 3));
    for i in 4..50i64 {
        publisher.send(&Value::Int(i)).unwrap();
        assert_eq!(subscriber.recv(SOON).unwrap().value().unwrap(), &Value::Int(i));
    }
    assert_eq!(subscriber.try_recv().unwrap_err().kind(), ErrorKind::Empty);
    assert_eq!(publisher.subscribers(), 1);
}

fn subscribe_before_publish(t: &str) {
    let endpoint = name(t);
    thread::scope(|s| {
        let receives = s.spawn(|| {
            let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
            subscriber.recv(SOON).unwrap().value().unwrap().clone()
        });
        let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
        publisher.send(&Value::from("first")).unwrap();
        assert_eq!(receives.join().unwrap(), Value::from("first"));
    });
}

fn many_subscribers(t: &str) {
    let endpoint = name(t);
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    publisher.send(&Value::Int(0)).unwrap();
    thread::scope(|s| {
        let all: Vec<_> = (0..10)
            .map(|_| {
                s.spawn(|| {
                    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
                    let mut last = subscriber.recv(SOON).unwrap().sequence();
                    while last < 101 {
                        let message = subscriber.recv(SOON).unwrap();
                        assert_eq!(message.sequence(), last + 1, "in order, none twice, none missing");
                        last += 1;
                    }
                })
            })
            .collect();
        while publisher.subscribers() < 10 {
            thread::yield_now();
        }
        for i in 1..=100i64 {
            publisher.send(&Value::Int(i)).unwrap();
        }
        all.into_iter().for_each(|one| one.join().unwrap());
    });
}

fn latest_alone(t: &str) {
    let endpoint = name(t);
    let ask = || latest(&endpoint, &Options::default(), Duration::ZERO);
    assert_eq!(ask().unwrap_err().kind(), ErrorKind::NotFound);
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    assert_eq!(ask().unwrap_err().kind(), ErrorKind::Empty);
    publisher.send(&Value::from("a")).unwrap();
    publisher.send(&Value::from("b")).unwrap();
    let message = ask().unwrap();
    assert_eq!((message.value().unwrap(), message.sequence()), (&Value::from("b"), 2));
    let large = Value::from(bytes::Bytes::from(vec![9; 3_000_000]));
    publisher.send(&large).unwrap();
    assert!(ask().unwrap().value().unwrap() == &large);
    publisher.close(SOON).unwrap();
    assert_eq!(ask().unwrap_err().kind(), ErrorKind::NotFound);
}

fn latest_with_a_timeout_waits_for_the_first_value(t: &str) {
    for is_kept in [false, true] {
        let endpoint = name(t);
        let (waits, waiting) = support::waiting_options();
        let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
        thread::scope(|s| {
            let asking = s.spawn(|| match is_kept {
                false => latest(&endpoint, &waits, SOON).unwrap(),
                true => Subscriber::new(&endpoint, &waits).unwrap().newest(SOON).unwrap(),
            });
            waiting.recv_timeout(SOON).unwrap();
            publisher.send(&Value::from("first")).unwrap();
            assert_eq!(asking.join().unwrap().value().unwrap(), &Value::from("first"));
        });
    }
    let nothing = name(t);
    let _publisher = Publisher::new(&nothing, &Options::default()).unwrap();
    let error = latest(&nothing, &Options::default(), Duration::from_millis(10)).unwrap_err();
    // A publisher on a busy machine may need longer to report an absent value.
    assert!(matches!(error.kind(), ErrorKind::Empty | ErrorKind::NotFound | ErrorKind::Timeout), "{error}");
    let mut stops = || Err(Error::new(ErrorKind::Interrupted, "by a test"));
    let subscriber = Subscriber::new(&nothing, &Options::default()).unwrap();
    let stopped = subscriber.newest(Wait::new(SOON).tick(&mut stops)).unwrap_err();
    assert_eq!(stopped.kind(), ErrorKind::Interrupted, "{stopped}");
}

fn latest_over_a_kept_subscription(t: &str) {
    let endpoint = name(t);
    let ask = || linkspan::latest_persistent(&endpoint, &Options::default(), Duration::from_millis(200));
    assert_eq!(ask().unwrap_err().kind(), ErrorKind::NotFound);
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    assert_eq!(ask().unwrap_err().kind(), ErrorKind::Empty);
    for i in 1..=100i64 {
        publisher.send(&Value::Int(i)).unwrap();
    }
    while ask().unwrap().sequence() < 100 {
        thread::yield_now();
    }
    assert_eq!(ask().unwrap().value().unwrap(), &Value::Int(100), "asked twice, it is still there");
    drop(publisher);
    assert_eq!(ask().unwrap_err().kind(), ErrorKind::NotFound);
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    publisher.send(&Value::from("anew")).unwrap();
    assert_eq!(ask().unwrap().value().unwrap(), &Value::from("anew"));
}

fn slow_subscriber_gets_lagged_and_continues(t: &str) {
    let endpoint = name(t);
    let publisher = Publisher::new(&endpoint, &options(&[("buffer", Value::Int(65_536))])).unwrap();
    let slow = Subscriber::new(&endpoint, &Options::default()).unwrap();
    assert_eq!(slow.try_recv().unwrap_err().kind(), ErrorKind::Empty);
    while publisher.subscribers() == 0 {
        thread::yield_now();
    }
    let body = Value::from(bytes::Bytes::from(vec![1; 4000]));
    const SENT: u64 = 500;
    for _ in 0..SENT {
        publisher.send(&body).unwrap();
    }
    let (mut got, mut missed, mut last) = (0, 0, 0);
    while last < SENT {
        match slow.recv(SOON) {
            Ok(message) => {
                got += 1;
                assert!(message.sequence() > last);
                last = message.sequence();
            }
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::Lagged, "{e}");
                missed += e.missed().unwrap();
            }
        }
    }
    assert!(missed > 0);
    assert_eq!(got + missed, SENT, "what was not read was reported");
    assert!(slow.events().iter().any(|e| e.kind.name() == "lagged"));
}

fn slow_loop_continues_with_the_missed_count_in_messages(t: &str) {
    let endpoint = name(t);
    let publisher = Publisher::new(&endpoint, &options(&[("buffer", Value::Int(65_536))])).unwrap();
    let slow = Subscriber::new(&endpoint, &Options::default()).unwrap();
    assert_eq!(slow.try_recv().unwrap_err().kind(), ErrorKind::Empty);
    while publisher.subscribers() == 0 {
        thread::yield_now();
    }
    let body = Value::from(bytes::Bytes::from(vec![1; 4000]));
    const SENT: u64 = 500;
    for _ in 0..SENT {
        publisher.send(&body).unwrap();
    }
    let (mut got, mut missed, mut last) = (0, 0, 0);
    while last < SENT {
        let message = slow.next(SOON).unwrap().expect("it is open");
        got += 1;
        missed += message.missed();
        assert_eq!(got + missed, message.sequence(), "each message tells what was missed before it");
        last = message.sequence();
    }
    assert!(missed > 0);
    assert!(slow.events().iter().any(|e| e.kind.name() == "lagged"));
}

fn subscriber_with_delivery_latest_gets_no_lagged(t: &str) {
    let endpoint = name(t);
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    let subscriber = Subscriber::new(&endpoint, &options(&[("delivery", "latest".into())])).unwrap();
    publisher.send(&Value::Int(1)).unwrap();
    assert_eq!(subscriber.recv(SOON).unwrap().value().unwrap(), &Value::Int(1));
    for i in 2..=40i64 {
        publisher.send(&Value::Int(i)).unwrap();
    }
    let mut last = subscriber.recv(SOON).unwrap();
    let mut seen = 1 + last.missed();
    while last.sequence() < 40 {
        last = subscriber.recv(SOON).unwrap();
        seen += 1 + last.missed();
    }
    assert_eq!((last.value().unwrap(), seen), (&Value::Int(40), 39));
}

fn publisher_restart(t: &str) {
    let endpoint = name(t);
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    for round in 0..3i64 {
        let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
        publisher.send(&Value::Int(round)).unwrap();
        assert_eq!(subscriber.recv(SOON).unwrap().value().unwrap(), &Value::Int(round));
    }
    assert_eq!(subscriber.recv(Duration::from_millis(20)).unwrap_err().kind(), ErrorKind::Disconnected);
    let kinds: Vec<_> = subscriber.events().iter().map(|e| e.kind.name()).collect();
    assert_eq!(
        kinds,
        ["connected", "disconnected", "reconnected", "disconnected", "reconnected", "disconnected"]
    );
}

fn growing_messages(t: &str) {
    let endpoint = name(t);
    let publisher = Publisher::new(&endpoint, &options(&[("buffer", Value::Int(8192))])).unwrap();
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    for size in [10usize, 5000, 100_000, 10, 2_000_000, 20] {
        let value = Value::from(bytes::Bytes::from(vec![size as u8; size]));
        thread::scope(|s| {
            s.spawn(|| publisher.send(&value).unwrap());
            assert!(subscriber.recv(SOON).unwrap().value().unwrap() == &value, "{size} bytes");
        });
    }
}

fn one_name_one_pattern(t: &str) {
    let (published, served, open) = (name(t), name(t), name(t));
    let publisher = Publisher::new(&published, &Options::default()).unwrap();
    publisher.send(&Value::Null).unwrap();
    let _server = Server::serve(&served, &Options::default()).unwrap();
    let _channel = Channel::open(&open, &Options::default(), SOON).unwrap();
    let error = Channel::connect(&published, &Options::default(), SOON).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidState);
    assert_eq!(error.to_string(), format!("{published}: is a publisher, subscribe to it"));
    for (endpoint, advice) in
        [(&served, "is a server, connect and call it"), (&open, "is a channel, connect to it")]
    {
        let subscriber = Subscriber::new(endpoint, &Options::default()).unwrap();
        let error = subscriber.recv(SOON).unwrap_err();
        assert_eq!((error.kind(), error.text()), (ErrorKind::InvalidState, advice));
        assert_eq!(latest(endpoint, &Options::default(), SOON).unwrap_err().kind(), ErrorKind::InvalidState);
    }
}

fn two_publishers(t: &str) {
    let endpoint = name(t);
    let _first = Publisher::new(&endpoint, &Options::default()).unwrap();
    assert_eq!(Publisher::new(&endpoint, &Options::default()).err().unwrap().kind(), ErrorKind::AddressInUse);
}

fn descriptor_for_event_loops(t: &str) {
    let endpoint = name(t);
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    let fd = subscriber.fileno().unwrap();
    assert!(!support::readable(fd, 0));
    while publisher.subscribers() == 0 {
        thread::yield_now();
    }
    for i in 0..5i64 {
        publisher.send(&Value::Int(i)).unwrap();
        publisher.send(&Value::Int(-i)).unwrap();
        assert!(support::readable(fd, 60));
        assert_eq!(subscriber.try_recv().unwrap().value().unwrap(), &Value::Int(i));
        assert!(support::readable(fd, 60));
        assert_eq!(subscriber.try_recv().unwrap().value().unwrap(), &Value::Int(-i));
        assert_eq!(subscriber.try_recv().unwrap_err().kind(), ErrorKind::Empty);
        assert!(!support::readable(fd, 0));
    }
    for time in [Duration::from_micros(1), Duration::from_millis(5), Duration::from_millis(50)] {
        assert_eq!(subscriber.recv(time).unwrap_err().kind(), ErrorKind::Timeout);
        assert!(!support::readable(fd, 0));
        publisher.send(&Value::Null).unwrap();
        assert!(support::readable(fd, 60), "a message came after a receive of {time:?} had timed out");
        subscriber.try_recv().unwrap();
    }
    publisher.close(SOON).unwrap();
    assert!(support::readable(fd, 60));
    assert_eq!(subscriber.try_recv().unwrap_err().kind(), ErrorKind::Empty);
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    publisher.send(&Value::from("back")).unwrap();
    assert!(support::readable(fd, 60), "a name that appears wakes the event loop");
    assert_eq!(subscriber.recv(SOON).unwrap().value().unwrap(), &Value::from("back"));
}

fn closed_subscriber_ends_its_loop(t: &str) {
    let endpoint = name(t);
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    publisher.send(&Value::Null).unwrap();
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    let (received, arrived) = std::sync::mpsc::channel();
    thread::scope(|s| {
        let receiving = s.spawn(|| {
            let mut count = 0;
            while let Some(message) = subscriber.next(None).unwrap() {
                count += 1;
                if message.value().unwrap() == &Value::from("enough") {
                    subscriber.close();
                }
                received.send(()).unwrap();
            }
            count
        });
        arrived.recv_timeout(SOON).unwrap();
        publisher.send(&Value::from("enough")).unwrap();
        assert_eq!(receiving.join().unwrap(), 2);
    });
}

fn flush_waits_until_what_was_published_has_been_given(t: &str) {
    let endpoint = name(t);
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    publisher.flush(Duration::ZERO).unwrap();
    publisher.send(&Value::Int(0)).unwrap();
    publisher.flush(Duration::ZERO).unwrap();
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    assert_eq!(subscriber.recv(SOON).unwrap().value().unwrap(), &Value::Int(0));
    for i in 1..=3 {
        publisher.send(&Value::Int(i)).unwrap();
    }
    if t == "shm" {
        let error = publisher.flush(Duration::from_millis(20)).unwrap_err();
        assert_eq!((error.kind(), error.missed()), (ErrorKind::Timeout, Some(3)), "{error}");
        assert!(error.text().starts_with("3 messages are left for one subscriber, which"), "{error}");
    }
    thread::scope(|s| {
        let flushing = s.spawn(|| publisher.flush(SOON));
        for i in 1..=3 {
            assert_eq!(subscriber.recv(SOON).unwrap().value().unwrap(), &Value::Int(i));
        }
        flushing.join().unwrap().unwrap();
    });
    publisher.close(SOON).unwrap();
    assert_eq!(publisher.flush(SOON).unwrap_err().kind(), ErrorKind::InvalidState);
}

/// Values that one subscriber has not taken remain.
fn flush_fails_with_the_number_that_is_left_for_a_stopped_subscriber(t: &str) {
    let endpoint = name(t);
    // The kernel queues little for a subscriber with a socket, and the history keeps everything.
    let size = 1 << 20;
    let publisher = Publisher::new(&endpoint, &options(&[("buffer", (64 * size as u64).into())])).unwrap();
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    assert_eq!(subscriber.try_recv().unwrap_err().kind(), ErrorKind::Empty);
    publisher.wait_for_subscribers(1, SOON).unwrap();
    let sent = 40;
    let body = Value::from("x".repeat(size));
    (0..sent).for_each(|_| assert!(publisher.send(&body).is_ok()));
    let error = publisher.flush(Duration::from_millis(50)).unwrap_err();
    let left = error.missed().unwrap();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(if t == "shm" { left == sent } else { (1..=sent).contains(&left) }, "{error}");
    thread::scope(|s| {
        s.spawn(|| (0..sent).for_each(|_| assert!(subscriber.recv(SOON).is_ok())));
        publisher.flush(SOON).unwrap();
    });
}

fn flush_ends_with_a_subscriber_that_ends(t: &str) {
    let endpoint = name(t);
    let publisher = Publisher::new(&endpoint, &options(&[("buffer", (64u64 << 20).into())])).unwrap();
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    assert_eq!(subscriber.try_recv().unwrap_err().kind(), ErrorKind::Empty);
    publisher.wait_for_subscribers(1, SOON).unwrap();
    let body = Value::from("x".repeat(1 << 20));
    (0..40).for_each(|_| assert!(publisher.send(&body).is_ok()));
    assert_eq!(publisher.flush(Duration::ZERO).unwrap_err().kind(), ErrorKind::Timeout);
    thread::scope(|s| {
        let flushing = s.spawn(|| publisher.flush(SOON));
        drop(subscriber);
        flushing.join().unwrap().unwrap();
    });
}

fn flush_of_several_threads_ends_for_each(t: &str) {
    let endpoint = name(t);
    let publisher = Publisher::new(&endpoint, &options(&[("buffer", (64u64 << 20).into())])).unwrap();
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    assert_eq!(subscriber.try_recv().unwrap_err().kind(), ErrorKind::Empty);
    publisher.wait_for_subscribers(1, SOON).unwrap();
    let body = Value::from("x".repeat(1 << 20));
    thread::scope(|s| {
        let mut flushing = Vec::new();
        for _ in 0..4 {
            (0..8).for_each(|_| assert!(publisher.send(&body).is_ok()));
            flushing.push(s.spawn(|| publisher.flush(SOON)));
        }
        (0..32).for_each(|_| assert!(subscriber.recv(SOON).is_ok()));
        flushing.into_iter().for_each(|one| one.join().unwrap().unwrap());
    });
}

fn close_ends_a_wait_for_subscribers_of_another_thread(t: &str) {
    let (waits, waiting) = support::waiting_options();
    let publisher = Publisher::new(&name(t), &waits).unwrap();
    thread::scope(|s| {
        let connecting = s.spawn(|| publisher.wait_for_subscribers(1, SOON).unwrap_err());
        waiting.recv_timeout(SOON).unwrap();
        publisher.close(SOON).unwrap();
        let error = connecting.join().unwrap();
        assert_eq!((error.kind(), error.text()), (ErrorKind::InvalidState, "the publisher is closed"));
    });
    let error = publisher.wait_for_subscribers(0, SOON).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState, "{error}");
}

/// The publisher that takes the name over has its own calls.
fn replacement_ends_the_waits_of_the_publisher_before(t: &str) {
    let endpoint = name(t);
    let (waits, waiting) = support::waiting_options();
    let waits = waits.with_replace(true);
    let former = Publisher::new(&endpoint, &waits).unwrap();
    thread::scope(|s| {
        let connecting = s.spawn(|| former.wait_for_subscribers(1, SOON).unwrap_err());
        waiting.recv_timeout(SOON).unwrap();
        let publisher = Publisher::new(&endpoint, &waits).unwrap();
        let error = connecting.join().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidState, "{error}");
        assert!(error.text().starts_with("another publisher of this program took over"), "{error}");
        let _subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
        publisher.wait_for_subscribers(1, SOON).unwrap();
    });
}

/// Values that a stopped subscriber was not given count as a failure, even after its end.
fn close_ends_a_flush_of_another_thread(t: &str) {
    for looks_late in [false, true] {
        let endpoint = name(t);
        let size = 1 << 20;
        let (mut waits, waiting) = support::waiting_options();
        waits.set("buffer", &(64 * size as u64).into()).unwrap();
        let (close_has_ended, held) = std::sync::mpsc::channel::<()>();
        if looks_late {
            let (notes, held) = (waits.on_wait.take().unwrap(), std::sync::Mutex::new(held));
            let closes = thread::current().id();
            waits.on_wait = Some(std::sync::Arc::new(move || {
                let goes_on = notes();
                if thread::current().id() != closes {
                    let _ = held.lock().unwrap().recv_timeout(SOON);
                }
                goes_on
            }));
        }
        let publisher = Publisher::new(&endpoint, &waits).unwrap();
        let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
        assert_eq!(subscriber.try_recv().unwrap_err().kind(), ErrorKind::Empty);
        publisher.wait_for_subscribers(1, SOON).unwrap();
        let sent = 40;
        let body = Value::from("x".repeat(size));
        (0..sent).for_each(|_| assert!(publisher.send(&body).is_ok()));
        while waiting.try_recv().is_ok() {}
        thread::scope(|s| {
            let flushing = s.spawn(|| publisher.flush(SOON).unwrap_err());
            waiting.recv_timeout(SOON).unwrap();
            // A ring can be read after the publisher's end, so closing does not wait for its readers.
            let closed = publisher.close(Duration::from_millis(30));
            let expected = if t == "shm" { Ok(()) } else { Err(ErrorKind::Timeout) };
            assert_eq!(closed.map_err(|e| e.kind()), expected);
            drop(close_has_ended);
            let error = flushing.join().unwrap();
            let left = error.missed().unwrap();
            assert_eq!(error.kind(), ErrorKind::InvalidState, "{error}");
            assert!(if t == "shm" { left == sent } else { (1..=sent).contains(&left) }, "{error}");
            let text = error.text();
            assert!(text.starts_with(&format!("the publisher is closed; {left} message")), "{error}");
            assert!(text.ends_with("left for the slowest subscriber"), "{error}");
        });
    }
}

/// After `send` the store has the value: its readers need not be there.
fn flush_of_a_store_waits_for_nothing(t: &str) {
    let endpoint = name(t);
    let publisher = Publisher::new(&endpoint, &options(&[("durable", true.into())])).unwrap();
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    publisher.send(&Value::Int(1)).unwrap();
    publisher.flush(Duration::ZERO).unwrap();
    assert_eq!(subscriber.recv(SOON).unwrap().value().unwrap(), &Value::Int(1));
    publisher.close(SOON).unwrap();
    assert_eq!(publisher.flush(SOON).unwrap_err().kind(), ErrorKind::InvalidState);
}

fn close_wakes_waiting_threads(t: &str) {
    let endpoint = name(t);
    let _publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    for endpoint in [endpoint, name(t)] {
        let (waits, waiting) = support::waiting_options();
        let subscriber = Subscriber::new(&endpoint, &waits).unwrap();
        thread::scope(|s| {
            let receiving = s.spawn(|| subscriber.next(None).unwrap().is_none());
            waiting.recv_timeout(SOON).unwrap();
            subscriber.close();
            assert!(receiving.join().unwrap());
        });
    }
}

macro_rules! suite {
    ($($case:ident)*) => {
        mod shm { $(#[test] fn $case() { super::$case("shm") })* }
        mod unix { $(#[test] fn $case() { super::$case("unix") })* }
        mod tcp { $(#[test] fn $case() { super::$case("tcp") })* }
    };
}

/// A journal outlives its publisher, and counts only named subscribers: `journal.rs` tests its other
/// promises.
mod journal {
    macro_rules! cases {
        ($($case:ident)*) => { $(#[test] fn $case() { super::$case("journal") })* };
    }

    cases! {
        subscribe_before_publish latest_with_a_timeout_waits_for_the_first_value subscriber_with_delivery_latest_gets_no_lagged growing_messages two_publishers
        closed_subscriber_ends_its_loop close_wakes_waiting_threads flush_of_a_store_waits_for_nothing
    }
}

/// A file outlives its publishers and has no list of subscribers: `file.rs` tests its other promises.
mod file {
    macro_rules! cases {
        ($($case:ident)*) => { $(#[test] fn $case() { super::$case("file") })* };
    }

    cases! {
        subscribe_before_publish latest_with_a_timeout_waits_for_the_first_value subscriber_with_delivery_latest_gets_no_lagged growing_messages
        closed_subscriber_ends_its_loop close_wakes_waiting_threads flush_of_a_store_waits_for_nothing
    }
}

suite! {
    late_subscribers_get_the_latest_first subscribe_before_publish many_subscribers latest_alone
    latest_with_a_timeout_waits_for_the_first_value
    latest_over_a_kept_subscription
    slow_subscriber_gets_lagged_and_continues slow_loop_continues_with_the_missed_count_in_messages subscriber_with_delivery_latest_gets_no_lagged publisher_restart
    growing_messages one_name_one_pattern two_publishers descriptor_for_event_loops
    closed_subscriber_ends_its_loop close_wakes_waiting_threads
    flush_waits_until_what_was_published_has_been_given flush_fails_with_the_number_that_is_left_for_a_stopped_subscriber
    flush_ends_with_a_subscriber_that_ends flush_of_several_threads_ends_for_each
    close_ends_a_wait_for_subscribers_of_another_thread replacement_ends_the_waits_of_the_publisher_before
    close_ends_a_flush_of_another_thread
}
