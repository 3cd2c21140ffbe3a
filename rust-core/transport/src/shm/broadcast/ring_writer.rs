//! The writing end of a broadcast ring: it overwrites the oldest records and announces that before
//! it does.
//!
//! Order of the stores, which the reading end relies on:
//!
//! 1. `reserved`: the position up to which bytes may be changing. A release fence follows, so a
//!    reader that sees any byte of a later record also sees the new `reserved`. It is stored for
//!    several records at a time: readers look at it for each record, and a store to a cache line that
//!    they have makes the tail wait.
//! 2. a zero where the next record will begin, so that readers find nothing there until it is written; then the record
//!    itself but for its first word. All word by word with relaxed order, because readers may be copying there.
//! 3. at [`RingWriter::commit`]: the record's first word with release order. A reader that loads it with acquire order
//!    sees the record and the zero behind it. Of several records that are committed together the first one's word comes
//!    last, and no reader comes to those behind it before.
//! 4. a release fence, `latest`, `restart`, `count`, then `tail` with release order and a full fence. Readers that spin
//!    poll the first word and load none of these, so they stay in the cache of this side. Readers that sleep
//!    decide with `tail`. A reader may be ahead of all of these by what is being committed.
//!
//! Positions count bytes from the creation of the ring and never wrap; the offset in memory is the
//! position modulo the length of the ring, behind the header page. The caller (`publisher`) wakes
//! sleeping subscribers after `commit`; the fence makes sure that it sees their park words.

use std::sync::atomic::Ordering;

use super::super::memory::{OwnMemory, fence};
use super::super::record::{FastKind, GRANULE, LINKED, Record, Shape, WORD};
use super::super::references::REFERENCE;
use super::super::ring::{self, Ring};
use super::super::segment::at;
use crate::codec::Encoding;
use crate::frame::{HEADER, Outgoing};

/// The longest body, in bytes, that the fast paths of writing and reading take. Copying a longer one takes so long
/// that the general path adds little.
pub(super) const SHORT: u64 = 256;

/// The record of a frame. Where long arrays of it are in slots, its extension is the references to them with their
/// number; where the whole body is in one, its extension is the one reference.
#[inline]
pub(super) fn record_of(frame: &Outgoing<'_>) -> Record {
    match frame.split {
        Some(_) => {
            let shape = if frame.extension.len() == REFERENCE { Shape::Placed } else { Shape::Slots };
            let length = HEADER + frame.extension.len() + frame.body.len();
            Record::of_frame(shape, &frame.header, length)
        }
        // Readers begin anywhere and are overtaken, so each record has its number.
        None => ring::record_of(frame, false),
    }
}

/// The writing end. One thread at a time uses it. It never blocks and never reads what a subscriber
/// writes.
#[derive(Debug)]
pub(in crate::shm) struct RingWriter<M> {
    /// The header page and the ring, which this side alone writes.
    mine: M,
    /// The places of positions in `mine`.
    ring: Ring,
    /// The position behind the newest record, committed or not.
    tail: u64,
    /// The position up to which readers find records.
    committed: u64,
    /// The first word of the record at that position, while there is one.
    first: u64,
    /// The position up to which readers know that bytes may be changing.
    reserved: u64,
    /// Bytes behind a record that are reserved with it.
    ahead: u64,
    /// The position of the newest record.
    latest: u64,
    /// The position of the oldest record that an overtaken reader has time to read: at least a
    /// quarter of the ring ahead of the bytes that the newest record overwrote.
    restart: u64,
    /// Where a record may end at most while that position stays.
    restart_until: u64,
    /// Records written so far, pads not counted; readers use it to see whether there is a newest
    /// record.
    count: u64,
}

impl<M: OwnMemory> RingWriter<M> {
    /// The writing end of a fresh ring of `ring` bytes, a power of two. `mine` is zero behind its
    /// header.
    pub fn new(mine: M, ring: usize) -> RingWriter<M> {
        let ring = Ring::new(ring);
        RingWriter {
            mine,
            ring,
            tail: 0,
            committed: 0,
            first: 0,
            reserved: 0,
            // Readers lose so much of the oldest records, and a quarter of the ring is before them at a restart.
            ahead: (ring.length / 64) & !(GRANULE - 1),
            latest: 0,
            restart: 0,
            restart_until: ring.length / 4 * 3,
            count: 0,
        }
    }

    /// The same with so many bytes reserved behind a record: for models, whose ring is too short.
    #[cfg(all(test, loom))]
    pub fn with_ahead(mine: M, ring: usize, ahead: u64) -> RingWriter<M> {
        RingWriter { ahead, ..RingWriter::new(mine, ring) }
    }

    /// The memory of the ring.
    pub fn memory(&self) -> &M {
        &self.mine
    }

    /// Bytes of the ring.
    pub fn ring(&self) -> u64 {
        self.ring.length
    }

    /// Writes a frame and commits it. Returns false, and changes nothing, where the record would
    /// take more than half of the ring: readers would have no time to copy it before the next one.
    pub fn write(&mut self, frame: &Outgoing<'_>) -> bool {
        let Some(size) = self.put(frame) else { return false };
        self.commit();
        // Behind the commit: the tail's line would have to wait for those of the next record.
        self.prefetch_next(size);
        true
    }

    /// Writes and commits a data message without extension and flags. Returns false, and changes
    /// nothing, where its body is longer than [`SHORT`] or the lap has no room for it:
    /// [`RingWriter::write`] takes it then.
    #[inline]
    pub fn write_short(&mut self, sequence: u64, sent: i64, encoding: Encoding, body: &[u8]) -> bool {
        if body.len() as u64 > SHORT {
            return false;
        }
        let record = FastKind::Published.record(encoding, (LINKED + body.len()) as u32);
        let size = record.size();
        if self.ring.left(self.tail) < size {
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
        // For another record of this size: behind the commit, because the restart position's line was last used
        // three quarters of a lap ago.
        self.advance_restart(self.tail, self.tail + size);
        true
    }

    /// Whether a record of `size` bytes may be appended to the records that are not committed yet.
    /// A batch is limited to an eighth of the ring: readers learn of it only at the end, and the
    /// restart position that they know must stay ahead of what the batch overwrites.
    pub fn fits_batch(&self, size: u64) -> bool {
        self.tail - self.committed + size <= self.ring.length / 8
    }

    /// Writes a frame without committing it: readers find it after the next [`RingWriter::commit`],
    /// together with the records before it. Returns false, and changes nothing, for a record above
    /// half of the ring. Where long arrays of the frame are in slots, its extension is the references
    /// to them.
    pub fn append(&mut self, frame: &Outgoing<'_>) -> bool {
        let Some(size) = self.put(frame) else { return false };
        self.prefetch_next(size);
        true
    }

    /// Takes over the records of a smaller ring, oldest first. For a ring without any of its own, which no process
    /// reads yet.
    pub fn copy_records(&mut self, old: &RingWriter<M>) {
        let mut position = if old.tail > old.ring.length { old.restart } else { 0 };
        let mut content = Vec::new();
        while position < old.tail {
            let offset = old.ring.offset_of(position);
            let word = old.mine.load(offset, Ordering::Relaxed);
            // This side has written the word, so it is valid.
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

    /// [`RingWriter::append`]; returns the size of the record.
    #[inline]
    fn put(&mut self, frame: &Outgoing<'_>) -> Option<u64> {
        let record = record_of(frame);
        let size = record.size();
        if size > self.ring.length / 2 {
            return None;
        }
        let left = self.ring.left(self.tail);
        // A record never wraps around: where it does not fit the rest of the lap, a pad fills that
        // rest.
        let pad = if left < size { left } else { 0 };
        let start = self.tail + pad;
        let end = start + size;
        // Before `reserve`, because it reads the headers of records that are about to be
        // overwritten.
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

    /// Makes the record of `size` bytes from `start` on the newest one, without a word of it stored yet. Returns the
    /// offset of what is behind its first word.
    fn begin(&mut self, start: u64, size: u64) -> usize {
        self.count += 1;
        (self.latest, self.tail) = (start, start + size);
        self.mine.store(self.ring.offset_of(self.tail), 0, Ordering::Relaxed);
        self.ring.offset_of(start) + WORD as usize
    }

    /// Stores the first word of a record or pad at this position, or has it stored by the commit.
    fn store_word(&mut self, position: u64, record: Record) {
        let word = record.to_word(self.ring.lap(position));
        if position == self.committed {
            self.first = word;
        } else {
            // Ordered by the word before it, without which no reader comes here.
            self.mine.store(self.ring.offset_of(position), word, Ordering::Relaxed);
        }
    }

    /// Prefetches for writing the cache lines that another record of the same size would use.
    /// Readers hold these lines since the last lap, and fetching them one after the other at the
    /// next write takes longer than the copy. A prefetch changes no memory, so readers that still
    /// copy there are not disturbed.
    fn prefetch_next(&self, size: u64) {
        const LINE: usize = 64;
        /// At most this many bytes: more would fill the processor's queue of outstanding misses.
        const MOST: u64 = 512;
        // A prefetch never faults, so a record at the end of a lap needs no other treatment.
        // The line with the zero behind the last record is left to its readers, who poll it.
        let first = (self.ring.offset_of(self.tail) | (LINE - 1)) + 1;
        for line in (0..size.min(MOST) as usize).step_by(LINE) {
            self.mine.prefetch_own(first + line);
        }
    }

    /// Announces that bytes up to the position `end`, and the word behind it, may change from now on, unless that was
    /// announced before; together with some bytes behind them. The release fence
    /// orders the announcement before every later store to the ring: a reader that copied one of
    /// the new bytes and then checks `reserved` behind an acquire fence finds the new value, or a
    /// later one.
    pub fn reserve(&mut self, end: u64) {
        let end = end + GRANULE;
        if end > self.reserved {
            self.reserved = end + self.ahead;
            self.mine.store(at::RESERVED, self.reserved, Ordering::Relaxed);
            fence(Ordering::Release);
        }
    }

    /// For models: commits what the test itself wrote up to `end`, but for this word at the position where the last
    /// commit ended; `start` is that of the last record.
    #[cfg(all(test, loom))]
    pub fn commit_range(&mut self, first: u64, start: u64, end: u64) {
        self.count += 1;
        (self.first, self.latest, self.tail) = (first, start, end);
        self.commit();
    }

    /// Returns whether records were appended since the last commit.
    pub fn has_appended(&self) -> bool {
        self.tail > self.committed
    }

    /// Makes all appended records visible to readers. `tail` comes last and is followed by a full
    /// fence, so that the caller can check for sleeping subscribers: either it sees the park word,
    /// or the subscriber sees the new tail before it sleeps.
    pub fn commit(&mut self) {
        if self.tail > self.committed {
            self.mine.store(self.ring.offset_of(self.committed), self.first, Ordering::Release);
            self.committed = self.tail;
        }
        // A release store of each of these neighbours.
        fence(Ordering::Release);
        const _: () = assert!(at::RESTART == at::LATEST + 8 && at::COUNT == at::RESTART + 8);
        self.mine.store_words(at::LATEST, [self.latest, self.restart, self.count]);
        self.mine.store_fenced(at::TAIL, self.tail);
    }

    /// Moves the restart position to the first record that is at least a quarter of the ring ahead
    /// of what the record from `start` to `end` overwrites. It follows the lengths in this side's
    /// own memory, which are still whole at this time, and does not come to a record whose word the next commit stores:
    /// what is appended takes at most an eighth of the ring, and a longer record is appended to nothing.
    fn advance_restart(&mut self, start: u64, end: u64) {
        while end > self.restart_until {
            if self.restart >= self.tail {
                // Everything before the new record is too old; behind the newest record is at
                // most a pad.
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
