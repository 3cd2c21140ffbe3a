//! Messages of other machines that were missed and that their bridge has kept: received again over a stream, and
//! published here in order before those that have arrived meanwhile.
//!
//! 1. A message arrives behind a gap, and says that its bridge keeps messages of that gap. It is held, and so are those
//!    behind it.
//! 2. A stream is opened, and the first number requested. Its messages are published as they come.
//! 3. The stream ends. What is held is published. Where there is another gap, since more was held than there is memory
//!    for, a stream is opened for that; after one that brought nothing no other is opened, and the gap is reported as
//!    `Lagged`.
//!
//! What was missed comes much faster than it was published, and a subscriber must not be overtaken now: after some
//! bytes the subscribers here are waited for, though not for one that has stopped. If the name was not here
//! meanwhile, the subscribers that it had are waited for, too.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use linkspan::Publisher;

use crate::clocks::after;
use crate::engine::{Presence, Sample};
use crate::kept;
use crate::links::{Id, Links, Received};

/// The most bytes that are held while a stream is read. Beyond it the oldest go; their bridge has them.
const HELD: usize = 16 << 20;
/// The bytes and messages that are published in a row before subscribers are waited for; with the default of a ring an
/// eighth of it.
const AT_ONCE: usize = 128 << 10;
/// How long subscribers that have not read everything, or have not come back, are waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often is looked whether they have.
const LOOK: Duration = Duration::from_millis(2);
/// How long a bridge is waited for to which a stream can be opened.
const BRIDGE: Duration = Duration::from_secs(5);

/// What one step has led to.
pub enum Step {
    /// This message is to be published here now.
    Publish(Sample),
    /// Nothing more can be done now.
    Wait,
    /// Nothing is missing any more.
    Complete,
}

/// The recovery of one publisher's messages.
pub struct Recovery {
    /// The publisher.
    pub presence: Presence,
    /// The number of the first message that is requested.
    first: u64,
    stream: Stream,
    /// The messages that have arrived behind the gap, in order.
    held: VecDeque<Sample>,
    held_bytes: usize,
    /// How many subscribers the name had before it went.
    subscribers: usize,
    /// Bytes that were published since all subscribers had read everything.
    unread: usize,
    /// Since when subscribers are waited for.
    waits_since: Option<Instant>,
    /// Whether a subscriber has stopped: it is not waited for any more.
    has_stopped: bool,
    /// When to look again, if nothing else wakes the loop.
    next: Option<Instant>,
}

/// The stream of a recovery.
enum Stream {
    /// It is to be opened until this time.
    Opening(Instant),
    /// It is open, and whether it has brought a message.
    Open(Id, bool),
    /// It has ended, and whether another one may bring more.
    Ended(bool),
}

impl Recovery {
    /// Begins with the message behind the gap. `subscribers` is how many the name had before it went from here.
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

    /// Keeps a message until those before it have been published. One that is no later than the last is here already.
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

    /// Returns when to look again.
    pub fn deadline(&self) -> Option<Instant> {
        self.next
    }

    /// Looks at the recovery again at once: a turn had enough of it.
    pub fn go_on(&mut self) {
        self.next = Some(Instant::now());
    }

    /// Ends the stream: the publisher has gone.
    pub fn end(&mut self, links: &mut Links) {
        if let Stream::Open(id, _) = self.stream {
            links.close(id);
        }
    }

    /// Returns what to do next. `last` is the number of the last message that was published here.
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
                    // The names of a machine may appear before its bridge.
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
                        // The other bridge is of a version that this one does not understand.
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

    /// Returns the next of the held messages, or opens a stream for a gap before it.
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

    /// Counts a message that is published now.
    fn publish(&mut self, sample: Sample) -> Step {
        self.unread = self.unread.saturating_add(sample.body.memory());
        Step::Publish(sample)
    }

    /// Takes the first held message.
    fn take_held(&mut self) -> Option<Sample> {
        let sample = self.held.pop_front()?;
        self.held_bytes = self.held_bytes.saturating_sub(sample.body.memory());
        Some(sample)
    }

    /// Returns whether subscribers are waited for: those that the name had before, and those that have not read
    /// what was published.
    fn waits_for_subscribers(&mut self, publisher: &Publisher, now: Instant) -> bool {
        let are_missing = publisher.subscribers() < self.subscribers;
        let are_behind = self.unread >= AT_ONCE && !self.has_stopped && publisher.behind() > 0;
        if (are_missing || are_behind) && now < after(*self.waits_since.get_or_insert(now), PATIENCE) {
            return true;
        }
        // One that has not come by now does not come back, and one that has not read has stopped.
        self.has_stopped |= are_behind;
        self.subscribers = 0;
        if self.unread >= AT_ONCE {
            self.unread = 0;
        }
        self.waits_since = None;
        false
    }
}
