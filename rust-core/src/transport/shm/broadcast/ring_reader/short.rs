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
use crate::frame::{Header, WORDS};
#[cfg(any(test, fuzzing))]
use crate::frame::{Incoming, spare::aligned};
use crate::sys::crc;
#[cfg(any(test, fuzzing))]
use crate::transport::broadcast::Received;

impl<P: Memory> RingReader<P> {
    /// Whether the tail that was loaded last is behind another record.
    #[inline]
    pub fn knows_next(&self) -> bool {
        self.known_tail > self.position
    }

    /// Returns the words of the next record's header if that is a short one. The publisher may be overwriting it: what
    /// they mean is certain only when [`RingReader::take_short`] has succeeded.
    #[inline]
    pub fn peek_short(&mut self) -> Option<[u64; WORDS]> {
        // The publisher writes the tail for each message, so loading it may have to wait for the line. Whether a
        // record before an older tail is still there is looked at behind the copy, as for any other.
        if !self.knows_next() {
            self.known_tail = self.peer.load(at::TAIL, Ordering::Acquire);
        }
        if !self.knows_next() {
            return None;
        }
        let (position, tail) = (self.position, self.known_tail);
        let left = (self.ring - (position & self.mask)).min(tail - position);
        if !(position | tail).is_multiple_of(GRANULE) || left < MIN_RECORD || self.retained.is_some() {
            return None;
        }
        self.prefetch_record(tail);
        // Everything read here may be a mixture of two records until the check after the copy, as in every read of this ring.
        let offset = self.offset_of(position);
        // One check of the place for all of them.
        let [word, sequence, a, b, c, d, e, f, g, h] = self.peer.load_words(offset);
        let words = [a, b, c, d, e, f, g, h];
        let body = Header::short_body(&words, crc::of_words, self.short_limit)?;
        let record = RecordHeader::of(0, body);
        let is_next = self.sequence.is_some_and(|last| last.checked_add(1) == Some(sequence));
        let is_whole = word == record.to_word(position >> self.shift) && record.size <= left;
        (is_next && is_whole).then_some(words)
    }

    /// Copies the body of the record that [`RingReader::peek_short`] has just returned, and returns its number. `None` if
    /// the publisher has begun to overwrite it: then nothing has changed.
    #[inline]
    pub fn take_short(&mut self, body: &mut [u8]) -> Option<u64> {
        let from = self.offset_of(self.position) + MIN_RECORD as usize;
        self.peer.copy_out_racing(from, as_uninit(body));
        if !self.is_intact(self.position) {
            return None;
        }
        let sequence = self.sequence?.checked_add(1)?;
        self.position += RecordHeader::of(0, body.len()).size;
        self.sequence = Some(sequence);
        Some(sequence)
    }
}

#[cfg(any(test, fuzzing))]
impl<P: Memory> RingReader<P> {
    /// Like [`RingReader::read`], with the fast path for a short record.
    pub fn read_shortest(&mut self) -> Result<Received> {
        if let Some(header) = self.peek_short().and_then(|words| Header::of_valid_words(&words)) {
            let mut body = vec![0; header.body as usize];
            if self.take_short(&mut body).is_some() {
                let (extension, body) = (Bytes::new(), aligned(body).into());
                return Ok(Received::Frame(Incoming { header, extension, body }));
            }
        }
        self.read()
    }
}
