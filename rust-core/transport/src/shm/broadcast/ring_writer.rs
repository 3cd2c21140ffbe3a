//! The writing end of a broadcast ring: it overwrites the oldest records, and announces that before.
//!
//! `ring.rs` defines positions and laps. `record.rs` defines pads and the granule of 16 bytes. The reading end relies
//! on this order of stores:
//!
//! 1. `reserved`: the end of the bytes that may be changing. A release fence follows, so a reader that sees a byte of a
//!    later record also sees the new `reserved`. One store announces several records in advance. Readers load this
//!    cache line, so a store for each record would wait for the line and delay the tail.
//! 2. A zero as the next record's word, then the record without its first word. Word by word in relaxed order, because
//!    readers may be copying there.
//! 3. At [`RingWriter::commit`], the record's first word with release order. A reader that loads it with acquire order
//!    sees the record and the zero after it. In a batch, the first record's word comes last, and no reader gets past it
//!    before.
//! 4. A release fence, `latest`, `restart`, `count`, then `tail` with release order and a full fence. Spinning readers
//!    poll only the first word, so these lines stay in this side's cache. Readers that are about to sleep check `tail`.
//!    A reader may be ahead of these words by the records under commit.

use std::sync::atomic::Ordering;

use super::super::memory::{OwnMemory, fence};
use super::super::record::{FastKind, GRANULE, LINKED, Record, Shape, WORD};
use super::super::references::REFERENCE;
use super::super::ring::{self, Ring};
use super::super::segment::{MIN_RING, at};
use crate::body::PLACED_FROM;
use crate::codec::Encoding;
use crate::frame::{HEADER, Outgoing};

/// An eighth of the ring is the most for a record of the fast path and for a batch.
const FAST_PART: u64 = 8;

/// A frame's record; the extension has references to slots.
#[inline]
pub(super) fn record_of(frame: &Outgoing<'_>) -> Record {
    match frame.split {
        Some(_) => {
            let shape = if frame.extension.len() == REFERENCE { Shape::Placed } else { Shape::Slots };
            let length = HEADER + frame.extension.len() + frame.body.len();
            Record::of_frame(shape, &frame.header, length)
        }
        // Readers begin anywhere, so each record has its number.
        None => ring::record_of(frame, false),
    }
}

/// The writing end for one thread. It never blocks and never reads a subscriber's memory.
#[derive(Debug)]
pub(in crate::shm) struct RingWriter<M> {
    mine: M,
    ring: Ring,
    /// The position after the newest record, committed or not.
    tail: u64,
    /// The position up to which readers find records.
    committed: u64,
    /// The first word of the record at `committed`, until the commit stores it.
    first: u64,
    /// The announced end of changing bytes.
    reserved: u64,
    /// Bytes after a record that are reserved with it.
    ahead: u64,
    latest: u64,
    /// The oldest record that an overtaken reader has time to read, a quarter of the ring ahead.
    restart: u64,
    /// A new record that ends after this position moves `restart`.
    restart_until: u64,
    /// Records written to this ring, without pads. Of a smaller ring only the copied records count.
    count: u64,
}

impl<M: OwnMemory> RingWriter<M> {
    /// A fresh ring of `ring` bytes. `mine` is zero after its header.
    pub fn new(mine: M, ring: usize) -> RingWriter<M> {
        let ring = Ring::new(ring);
        RingWriter {
            mine,
            ring,
            tail: 0,
            committed: 0,
            first: 0,
            reserved: 0,
            // Readers lose these bytes of the oldest records early. A 64th is little, because the restart position
            // already gives up a quarter of the ring.
            ahead: (ring.length / 64) & !(GRANULE - 1),
            latest: 0,
            restart: 0,
            restart_until: ring.length / 4 * 3,
            count: 0,
        }
    }

    #[cfg(all(test, loom))]
    pub fn with_ahead(mine: M, ring: usize, ahead: u64) -> RingWriter<M> {
        RingWriter { ahead, ..RingWriter::new(mine, ring) }
    }

    pub fn memory(&self) -> &M {
        &self.mine
    }

    pub fn ring(&self) -> u64 {
        self.ring.length
    }

    /// Writes and commits a frame. False, without a change, above half of the ring.
    pub fn write(&mut self, frame: &Outgoing<'_>) -> bool {
        let Some(size) = self.put(frame) else { return false };
        self.commit();
        // After the commit: the tail's line would have to wait.
        self.prefetch_next(size);
        true
    }

    /// Writes and commits a data message without extension map and flags.
    ///
    /// False, without a change, if it needs [`RingWriter::write`]: a body for a slot, a record above an eighth of the
    /// ring, or no room in the lap.
    #[inline]
    pub fn write_fast(&mut self, sequence: u64, sent: i64, encoding: Encoding, body: &[u8]) -> bool {
        if body.len() >= PLACED_FROM {
            return false;
        }
        let record = FastKind::Published.record(encoding, (LINKED + body.len()) as u32);
        let size = record.size();
        // The rings of models are shorter than all others.
        let most = self.ring.length.max(MIN_RING as u64) / FAST_PART;
        if size > self.ring.left(self.tail).min(most) {
            return false;
        }
        let (start, end) = (self.tail, self.tail + size);
        if end > self.restart_until {
            self.advance_restart(start, end);
        }
        self.reserve(end);
        let content = self.begin(start, size);
        self.mine.store_words(content, [sent.cast_unsigned(), sequence, 0]);
        self.mine.copy_in_racing(content + LINKED, body);
        self.store_word(start, record);
        self.commit();
        self.prefetch_next(size);
        // For another record of this size. After the commit: this line was last used three quarters of a lap ago.
        self.advance_restart(self.tail, self.tail + size);
        true
    }

    /// Whether a record may join the batch, which takes at most an eighth of the ring.
    ///
    /// Readers learn of a batch at its end, and their restart position must stay ahead of it.
    pub fn fits_batch(&self, size: u64) -> bool {
        self.tail - self.committed + size <= self.ring.length / FAST_PART
    }

    /// Writes a frame without commit. False, without a change, above half of the ring.
    ///
    /// The caller first asks [`RingWriter::fits_batch`], and commits if the record does not fit. The restart position
    /// relies on the bound of a batch.
    pub fn append(&mut self, frame: &Outgoing<'_>) -> bool {
        let Some(size) = self.put(frame) else { return false };
        self.prefetch_next(size);
        true
    }

    /// Takes over a smaller ring's records, into a ring that no process reads yet.
    ///
    /// All records of the smaller ring must be committed. The first word of an uncommitted batch is not in memory, so
    /// the copy would end there without an error.
    pub fn copy_records(&mut self, old: &RingWriter<M>) {
        let mut position = if old.tail > old.ring.length { old.restart } else { 0 };
        let mut content = Vec::new();
        while position < old.tail {
            let offset = old.ring.offset_of(position);
            let word = old.mine.load(offset, Ordering::Relaxed);
            // This side wrote and committed it, so it is valid.
            let Ok(record) = Record::from_word(word, old.ring.lap(position)) else { break };
            let size = record.size();
            position += size;
            if record.shape() == Some(Shape::Pad) {
                continue;
            }
            content.clear();
            let words = (offset + WORD as usize..offset + size as usize).step_by(WORD as usize);
            content.extend(words.map(|at| old.mine.load(at, Ordering::Relaxed)));
            let start = self.tail;
            self.reserve(start + size);
            let into = self.begin(start, size);
            for (index, word) in content.iter().enumerate() {
                self.mine.store(into + index * WORD as usize, *word, Ordering::Relaxed);
            }
            self.store_word(start, record);
        }
        self.commit();
    }

    #[inline]
    fn put(&mut self, frame: &Outgoing<'_>) -> Option<u64> {
        let record = record_of(frame);
        let size = record.size();
        if size > self.ring.length / 2 {
            return None;
        }
        let left = self.ring.left(self.tail);
        // A record never wraps around: if it does not fit the rest of the lap, a pad fills that rest.
        let pad = if left < size { left } else { 0 };
        let start = self.tail + pad;
        let end = start + size;
        // Before `reserve`: it reads headers that are about to be overwritten.
        self.advance_restart(start, end);
        self.reserve(end);
        if pad > 0 {
            self.store_word(self.tail, Record::bare(Shape::Pad, (pad - WORD) as u32));
        }
        let content = self.begin(start, size);
        ring::store_content(&self.mine, content, record, frame, |at, bytes| {
            self.mine.copy_in_racing(at, bytes)
        });
        self.store_word(start, record);
        Some(size)
    }

    /// Makes this record the newest, and stores the zero after it (step 2 of the module).
    ///
    /// Returns the offset after the record's first word.
    fn begin(&mut self, start: u64, size: u64) -> usize {
        self.count += 1;
        (self.latest, self.tail) = (start, start + size);
        self.mine.store(self.ring.offset_of(self.tail), 0, Ordering::Relaxed);
        self.ring.offset_of(start) + WORD as usize
    }

    /// Stores a first word, or leaves it to the commit.
    fn store_word(&mut self, position: u64, record: Record) {
        let word = record.to_word(self.ring.lap(position));
        if position == self.committed {
            self.first = word;
        } else {
            // The first word of the batch orders it: without that word no reader comes here.
            self.mine.store(self.ring.offset_of(position), word, Ordering::Relaxed);
        }
    }

    /// Prefetches the cache lines of another record of this size for writing.
    ///
    /// Readers hold these lines, and fetching them one by one takes longer than the copy.
    fn prefetch_next(&self, size: u64) {
        const LINE: usize = 64;
        /// More would fill the processor's queue of outstanding misses.
        const MOST: u64 = 512;
        // A prefetch never faults. The line with the last zero stays with its polling readers.
        let first = (self.ring.offset_of(self.tail) | (LINE - 1)) + 1;
        for line in (0..size.min(MOST) as usize).step_by(LINE) {
            self.mine.prefetch_own(first + line);
        }
    }

    /// Announces that bytes up to `end`, and the word after it, may change, with some in advance.
    ///
    /// The release fence orders it before later stores to the ring. A reader that copied a new byte and then checks
    /// `reserved` after an acquire fence finds this value or a later one.
    pub fn reserve(&mut self, end: u64) {
        let end = end + GRANULE;
        if end > self.reserved {
            self.reserved = end + self.ahead;
            self.mine.store(at::RESERVED, self.reserved, Ordering::Relaxed);
            fence(Ordering::Release);
        }
    }

    /// For models: commits a test's bytes up to `end`, except the first word.
    #[cfg(all(test, loom))]
    pub fn commit_range(&mut self, first: u64, start: u64, end: u64) {
        self.count += 1;
        (self.first, self.latest, self.tail) = (first, start, end);
        self.commit();
    }

    pub fn has_appended(&self) -> bool {
        self.tail > self.committed
    }

    /// Makes all appended records visible.
    ///
    /// After the full fence, the caller sees a subscriber's park word, or the subscriber sees the new tail.
    pub fn commit(&mut self) {
        if self.tail > self.committed {
            self.mine.store(self.ring.offset_of(self.committed), self.first, Ordering::Release);
            self.committed = self.tail;
        }
        // The fence gives these three relaxed stores release order. The words share one cache line.
        fence(Ordering::Release);
        const _: () = assert!(at::RESTART == at::LATEST + 8 && at::COUNT == at::RESTART + 8);
        self.mine.store_words(at::LATEST, [self.latest, self.restart, self.count]);
        self.mine.store_fenced(at::TAIL, self.tail);
    }

    /// Moves the restart position to a record a quarter of the ring ahead of the overwritten bytes.
    ///
    /// It never reaches a record whose word the next commit stores, because a batch takes at most an eighth of the
    /// ring.
    fn advance_restart(&mut self, start: u64, end: u64) {
        while end > self.restart_until {
            if self.restart >= self.tail {
                // No earlier record is a quarter of the ring ahead, so readers restart at the new record. At most a pad
                // precedes it.
                self.restart_at(start);
                return;
            }
            let word = self.mine.load(self.ring.offset_of(self.restart), Ordering::Relaxed);
            self.restart_at(self.restart + Record::size_of(word));
        }
    }

    fn restart_at(&mut self, position: u64) {
        self.restart = position;
        self.restart_until = position + self.ring.length / 4 * 3;
    }
}
