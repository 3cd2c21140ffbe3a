//! The reading end of a channel's ring: records become frames; a hostile peer causes at most an error.
//!
//! The reader loads every record header once and checks it before use, and copies every message header before decoding
//! it. Later changes by the peer therefore have no effect. Bodies are copied into memory of this process; only elements
//! of slots are read in place (`views`).
//!
//! The head, in this side's page, moves when the caller consumes a frame ([`Reader::consume`]), and after each piece of
//! a large frame.
//!
//! `Partial` takes memory for a huge body only as bytes arrive, within the limit and the shares of `admission`. A
//! message that finds no memory stays in the ring for a later try.

mod assembly;
mod references;
mod short;

use std::mem::MaybeUninit;
use std::sync::atomic::Ordering;

use bytes::Bytes;

pub(super) use self::references::Referring;
use super::memory::{Memory, OwnMemory};
use super::record::{COMPACT, GRANULE, LINKED, Record, Shape, WORD, garbage};
use super::ring::Ring;
use super::segment::at;
use crate::admission::PeerIdentity;
use crate::buffers::{self, aligned};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{HEADER, Header, Incoming};
use crate::partial::Partial;

/// The reading end. One thread at a time uses it.
#[derive(Debug)]
pub(super) struct Reader<M, P> {
    mine: M,
    /// The peer's page and ring, mapped read-only.
    peer: P,
    /// How far this side has read.
    position: u64,
    /// The position that the peer knows; the ring is free before it.
    head: u64,
    /// How far the peer can have written: a ring ahead of the head, minus the granule that stays free.
    filled: u64,
    /// The earlier of `filled` and the end of the position's lap; 0 while no fast-path record may come.
    ///
    /// A record that ends by then needs no other check. The value is conservative: a position that has left the lap is
    /// at or after it, and `filled` only grows.
    fast_end: u64,
    /// The [`FastRecord::FORM`] bits of this lap's fast-path records; valid below `fast_end`.
    fast: u64,
    /// Frames returned, or skipped as too large.
    frames: u64,
    consumed: u64,
    /// The last sequence number read; a compact record has the next one.
    sequence: u64,
    limit: u64,
    /// The sender that `admission` charges for the memory of large frames.
    pub sender: PeerIdentity,
    /// A large frame that is incomplete, or waits for its caller.
    assembly: Option<Assembly>,
    /// Last field: before the fields that each message changes, it costs a round trip 6 %.
    ring: Ring,
}

#[derive(Debug)]
struct Assembly {
    header: Header,
    extension: Vec<u8>,
    /// The body so far. `None` after the frame was refused: its remaining pieces are skipped.
    body: Option<Partial>,
    /// Bytes of extension and body still to copy, including the record at the position.
    missing: u64,
    /// Bytes of that record that were copied before memory ran out.
    copied: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadStep {
    /// A frame for [`Reader::take`]; returning it here would cost a small message an expensive move.
    Frame(Record),
    /// A complete large frame, for [`Reader::take_assembled`].
    Assembled,
    /// A piece of a large frame; the next step continues.
    Piece,
    Empty,
}

impl<M: OwnMemory, P: Memory> Reader<M, P> {
    pub fn new(mine: M, peer: P, ring: usize, limit: u64) -> Reader<M, P> {
        Reader {
            mine,
            peer,
            ring: Ring::new(ring),
            position: 0,
            head: 0,
            filled: ring as u64 - GRANULE,
            fast_end: 0,
            fast: 0,
            frames: 0,
            consumed: 0,
            sequence: 0,
            limit,
            sender: PeerIdentity::Unknown,
            assembly: None,
        }
    }

    fn offset(&self) -> usize {
        self.ring.offset_of(self.position)
    }

    /// Whether there is a record. Prefetches the next cache line, in which a record of 64 bytes ends.
    #[inline]
    pub fn is_ready(&self) -> bool {
        let is_ready = self.peer.load(self.offset(), Ordering::Relaxed) != 0;
        if is_ready {
            self.peer.prefetch(self.ring.offset_of((self.position | 63) + 1));
        }
        is_ready
    }

    /// [`Reader::is_ready`] after the store of this side's park word: it decides about sleeping.
    pub fn is_ready_fenced(&self) -> bool {
        self.peer.load_fenced(self.offset()) != 0
    }

    #[cfg(test)]
    pub fn is_inside_a_frame(&self) -> bool {
        self.assembly.is_some()
    }

    #[cfg(test)]
    pub fn received_bytes(&self) -> usize {
        let of =
            |assembly: &Assembly| Some(assembly.header.body as usize - assembly.body.as_ref()?.missing());
        self.assembly.as_ref().and_then(of).unwrap_or(0)
    }

    /// Looks for the next record, and collects it if it is a piece of a large frame. Never blocks.
    ///
    /// # Errors
    /// `TooLarge`: the frame is skipped. `OutOfMemory`: the frame stays the next one. `Malformed` ends the link.
    #[inline]
    pub fn step(&mut self) -> Result<ReadStep> {
        let mut word = self.peer.load(self.offset(), Ordering::Acquire);
        if word == 0 {
            return Ok(ReadStep::Empty);
        }
        let mut record = self.check_record(word)?;
        self.ring.prefetch(&self.peer, self.position, record.size());
        if record.shape() == Some(Shape::Pad) {
            self.skip_pad(word, record)?;
            word = self.peer.load(self.offset(), Ordering::Acquire);
            if word == 0 {
                return Ok(ReadStep::Empty);
            }
            record = self.check_record(word)?;
        }
        match (record.shape(), &self.assembly) {
            (Some(Shape::Compact | Shape::Linked | Shape::Full | Shape::Slots | Shape::Placed), None) => {
                Ok(ReadStep::Frame(record))
            }
            (Some(Shape::First), None) => self.read_first(record, true),
            (Some(Shape::Piece), Some(_)) => self.read_piece(record),
            (Some(Shape::Piece), None) => Err(garbage(word, "a piece of no message")),
            (Some(Shape::Pad), _) | (None, _) => Err(garbage(word, "a pad follows a pad")),
            (_, Some(_)) => Err(garbage(word, "a message in the middle of another")),
        }
    }

    /// Returns the frame in the record that the last step found. Errors as [`Reader::step`].
    ///
    /// Never `None`: the return type of the callers lets the compiler build the frame in its final place.
    #[inline]
    pub fn take(&mut self, record: Record) -> Result<Option<Incoming>> {
        let content = self.offset() + WORD as usize;
        let (prefix, sequence, correlation) = match record.shape() {
            Some(Shape::Compact) => (COMPACT, self.sequence.wrapping_add(1), 0),
            Some(Shape::Linked) => (LINKED, self.word(content + 8), self.word(content + 16)),
            Some(Shape::Slots | Shape::Placed) => {
                return Err(garbage(record.to_word(0), "references into slots, where there are none"));
            }
            _ => return self.take_full(record, content),
        };
        let sent = self.word(content).cast_signed();
        let length = record.length() - prefix;
        let header = record.header(sequence, correlation, sent, length as u64)?;
        self.advance(record, sequence);
        if self.position >= self.fast_end {
            self.renew_fast_end();
        }
        self.check_limit(&header)?;
        let body = aligned(self.copy(content + prefix, length)).into();
        Ok(Some(Incoming { header, extension: Bytes::new(), body }))
    }

    fn take_full(&mut self, record: Record, content: usize) -> Result<Option<Incoming>> {
        let header = self.header(content)?;
        let prefix = HEADER + header.extension;
        if (prefix as u64).checked_add(header.body) != Some(record.length() as u64) {
            let text = "the peer's ring holds a message whose lengths are not its record's";
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        self.advance(record, header.sequence);
        if header.body > self.limit {
            return Err(too_large(header.body, self.limit));
        }
        let extension = self.copy(content + HEADER, header.extension).into();
        let body = aligned(self.copy(content + prefix, header.body as usize)).into();
        Ok(Some(Incoming { header, extension, body }))
    }

    pub fn check_limit(&self, header: &Header) -> Result<()> {
        if header.body > self.limit { Err(too_large(header.body, self.limit)) } else { Ok(()) }
    }

    /// A word of a record whose header was loaded with acquire order.
    fn word(&self, at: usize) -> u64 {
        self.peer.load(at, Ordering::Relaxed)
    }

    fn header(&self, content: usize) -> Result<Header> {
        let mut bytes = [0; HEADER];
        self.peer.copy_out(content, as_uninit(&mut bytes));
        Header::from_bytes(&bytes)
    }

    fn append(&self, to: &mut Vec<u8>, from: usize, length: usize) {
        to.reserve(length);
        self.peer.copy_out(from, &mut to.spare_capacity_mut()[..length]);
        // SAFETY: `reserve` made room for these bytes, and `copy_out` has just initialised them all.
        unsafe { to.set_len(to.len() + length) };
    }

    #[inline]
    fn copy(&self, from: usize, length: usize) -> Vec<u8> {
        let mut bytes = buffers::with_room(length);
        self.append(&mut bytes, from, length);
        bytes
    }

    /// Decodes a header word, and checks that an honest writer can have put its record here.
    #[inline]
    fn check_record(&self, word: u64) -> Result<Record> {
        let record = Record::from_word(word, self.ring.lap(self.position))?;
        let size = record.size();
        // The limit covers the unreleased records, this record, and the granule that is always free.
        if size > self.ring.left(self.position) || self.position + size > self.filled {
            return Err(garbage(word, "the record is longer than the room that the peer had"));
        }
        Ok(record)
    }

    /// Moves past a pad. Refuses a pad that ends no lap or fills one, which could keep this side busy.
    #[cold]
    fn skip_pad(&mut self, word: u64, record: Record) -> Result<()> {
        let left = self.ring.left(self.position);
        if left == self.ring.length || record.size() != left {
            return Err(garbage(word, "a pad that does not end a lap"));
        }
        self.position += record.size();
        Ok(())
    }

    fn advance(&mut self, record: Record, sequence: u64) {
        self.position += record.size();
        self.frames += 1;
        if sequence != 0 {
            self.sequence = sequence;
        }
    }

    /// Stores the head, which frees the ring.
    ///
    /// The full fence lets the caller check whether the writer sleeps.
    fn release(&mut self) {
        (self.head, self.filled) = (self.position, self.position + self.ring.length - GRANULE);
        self.mine.store_fenced(at::HEAD, self.head);
    }

    /// Tells the peer that every returned frame is consumed; false if the peer knew that already.
    #[inline]
    pub fn consume(&mut self) -> bool {
        if self.consumed == self.frames && self.head == self.position {
            return false;
        }
        self.consumed = self.frames;
        self.mine.store(at::CONSUMED, self.consumed, Ordering::Release);
        self.release();
        true
    }

    pub fn head(&self) -> u64 {
        self.head
    }
}

pub(super) fn as_uninit(bytes: &mut [u8]) -> &mut [MaybeUninit<u8>] {
    let (start, length) = (bytes.as_mut_ptr().cast(), bytes.len());
    // SAFETY: these are the borrowed bytes, with an equal borrow; `Memory::copy_out` writes only initialised bytes.
    unsafe { std::slice::from_raw_parts_mut(start, length) }
}

#[cold]
pub(super) fn too_large(bytes: u64, limit: u64) -> Error {
    let text = format!(
        "a message of {bytes} bytes came, {limit} are allowed (option max_message_size); it was skipped"
    );
    Error::new(ErrorKind::TooLarge, text)
}
