//! A gap is reported once by the feed, and must reach the program whatever the call did then.

use std::thread;

use super::Subscriber;
use crate::deadline::Waiting;
use crate::publish::Publisher;
use crate::{ErrorKind, Options, Timeout, Value};

const SENT: u64 = 50_000;

/// A publisher that has overtaken its subscriber.
fn overtaken(name: &str) -> (Publisher, Subscriber) {
    let endpoint = format!("shm:gap-{name}-{}", std::process::id());
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    for n in 0..SENT {
        publisher.send(&Value::from(n)).unwrap();
    }
    (publisher, subscriber)
}

/// Asserts that the next message has the number of those before it.
fn assert_told(subscriber: &Subscriber) {
    let message = subscriber.next(Timeout::Default).unwrap().unwrap();
    assert!(message.missed() > 0);
    assert_eq!(message.missed() + 1, message.sequence());
    assert_eq!(subscriber.events().iter().map(|event| event.missed).sum::<u64>(), message.missed());
}

#[test]
fn gap_found_after_the_deadline_is_told_by_the_next_call() {
    let (_publisher, subscriber) = overtaken("deadline");
    // The process was stopped in its first round, until the time for honest peers was over.
    let mut waiting = Waiting::at_once();
    waiting.count_round().unwrap();
    thread::sleep(Waiting::PATIENCE);
    assert_eq!(subscriber.receive(&mut waiting, true).unwrap_err().kind(), ErrorKind::Timeout);
    assert_told(&subscriber);
}

#[test]
fn gap_found_by_a_poll_is_told_by_the_next_call() {
    let (_publisher, subscriber) = overtaken("poll");
    assert!(subscriber.poll().unwrap());
    assert!(subscriber.poll().unwrap());
    assert_told(&subscriber);
}
