//! A feed reports a gap once. The program must get it in every case.

use std::sync::{Arc, OnceLock, Weak, mpsc};
use std::thread;
use std::time::Duration;

use super::Subscriber;
use crate::deadline::{Timeout, Waiting};
use crate::error::ErrorKind;
use crate::publish::Publisher;
use crate::value::Value;
use crate::{Delivery, Options, StartAt};

const SENT: u64 = 50_000;

fn lagging(name: &str) -> (Publisher, Subscriber) {
    let endpoint = format!("shm:gap-{name}-{}", std::process::id());
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    for n in 0..SENT {
        publisher.send(&Value::from(n)).unwrap();
    }
    (publisher, subscriber)
}

fn assert_gap_is_reported(subscriber: &Subscriber) {
    let message = subscriber.next(Timeout::Default).unwrap().unwrap();
    assert!(message.missed() > 0);
    assert_eq!(message.missed() + 1, message.sequence());
    assert_eq!(subscriber.events().iter().map(|event| event.missed).sum::<u64>(), message.missed());
}

#[test]
fn gap_found_after_the_deadline_is_reported_by_the_next_call() {
    let (_publisher, subscriber) = lagging("deadline");
    // As if the process were suspended in its first round until after the deadline.
    let mut waiting = Waiting::at_once();
    waiting.count_round().unwrap();
    thread::sleep(Waiting::PATIENCE);
    assert_eq!(subscriber.receive(&mut waiting, true, None).unwrap_err().kind(), ErrorKind::Timeout);
    assert_gap_is_reported(&subscriber);
}

#[test]
fn gap_found_by_a_poll_is_reported_by_the_next_call() {
    let (_publisher, subscriber) = lagging("poll");
    assert!(subscriber.poll().unwrap());
    assert!(subscriber.poll().unwrap());
    assert_gap_is_reported(&subscriber);
}

fn received(subscriber: &Subscriber) -> Option<Value> {
    let Value::Map(stats) = subscriber.stats() else { panic!("the counters are a map") };
    stats.get("received").cloned()
}

#[test]
fn message_found_by_a_poll_or_after_a_gap_counts_as_received() {
    let endpoint = format!("shm:gap-counts-{}", std::process::id());
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    for n in 1..=3_u64 {
        publisher.send(&Value::from(n)).unwrap();
        assert!(subscriber.poll().unwrap());
        subscriber.try_recv().unwrap();
        assert_eq!(received(&subscriber), Some(Value::from(n)));
    }
}

/// One call returns a message that a poll kept, and a gap that an earlier call could not report.
#[test]
fn gap_before_a_kept_message_is_reported_with_that_message() {
    let endpoint = format!("shm:gap-kept-{}", std::process::id());
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    publisher.send(&Value::from(1_u64)).unwrap();
    publisher.send(&Value::from(2_u64)).unwrap();
    assert!(subscriber.poll().unwrap());
    // As over a socket: the message after a gap is kept, and the deadline passes before the next round.
    subscriber.receive_state.lock().unwrap().missed = 5;
    assert_eq!(subscriber.next(Timeout::Default).unwrap().unwrap().missed(), 5);
    assert_eq!(subscriber.next(Timeout::Default).unwrap().unwrap().missed(), 0);
}

fn damage(directory: &std::path::Path, text: &str) {
    let mut found = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let Ok(mut bytes) = std::fs::read(&path) else { continue };
        for at in 0..bytes.len().saturating_sub(text.len()) {
            if bytes[at..].starts_with(text.as_bytes()) {
                bytes[at + text.len() - 1] ^= 1;
                found += 1;
            }
        }
        std::fs::write(&path, &bytes).unwrap();
    }
    assert!(found > 0, "{text} is in no file of {directory:?}");
}

#[test]
fn damaged_record_after_the_newest_message_is_reported_by_the_next_call() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = format!("journal:{}", directory.path().join("j").display());
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    for text in ["the first", "the newest", "a record that is damaged"] {
        publisher.send(&Value::from(text)).unwrap();
    }
    drop(publisher);
    damage(&directory.path().join("j"), "a record that is damaged");
    let options = Options::default().with_delivery(Delivery::Latest).with_from(StartAt::First);
    let subscriber = Subscriber::new(&endpoint, &options).unwrap();
    let newest = subscriber.try_recv().unwrap();
    assert_eq!((newest.value().unwrap(), newest.missed()), (&Value::from("the newest"), 1));
    assert_eq!(subscriber.try_recv().unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(subscriber.try_recv().unwrap_err().kind(), ErrorKind::Empty);
}

#[test]
fn close_in_a_callback_of_newest_ends_the_call() {
    let endpoint = format!("shm:close-newest-{}", std::process::id());
    // Weak, because the subscriber owns the callback.
    let closed = Arc::new(OnceLock::<Weak<Subscriber>>::new());
    let to_close = closed.clone();
    let on_wait = move || {
        to_close.get().and_then(Weak::upgrade).is_none_or(|subscriber| {
            subscriber.close();
            true
        })
    };
    let options = Options { on_wait: Some(Arc::new(on_wait)), ..Options::default() };
    let subscriber = Arc::new(Subscriber::new(&endpoint, &options).unwrap());
    assert!(closed.set(Arc::downgrade(&subscriber)).is_ok());
    let (ended, end) = mpsc::channel();
    // Not joined: without the mark of its wait, the thread would block for ever.
    thread::spawn(move || ended.send(subscriber.newest(Duration::from_secs(600)).unwrap_err().kind()));
    assert_eq!(end.recv_timeout(Duration::from_secs(60)), Ok(ErrorKind::InvalidState));
}

#[test]
fn closed_subscriber_is_not_connected_by_a_poll() {
    let endpoint = format!("shm:close-poll-{}", std::process::id());
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    publisher.send(&Value::from(1_u64)).unwrap();
    subscriber.close();
    for error in [subscriber.poll().unwrap_err(), subscriber.fileno().unwrap_err()] {
        assert_eq!((error.kind(), error.endpoint()), (ErrorKind::InvalidState, Some(&*endpoint)));
    }
    assert!(subscriber.receive_state.lock().unwrap().feed.is_none());
}
