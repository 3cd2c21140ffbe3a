//! Sorts the messages of other programs by time: chunks may overlap and may have any order inside.
//!
//! A first pass finds each chunk's least time. A message is held until all later records have later times.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::Result;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use mcap::records::op;

use super::entry::{Channel, Problem};
use crate::chunk::HEAD;
use crate::event::Event;

/// The most places with a least time. Beyond that, pairs of places are merged.
const MOST_PLACES: usize = 1 << 16;
const ENTRY: u64 = 128;
/// Bytes of a read, and of a record up to its times.
const BLOCK: usize = 64 << 10;
const TIMES: usize = HEAD + 16;

/// The held entries of a file, and the times of unread records.
#[derive(Debug, Default)]
pub struct Order {
    /// Places of records in ascending order, with the least time from each on.
    least: Vec<(u64, u64)>,
    held: BinaryHeap<Reverse<Entry>>,
    bytes: u64,
    most: u64,
    count: u64,
    /// The previous entry's time, for entries without a time.
    time: u64,
    /// Whether the limit was exceeded.
    is_full: bool,
    is_full_said: bool,
    end: Option<Option<Problem>>,
}

#[derive(Debug)]
struct Entry {
    time: u64,
    /// Keeps the order of entries with equal times.
    count: u64,
    bytes: u64,
    what: Held,
}

#[derive(Debug)]
pub enum Held {
    Message { channel: Arc<Channel>, number: u64, sent: u64, received: u64, body: Bytes },
    Event(Event),
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> Ordering {
        (self.time, self.count).cmp(&(other.time, other.count))
    }
}

/// Reads in blocks: heads are close together.
struct Heads<'a> {
    file: &'a File,
    block: Vec<u8>,
    begin: u64,
}

impl Heads<'_> {
    /// With zeros after the end of the file.
    fn at(&mut self, place: u64) -> Result<[u8; TIMES]> {
        let mut head = [0; TIMES];
        let is_in = |block: &[u8], begin: u64| {
            let from = usize::try_from(place.checked_sub(begin)?).ok()?;
            block.get(from..from.checked_add(TIMES)?)?.first_chunk::<TIMES>().copied()
        };
        if let Some(found) = is_in(&self.block, self.begin) {
            return Ok(found);
        }
        self.block.resize(BLOCK, 0);
        let length = self.file.read_at(&mut self.block, place)?;
        (self.begin, _) = (place, self.block.truncate(length));
        for (to, from) in head.iter_mut().zip(&self.block) {
            *to = *from;
        }
        Ok(head)
    }
}

impl Order {
    /// Collects the times of a file. At most `most` bytes will be held.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn look(file: &File, length: u64, most: u64) -> Result<Order> {
        let mut heads = Heads { file, block: Vec::new(), begin: 0 };
        let mut least: Vec<(u64, u64)> = Vec::new();
        let mut place = mcap::MAGIC.len() as u64;
        while place < length {
            let head = heads.at(place)?;
            let (words, times) = head.split_at(HEAD);
            let number = |bytes: &[u8]| bytes.first_chunk::<8>().map_or(0, |word| u64::from_le_bytes(*word));
            let time = match words.first() {
                Some(&op::CHUNK) => Some(number(times)).filter(|time| (*time, number(&times[8..])) != (0, 0)),
                // The time follows the channel and the number.
                Some(&op::MESSAGE) => Some(number(&times[6..])).filter(|time| *time > 0),
                Some(&op::DATA_END) => break,
                _ => None,
            };
            if let Some(time) = time {
                least.push((place, time));
            }
            if least.len() >= MOST_PLACES {
                let pairs = least
                    .chunks(2)
                    .filter_map(|pair| Some((pair.first()?.0, pair.iter().map(|(_, time)| *time).min()?)));
                least = pairs.collect();
            }
            place = place.saturating_add(HEAD as u64).saturating_add(number(&words[1..]));
        }
        let mut from_here = u64::MAX;
        for (_, time) in least.iter_mut().rev() {
            from_here = from_here.min(*time);
            *time = from_here;
        }
        Ok(Order { least, most, ..Order::default() })
    }

    /// A lower bound of the times from here on.
    fn least(&self, place: u64) -> u64 {
        let at = self.least.partition_point(|(begin, _)| *begin <= place);
        self.least.get(at.saturating_sub(1)).map_or(u64::MAX, |(_, time)| *time)
    }

    /// Holds an entry; reading continues at `behind`.
    pub fn hold(&mut self, what: Held, behind: u64) {
        let (clock, bytes, what) = match what {
            Held::Event(event) => (event.time, event.text.len() as u64, Held::Event(event)),
            Held::Message { channel, number, sent, received, body } => {
                // A slice would keep its chunk.
                let is_late = received > self.least(behind);
                let body = if is_late { Bytes::copy_from_slice(&body) } else { body };
                let length = body.len() as u64;
                (received, length, Held::Message { channel, number, sent, received, body })
            }
        };
        // Writers use 0 for an absent time.
        self.time = if clock == 0 { self.time } else { clock };
        let bytes = bytes.saturating_add(ENTRY);
        self.bytes = self.bytes.saturating_add(bytes);
        self.count = self.count.wrapping_add(1);
        self.held.push(Reverse(Entry { time: self.time, count: self.count, bytes, what }));
    }

    /// Returns the next entry if all records from here on are later.
    pub fn next(&mut self, place: u64) -> Option<Held> {
        let least = if self.end.is_some() { u64::MAX } else { self.least(place) };
        let Reverse(first) = self.held.peek()?;
        let is_next = first.time <= least;
        if !is_next && self.bytes <= self.most {
            return None;
        }
        self.is_full |= !is_next;
        let Reverse(Entry { bytes, what, .. }) = self.held.pop()?;
        self.bytes = self.bytes.saturating_sub(bytes);
        Some(what)
    }

    /// Returns the limit, once, after it was exceeded: entries are then out of order.
    pub fn take_full(&mut self) -> Option<u64> {
        (self.is_full && !std::mem::replace(&mut self.is_full_said, true)).then_some(self.most)
    }

    pub fn end(&mut self, problem: Option<Problem>) {
        self.end = Some(problem);
    }

    /// Returns how the file ended, after the last held entry.
    pub fn ended(&mut self) -> Option<Option<Problem>> {
        self.end.as_mut().filter(|_| self.held.is_empty()).map(Option::take)
    }
}
