//! Writing the records of messages whose long arrays are in slots: the header, where the arrays are, and the rest of
//! the body. The counterpart of `reader/references`.

use std::sync::atomic::Ordering;

use super::super::memory::{Memory, OwnMemory};
use super::super::record::{Record, Shape, WORD};
use super::super::references::{self, REFERENCE, Reference};
use super::Writer;
use crate::error::Result;
use crate::frame::{HEADER, Header};
use crate::sys::crc;

impl<M: OwnMemory, P: Memory> Writer<M, P> {
    /// Whether a frame with so many references and `rest` bytes of other body fits in one record,
    /// and no large frame is under way.
    pub fn takes_references(&self, references: usize, rest: usize) -> bool {
        let length = HEADER + references::bytes_of(references) + rest;
        !self.has_rest() && length as u64 <= self.largest - WORD
    }

    /// Writes a frame of which parts are in slots; [`Writer::takes_references`] was true for it.
    /// False where there is no room.
    pub fn try_write_references(
        &mut self,
        header: &Header,
        rest: &[u8],
        references: &[Reference],
    ) -> Result<bool> {
        let length = HEADER + references::bytes_of(references.len()) + rest.len();
        let record = Record::of_frame(Shape::Slots, header, length);
        let Some(mut at) = self.reserve(record.size())? else { return Ok(false) };
        self.mine.store_words(at, header.words(crc::of_words));
        self.mine.store(at + HEADER, references.len() as u64, Ordering::Relaxed);
        at += HEADER + references::COUNT;
        for reference in references {
            self.mine.store_words(at, reference.words());
            at += REFERENCE;
        }
        self.mine.copy_in(at, rest);
        self.commit(record);
        self.count_frame(header);
        Ok(true)
    }
}
