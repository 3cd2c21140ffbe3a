//! Connected subscribers receive published messages, or get the number of missed ones.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use linkspan::{ErrorKind, Options, Publisher, Subscriber, Value};

use crate::support::{SOON, name};

fn number(message: &linkspan::Message) -> i64 {
    message.value().unwrap().as_i64().unwrap()
}

fn told_end(subscriber: &Subscriber) -> Option<String> {
    let is_end = |event: &linkspan::Event| event.kind == linkspan::EventKind::Disconnected;
    subscriber.events().into_iter().find(is_end).map(|event| event.text)
}

/// Counts received and missed messages until the publisher's end is known; also returns the reason.
fn count(subscriber: &Subscriber, ended: &AtomicBool) -> (u64, u64, String) {
    let (mut received, mut missed, mut last) = (0, 0, Instant::now());
    loop {
        let gone = ended.load(Ordering::Acquire);
        match subscriber.recv(Duration::from_millis(100)) {
            Ok(_) => (received, last) = (received + 1, Instant::now()),
            Err(e) if e.kind() == ErrorKind::Lagged => missed += e.missed().unwrap(),
            Err(e) => {
                assert!(matches!(e.kind(), ErrorKind::Timeout | ErrorKind::Disconnected), "{e}");
                // Without a message for 100 ms, also a loaded machine may be the reason.
                if gone && let Some(why) = told_end(subscriber) {
                    return (received, missed, why);
                }
                assert!(last.elapsed() < SOON, "{received} received, {missed} missed, and no end");
            }
        }
    }
}

fn closing_publisher_delivers_or_counts_every_message_of_a_slow_subscriber(t: &str) {
    const SENT: u64 = 10_000;
    let endpoint = name(t);
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    assert!(!subscriber.poll().unwrap());
    let ended = AtomicBool::new(false);
    let (received, missed, _) = thread::scope(|s| {
        let value = Value::from(vec![7u64; 100]);
        for _ in 0..SENT {
            publisher.send(&value).unwrap();
        }
        // Only now it begins to read: its last messages are at the publisher, which is about to end.
        let counting = s.spawn(|| count(&subscriber, &ended));
        publisher.close(SOON).unwrap();
        ended.store(true, Ordering::Release);
        counting.join().unwrap()
    });
    assert_eq!(received + missed, SENT, "{received} received, {missed} reported as missed");
}

fn messages_that_end_with_their_publisher_are_counted(t: &str) {
    const SENT: u64 = 10_000;
    let endpoint = name(t);
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    let value = Value::from(vec![7u64; 100]);
    for _ in 0..SENT {
        publisher.send(&value).unwrap();
    }
    // Messages that the kernel has not taken end with the publisher, as after a kill.
    let _ = publisher.close(Duration::ZERO);
    let (received, missed, _) = count(&subscriber, &AtomicBool::new(true));
    assert_eq!(received + missed, SENT, "{received} received, {missed} reported as missed");
}

/// On a loaded machine the connection takes longer than the creation.
fn connected(publisher: &Publisher, subscriber: &Subscriber) {
    let began = Instant::now();
    while publisher.wait_for_subscribers(1, Duration::from_millis(10)).is_err() {
        subscriber.poll().unwrap();
        assert!(began.elapsed() < SOON, "it has not connected");
    }
}

fn end(subscriber: &Subscriber) -> String {
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < SOON, "no end was said");
        let _ = subscriber.recv(Duration::from_millis(10));
        if let Some(why) = told_end(subscriber) {
            return why;
        }
    }
}

fn end_with_unknown_messages_is_said(t: &str) {
    const UNKNOWN: &str = "did not say which message was its last";
    let endpoint = name(t);
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    connected(&publisher, &subscriber);
    publisher.send(&Value::from(7)).unwrap();
    publisher.close(SOON).unwrap();
    let why = end(&subscriber);
    assert!(!why.contains(UNKNOWN), "an end in order: {why}");
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    connected(&publisher, &subscriber);
    // More than the kernel queues on both sides, if its queues do not grow.
    const SENT: u64 = 40;
    let value = Value::Bytes(vec![7u8; 1 << 20].into());
    for _ in 0..SENT {
        publisher.send(&value).unwrap();
    }
    let _ = publisher.close(Duration::ZERO);
    let (received, missed, why) = count(&subscriber, &AtomicBool::new(true));
    assert!(
        why.contains(UNKNOWN) || received + missed == SENT,
        "{received} received, {missed} missed: {why}"
    );
}

fn subscriber_in_the_same_program_receives_messages_after_its_creation(t: &str) {
    let endpoint = name(t);
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    // On a loaded machine the publisher accepts later.
    publisher.wait_for_subscribers(1, SOON).unwrap();
    for i in 0..10 {
        publisher.send(&Value::Int(i)).unwrap();
    }
    let received: Vec<i64> = (0..10).map(|_| number(&subscriber.recv(SOON).unwrap())).collect();
    assert_eq!(received, (0..10).collect::<Vec<_>>());
}

fn subscriber_made_before_its_publisher_receives_everything(t: &str) {
    let endpoint = name(t);
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    for i in 0..10 {
        publisher.send(&Value::Int(i)).unwrap();
    }
    let received: Vec<i64> = (0..10).map(|_| number(&subscriber.recv(SOON).unwrap())).collect();
    assert_eq!(received, (0..10).collect::<Vec<_>>());
}

fn late_subscriber_gets_the_number_of_missed_messages(t: &str) {
    const SENT: u64 = 3000;
    let endpoint = name(t);
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    let value = Value::from(vec![7u64; 1000]);
    for _ in 0..SENT {
        publisher.send(&value).unwrap();
    }
    let (mut received, mut missed) = (0, 0);
    while received + missed < SENT {
        match subscriber.recv(SOON) {
            Ok(_) => received += 1,
            Err(e) => {
                missed += e.missed().unwrap_or_else(|| panic!("{received} received, {missed} missed: {e}"))
            }
        }
    }
    assert!(missed > 0 && received > 1, "{received} received, {missed} reported as missed");
    assert_eq!(received + missed, SENT);
}

/// Returns whether a subscriber marks that it waits at this endpoint: a shared lock on the byte of the name.
fn is_awaited(endpoint: &str) -> bool {
    let (transport, path) = endpoint.split_once(':').unwrap();
    let name = format!("{}.{transport} awaited", path.trim_start_matches('/').replace('/', "@"));
    let hash =
        name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    let byte = (hash >> 2).to_string();
    let file = Path::new(&std::env::var("LINKSPAN_DIR").unwrap()).join(".lock");
    // Another run's directory has an equal byte for this name.
    let inode = std::fs::metadata(&file).map_or(0, |facts| facts.ino());
    let mark = format!(":{inode} {byte} {byte}");
    let locks = std::fs::read_to_string("/proc/locks").unwrap();
    locks.lines().any(|lock| lock.contains("READ") && lock.ends_with(&mark))
}

fn wait_until(endpoint: &str, awaited: bool, mut act: impl FnMut()) {
    let begun = Instant::now();
    while is_awaited(endpoint) != awaited {
        act();
        assert!(begun.elapsed() < SOON, "{endpoint} is awaited: {}", !awaited);
    }
}

fn subscriber_is_awaited_until_it_is_connected_or_closed(t: &str) {
    let endpoint = name(t);
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    assert!(is_awaited(&endpoint), "it has subscribed, and waits in no call");
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    wait_until(&endpoint, false, || assert!(!subscriber.poll().unwrap()));
    publisher.close(SOON).unwrap();
    wait_until(&endpoint, true, || drop(subscriber.try_recv()));
    subscriber.close();
    assert!(!is_awaited(&endpoint), "it is closed");
}

fn waiting_subscriber_receives_everything_of_a_short_publisher(t: &str) {
    for _ in 0..20 {
        let endpoint = name(t);
        let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
        let received = thread::scope(|s| {
            let waiting = s.spawn(|| {
                let first = number(&subscriber.recv(SOON).unwrap());
                let rest = (1..1000).map(|_| number(&subscriber.recv(SOON).unwrap()));
                std::iter::once(first).chain(rest).collect::<Vec<_>>()
            });
            wait_until(&endpoint, true, || thread::sleep(Duration::from_millis(2)));
            let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
            for i in 0..1000 {
                publisher.send(&Value::Int(i)).unwrap();
            }
            publisher.close(SOON).unwrap();
            waiting.join().unwrap()
        });
        assert_eq!(received, (0..1000).collect::<Vec<_>>());
    }
}

fn latest_that_waits_finds_the_value_of_a_short_publisher(t: &str) {
    for _ in 0..100 {
        let endpoint = name(t);
        let latest = thread::scope(|s| {
            let waiting = s.spawn(|| linkspan::latest(&endpoint, &Options::default(), SOON));
            wait_until(&endpoint, true, || thread::sleep(Duration::from_millis(2)));
            let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
            publisher.send(&Value::Int(7)).unwrap();
            drop(publisher);
            waiting.join().unwrap().unwrap()
        });
        assert_eq!(number(&latest), 7);
    }
}

fn subscriber_that_was_waited_for_receives_everything(t: &str) {
    for _ in 0..100 {
        let endpoint = name(t);
        let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
        let received = thread::scope(|s| {
            let subscribing = s.spawn(|| {
                let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
                (0..50).map(|_| number(&subscriber.recv(SOON).unwrap())).collect::<Vec<_>>()
            });
            publisher.wait_for_subscribers(1, SOON).unwrap();
            for i in 0..50 {
                publisher.send(&Value::Int(i)).unwrap();
            }
            subscribing.join().unwrap()
        });
        assert_eq!(received, (0..50).collect::<Vec<_>>());
    }
}

macro_rules! on {
    ($($t:ident: $($case:ident)*;)*) => {$(
        mod $t {
            $(#[test] fn $case() { super::$case(stringify!($t)) })*
        }
    )*};
}

on! {
    unix:
        messages_that_end_with_their_publisher_are_counted
        closing_publisher_delivers_or_counts_every_message_of_a_slow_subscriber
        subscriber_in_the_same_program_receives_messages_after_its_creation
        subscriber_made_before_its_publisher_receives_everything
        late_subscriber_gets_the_number_of_missed_messages
        latest_that_waits_finds_the_value_of_a_short_publisher
        waiting_subscriber_receives_everything_of_a_short_publisher
        subscriber_is_awaited_until_it_is_connected_or_closed
        subscriber_that_was_waited_for_receives_everything;
    shm:
        messages_that_end_with_their_publisher_are_counted
        closing_publisher_delivers_or_counts_every_message_of_a_slow_subscriber
        subscriber_in_the_same_program_receives_messages_after_its_creation
        subscriber_made_before_its_publisher_receives_everything
        late_subscriber_gets_the_number_of_missed_messages
        latest_that_waits_finds_the_value_of_a_short_publisher
        waiting_subscriber_receives_everything_of_a_short_publisher
        subscriber_is_awaited_until_it_is_connected_or_closed
        subscriber_that_was_waited_for_receives_everything;
    tcp:
        end_with_unknown_messages_is_said
        closing_publisher_delivers_or_counts_every_message_of_a_slow_subscriber
        subscriber_in_the_same_program_receives_messages_after_its_creation
        subscriber_made_before_its_publisher_receives_everything
        late_subscriber_gets_the_number_of_missed_messages
        waiting_subscriber_receives_everything_of_a_short_publisher
        subscriber_is_awaited_until_it_is_connected_or_closed
        subscriber_that_was_waited_for_receives_everything;
}
