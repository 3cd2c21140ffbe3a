//! Copies records into frames, then checks whether the publisher overwrote them.

use bytes::Bytes;

use super::super::super::memory::Memory;
use super::super::super::reader::{as_uninit, too_large};
use super::super::super::record::{LINKED, Record, Shape, WORD};
use super::super::super::references::{self, REFERENCE};
use super::super::views::{Content, Referring, Resolved};
use super::{ReadError, Resolve, RingReader};
use crate::body::Rest;
use crate::buffers::{self, aligned};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{HEADER, Header, Incoming, WORDS};
use crate::sys::crc;

/// References and the bytes around their arrays are read on the stack up to this length, in bytes.
const SHORT_REFERENCES: usize = 256;

impl<P: Memory> RingReader<P> {
    /// Returns the frame of a record, or `None` if its slots were overwritten.
    pub(super) fn take_record(
        &self,
        position: u64,
        record: Record,
        resolve: &mut Resolve<'_>,
    ) -> std::result::Result<Option<Incoming>, ReadError> {
        match record.shape() {
            Some(Shape::Slots | Shape::Placed) => {}
            Some(Shape::Linked) => return self.copy_linked(position, record).map(Some),
            _ => return self.copy_full(position, record).map(Some),
        }
        match resolve(self.copy_references(position, record)?)? {
            Resolved::Frame(frame) => Ok(Some(frame)),
            Resolved::Overtaken => Ok(None),
            Resolved::FileAbsent => Err(ReadError::FileAbsent),
        }
    }

    /// Copies message header, references and the rest of the body, and validates the copies.
    #[cold]
    fn copy_references(&self, position: u64, record: Record) -> std::result::Result<Referring, ReadError> {
        let header = self.copy_header(position)?;
        if header.body > self.limit {
            return Err(too_large(header.body, self.limit).into());
        }
        let from = self.content(position) + HEADER;
        let length = record.length() - HEADER;
        if record.shape() == Some(Shape::Placed) {
            let words = self.peer.load_words(from);
            if !self.is_intact(position) {
                return Err(ReadError::Overtaken);
            }
            // The shape's fixed part contains the reference; a publisher's frame has no extension map after it.
            let reference = references::of_body(&header, words, length - REFERENCE)?;
            return Ok(Referring { header, content: Content::Body(reference) });
        }
        // Nearly all are this short, and need no allocation.
        let (mut short, mut long) = ([0; SHORT_REFERENCES], Vec::new());
        let bytes = if length <= short.len() {
            self.peer.copy_out_racing(from, as_uninit(&mut short[..length]));
            &short[..length]
        } else {
            long = self.copy_bytes(from, length)?;
            &long
        };
        if !self.is_intact(position) {
            return Err(ReadError::Overtaken);
        }
        let count = bytes.first_chunk().map_or(0, |count| u64::from_le_bytes(*count));
        let decoded =
            references::decode(&header, count, bytes.len(), |at| references::words_of(&bytes[at..]));
        let (references, rest) = decoded?;
        let before = references::bytes_of(references.len());
        let rest = before..before + rest;
        let rest = if rest.len() <= Rest::SHORT {
            bytes[rest].into()
        } else {
            let block = if long.is_empty() { bytes.to_vec() } else { long };
            aligned(block).slice(rest).into()
        };
        Ok(Referring { header, content: Content::Arrays(rest, references) })
    }

    fn content(&self, position: u64) -> usize {
        self.ring.offset_of(position) + WORD as usize
    }

    #[inline]
    fn header_words(&self, position: u64) -> [u64; WORDS] {
        self.peer.load_words(self.content(position))
    }

    fn copy_header(&self, position: u64) -> std::result::Result<Header, ReadError> {
        let header = Header::try_from_words(&self.header_words(position), crc::of_words);
        if !self.is_intact(position) {
            return Err(ReadError::Overtaken);
        }
        Ok(header?)
    }

    fn copy_linked(&self, position: u64, record: Record) -> std::result::Result<Incoming, ReadError> {
        let body = record.length() - LINKED;
        if body as u64 > self.limit {
            return Err(too_large(body as u64, self.limit).into());
        }
        let content = self.content(position);
        let [sent, sequence, correlation] = self.peer.load_words(content);
        let bytes = self.copy_bytes(content + LINKED, body)?;
        if !self.is_intact(position) {
            return Err(ReadError::Overtaken);
        }
        let header = record.header(sequence, correlation, sent.cast_signed(), body as u64)?;
        Ok(Incoming { header, extension: Bytes::new(), body: aligned(bytes).into() })
    }

    /// Copies the frame of a full record, after validating the lengths in its message header.
    fn copy_full(&self, position: u64, record: Record) -> std::result::Result<Incoming, ReadError> {
        let header = self.copy_header(position)?;
        let content = self.content(position);
        let before = HEADER + header.extension;
        if (before as u64).checked_add(header.body) != Some(record.length() as u64) {
            let text = "the publisher's ring holds a message whose lengths differ from its record's length";
            return Err(ReadError::Failed(Error::new(ErrorKind::Malformed, text)));
        }
        if header.body > self.limit {
            return Err(too_large(header.body, self.limit).into());
        }
        let extension = self.copy_bytes(content + HEADER, header.extension)?;
        let body = self.copy_bytes(content + before, header.body as usize)?;
        if !self.is_intact(position) {
            return Err(ReadError::Overtaken);
        }
        let extension = if extension.is_empty() { Bytes::new() } else { extension.into() };
        Ok(Incoming { header, extension, body: aligned(body).into() })
    }

    /// Copies `length` bytes at an offset, a multiple of 8, while the publisher may be writing there.
    fn copy_bytes(&self, from: usize, length: usize) -> Result<Vec<u8>> {
        let mut bytes = buffers::take(length);
        if bytes.try_reserve_exact(length).is_err() {
            let text = format!("no memory for a message of {length} bytes, which was skipped");
            return Err(Error::new(ErrorKind::OutOfMemory, text));
        }
        self.peer.copy_out_racing(from, &mut bytes.spare_capacity_mut()[..length]);
        // SAFETY: the reservation made room for these bytes, and `copy_out_racing` has just initialised them all.
        unsafe { bytes.set_len(length) };
        Ok(bytes)
    }
}
