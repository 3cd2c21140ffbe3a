//! Fast-path records: a short message is written in one step if its place needs no other check.

use std::sync::atomic::Ordering;

use super::super::memory::{Memory, OwnMemory};
use super::super::record::{FastKind, GRANULE, LINKED, Record, WORD};
use super::{LINE, Writer};
use crate::codec::Encoding;
use crate::error::Result;

impl<M: OwnMemory, P: Memory> Writer<M, P> {
    /// Writes a short message without flags and extension map if its place needs no other check.
    ///
    /// Data and requests need the next sequence number. A reply may have any number, and `correlation` is its
    /// request's. Returns false, without a change, in all other cases, which [`Writer::try_write_next`] handles.
    #[inline]
    pub fn try_write_fast(
        &mut self,
        form: FastKind,
        sequence: u64,
        correlation: u64,
        sent: i64,
        encoding: Encoding,
        body: &[u8],
    ) -> bool {
        // Nothing overflows: a slice has at most `isize::MAX` bytes, and a position never comes near the maximum.
        let length = (form.prefix() as u64).wrapping_add(body.len() as u64);
        let size = WORD.wrapping_add(length).wrapping_add(GRANULE - 1) & !(GRANULE - 1);
        let (tail, end) = (self.tail, self.tail.wrapping_add(size));
        if end >= self.fast_end || size > self.largest || !self.may_have(form, sequence) {
            return false;
        }
        let word = form.record(encoding, length as u32).to_bits() | self.lap;
        let at = self.ring.offset_of(tail);
        let sent = sent.cast_unsigned();
        match form {
            FastKind::Reply | FastKind::Published => {
                self.mine.store_record(at, word, size as usize, [sent, sequence, correlation], body);
            }
            FastKind::Data | FastKind::Request => {
                // The prefix contains only the sending time.
                self.mine.store_record(at, word, size as usize, [sent], body);
            }
        }
        self.tail = end;
        self.sequence = sequence;
        self.frames = self.frames.wrapping_add(1);
        // As in `obtain_next_lines`, for places in this lap; a short record touches at most two lines.
        if size > 2 * LINE {
            self.obtain_next_lines(size);
        } else if end.wrapping_add(size + LINE) < self.fast_end {
            let line = (end | (LINE - 1)).wrapping_add(1);
            for line in [line, line.wrapping_add(LINE)] {
                if line <= end.wrapping_add(size) {
                    self.mine.store(self.ring.offset_of(line), 0, Ordering::Relaxed);
                }
            }
        }
        true
    }

    /// Whether the record may have this number, which only a linked record contains.
    fn may_have(&self, form: FastKind, sequence: u64) -> bool {
        form.prefix() == LINKED || sequence == self.sequence.wrapping_add(1)
    }

    /// The slow path of [`Writer::try_write_fast`]: the end of the lap or of the known room.
    ///
    /// Returns false, without a change, for [`Writer::try_write`]: no room, a large message, another sequence number,
    /// or a large frame under way.
    #[cold]
    pub fn try_write_next(
        &mut self,
        form: FastKind,
        sequence: u64,
        correlation: u64,
        sent: i64,
        encoding: Encoding,
        body: &[u8],
    ) -> Result<bool> {
        let length = form.prefix() + body.len();
        if self.has_rest() || length as u64 > self.largest - WORD || !self.may_have(form, sequence) {
            return Ok(false);
        }
        let record = form.record(encoding, length as u32);
        let Some(at) = self.reserve(record.size())? else { return Ok(false) };
        let sent = sent.cast_unsigned();
        if form.prefix() == LINKED {
            self.mine.store(at, sent, Ordering::Relaxed);
            self.mine.store(at + 8, sequence, Ordering::Relaxed);
            // The correlation is the last word of the prefix.
            self.mine.copy_in_behind(at + 16, correlation, body);
        } else {
            self.mine.copy_in_behind(at, sent, body);
        }
        self.commit(record);
        self.frames += 1;
        self.sequence = sequence;
        self.renew_fast_end();
        Ok(true)
    }

    /// Sets the end of the room for short records in this lap. No large frame is under way.
    fn renew_fast_end(&mut self) {
        let lap_end = self.ring.lap_end(self.tail);
        // The zero after a record that ends the lap would be in the next lap.
        self.fast_end = lap_end.min(self.room + 1);
        self.lap = Record::lap_bits(self.ring.lap(self.tail));
    }
}
