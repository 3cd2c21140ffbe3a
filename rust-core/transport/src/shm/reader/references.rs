//! Records of messages whose long arrays or whole bodies are in slots.

use std::sync::atomic::Ordering;

use super::super::memory::{Memory, OwnMemory};
use super::super::record::{Record, Shape, WORD};
use super::super::references::{self, REFERENCE, Reference};
use super::{Reader, as_uninit};
use crate::body::{OneOrMany, Rest};
use bytes::Bytes;

use crate::buffers::aligned;
use crate::error::Result;
use crate::frame::{HEADER, Header};
use crate::sys::crc;

/// A message whose long arrays are in slots, as its record gives it.
#[derive(Debug)]
pub(in super::super) struct Referring {
    pub header: Header,
    record: Record,
    at: usize,
    pub references: OneOrMany<Reference>,
}

impl<M: OwnMemory, P: Memory> Reader<M, P> {
    pub fn has_references(record: Record) -> bool {
        record.shape() == Some(Shape::Slots)
    }

    pub fn is_placed(record: Record) -> bool {
        record.shape() == Some(Shape::Placed)
    }

    /// Copies a placed frame's header, extension map and body reference. Nothing changes.
    ///
    /// `views` checks whether the slot has such a body. Slot and record stay until [`Reader::pass`].
    ///
    /// # Errors
    /// `Malformed`, which ends the link.
    pub fn read_placed(&self, record: Record) -> Result<(Header, Bytes, Reference)> {
        let content = self.offset() + WORD as usize;
        let header = Header::try_from_words(&self.words(content), crc::of_words)?;
        let behind = HEADER + REFERENCE;
        // The shape's fixed part contains both.
        let length = record.length() - behind;
        let reference = references::of_body(&header, self.words(content + HEADER), length)?;
        let extension = self.copy(content + behind, length).into();
        Ok((header, extension, reference))
    }

    /// Moves past the record that the last step found.
    pub fn pass(&mut self, record: Record, header: &Header) {
        self.advance(record, header.sequence);
    }

    /// The next record, if its message has arrays or its body in slots. Nothing changes.
    pub fn next_in_slots(&self) -> Result<Option<Record>> {
        let word = self.peer.load(self.offset(), Ordering::Acquire);
        if word == 0 || self.assembly.is_some() {
            return Ok(None);
        }
        let record = self.check_record(word)?;
        Ok(Some(record).filter(|record| Self::has_references(*record) || Self::is_placed(*record)))
    }

    /// The next record, if it is valid and has references to arrays in slots. Nothing changes.
    #[inline]
    pub fn peek_references(&self) -> Option<Referring> {
        let word = self.peer.load(self.offset(), Ordering::Acquire);
        if word == 0 || self.assembly.is_some() {
            return None;
        }
        let record = self.check_record(word).ok().filter(|record| Self::has_references(*record))?;
        self.ring.prefetch(&self.peer, self.position, record.size());
        self.read_references(record).ok().filter(|found| found.header.body <= self.limit)
    }

    /// Copies the rest of the body and moves past the record.
    #[inline]
    pub fn take_rest(&mut self, found: &Referring) -> Rest {
        let Referring { header, record, at, .. } = *found;
        let from = self.offset() + WORD as usize + at;
        let length = record.length() - at;
        let rest = if length <= Rest::SHORT {
            Rest::filled(length, |to| self.peer.copy_out(from, as_uninit(to)))
        } else {
            aligned(self.copy(from, length)).into()
        };
        self.advance(record, header.sequence);
        rest
    }

    /// Reads a frame's header and references, each word once. Nothing changes.
    ///
    /// `views` checks whether the slots have such elements.
    ///
    /// # Errors
    /// `Malformed`, which ends the link.
    #[inline]
    pub fn read_references(&self, record: Record) -> Result<Referring> {
        let content = self.offset() + WORD as usize;
        let header = Header::try_from_words(&self.words(content), crc::of_words)?;
        let content = content + HEADER;
        let available = record.length() - HEADER;
        let words = |behind: usize| self.words(content + behind);
        let (references, rest) = references::decode(&header, self.word(content), available, words)?;
        Ok(Referring { header, record, at: record.length() - rest, references })
    }

    fn words<const N: usize>(&self, at: usize) -> [u64; N] {
        self.peer.load_words(at)
    }
}
