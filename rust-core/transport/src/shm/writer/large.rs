//! Large frames: a first record with the message header, then pieces, as there is room.
//!
//! The writer keeps the rest for [`Writer::flush`].

use super::super::memory::{Memory, OwnMemory};
use super::super::record::{Record, Shape, WORD};
use super::Writer;
use crate::Sent;
use crate::error::Result;
use crate::frame::Outgoing;
use crate::tail::Tail;

impl<M: OwnMemory, P: Memory> Writer<M, P> {
    pub(super) fn start_large(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
        let header = frame.header.to_bytes();
        let room = (self.largest - WORD) as usize - header.len();
        let take = room.min(frame.extension.len() + frame.body.len());
        let record = Record::bare(Shape::First, (header.len() + take) as u32);
        let Some(at) = self.reserve(record.size())? else { return Ok(Sent::Blocked) };
        self.mine.copy_in(at, &header);
        self.copy_part(at + header.len(), frame.extension, frame.body, 0, take);
        self.commit(record);
        self.fast_end = 0;
        self.count_frame(&frame.header);
        let done = self.write_pieces(frame.extension, frame.body, take)?;
        if done == frame.extension.len() + frame.body.len() {
            return Ok(Sent::Whole);
        }
        self.tail_of_frame = Some(Box::new(Tail::of(frame.extension, frame, done)));
        Ok(Sent::Started)
    }

    /// The unwritten rest of a large frame.
    pub fn tail(&self) -> Option<&Tail> {
        self.tail_of_frame.as_deref()
    }

    pub fn has_rest(&self) -> bool {
        self.tail_of_frame.is_some()
    }

    /// Writes more of the last large frame; returns true when it is complete.
    pub fn flush(&mut self) -> Result<bool> {
        let Some(mut tail) = self.tail_of_frame.take() else { return Ok(true) };
        let (extension, body, done) = tail.parts();
        let done = self.write_pieces(extension, body, done)?;
        let is_whole = tail.written_to(done);
        if !is_whole {
            self.tail_of_frame = Some(tail);
        }
        Ok(is_whole)
    }

    /// Writes pieces from byte `done` on while there is room; returns the new `done`.
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

    /// Copies `take` bytes, from byte `from` of extension and body joined, to the offset `at`.
    fn copy_part(&self, at: usize, extension: &[u8], body: &[u8], from: usize, take: usize) {
        let first = extension.get(from..).unwrap_or_default();
        let first = &first[..first.len().min(take)];
        let start = from.saturating_sub(extension.len());
        self.mine.copy_in(at, first);
        self.mine.copy_in(at + first.len(), &body[start..start + take - first.len()]);
    }
}
