//! Frames of some kilobytes that are read into their own memory, without a copy out of the buffer.
//!
//! After a frame that was read alone, the next frame probably has an equal length. If it does not, its bytes
//! move to the buffer, as if they had been read there.

use bytes::Bytes;

use crate::buffers;
use crate::frame::{HEADER, Header, Incoming};
use crate::sys::crc;

/// The shortest such frame in bytes: copying a shorter frame costs less than its memory.
const SHORTEST: usize = 2 << 10;

/// The longest such frame: with [`ROOM`], it fits into the buffer.
const LONGEST: usize = (64 << 10) - ROOM;

/// Room after the expected frame. A read that leaves some room has taken everything.
const ROOM: usize = 64;

#[derive(Default)]
pub(super) struct Direct {
    /// The length of the expected frame in bytes, with header; 0 if none is expected.
    expected: usize,
    bytes: Vec<u8>,
    /// The header of the complete frame in `bytes`.
    header: Option<Header>,
}

pub(super) struct Settled {
    pub took_all: bool,
    /// How many bytes were copied to the buffer, because they are not the expected frame.
    pub in_buffer: usize,
}

impl Direct {
    pub(crate) fn expect(&mut self, length: usize) {
        self.expected = if (SHORTEST..=LONGEST).contains(&length) { length } else { 0 };
    }

    pub(crate) fn is_expecting(&self) -> bool {
        self.expected > 0
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.header.is_some()
    }

    pub(crate) fn peek(&self) -> Option<(&Header, &[u8])> {
        Some((self.header.as_ref()?, &self.bytes))
    }

    pub(crate) fn take(&mut self) -> Option<Incoming> {
        let header = self.header.take()?;
        Some(split(header, buffers::bytes(std::mem::take(&mut self.bytes))))
    }

    pub(crate) fn memory(&mut self) -> (&mut Vec<u8>, usize) {
        let most = self.expected + ROOM;
        self.bytes.clear();
        self.bytes.reserve_exact(most);
        (&mut self.bytes, most)
    }

    /// Keeps the bytes of a read as a frame, or copies them to the buffer. `limit` is the longest body.
    ///
    /// Returns `None` if there was no such read.
    pub(crate) fn settle(&mut self, limit: u64, buffer: &mut [u8]) -> Option<Settled> {
        if self.bytes.is_empty() { None } else { Some(self.settle_bytes(limit, buffer)) }
    }

    #[inline(never)]
    fn settle_bytes(&mut self, limit: u64, buffer: &mut [u8]) -> Settled {
        let Direct { bytes, expected, .. } = self;
        let took_all = bytes.len() < *expected + ROOM;
        let header = match bytes.first_chunk::<HEADER>() {
            Some(first) if bytes.len() == *expected => Header::of_fast_frame(first, crc::of_words)
                .or_else(|| Header::from_bytes_with(first, crc::of_words).ok()),
            _ => None,
        };
        self.header = header.filter(|header| {
            header.body <= limit && header.body_offset() as u64 + header.body == bytes.len() as u64
        });
        let mut in_buffer = 0;
        if self.header.is_none() {
            in_buffer = bytes.len();
            buffer[..in_buffer].copy_from_slice(bytes);
            bytes.clear();
            *expected = 0;
        }
        Settled { took_all, in_buffer }
    }
}

pub(super) fn split(header: Header, bytes: Bytes) -> Incoming {
    Incoming {
        extension: bytes.slice(HEADER..HEADER + header.extension),
        body: bytes.slice(header.body_offset()..).into(),
        header,
    }
}
