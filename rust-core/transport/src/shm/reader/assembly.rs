//! Large frames, whose pieces are collected until the last one arrives.

use super::super::memory::{Memory, OwnMemory};
use super::super::record::{Record, WORD};
use super::{Assembly, ReadStep, Reader, too_large};
use crate::buffers::aligned;
use crate::error::{Error, ErrorKind, Result, memory};
use crate::frame::{HEADER, Incoming};
use crate::partial::Partial;

impl<M: OwnMemory, P: Memory> Reader<M, P> {
    /// Returns the large frame that the last step completed.
    #[cold]
    pub fn take_assembled(&mut self) -> Result<Option<Incoming>> {
        match self.assembly.take_if(|a| a.missing == 0) {
            Some(Assembly { header, extension, body: Some(body), .. }) => {
                let body = aligned(body.finish()?).into();
                Ok(Some(Incoming { header, extension: extension.into(), body }))
            }
            _ => Err(Error::new(ErrorKind::Internal, "a frame was taken that was not complete")),
        }
    }

    /// Reads the first record of a large frame. What it announces is checked before memory is taken
    /// for it; a frame that is refused is returned as an error once, and its pieces are skipped.
    #[cold]
    pub(super) fn read_first(&mut self, record: Record) -> Result<ReadStep> {
        let content = self.offset() + WORD as usize;
        let header = self.header(content)?;
        let here = record.length() as u64 - HEADER as u64;
        let total = header.body.checked_add(header.extension as u64).filter(|total| *total > here);
        let Some(total) = total else {
            let text = "the peer's ring holds the first piece of a message that would end with it";
            return Err(Error::new(ErrorKind::Malformed, text));
        };
        let mut assembly = Assembly { header, extension: Vec::new(), body: None, missing: total };
        let mut refusal = None;
        if header.body > self.limit {
            refusal = Some(too_large(header.body, self.limit));
        } else if let Err(e) = memory::reserve(&mut assembly.extension, header.extension) {
            refusal = Some(e);
        } else {
            assembly.body = Some(Partial::begin(header.body as usize, self.limit, self.sender.clone()));
        }
        refusal = self.append_record(&mut assembly, content + HEADER, here as usize)?.or(refusal);
        self.fast_end = 0;
        self.assembly = Some(assembly);
        self.position += record.size();
        self.release();
        refusal.map_or(Ok(ReadStep::Piece), Err)
    }

    /// Reads the next piece of the large frame.
    #[cold]
    pub(super) fn read_piece(&mut self, record: Record) -> Result<ReadStep> {
        let content = self.offset() + WORD as usize;
        let Some(mut assembly) = self.assembly.take() else { return Ok(ReadStep::Empty) };
        if record.length() as u64 > assembly.missing {
            let text = "the peer's ring holds more pieces of a message than its header announced";
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        let refusal = self.append_record(&mut assembly, content, record.length())?;
        if assembly.missing > 0 {
            self.assembly = Some(assembly);
            self.position += record.size();
            self.release();
            return refusal.map_or(Ok(ReadStep::Piece), Err);
        }
        self.advance(record, assembly.header.sequence);
        if assembly.body.is_none() {
            self.release();
            return refusal.map_or(Ok(ReadStep::Piece), Err);
        }
        self.assembly = Some(assembly);
        Ok(ReadStep::Assembled)
    }

    /// Copies `length` bytes at the offset `content`, which are not more than are missing, into the
    /// large frame. Returns why the frame is refused from now on, where there is no memory for it.
    ///
    /// # Errors
    /// For good: what `Partial` finds besides a lack of memory.
    fn append_record(&self, assembly: &mut Assembly, content: usize, length: usize) -> Result<Option<Error>> {
        assembly.missing -= length as u64;
        let Some(body) = &mut assembly.body else { return Ok(None) };
        let of_extension = length.min(assembly.header.extension - assembly.extension.len());
        self.append(&mut assembly.extension, content, of_extension);
        let (mut from, end) = (content + of_extension, content + length);
        while from < end {
            let appended = body.append(|bytes, most| {
                let here = most.min(end - from);
                self.append(bytes, from, here);
                Ok(Some(here))
            });
            match appended {
                Ok(here) => from += here.unwrap_or(0),
                Err(e) if e.kind() == ErrorKind::OutOfMemory => {
                    assembly.body = None;
                    return Ok(Some(e));
                }
                Err(e) => return Err(e),
            }
        }
        Ok(None)
    }
}
