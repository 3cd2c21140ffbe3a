//! Recovers missed messages that the publisher's bridge has kept, and publishes them here in order.
//!
//! 1. A message arrives after a gap, and its bridge keeps messages of the gap. This message and later ones are held.
//! 2. A stream is opened and the first missing number requested. Its messages are published as they arrive.
//! 3. The stream ends, and the held messages are published. If the memory for held messages was too small, another
//!    gap remains and another stream is opened. After a stream without messages, the gap is reported as `Lagged`.
//!
//! Recovered messages arrive much faster than they were published, and local subscribers must not be overrun. After
//! some bytes, the bridge therefore waits for them, except for stopped ones. If the name was absent here, the bridge
//! also waits for the subscribers that it had before.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use linkspan::Publisher;

use crate::clocks::after;
use crate::engine::{Presence, Sample};
use crate::kept;
use crate::links::{Id, Links, Received};

/// The most held bytes while a stream is read. Above it, the oldest are dropped, because their bridge has them.
const HELD: usize = 16 << 20;
/// Bytes published before waiting for subscribers: an eighth of a default ring.
const AT_ONCE: usize = 128 << 10;
/// How long to wait for subscribers that have unread messages or have not returned.
const PATIENCE: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(2);
/// How long to wait for a bridge that accepts a stream.
const BRIDGE: Duration = Duration::from_secs(5);

pub enum Step {
    Publish(Sample),
    Wait,
    Complete,
}

pub struct Recovery {
    pub presence: Presence,
    first: u64,
    stream: Stream,
    held: VecDeque<Sample>,
    held_bytes: usize,
    /// The number of subscribers before the name went.
    subscribers: usize,
    /// Bytes published since all subscribers had read everything.
    unread: usize,
    /// Since when the bridge waits for subscribers.
    waits_since: Option<Instant>,
    /// Whether a subscriber has stopped; the bridge no longer waits for it.
    has_stopped: bool,
    /// When to check again, if nothing else wakes the loop.
    next: Option<Instant>,
}

enum Stream {
    Opening(Instant),
    /// Open, and whether it has brought a message.
    Open(Id, bool),
    /// Ended, and whether another one may bring more.
    Ended(bool),
}

impl Recovery {
    /// Begins with the message after the gap. `subscribers` is the name's number of subscribers before it went.
    pub fn new(presence: Presence, first: u64, sample: Sample, subscribers: usize) -> Recovery {
        let now = Instant::now();
        let mut recovery = Recovery {
            presence,
            first,
            stream: Stream::Opening(after(now, BRIDGE)),
            held: VecDeque::new(),
            held_bytes: 0,
            subscribers,
            unread: 0,
            waits_since: None,
            has_stopped: false,
            next: Some(now),
        };
        recovery.hold(sample);
        recovery
    }

    /// Holds a message until earlier ones are published. Drops a repeated one.
    pub fn hold(&mut self, sample: Sample) {
        let number = |sample: &Sample| sample.origin.map_or(0, |origin| origin.sequence);
        if self.held.back().is_some_and(|last| number(last) >= number(&sample)) {
            return;
        }
        self.held_bytes = self.held_bytes.saturating_add(sample.body.memory());
        self.held.push_back(sample);
        while self.held_bytes > HELD && self.held.len() > 1 {
            self.take_held();
        }
        if let Stream::Ended(_) = self.stream {
            self.next = Some(Instant::now());
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.next
    }

    /// Schedules the recovery at once, after a turn reached its limit.
    pub fn go_on(&mut self) {
        self.next = Some(Instant::now());
    }

    pub fn end(&mut self, links: &mut Links) {
        if let Stream::Open(id, _) = self.stream {
            links.close(id);
        }
    }

    /// Returns the next step. `last` is the last number published here.
    pub fn step(&mut self, last: u64, publisher: &Publisher, links: &mut Links) -> Step {
        let now = Instant::now();
        self.next = None;
        if self.waits_for_subscribers(publisher, now) {
            self.next = Some(after(now, LOOK));
            return Step::Wait;
        }
        match self.stream {
            Stream::Opening(until) => {
                match links.open_stream(&kept::stream_name(&self.presence.name), &self.presence.machine) {
                    Some(id) => {
                        links.send(id, kept::request(self.presence.incarnation, self.first));
                        self.stream = Stream::Open(id, false);
                    }
                    // A machine's names may appear before its bridge.
                    None if now < until => self.next = Some(after(now, LOOK.saturating_mul(10))),
                    None => {
                        self.stream = Stream::Ended(false);
                        self.next = Some(now);
                    }
                }
                Step::Wait
            }
            Stream::Open(id, has_brought) => match links.receive(id) {
                Received::Nothing => Step::Wait,
                Received::End => {
                    self.stream = Stream::Ended(has_brought);
                    self.next_held(last)
                }
                Received::Message(bytes) => {
                    match kept::sample_of(&bytes, &self.presence.name, self.presence.incarnation) {
                        Some(sample) => {
                            self.stream = Stream::Open(id, true);
                            self.publish(sample)
                        }
                        // The other bridge sends a message of an unknown version.
                        None => {
                            links.close(id);
                            self.stream = Stream::Ended(has_brought);
                            self.next_held(last)
                        }
                    }
                }
            },
            Stream::Ended(_) => self.next_held(last),
        }
    }

    /// Returns the next held message, or opens a stream for a gap before it.
    fn next_held(&mut self, last: u64) -> Step {
        while let Some(origin) = self.held.front().and_then(|sample| sample.origin) {
            if origin.sequence <= last {
                self.take_held();
                continue;
            }
            if let (Stream::Ended(true), Some(first)) = (&self.stream, origin.first_to_recover(last)) {
                self.first = first;
                self.stream = Stream::Opening(after(Instant::now(), BRIDGE));
                self.go_on();
                return Step::Wait;
            }
            return self.take_held().map_or(Step::Complete, |sample| self.publish(sample));
        }
        Step::Complete
    }

    fn publish(&mut self, sample: Sample) -> Step {
        self.unread = self.unread.saturating_add(sample.body.memory());
        Step::Publish(sample)
    }

    fn take_held(&mut self) -> Option<Sample> {
        let sample = self.held.pop_front()?;
        self.held_bytes = self.held_bytes.saturating_sub(sample.body.memory());
        Some(sample)
    }

    /// Returns whether to wait for subscribers: earlier ones are missing, or some have unread messages.
    fn waits_for_subscribers(&mut self, publisher: &Publisher, now: Instant) -> bool {
        let are_missing = publisher.subscribers() < self.subscribers;
        let are_behind = self.unread >= AT_ONCE && !self.has_stopped && publisher.behind() > 0;
        if (are_missing || are_behind) && now < after(*self.waits_since.get_or_insert(now), PATIENCE) {
            return true;
        }
        // Missing subscribers will not return, and subscribers with unread messages have stopped.
        self.has_stopped |= are_behind;
        self.subscribers = 0;
        if self.unread >= AT_ONCE {
            self.unread = 0;
        }
        self.waits_since = None;
        false
    }
}
