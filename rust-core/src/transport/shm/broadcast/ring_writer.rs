//! The writing end of a broadcast ring: it overwrites the oldest records, and says so before it does.

use std::sync::atomic::Ordering;

use super::super::memory::{OwnMemory, fence};
use super::super::segment::{PAGE, at};
use super::record::{GRANULE, Mark};
use crate::frame::{HEADER, Outgoing};

/// The writing end. Words, in the order in which they change: `reserved` (up to where it may be overwriting), the
/// record, then `latest`, `restart`, `count` and `tail`.
#[derive(Debug)]
pub(in crate::transport::shm) struct RingWriter<M> {
    mine: M,
    ring: u64,
    /// Behind the newest record, counted from the beginning of time.
    tail: u64,
    /// Up to where readers know of records, and where the newest of all begins.
    shown: u64,
    latest: u64,
    /// The oldest record that an overtaken reader has time to read: a quarter of a ring ahead of the overwriting.
    restart: u64,
    count: u64,
}

impl<M: OwnMemory> RingWriter<M> {
    /// The writing end of a fresh ring of `ring` bytes.
    pub fn new(mine: M, ring: usize) -> RingWriter<M> {
        RingWriter { mine, ring: ring as u64, tail: 0, shown: 0, latest: 0, restart: 0, count: 0 }
    }

    /// The memory of the ring.
    pub fn memory(&self) -> &M {
        &self.mine
    }

    /// Bytes of the ring.
    #[cfg(test)]
    pub fn ring(&self) -> u64 {
        self.ring
    }

    /// Writes a frame; false when it is above half the ring, which would leave readers no time at all.
    pub fn write(&mut self, frame: &Outgoing<'_>) -> bool {
        let written = self.put(frame);
        if written {
            self.show();
        }
        written
    }

    /// Whether so many bytes more may be put behind what is not shown yet: an eighth of the ring, so that readers have time.
    pub fn may_hold(&self, size: u64) -> bool {
        self.tail - self.shown + size <= self.ring / 8
    }

    /// The same, and readers do not find it before [`RingWriter::show`], together with others.
    pub fn put(&mut self, frame: &Outgoing<'_>) -> bool {
        let mark = Mark::of(frame.extension.len(), frame.body.len());
        if mark.size > self.ring / 2 {
            return false;
        }
        let left = self.ring - (self.tail & (self.ring - 1));
        let pad = if left < mark.size { left } else { 0 };
        let start = self.tail + pad;
        let end = start + mark.size;
        self.move_restart(start, end);
        self.reserve(end);
        if pad > 0 {
            let pad = Mark { size: pad, pad: true };
            self.mine.store(self.place(self.tail), pad.to_word(self.tail / self.ring), Ordering::Relaxed);
        }
        let place = self.place(start);
        self.mine.store(place, mark.to_word(start / self.ring), Ordering::Relaxed);
        self.mine.store(place + 8, frame.header.sequence, Ordering::Relaxed);
        let place = place + GRANULE as usize;
        self.mine.copy_in_racing(place, &frame.header.to_bytes());
        self.mine.copy_in_racing(place + HEADER, frame.extension);
        self.mine.copy_in_racing(place + HEADER + frame.extension.len(), frame.body);
        self.count += 1;
        (self.latest, self.tail) = (start, end);
        self.warm(mark.size);
        true
    }

    /// Fetches the cache lines that another record of this size would be written to: readers had them a lap ago, and getting them
    /// back one after the other takes longer than the copy. It changes nothing for those who still read there.
    #[inline]
    fn warm(&self, size: u64) {
        const LINE: u64 = 64;
        /// At most so much: more would fill the processor's list of what it waits for.
        const MOST: u64 = 512;
        let mut line = self.tail;
        let end = self.tail + size.min(MOST);
        while line < end {
            self.mine.prefetch_own(self.place(line));
            line += LINE;
        }
    }

    /// Before a byte is overwritten, readers can know it: a reader that has read one of the new bytes also sees this.
    pub fn reserve(&self, end: u64) {
        self.mine.store(at::RESERVED, end, Ordering::Relaxed);
        fence(Ordering::Release);
    }

    /// The record from `start` to `end` is whole; a full fence, so that sleepers can be looked for.
    #[cfg(all(test, loom))]
    pub fn reveal(&mut self, start: u64, end: u64) {
        self.count += 1;
        (self.latest, self.tail) = (start, end);
        self.show();
    }

    /// The records that were put are whole; a full fence, so that sleepers can be looked for.
    pub fn show(&mut self) {
        self.shown = self.tail;
        self.mine.store(at::COUNT, self.count, Ordering::Release);
        self.mine.store(at::RESTART, self.restart, Ordering::Release);
        self.mine.store(at::LATEST, self.latest, Ordering::Release);
        self.mine.store_fenced(at::TAIL, self.tail);
    }

    /// Moves the restart on to the first record that is not within a quarter of a ring of what will be overwritten.
    /// Walks records that are still whole, before this is changed.
    fn move_restart(&mut self, start: u64, end: u64) {
        while end - self.restart > self.ring / 4 * 3 {
            if self.restart >= self.tail {
                // Behind the newest there is at most a pad, and then the one being written.
                self.restart = start;
                return;
            }
            let word = self.mine.load(self.place(self.restart), Ordering::Relaxed);
            self.restart += word & ((1 << 48) - 1);
        }
    }

    fn place(&self, position: u64) -> usize {
        PAGE + (position & (self.ring - 1)) as usize
    }
}
