//! Several frames at once: the reader finds all or none.
//!
//! The header of the first frame is stored last, so one fence suffices for the batch.

use std::sync::atomic::Ordering;

use super::super::memory::{Memory, OwnMemory};
use super::super::record::{FastKind, GRANULE, WORD};
use super::{LINE, Writer};
use crate::codec::Encoding;
use crate::error::Result;
use crate::frame::Outgoing;

/// The position of a batch's first record, and its unstored header word.
#[derive(Debug, Default)]
pub(in super::super) struct Hidden(Option<(u64, u64)>);

impl<M: OwnMemory, P: Memory> Writer<M, P> {
    /// [`Writer::try_write_fast`] for data that the reader finds only after [`Writer::publish`].
    ///
    /// A batch takes at most an eighth of the ring, so the reader copies one batch while the next is written. After
    /// false, the caller must publish before it writes anything else.
    #[inline]
    pub fn try_write_hidden(
        &mut self,
        hidden: &mut Hidden,
        sequence: u64,
        sent: i64,
        encoding: Encoding,
        body: &[u8],
    ) -> bool {
        // As in `try_write_fast`.
        let length = (FastKind::Data.prefix() as u64).wrapping_add(body.len() as u64);
        let size = WORD.wrapping_add(length).wrapping_add(GRANULE - 1) & !(GRANULE - 1);
        let (tail, end) = (self.tail, self.tail.wrapping_add(size));
        let first = if let Some((first, _)) = hidden.0 { first } else { tail };
        if end >= self.fast_end
            || size > self.largest
            || end.wrapping_sub(first) > self.largest
            || sequence != self.sequence.wrapping_add(1)
        {
            return false;
        }
        let word = FastKind::Data.record(encoding, length as u32).to_bits() | self.lap;
        let at = self.ring.offset_of(tail);
        self.mine.store_content(at, size as usize, [sent.cast_unsigned()], body);
        if hidden.0.is_none() {
            hidden.0 = Some((tail, word));
        } else {
            // The first header orders it: without that header the reader does not reach this one.
            self.mine.store(at, word, Ordering::Relaxed);
        }
        self.tail = end;
        self.sequence = sequence;
        self.frames = self.frames.wrapping_add(1);
        // The reader had these lines a lap ago; they arrive while the records before them are written.
        self.mine.prefetch_own(self.ring.offset_of(end.wrapping_add(4 * LINE)));
        true
    }

    /// Lets the reader find the hidden records. The full fence lets the caller check whether it sleeps.
    pub fn publish(&mut self, hidden: &mut Hidden) {
        if let Some((first, word)) = hidden.0.take() {
            self.mine.store_fenced(self.ring.offset_of(first), word);
        }
    }

    /// Writes frames that each fit one record; returns how many. The reader finds all or none.
    ///
    /// A batch takes at most an eighth of the ring. Returns 0 if the first frame is larger or has no room.
    pub fn try_write_many<'f>(&mut self, frames: impl Iterator<Item = Outgoing<'f>>) -> Result<usize> {
        if !self.flush()? {
            return Ok(0);
        }
        let mut first = None;
        let (mut count, mut taken) = (0, 0);
        for frame in frames {
            let record = self.record_of(&frame);
            let length = record.length() as u64;
            taken += length + WORD + GRANULE;
            if length > self.largest - WORD || count > 0 && taken > self.largest {
                break;
            }
            match self.write_content(&frame, record) {
                Ok(true) => {}
                // The next call finds an invalid head again; the frames before it are whole.
                Ok(false) | Err(_) if count > 0 => break,
                Ok(false) => return Ok(0),
                Err(e) => return Err(e),
            }
            let (offset, word) = (self.ring.offset_of(self.tail), record.to_word(self.ring.lap(self.tail)));
            if first.is_none() {
                first = Some((offset, word));
            } else {
                // As in `try_write_hidden`.
                self.mine.store(offset, word, Ordering::Relaxed);
            }
            self.advance(record);
            self.count_frame(&frame.header);
            count += 1;
        }
        if let Some((offset, word)) = first {
            self.mine.store_fenced(offset, word);
        }
        Ok(count)
    }
}
