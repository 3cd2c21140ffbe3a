//! Plain records: a short message is written in one step, where its record needs no other look at its place.
//!
//! The way for all records (`super`) is for the rest. It determines how far this one goes.

use std::sync::atomic::Ordering;

use super::super::memory::{Memory, OwnMemory};
use super::super::record::{COMPACT, GRANULE, LINKED, Record, Shape, WORD};
use super::super::segment::PAGE;
use super::{LINE, LargeFrame, Writer};
use crate::codec::Encoding;
use crate::error::Result;
use crate::frame::Kind;

impl<M: OwnMemory, P: Memory> Writer<M, P> {
    /// Writes a small message that is one above the last in number and has neither correlation,
    /// flags nor extension, where the record needs no other look at its place, as nearly always. Returns false,
    /// with nothing written, in all other cases: [`Writer::try_write_next`] is for them.
    #[inline(always)]
    pub fn try_write_near(
        &mut self,
        kind: Kind,
        sequence: u64,
        sent: i64,
        encoding: Encoding,
        body: &[u8],
    ) -> bool {
        // Nothing overflows: a slice has at most `isize::MAX` bytes, and a position never comes near the end.
        let length = (COMPACT as u64).wrapping_add(body.len() as u64);
        let size = WORD.wrapping_add(length).wrapping_add(GRANULE - 1) & !(GRANULE - 1);
        let (tail, end) = (self.tail, self.tail.wrapping_add(size));
        if end >= self.near || size > self.largest || sequence != self.sequence.wrapping_add(1) {
            return false;
        }
        let word = Record::new(Shape::Compact, kind, encoding, 0, length as u32).to_bits() | self.lap;
        let at = PAGE.wrapping_add((tail & self.mask) as usize);
        // The time of sending is all of the prefix.
        self.mine.store_record(at, word, size as usize, sent.cast_unsigned(), body);
        self.tail = end;
        self.sequence = sequence;
        self.frames = self.frames.wrapping_add(1);
        // As in `obtain_next_lines`, for places in this lap, of which a short record touches two at most.
        if size > 2 * LINE {
            self.obtain_next_lines(size);
        } else if end.wrapping_add(size + LINE) < self.near {
            let line = (end | (LINE - 1)).wrapping_add(1);
            for line in [line, line.wrapping_add(LINE)] {
                if line <= end.wrapping_add(size) {
                    self.mine.store(PAGE.wrapping_add((line & self.mask) as usize), 0, Ordering::Relaxed);
                }
            }
        }
        true
    }

    /// The slow path of [`Writer::try_write_near`]: the end of the lap or of the known room. Returns false, with nothing
    /// written, where there is no room, the message is large, another number comes next, or a large frame is under
    /// way; [`Writer::try_write`] tells those apart.
    #[cold]
    pub fn try_write_next(
        &mut self,
        kind: Kind,
        sequence: u64,
        sent: i64,
        encoding: Encoding,
        body: &[u8],
    ) -> Result<bool> {
        let length = COMPACT + body.len();
        if !matches!(self.large, LargeFrame::None)
            || length as u64 > self.largest - WORD
            || sequence != self.sequence.wrapping_add(1)
        {
            return Ok(false);
        }
        let record = Record::new(Shape::Compact, kind, encoding, 0, length as u32);
        let Some(at) = self.reserve(record.size())? else { return Ok(false) };
        self.mine.copy_in_behind(at, sent.cast_unsigned(), body);
        self.commit(record);
        self.frames += 1;
        self.sequence = sequence;
        self.renew_near();
        Ok(true)
    }

    /// Determines how far short records can be written in this lap. No large frame is under way.
    fn renew_near(&mut self) {
        let lap_end = (self.tail | self.mask) + 1;
        // The zero behind a record that ends the lap would lie in the next one.
        self.near = lap_end.min(self.room + 1);
        self.lap = Record::lap_bits(self.tail >> self.shift);
    }

    /// Writes a small reply of this number to the request of number `request`, without flags and extension. Returns
    /// false as [`Writer::try_write_next`].
    #[inline]
    pub fn try_write_reply(
        &mut self,
        sequence: u64,
        request: u64,
        sent: i64,
        encoding: Encoding,
        body: &[u8],
    ) -> Result<bool> {
        let length = LINKED + body.len();
        if !matches!(self.large, LargeFrame::None) || length as u64 > self.largest - WORD {
            return Ok(false);
        }
        let record = Record::new(Shape::Linked, Kind::Reply, encoding, 0, length as u32);
        let Some(at) = self.reserve(record.size())? else { return Ok(false) };
        self.mine.store(at, sent.cast_unsigned(), Ordering::Relaxed);
        self.mine.store(at + 8, sequence, Ordering::Relaxed);
        // The correlation is the last word of the prefix.
        self.mine.copy_in_behind(at + 16, request, body);
        self.commit(record);
        self.frames += 1;
        self.sequence = sequence;
        Ok(true)
    }
}
