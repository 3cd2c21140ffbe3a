//! The bytes that are being encoded: where they begin in the buffer, and how many are allowed.
//!
//! Small items are appended with `push` and `put`, without a check; every block whose length the
//! value decides goes through `block` or `elements`, which check the limit first. So the buffer
//! exceeds the limit only by small items, whose number the limit on nodes bounds, before `finish`
//! refuses the message.

use crate::body::{PLACED_FROM, Placer};
use crate::buffers;
use crate::error::{Result, memory};
use crate::value::Limits;

/// The end of the caller's buffer, to which an encoder appends.
pub(crate) struct Output<'a> {
    /// The buffer, with what it contained before.
    pub(crate) bytes: &'a mut Vec<u8>,
    /// The length of the buffer when the encoding began.
    start: usize,
    /// [`Limits::message`], in bytes.
    most: usize,
    limits: Limits,
    /// The placer that may store long arrays elsewhere, if there is one.
    placer: Option<&'a mut dyn Placer>,
    /// The number of bytes that are stored elsewhere; they count for the limit.
    elsewhere: usize,
}

impl<'a> Output<'a> {
    /// Returns the end of this buffer.
    pub(crate) fn new(bytes: &'a mut Vec<u8>, limits: Limits) -> Output<'a> {
        let most = usize::try_from(limits.message).unwrap_or(usize::MAX);
        Output { start: bytes.len(), bytes, most, limits, placer: None, elsewhere: 0 }
    }

    /// Returns the same with a placer that may store long arrays elsewhere.
    pub(crate) fn with_placer(self, placer: Option<&'a mut dyn Placer>) -> Output<'a> {
        Output { placer, ..self }
    }

    /// Returns the number of bytes written so far, in the buffer and elsewhere.
    #[inline]
    pub(crate) fn written(&self) -> usize {
        self.bytes.len() - self.start + self.elsewhere
    }

    /// Returns the offset in the buffer of the first byte written.
    pub(crate) fn start(&self) -> usize {
        self.start
    }

    /// Appends one byte.
    #[inline]
    pub(crate) fn push(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// Appends bytes of a small item.
    #[inline]
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends a block whose length the value decides.
    ///
    /// # Errors
    ///
    /// `TooLarge` where it exceeds the limit of the message, `OutOfMemory` where the buffer cannot
    /// grow.
    #[inline]
    pub(crate) fn block(&mut self, bytes: &[u8]) -> Result<()> {
        self.check_room(bytes.len())?;
        if !buffers::reserve(self.bytes, bytes.len()) {
            return Err(memory::out_of_memory(bytes.len()));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Appends the elements of an array, or has them stored elsewhere where they are long. The
    /// caller has checked the limit with `room`.
    #[inline]
    pub(crate) fn elements(&mut self, elements: &[u8]) -> Result<()> {
        if elements.len() >= PLACED_FROM
            && let Some(placer) = &mut self.placer
            // The placer may refuse, for instance when its memory is full.
            && placer.place(self.bytes.len() - self.start, elements)
        {
            self.elsewhere += elements.len();
            return Ok(());
        }
        self.bytes.try_reserve(elements.len()).map_err(|_| memory::out_of_memory(elements.len()))?;
        self.put(elements);
        Ok(())
    }

    /// Checks that `count` more bytes fit the limit of the message; else `TooLarge`.
    #[inline]
    pub(crate) fn check_room(&self, count: usize) -> Result<()> {
        // An overflow counts as beyond every limit.
        match self.written().checked_add(count) {
            Some(length) if length <= self.most => Ok(()),
            length => self.limits.check_message(length.unwrap_or(usize::MAX) as u64),
        }
    }

    /// Checks the length of the complete message; `TooLarge` over the limit.
    pub(crate) fn finish(&self) -> Result<()> {
        self.limits.check_message(self.written() as u64)
    }
}
