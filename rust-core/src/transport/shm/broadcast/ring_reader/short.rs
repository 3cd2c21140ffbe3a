//! The fast path of a subscriber: if the next record is short and next in number, it is copied once and becomes a message.
//!
//! It makes the same checks as the general path, and changes nothing until all have passed. Pads, gaps, long messages, references into slots,
//! retained messages, overwritten records and all errors are left to the general path.

use std::sync::atomic::Ordering;

#[cfg(any(test, fuzzing))]
use bytes::Bytes;

use super::super::super::memory::Memory;
use super::super::super::reader::as_uninit;
use super::super::super::segment::at;
use super::super::record::{GRANULE, MIN_RECORD, RecordHeader};
use super::RingReader;
#[cfg(any(test, fuzzing))]
use crate::error::Result;
use crate::frame::{HEADER, Header};
#[cfg(any(test, fuzzing))]
use crate::frame::{Incoming, spare::aligned};
use crate::sys::crc;
use crate::transport::broadcast::MakeShort;
#[cfg(any(test, fuzzing))]
use crate::transport::broadcast::Received;

/// The longest body that is copied here. Copying a longer one takes so long that the general path adds little.
const SHORT: u64 = 256;

impl<P: Memory> RingReader<P> {
    /// Makes a message of the next record if that is a short one, and returns its number. `None` otherwise: then nothing has changed, and the caller
    /// drops what `make` may have made, because the publisher overwrote the record during the copy.
    #[inline]
    pub fn take_short(&mut self, make: MakeShort<'_>) -> Option<u64> {
        let position = self.position;
        // The publisher writes the tail for each message, so loading it may have to wait for the line. Whether a
        // record before an older tail is still there is looked at behind the copy, as for any other.
        if self.known_tail <= position {
            self.known_tail = self.peer.load(at::TAIL, Ordering::Acquire);
        }
        let tail = self.known_tail;
        let between = |position: u64| !position.is_multiple_of(GRANULE);
        if tail <= position || between(tail) || between(position) || self.retained.is_some() {
            return None;
        }
        self.prefetch_record(tail);
        // Everything read here may be a mixture of two records until the check after the copy, as in every read of this ring.
        let offset = self.offset_of(position);
        let word = self.peer.load(offset, Ordering::Relaxed);
        let sequence = self.peer.load(offset + 8, Ordering::Relaxed);
        let left = self.ring - (position & self.mask);
        let record = RecordHeader::valid(word, position >> self.shift, left)?;
        let is_next = self.sequence.is_some_and(|last| last.checked_add(1) == Some(sequence));
        let is_short = record.size <= (tail - position).min(MIN_RECORD + SHORT);
        if !is_next || !is_short || record.pad || record.refers {
            return None;
        }
        let header = Header::from_words(&self.header_words(position), crc::of_words)?;
        if header.extension != 0 || !record.holds(0, header.body) || header.body > self.limit {
            return None;
        }
        let from = offset + GRANULE as usize + HEADER;
        make(header, &|body| self.peer.copy_out_racing(from, as_uninit(body)));
        if !self.is_intact(position) {
            return None;
        }
        self.position += record.size;
        self.sequence = Some(sequence);
        Some(sequence)
    }
}

#[cfg(any(test, fuzzing))]
impl<P: Memory> RingReader<P> {
    /// Like [`RingReader::read`], with the fast path for a short record.
    pub fn read_shortest(&mut self) -> Result<Received> {
        let mut frame = None;
        let taken = self.take_short(&mut |header, copy| {
            let mut body = vec![0; header.body as usize];
            copy(&mut body);
            frame = Some(Incoming { header, extension: Bytes::new(), body: aligned(body).into() });
        });
        match frame.filter(|_| taken.is_some()) {
            Some(frame) => Ok(Received::Frame(frame)),
            None => self.read(),
        }
    }
}
