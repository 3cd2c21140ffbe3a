//! Large frames: a first record with the message header, then pieces, as there is room.
//!
//! The caller holds the frame and calls again, or gives it up (`adopt`) and calls `flush` until nothing is left.

use super::super::memory::{Memory, OwnMemory};
use super::super::record::{Record, Shape, WORD};
use super::{LargeFrame, Writer};
use crate::Sent;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Outgoing;

impl<M: OwnMemory, P: Memory> Writer<M, P> {
    /// Writes the first record of a large frame, and as many pieces as there is room for.
    pub(super) fn start_large(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
        let header = frame.header.to_bytes();
        let room = (self.largest - WORD) as usize - header.len();
        let take = room.min(frame.extension.len() + frame.body.len());
        let record = Record::bare(Shape::First, (header.len() + take) as u32);
        let Some(at) = self.reserve(record.size())? else { return Ok(Sent::Blocked) };
        self.mine.copy_in(at, &header);
        self.copy_part(at + header.len(), frame.extension, frame.body, 0, take);
        self.commit(record);
        self.large = LargeFrame::Borrowed(take);
        self.fast_end = 0;
        self.continue_large(frame)
    }

    /// Writes more of a large frame that the caller holds. Where one is owned instead, that is
    /// finished first, and only then is the caller's frame begun.
    pub(super) fn continue_large(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
        let LargeFrame::Borrowed(done) = self.large else {
            return if self.flush()? { self.try_write(frame) } else { Ok(Sent::Blocked) };
        };
        let done = self.write_pieces(frame.extension, frame.body, done)?;
        if done < frame.extension.len() + frame.body.len() {
            self.large = LargeFrame::Borrowed(done);
            return Ok(Sent::Part);
        }
        self.large = LargeFrame::None;
        self.count_frame(&frame.header);
        Ok(Sent::Whole)
    }

    /// Copies the rest of the frame that was written in part, so that the caller may drop it. It
    /// counts as sent from now on, and [`Writer::flush`] writes the rest.
    ///
    /// # Errors
    /// `Internal` where no frame was written in part.
    pub fn adopt(&mut self, frame: &Outgoing<'_>) -> Result<()> {
        let LargeFrame::Borrowed(done) = self.large else {
            return Err(Error::new(
                ErrorKind::Internal,
                "a frame was to be adopted of which no part was sent",
            ));
        };
        let of_extension = frame.extension.get(done..).unwrap_or_default();
        let of_body = &frame.body[done.saturating_sub(frame.extension.len())..];
        self.large = LargeFrame::Owned([of_extension, of_body].concat(), 0);
        self.count_frame(&frame.header);
        Ok(())
    }

    /// Whether some of an adopted frame is still to be written.
    pub fn has_rest(&self) -> bool {
        matches!(self.large, LargeFrame::Owned(..))
    }

    /// Writes more of an adopted frame; true when nothing of one is left.
    pub fn flush(&mut self) -> Result<bool> {
        let (rest, done) = match std::mem::replace(&mut self.large, LargeFrame::None) {
            LargeFrame::Owned(rest, done) => (rest, done),
            other => {
                self.large = other;
                return Ok(true);
            }
        };
        let now = self.write_pieces(&[], &rest, done)?;
        if now < rest.len() {
            self.large = LargeFrame::Owned(rest, now);
            return Ok(false);
        }
        Ok(true)
    }

    /// Writes pieces from byte `done` of extension and body on while there is room; returns up to
    /// where.
    fn write_pieces(&mut self, extension: &[u8], body: &[u8], mut done: usize) -> Result<usize> {
        let total = extension.len() + body.len();
        while done < total {
            let take = (total - done).min((self.largest - WORD) as usize);
            let record = Record::bare(Shape::Piece, take as u32);
            let Some(at) = self.reserve(record.size())? else { break };
            self.copy_part(at, extension, body, done, take);
            self.commit(record);
            done += take;
        }
        Ok(done)
    }

    /// Copies `take` bytes, from byte `from` on, of extension and body taken as one, to the offset
    /// `at`.
    fn copy_part(&self, at: usize, extension: &[u8], body: &[u8], from: usize, take: usize) {
        let first = extension.get(from..).unwrap_or_default();
        let first = &first[..first.len().min(take)];
        let start = from.saturating_sub(extension.len());
        self.mine.copy_in(at, first);
        self.mine.copy_in(at + first.len(), &body[start..start + take - first.len()]);
    }
}
