//! The file of a slot: the table lends it to a writer, then as [`Bytes`] to holders of the message.
//!
//! The first borrower is not counted (`sys::arc_owner`): its last clone returns the file with one exchange.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;

use super::segment::PAGE;
use super::slot_bytes::Counted;
use crate::sys::arc_owner::{ArcOwner, ArcRef};
use crate::sys::memory::MemoryFile;

#[derive(Debug)]
struct LentFile {
    file: MemoryFile,
    _counted: Counted,
    /// The lending table sets it; the borrower clears it.
    is_written: AtomicBool,
    /// The end of the bytes after a margin, while nothing is written around them; otherwise 0.
    margin_behind: AtomicUsize,
}

/// Bytes around a loan for the rest of its message: a page, so the program's bytes begin at one.
pub(super) const MARGIN: usize = PAGE;

#[derive(Debug)]
pub(super) struct SlotFile(ArcOwner<LentFile>);

impl SlotFile {
    pub(crate) fn new(file: MemoryFile, counted: Counted) -> SlotFile {
        let (is_written, margin_behind) = (AtomicBool::new(false), AtomicUsize::new(0));
        SlotFile(ArcOwner::new(LentFile { file, _counted: counted, is_written, margin_behind }))
    }

    pub(crate) fn file(&self) -> &MemoryFile {
        &self.0.file
    }

    /// Whether only the table has this file, until it lends the file.
    pub(crate) fn is_free(&mut self) -> bool {
        self.0.is_home()
    }

    /// Lends `length` bytes from `from` on for writing; `None` unless the file is free.
    pub(crate) fn lend_writable(&mut self, from: usize, length: usize) -> Option<WritableSlot> {
        if !self.0.is_home() {
            return None;
        }
        // Before the loan: the borrower clears it afterwards.
        self.0.is_written.store(true, Ordering::Relaxed);
        self.0.margin_behind.store(0, Ordering::Relaxed);
        Some(WritableSlot { content: Some(self.0.lend()), from, length })
    }

    /// The offset of these bytes in the first `length` bytes; `None` if outside or being written.
    pub(crate) fn offset_of(&self, bytes: &[u8], length: usize) -> Option<usize> {
        let from = bytes.as_ptr().addr().checked_sub(self.file().bytes(0).as_ptr().addr())?;
        let is_inside = from <= length && bytes.len() <= length - from;
        // Acquire: the borrower's writes precede this.
        (is_inside && !self.0.is_written.load(Ordering::Acquire)).then_some(from)
    }

    /// Shares found bytes, through `shared`, their owner, if given.
    pub(crate) fn share(&mut self, from: usize, length: usize, shared: Option<&Bytes>) -> Bytes {
        let owner = || Bytes::from_owner(SlotBytes { content: self.0.lend(), from, length });
        shared.cloned().unwrap_or_else(owner)
    }

    /// Writes `before` and `after` around the bytes of [`WritableSlot::into_first`]; returns the whole.
    ///
    /// `None`, without a change, for other bytes, too small margins, or after the first call. `room` is the file's
    /// length. The caller has the table's lock.
    pub(crate) fn surround(
        &mut self,
        room: usize,
        bytes: &[u8],
        before: &[u8],
        after: &[u8],
    ) -> Option<Bytes> {
        let from = self.offset_of(bytes, room)?;
        let to = from + bytes.len();
        // The loan gave out only its first bytes, up to this end.
        let is_loan = from == MARGIN && self.0.margin_behind.load(Ordering::Relaxed) == to;
        if !is_loan || before.len() > MARGIN || after.len() > MARGIN.min(room - to) {
            return None;
        }
        self.0.margin_behind.store(0, Ordering::Relaxed);
        self.file().copy_in(from - before.len(), before);
        self.file().copy_in(to, after);
        let (from, length) = (from - before.len(), before.len() + bytes.len() + after.len());
        Some(Bytes::from_owner(SlotBytes { content: self.0.lend(), from, length }))
    }
}

struct SlotBytes {
    content: ArcRef<LentFile>,
    from: usize,
    length: usize,
}

impl AsRef<[u8]> for SlotBytes {
    fn as_ref(&self) -> &[u8] {
        self.content.file.bytes_at(self.from, self.length)
    }
}

/// Exclusive memory of a slot for writing; its drop returns the slot.
#[derive(Debug)]
pub struct WritableSlot {
    content: Option<ArcRef<LentFile>>,
    from: usize,
    length: usize,
}

impl WritableSlot {
    /// The elements so far. Reused memory has an earlier array, fresh memory zeros.
    pub fn bytes(&self) -> &[u8] {
        self.content.as_ref().map_or(&[], |content| content.file.bytes_at(self.from, self.length))
    }

    /// The elements, for writing.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let Some(content) = &self.content else { return &mut [] };
        // SAFETY: the file was free when the table lent it, and `offset_of` finds no bytes during writing. Only this
        // value has the bytes, and `self` is borrowed exclusively. Other processes map the file read-only.
        unsafe { &mut *content.file.writable_bytes(self.from, self.length) }
    }

    /// Ends the writing and returns the elements.
    ///
    /// The slot becomes free when the last clone is dropped and the peer has released all references.
    pub fn into_bytes(self) -> Bytes {
        let length = self.length;
        self.into_first(length)
    }

    /// Ends the writing and returns the first `length` bytes.
    #[inline]
    pub fn into_first(self, length: usize) -> Bytes {
        let (from, length) = (self.from, length.min(self.length));
        let Some(content) = self.content else { return Bytes::new() };
        if from == MARGIN {
            content.margin_behind.store(from + length, Ordering::Relaxed);
        }
        // Release: the writes precede every use by others.
        content.is_written.store(false, Ordering::Release);
        Bytes::from_owner(SlotBytes { content, from, length })
    }
}
