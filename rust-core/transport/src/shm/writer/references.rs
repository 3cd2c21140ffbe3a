//! Records of messages whose long arrays or whole bodies are in slots.

use std::sync::atomic::Ordering;

use super::super::memory::{Memory, OwnMemory};
use super::super::record::{Record, Shape, WORD};
use super::super::references::{self, REFERENCE, Reference};
use super::Writer;
use crate::error::Result;
use crate::frame::{HEADER, Header};
use crate::sys::crc;

impl<M: OwnMemory, P: Memory> Writer<M, P> {
    /// Whether a frame with `rest` bytes outside slots fits one record, and no large frame is under way.
    pub fn accepts_references(&self, references: usize, rest: usize) -> bool {
        let length = HEADER + references::bytes_of(references) + rest;
        !self.has_rest() && length as u64 <= self.largest - WORD
    }

    /// Whether a frame with its body in a slot fits one record, and no large frame is under way.
    pub fn accepts_placed(&self, extension: usize) -> bool {
        let length = HEADER + REFERENCE + extension;
        !self.has_rest() && length as u64 <= self.largest - WORD
    }

    /// Whether there is room now for a frame that [`Writer::accepts_placed`] accepts.
    pub fn has_room_for_placed(&mut self, extension: usize) -> Result<bool> {
        let size = Record::bare(Shape::Placed, (HEADER + REFERENCE + extension) as u32).size();
        let left = self.ring.left(self.tail);
        let end = self.tail + size + if size > left { left } else { 0 };
        self.has_room_to(end)
    }

    /// Writes a frame that [`Writer::accepts_placed`] accepts. False without room.
    pub fn try_write_placed(
        &mut self,
        header: &Header,
        extension: &[u8],
        reference: &Reference,
    ) -> Result<bool> {
        let length = HEADER + REFERENCE + extension.len();
        let record = Record::of_frame(Shape::Placed, header, length);
        let Some(at) = self.reserve(record.size())? else { return Ok(false) };
        self.mine.store_words(at, header.words(crc::of_words));
        self.mine.store_words(at + HEADER, reference.words());
        self.mine.copy_in(at + HEADER + REFERENCE, extension);
        self.commit(record);
        self.count_frame(header);
        Ok(true)
    }

    /// Writes a frame that [`Writer::accepts_references`] accepts. False without room.
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
