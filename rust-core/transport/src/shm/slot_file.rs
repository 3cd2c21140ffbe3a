//! The file of a slot, which the table of slots owns and lends: to one program's loan or copy that writes it, and then
//! as [`Bytes`] to all who have the message.
//!
//! The table lends it to one borrower without counting (`sys::arc_owner`), and the last clone of the `Bytes` gives it back with
//! one exchange, without the table's lock.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use crate::sys::arc_owner::{ArcOwner, ArcRef};
use crate::sys::memory::MemoryFile;

/// A file, and whether its borrower writes it.
#[derive(Debug)]
struct LentFile {
    file: MemoryFile,
    /// Set by the table that lends it, and cleared by the borrower.
    is_written: AtomicBool,
}

/// The file of a slot, in the table.
#[derive(Debug)]
pub(super) struct SlotFile(ArcOwner<LentFile>);

impl SlotFile {
    pub(crate) fn new(file: MemoryFile) -> SlotFile {
        SlotFile(ArcOwner::new(LentFile { file, is_written: AtomicBool::new(false) }))
    }

    pub(crate) fn file(&self) -> &MemoryFile {
        &self.0.file
    }

    /// Returns whether nothing but the table has this file, so that it may be written. It stays so: the table alone lends
    /// it.
    #[inline]
    pub(crate) fn is_free(&mut self) -> bool {
        self.0.is_home()
    }

    /// Lends the first `length` bytes to be written; `None` where the file is not free.
    #[inline]
    pub(crate) fn lend_writable(&mut self, length: usize) -> Option<WritableSlot> {
        if !self.0.is_home() {
            return None;
        }
        // Before it is lent, so the borrower clears it afterwards.
        self.0.is_written.store(true, Ordering::Relaxed);
        Some(WritableSlot { content: Some(self.0.lend()), length })
    }

    /// Returns the offset of these bytes in the first `length` bytes of the file; `None` where they are elsewhere, or
    /// while the file is written.
    #[inline]
    pub(crate) fn offset_of(&self, bytes: &[u8], length: usize) -> Option<usize> {
        let from = bytes.as_ptr().addr().checked_sub(self.file().bytes(0).as_ptr().addr())?;
        let is_inside = from <= length && bytes.len() <= length - from;
        // Acquire: what was written comes before.
        (is_inside && !self.0.is_written.load(Ordering::Acquire)).then_some(from)
    }

    /// Returns the bytes that [`SlotFile::offset_of`] has just found: `shared` where it is given, which are the same with
    /// their owner.
    pub(crate) fn share(&mut self, from: usize, length: usize, shared: Option<&Bytes>) -> Bytes {
        let owner = || Bytes::from_owner(SlotBytes { content: self.0.lend(), from, length });
        shared.cloned().unwrap_or_else(owner)
    }
}

/// Filled memory of a slot, behind `Bytes`. As long as it is lent the slot is not written.
struct SlotBytes {
    content: ArcRef<LentFile>,
    from: usize,
    length: usize,
}

impl AsRef<[u8]> for SlotBytes {
    fn as_ref(&self) -> &[u8] {
        &self.content.file.bytes(self.from + self.length)[self.from..]
    }
}

/// Memory of a slot that only this value has, to be written: a loan, or an array being copied.
/// Dropping it gives the slot back.
#[derive(Debug)]
pub struct WritableSlot {
    /// `None` once the writing has ended.
    content: Option<ArcRef<LentFile>>,
    length: usize,
}

impl WritableSlot {
    /// The elements written so far; fresh memory is zero, reused memory has the elements of an
    /// earlier array.
    pub fn bytes(&self) -> &[u8] {
        self.content.as_ref().map_or(&[], |content| content.file.bytes(self.length))
    }

    /// The same memory for writing.
    #[inline]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let Some(content) = &self.content else { return &mut [] };
        // SAFETY: the file was free when it was lent, and `offset_of` finds no bytes in it while it is written, so
        // nothing else is lent; this value alone has the bytes, and is borrowed alone. Other processes map the file
        // read-only, and their reads are no accesses of this program's.
        unsafe { &mut *content.file.writable_bytes(self.length) }
    }

    /// Copies these elements, of which there are as many, and returns them. No mutex is held during the copy, which may
    /// take long.
    pub(crate) fn filled_with(mut self, elements: &[u8]) -> Bytes {
        self.bytes_mut().copy_from_slice(elements);
        self.into_bytes()
    }

    /// Ends the writing and returns the elements. The slot is written again only when the last
    /// clone of the result is dropped and the peer has released all references.
    #[inline]
    pub fn into_bytes(self) -> Bytes {
        let Some(content) = self.content else { return Bytes::new() };
        // Release: what was written comes before what others do with it.
        content.is_written.store(false, Ordering::Release);
        Bytes::from_owner(SlotBytes { content, from: 0, length: self.length })
    }
}
