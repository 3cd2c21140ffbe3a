//! The last messages of an exported publisher, kept for machines that miss some.
//!
//! With `retain`, a bridge keeps a number of bytes per publisher. Each message names the oldest kept one, so after a
//! gap another bridge knows what it can recover and opens a stream: see `imports::recovery` and `replays`. All
//! publishers share a second limit. One publisher gets at most as much as the others leave free, so busy or
//! short-lived names take neither the memory nor the messages of others.
//!
//! The first message of the stream contains the publisher's incarnation and the first number. The answer is every
//! kept message from that number on, then the stream's end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use linkspan::Value;

use crate::engine::{Body, Origin, Sample, encoding_of, mime};
use crate::links::{pack, unpack};

/// The prefix of the stream's name; the publisher's name follows.
const STREAM: &str = "publish:";

/// The limits of kept messages, and the memory of all publishers' messages. Clones share the count.
#[derive(Clone)]
pub struct Bounds {
    each: usize,
    all: usize,
    held: Arc<AtomicUsize>,
}

impl Bounds {
    pub fn new(each: usize, all: usize) -> Bounds {
        Bounds { each, all, held: Arc::default() }
    }

    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

pub struct Kept {
    samples: VecDeque<(Origin, Body)>,
    bytes: usize,
    bounds: Bounds,
}

impl Kept {
    pub fn new(bounds: &Bounds) -> Kept {
        Kept { samples: VecDeque::new(), bytes: 0, bounds: bounds.clone() }
    }

    /// Adds a message and drops the oldest ones above the limits.
    ///
    /// Returns how many were dropped only because of the total limit.
    pub fn push(&mut self, origin: Origin, body: Body) -> u64 {
        self.change(body.memory(), 0);
        self.samples.push_back((origin, body));
        while self.bytes > self.bounds.each && self.forget_oldest() {}
        let mut dropped: u64 = 0;
        // At most as much as is free then, which leaves room for others.
        while self.bytes > self.bounds.all.saturating_sub(self.bounds.held.load(Ordering::Relaxed))
            && self.forget_oldest()
        {
            dropped = dropped.saturating_add(1);
        }
        dropped
    }

    /// Removes the last added message, which the engine does not carry.
    pub fn pop(&mut self) {
        if let Some((_, body)) = self.samples.pop_back() {
            self.change(0, body.memory());
        }
    }

    /// Drops all messages, because another incarnation has its own numbers.
    pub fn clear(&mut self) {
        self.samples.clear();
        self.change(0, self.bytes);
    }

    fn forget_oldest(&mut self) -> bool {
        let Some((_, body)) = self.samples.pop_front() else { return false };
        self.change(0, body.memory());
        true
    }

    fn change(&mut self, added: usize, removed: usize) {
        self.bytes = self.bytes.saturating_add(added).saturating_sub(removed);
        self.bounds.held.fetch_add(added, Ordering::Relaxed);
        // Removed bytes were added before, so this cannot underflow.
        self.bounds.held.fetch_sub(removed, Ordering::Relaxed);
    }

    pub fn oldest(&self) -> Option<u64> {
        self.samples.front().map(|(origin, _)| origin.sequence)
    }

    /// Returns this incarnation's first message at or after a number.
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

pub fn stream_name(name: &str) -> String {
    format!("{STREAM}{name}")
}

/// Returns the publisher of such a stream; `None` for other streams.
pub fn publisher_of(stream: &str) -> Option<&str> {
    stream.strip_prefix(STREAM)
}

/// Returns the first message of such a stream, which requests messages.
pub fn request(incarnation: u64, first: u64) -> Bytes {
    pack(&Value::map([("incarnation", incarnation), ("from", first)]), &[])
}

/// Returns a request's incarnation and first number; `None` for invalid bytes.
pub fn requested(bytes: &Bytes) -> Option<(u64, u64)> {
    let (map, _) = unpack(bytes)?;
    let number = |key: &str| map.at(key).and_then(Value::as_u64).ok();
    Some((number("incarnation")?, number("from")?))
}

/// Decodes a message of such a stream, with this name and incarnation; `None` for invalid bytes.
pub fn sample_of(bytes: &Bytes, name: &str, incarnation: u64) -> Option<Sample> {
    let (map, body) = unpack(bytes)?;
    let sequence = map.at("sequence").and_then(Value::as_u64).ok().filter(|number| *number != 0)?;
    let sent = map.at("sent").and_then(Value::as_i64).ok()?;
    let encoding = encoding_of(map.at("encoding").and_then(Value::as_text).ok());
    let origin = Some(Origin { incarnation, sequence, sent, kept: None });
    Some(Sample { name: name.to_owned(), origin, body: Body { encoding, bytes: body } })
}

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
        // The publisher's own bridge has missed some numbers.
        for sequence in [1, 2, 5, 6, 7, 8, 9, 10] {
            kept.push(origin(sequence), body(100));
        }
        assert_eq!((kept.oldest(), kept.bytes), (Some(6), 1_000));
        let from = |kept: &Kept, number| kept.from(7, number).map(|(origin, _)| origin.sequence);
        assert_eq!([1, 6, 10, 11].map(|number| from(&kept, number)), [Some(6), Some(6), Some(10), None]);
        assert!(kept.from(8, 6).is_none(), "of another incarnation");
        kept.pop();
        assert_eq!((from(&kept, 10), kept.bytes), (None, 800));
        // A message longer than the limit removes all earlier ones too.
        kept.push(origin(10), body(2_000));
        assert_eq!((kept.oldest(), kept.bytes), (None, 0));
    }

    #[test]
    fn all_publishers_together_keep_no_more_than_the_bound_of_all() {
        let bounds = Bounds::new(1_000, 4_000);
        let mut all: Vec<Kept> = (0..100).map(|_| Kept::new(&bounds)).collect();
        let (mut dropped, mut number) = (0, 0);
        // A message of 100 bytes takes more than 100 bytes of memory.
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
        // A busy publisher leaves room for a new one.
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
