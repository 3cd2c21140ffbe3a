//! Several frames at once: the reader finds all of them or none.

use std::sync::atomic::Ordering;

use super::super::memory::{Memory, OwnMemory};
use super::super::record::{GRANULE, WORD};
use super::{LargeFrame, Writer};
use crate::error::Result;
use crate::frame::Outgoing;

impl<M: OwnMemory, P: Memory> Writer<M, P> {
    /// Writes frames of which each is one record; returns how many. The reader finds none of them
    /// before the last is there, and then all: the header of the first one is stored last, so one
    /// fence does for all of them. As many are taken as fit in an eighth of the ring, so that the
    /// reader copies one batch while the next is written. Returns 0 where the first one is larger,
    /// or has no room.
    pub fn try_write_many<'f>(&mut self, frames: impl Iterator<Item = Outgoing<'f>>) -> Result<usize> {
        if !matches!(self.large, LargeFrame::None) && !self.flush()? {
            return Ok(0);
        }
        let mut first = None;
        let (mut count, mut taken) = (0, 0);
        for frame in frames {
            let (shape, prefix, length) = self.choose_shape(&frame);
            taken += length as u64 + WORD + GRANULE;
            if length as u64 > self.largest - WORD || count > 0 && taken > self.largest {
                break;
            }
            let record = match self.write_content(&frame, shape, prefix, length) {
                Ok(Some(record)) => record,
                // An invalid head is found again with the next frame; the frames before it are whole.
                Ok(None) | Err(_) if count > 0 => break,
                Ok(None) => return Ok(0),
                Err(e) => return Err(e),
            };
            let (offset, word) = (self.offset_of(self.tail), record.to_word(self.tail >> self.shift));
            if first.is_none() {
                first = Some((offset, word));
            } else {
                // Ordered by the first header, without which the reader does not come here.
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
