//! The last messages of an exported publisher, kept for machines that miss some of them.
//!
//! With `retain` a bridge keeps so many bytes of each publisher's messages. Each message says which is the oldest one
//! that is kept, so another bridge knows after a gap what it can have again, and opens a stream for that: see
//! `imports::recovery` and `replays`. All publishers together have a bound as well: one of them takes at most as much
//! as the others leave free, so that names which come and go, or publish much, take neither the memory nor the messages
//! of others.
//!
//! The first message of the stream has the publisher's incarnation and the first
//! number; the answer is every kept message from that number on, and then the end of the stream.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use linkspan::Value;

use crate::engine::{Body, Origin, Sample, encoding_of, mime};
use crate::links::{pack, unpack};

/// What the name of a stream begins with; the name of the publisher follows.
const STREAM: &str = "publish:";

/// The bounds of kept messages, and the memory that those of all publishers take. Its copies count together.
#[derive(Clone)]
pub struct Bounds {
    /// The bytes of one publisher's messages at most.
    each: usize,
    /// The bytes of all at most.
    all: usize,
    /// The bytes of all now.
    held: Arc<AtomicUsize>,
}

impl Bounds {
    /// Creates the bounds of one publisher's messages and of all, in bytes.
    pub fn new(each: usize, all: usize) -> Bounds {
        Bounds { each, all, held: Arc::default() }
    }

    /// Returns the bytes that all have.
    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

/// The last messages of one publisher.
pub struct Kept {
    samples: VecDeque<(Origin, Body)>,
    /// The memory that they take.
    bytes: usize,
    bounds: Bounds,
}

impl Kept {
    /// Creates an empty store with these bounds.
    pub fn new(bounds: &Bounds) -> Kept {
        Kept { samples: VecDeque::new(), bytes: 0, bounds: bounds.clone() }
    }

    /// Adds a message, and drops the oldest ones beyond the bounds. Returns how many it dropped for the bound of all
    /// alone.
    pub fn push(&mut self, origin: Origin, body: Body) -> u64 {
        self.change(body.memory(), 0);
        self.samples.push_back((origin, body));
        while self.bytes > self.bounds.each && self.forget_oldest() {}
        let mut dropped: u64 = 0;
        // Others have what this one leaves: at most as much as is free then.
        while self.bytes > self.bounds.all.saturating_sub(self.bounds.held.load(Ordering::Relaxed))
            && self.forget_oldest()
        {
            dropped = dropped.saturating_add(1);
        }
        dropped
    }

    /// Removes the message that was added last: the engine does not carry it.
    pub fn pop(&mut self) {
        if let Some((_, body)) = self.samples.pop_back() {
            self.change(0, body.memory());
        }
    }

    /// Drops all messages: another incarnation has numbers of its own.
    pub fn clear(&mut self) {
        self.samples.clear();
        self.change(0, self.bytes);
    }

    fn forget_oldest(&mut self) -> bool {
        let Some((_, body)) = self.samples.pop_front() else { return false };
        self.change(0, body.memory());
        true
    }

    /// Counts bytes that are added and removed.
    fn change(&mut self, added: usize, removed: usize) {
        self.bytes = self.bytes.saturating_add(added).saturating_sub(removed);
        self.bounds.held.fetch_add(added, Ordering::Relaxed);
        // What is removed was added before.
        self.bounds.held.fetch_sub(removed, Ordering::Relaxed);
    }

    /// Returns the number of the oldest message.
    pub fn oldest(&self) -> Option<u64> {
        self.samples.front().map(|(origin, _)| origin.sequence)
    }

    /// Returns the first message of this incarnation with this number or a later one.
    pub fn from(&self, incarnation: u64, number: u64) -> Option<&(Origin, Body)> {
        let at = self.samples.partition_point(|(origin, _)| origin.sequence < number);
        self.samples.get(at).filter(|(origin, _)| origin.incarnation == incarnation)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Returns the name of the stream over which a publisher's messages are sent again.
pub fn stream_name(name: &str) -> String {
    format!("{STREAM}{name}")
}

/// Returns the name of the publisher of such a stream; `None` for the name of another stream.
pub fn publisher_of(stream: &str) -> Option<&str> {
    stream.strip_prefix(STREAM)
}

/// Returns the first message of such a stream: which messages are requested.
pub fn request(incarnation: u64, first: u64) -> Bytes {
    pack(&Value::map([("incarnation", incarnation), ("from", first)]), &[])
}

/// Returns the incarnation and the first number that a request names; `None` for bytes that are no request.
pub fn requested(bytes: &Bytes) -> Option<(u64, u64)> {
    let (map, _) = unpack(bytes)?;
    let number = |key: &str| map.at(key).and_then(Value::as_u64).ok();
    Some((number("incarnation")?, number("from")?))
}

/// Returns a message of such a stream as it was published; `None` for bytes that are no such message. The name and the
/// incarnation are those that were requested.
pub fn sample_of(bytes: &Bytes, name: &str, incarnation: u64) -> Option<Sample> {
    let (map, body) = unpack(bytes)?;
    let sequence = map.at("sequence").and_then(Value::as_u64).ok().filter(|number| *number != 0)?;
    let sent = map.at("sent").and_then(Value::as_i64).ok()?;
    let encoding = encoding_of(map.at("encoding").and_then(Value::as_text).ok());
    let origin = Some(Origin { incarnation, sequence, sent, kept: None });
    Some(Sample { name: name.to_owned(), origin, body: Body { encoding, bytes: body } })
}

/// Returns the message of such a stream for a kept message.
pub fn bytes_of((origin, body): &(Origin, Body)) -> Bytes {
    let fields = [
        ("sequence", Value::from(origin.sequence)),
        ("sent", origin.sent.into()),
        ("encoding", mime(body.encoding).into()),
    ];
    pack(&Value::map(fields), &body.bytes)
}

#[cfg(test)]
mod tests {
    use linkspan::Encoding;

    use super::*;

    fn origin(sequence: u64) -> Origin {
        Origin { incarnation: 7, sequence, sent: -1, kept: None }
    }

    fn body(length: usize) -> Body {
        Body { encoding: Encoding::Json, bytes: vec![b'1'; length].into() }
    }

    #[test]
    fn kept_messages_are_the_last_ones_within_the_bound() {
        let mut kept = Kept::new(&Bounds::new(1_000, 1_000_000));
        assert_eq!(kept.oldest(), None);
        // Numbers that the publisher's own bridge has missed are left out.
        for sequence in [1, 2, 5, 6, 7, 8, 9, 10] {
            kept.push(origin(sequence), body(100));
        }
        assert_eq!((kept.oldest(), kept.bytes), (Some(6), 1_000));
        let from = |kept: &Kept, number| kept.from(7, number).map(|(origin, _)| origin.sequence);
        assert_eq!([1, 6, 10, 11].map(|number| from(&kept, number)), [Some(6), Some(6), Some(10), None]);
        assert!(kept.from(8, 6).is_none(), "of another incarnation");
        kept.pop();
        assert_eq!((from(&kept, 10), kept.bytes), (None, 800));
        // One that is longer than the bound is not kept, and nothing before it.
        kept.push(origin(10), body(2_000));
        assert_eq!((kept.oldest(), kept.bytes), (None, 0));
    }

    #[test]
    fn all_publishers_together_keep_no_more_than_the_bound_of_all() {
        let bounds = Bounds::new(1_000, 4_000);
        let mut all: Vec<Kept> = (0..100).map(|_| Kept::new(&bounds)).collect();
        let (mut dropped, mut number) = (0, 0);
        // A message of 100 bytes takes more than those.
        for _ in 0..50 {
            for kept in &mut all {
                number += 1;
                dropped += kept.push(origin(number), body(100));
                assert!(bounds.held() <= 4_000, "{}", bounds.held());
            }
        }
        let left: usize = all.iter().map(|kept| kept.samples.len()).sum();
        assert!(dropped > 0 && left > 0, "{dropped} and {left}");
        assert_eq!(all.iter().map(|kept| kept.bytes).sum::<usize>(), bounds.held());
        // One that publishes much leaves room for a new one.
        let mut one = Kept::new(&Bounds::new(1 << 20, 10_000));
        let mut late = Kept::new(&one.bounds.clone());
        (1..1_000).for_each(|number| {
            one.push(origin(number), body(100));
        });
        assert!(one.bytes <= 5_000 && one.bytes > 4_000, "{}", one.bytes);
        assert_eq!(late.push(origin(1), body(100)), 0);
        drop((one, late, all));
        assert_eq!(bounds.held(), 0);
    }

    #[test]
    fn message_is_read_as_it_was_published() {
        let sent = (origin(9), body(3));
        let read = sample_of(&bytes_of(&sent), "lab/a", 7).unwrap();
        assert_eq!((read.name.as_str(), read.origin, read.body), ("lab/a", Some(sent.0), sent.1.clone()));
        assert_eq!(sample_of(&request(7, 1), "lab/a", 7), None);
        assert_eq!((requested(&request(7, 1)), requested(&bytes_of(&sent))), (Some((7, 1)), None));
        assert_eq!(sample_of(&Bytes::from_static(b"\x01\0\0\0\xa0"), "lab/a", 7), None);
    }

    #[test]
    fn gap_is_recovered_as_far_as_messages_are_kept() {
        let at = |sequence, kept| Origin { sequence, kept, ..origin(1) };
        for (last, sequence, kept, first) in [
            (3, 4, Some(1), None),
            (3, 7, Some(1), Some(4)),
            (3, 7, Some(6), Some(6)),
            (3, 7, Some(7), None),
            (3, 7, None, None),
            (9, 7, Some(1), None),
        ] {
            assert_eq!(at(sequence, kept).first_to_recover(last), first, "{last} {sequence} {kept:?}");
        }
    }
}
