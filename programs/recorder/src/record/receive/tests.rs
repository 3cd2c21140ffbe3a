//! Tests of the receiving thread with a publisher in this process.

use std::cell::Cell;

use linkspan::{Options, Publisher as Sender, Value};

use super::super::publisher::Gap;
use super::*;

/// Both ends of a name, and the number of sent messages.
struct Ends {
    publisher: Sender,
    subscriber: Subscriber,
    count: Cell<u64>,
    clock: Clock,
}

impl Ends {
    fn new(name: &str) -> Ends {
        let endpoint = format!("shm:recorder-{name}-{}", std::process::id());
        let publisher = Sender::new(&endpoint, &Options::default()).unwrap();
        let subscriber = Subscriber::of(&[&endpoint], &Options::default()).unwrap();
        Ends { publisher, subscriber, count: Cell::new(0), clock: Clock::new() }
    }

    fn receiver<'a>(&'a self, queue: &'a Queue) -> Receiver<'a> {
        Receiver::new(&self.subscriber, queue, &self.clock, false)
    }

    fn send(&self, count: u64) {
        for n in 0..count {
            self.publisher.send(&Value::from(n)).unwrap();
        }
        self.count.set(self.count.get() + count);
    }

    /// Asserts that the queue has each message or its loss, in order; returns the messages and all losses.
    fn is_whole(&self, queue: &Queue) -> (u64, Gap) {
        let (mut next, mut messages, mut all) = (1, 0, Gap::default());
        let mut add = |next: &mut u64, gap: &Gap| {
            *next += gap.count();
            all.overtaken += gap.overtaken;
            all.dropped += gap.dropped;
            all.paused += gap.paused;
        };
        while let Some(items) = queue.take(PAUSE).filter(|items| !items.is_empty()) {
            for item in items {
                queue.release(&item);
                match item {
                    Item::Message(message) => {
                        message.gap.iter().for_each(|gap| add(&mut next, gap));
                        assert_eq!(message.number, next);
                        (next, messages) = (next + 1, messages + 1);
                    }
                    Item::Lost(lost) => {
                        add(&mut next, &lost.gap);
                        assert_eq!(lost.until, next);
                    }
                    _ => {}
                }
            }
        }
        assert_eq!(messages + all.count(), self.count.get());
        (messages, all)
    }
}

/// A publisher may overtake the first look at its messages.
#[test]
fn messages_missed_before_the_first_one_are_counted() {
    let ends = Ends::new("late");
    ends.send(50_000);
    let (queue, control) = (Queue::new(64 << 20), Control::default());
    let mut receiver = ends.receiver(&queue);
    assert!(receiver.wait(&control).unwrap());
    while receiver.take_what_is_there(&control) {
        receiver.pass_on();
    }
    receiver.end();
    let (messages, gap) = ends.is_whole(&queue);
    assert!(messages > 0 && gap.overtaken > 0, "{messages} and {gap:?}");
}

/// The publisher always has another message, and the queue is full. Taken messages must still be passed on.
#[test]
fn messages_that_find_no_room_hold_up_none_that_were_taken() {
    let ends = Ends::new("flood");
    let (queue, control) = (Queue::new(650), Control::default());
    let mut receiver = ends.receiver(&queue);
    ends.send(1_000);
    assert!(receiver.take_what_is_there(&control), "the rest is still there");
    let items = queue.take(Duration::ZERO).unwrap_or_default();
    let is_first = |item: &Item| matches!(item, Item::Message(message) if message.number == 1);
    assert!(items.iter().any(is_first), "{items:?}");
    let next = receiver.subscriber.next(Wait::none()).unwrap().map(|message| message.sequence());
    assert_eq!(next, Some(TOGETHER as u64 + 1));
}

/// A gap counts each reason separately.
#[test]
fn dropped_and_overtaken_messages_are_one_gap_with_both_reasons() {
    let ends = Ends::new("dropped");
    let (queue, control) = (Queue::new(650), Control::default());
    let mut receiver = ends.receiver(&queue);
    ends.send(100);
    assert!(!receiver.take_what_is_there(&control));
    ends.send(50_000);
    while receiver.take_what_is_there(&control) {
        receiver.pass_on();
    }
    receiver.end();
    let (messages, gap) = ends.is_whole(&queue);
    assert!(messages == 1 && gap.dropped >= 99 && gap.overtaken > 0, "{messages} and {gap:?}");
    assert!(gap.reason().contains(&format!("{}: dropped", gap.dropped)), "{}", gap.reason());
}

/// Messages that arrive during a pause form another gap than dropped ones.
#[test]
fn paused_messages_are_a_gap_of_their_own() {
    let ends = Ends::new("paused");
    let (queue, control) = (Queue::new(650), Control::default());
    let mut receiver = ends.receiver(&queue);
    for paused in [false, true, false] {
        control.paused.store(paused, Ordering::Release);
        ends.send(10);
        receiver.take_what_is_there(&control);
    }
    receiver.end();
    let (messages, gap) = ends.is_whole(&queue);
    assert_eq!((messages, gap.paused, gap.dropped), (1, 10, 19));
}
