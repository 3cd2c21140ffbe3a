//! Bytes being encoded: where they began, and how many there may be.

use crate::buffers;
use crate::error::Result;
use crate::value::Limits;

/// The end of somebody's buffer, to which an encoder appends.
pub(crate) struct Output<'a> {
    /// The buffer, with whatever stood in it before.
    pub(crate) bytes: &'a mut Vec<u8>,
    start: usize,
    /// The bytes that may be written, as the limits say.
    most: usize,
    limits: Limits,
}

impl<'a> Output<'a> {
    pub(crate) fn new(bytes: &'a mut Vec<u8>, limits: Limits) -> Output<'a> {
        let most = usize::try_from(limits.message).unwrap_or(usize::MAX);
        Output { start: bytes.len(), bytes, most, limits }
    }

    /// How many bytes have been written.
    #[inline]
    pub(crate) fn written(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// The offset in the buffer of the first byte written.
    pub(crate) fn start(&self) -> usize {
        self.start
    }

    #[inline]
    pub(crate) fn push(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    #[inline]
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends a block whose length the value decides; refuses one that takes the message over its limit.
    #[inline]
    pub(crate) fn block(&mut self, bytes: &[u8]) -> Result<()> {
        self.room(bytes.len())?;
        buffers::reserve(self.bytes, bytes.len());
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Refuses to write `count` more bytes if that takes the message over its limit.
    #[inline]
    pub(crate) fn room(&self, count: usize) -> Result<()> {
        match self.written().checked_add(count) {
            Some(length) if length <= self.most => Ok(()),
            length => self.limits.check_message(length.unwrap_or(usize::MAX) as u64),
        }
    }

    /// Refuses a message that has become too long.
    pub(crate) fn finish(&self) -> Result<()> {
        self.limits.check_message(self.written() as u64)
    }
}
