//! A feed reports a gap once. The program has to receive it whatever the call does then.

use std::thread;

use super::Subscriber;
use crate::deadline::Waiting;
use crate::publish::Publisher;
use crate::{ErrorKind, Options, Timeout, Value};

const SENT: u64 = 50_000;

/// Returns a publisher that has overwritten messages which its subscriber has not received.
fn lagging(name: &str) -> (Publisher, Subscriber) {
    let endpoint = format!("shm:gap-{name}-{}", std::process::id());
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    for n in 0..SENT {
        publisher.send(&Value::from(n)).unwrap();
    }
    (publisher, subscriber)
}

/// Asserts that the next message carries the number of the missed messages before it.
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
    assert_eq!(subscriber.receive(&mut waiting, true).unwrap_err().kind(), ErrorKind::Timeout);
    assert_gap_is_reported(&subscriber);
}

#[test]
fn gap_found_by_a_poll_is_reported_by_the_next_call() {
    let (_publisher, subscriber) = lagging("poll");
    assert!(subscriber.poll().unwrap());
    assert!(subscriber.poll().unwrap());
    assert_gap_is_reported(&subscriber);
}
