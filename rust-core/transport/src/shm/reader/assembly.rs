//! Large frames, whose pieces are collected until the last one arrives.

use std::sync::atomic::Ordering;

use super::super::memory::{Memory, OwnMemory};
use super::super::record::{Record, Shape, WORD};
use super::{Assembly, ReadStep, Reader, too_large};
use crate::buffers::aligned;
use crate::error::{Error, ErrorKind, Result, memory};
use crate::frame::{HEADER, Header, Incoming};
use crate::partial::Partial;

impl<M: OwnMemory, P: Memory> Reader<M, P> {
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

    /// Reads the first record of a large frame, and checks its lengths before it takes memory.
    ///
    /// A frame that is too large is an error once, and its pieces are skipped. Without `keeps`, any frame is skipped.
    ///
    /// # Errors
    /// `OutOfMemory`: nothing has changed.
    #[cold]
    pub(super) fn read_first(&mut self, record: Record, keeps: bool) -> Result<ReadStep> {
        let content = self.offset() + WORD as usize;
        let header = self.header(content)?;
        let here = record.length() as u64 - HEADER as u64;
        let total = header.body.checked_add(header.extension as u64).filter(|total| *total > here);
        let Some(total) = total else {
            let text = "the peer's ring holds the first piece of a message that would end with it";
            return Err(Error::new(ErrorKind::Malformed, text));
        };
        let mut assembly = Assembly { header, extension: Vec::new(), body: None, missing: total, copied: 0 };
        let mut refusal = None;
        if header.body > self.limit {
            refusal = Some(too_large(header.body, self.limit));
        } else if keeps {
            memory::reserve(&mut assembly.extension, header.extension)?;
            assembly.body = Some(Partial::begin(header.body as usize, self.limit, self.sender.clone()));
        }
        self.append_record(&mut assembly, content + HEADER, here as usize)?;
        self.fast_end = 0;
        self.assembly = Some(assembly);
        self.position += record.size();
        self.release();
        refusal.map_or(Ok(ReadStep::Piece), Err)
    }

    /// Reads the next piece. `OutOfMemory`: the piece stays the next one; the copied bytes are kept.
    #[cold]
    pub(super) fn read_piece(&mut self, record: Record) -> Result<ReadStep> {
        let content = self.offset() + WORD as usize;
        let Some(mut assembly) = self.assembly.take() else { return Ok(ReadStep::Empty) };
        if record.length() as u64 > assembly.missing {
            let text = "the peer's ring holds more pieces of a message than its header announced";
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        if let Err(error) = self.append_record(&mut assembly, content, record.length()) {
            if error.kind() == ErrorKind::OutOfMemory {
                self.assembly = Some(assembly);
            }
            return Err(error);
        }
        if assembly.missing > 0 {
            self.assembly = Some(assembly);
            self.position += record.size();
            self.release();
            return Ok(ReadStep::Piece);
        }
        self.advance(record, assembly.header.sequence);
        if assembly.body.is_none() {
            self.release();
            return Ok(ReadStep::Piece);
        }
        self.assembly = Some(assembly);
        Ok(ReadStep::Assembled)
    }

    /// Drops a large frame that did not fit the memory, if `may` allows that, and skips its rest.
    ///
    /// Returns its header; `None` without such a frame. `Malformed` ends the link.
    #[cold]
    pub fn give_up_assembly(&mut self, may: impl Fn(&Header) -> bool) -> Result<Option<Header>> {
        if let Some(assembly) = &mut self.assembly {
            let header = assembly.header;
            if assembly.body.is_none() || !may(&header) {
                return Ok(None);
            }
            (assembly.body, assembly.extension) = (None, Vec::new());
            return Ok(Some(header));
        }
        let word = self.peer.load(self.offset(), Ordering::Acquire);
        let record = if word == 0 { None } else { Some(self.check_record(word)?) };
        let Some(record) = record.filter(|record| record.shape() == Some(Shape::First)) else {
            return Ok(None);
        };
        let header = self.header(self.offset() + WORD as usize)?;
        if !may(&header) {
            return Ok(None);
        }
        self.read_first(record, false).map(|_| Some(header))
    }

    /// Appends the record's `length` bytes at the offset `content` to the large frame.
    ///
    /// After `OutOfMemory` a later call continues. Errors of `Partial` are final.
    fn append_record(&self, assembly: &mut Assembly, content: usize, length: usize) -> Result<()> {
        if let Some(body) = &mut assembly.body {
            // The peer may have changed the length since the last attempt.
            let mut copied = assembly.copied.min(length);
            let of_extension = (length - copied).min(assembly.header.extension - assembly.extension.len());
            self.append(&mut assembly.extension, content + copied, of_extension);
            copied += of_extension;
            while copied < length {
                let appended = body.append(|bytes, most| {
                    let here = most.min(length - copied);
                    self.append(bytes, content + copied, here);
                    Ok(Some(here))
                });
                assembly.copied = copied;
                copied += appended?.unwrap_or(0);
            }
        }
        assembly.copied = 0;
        assembly.missing -= length as u64;
        Ok(())
    }
}
