//! The file of a slot, which the table of slots owns and lends: to one program's loan or copy that writes it, and then
//! as [`Bytes`] to all who have the message.
//!
//! The table lends it to one borrower without counting (`sys::arc_owner`), and the last clone of the `Bytes` gives it
//! back with one exchange, without the table's lock.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;

use super::segment::PAGE;
use super::slot_bytes::Counted;
use crate::sys::arc_owner::{ArcOwner, ArcRef};
use crate::sys::memory::MemoryFile;

/// A file, and whether its borrower writes it.
#[derive(Debug)]
struct LentFile {
    file: MemoryFile,
    _counted: Counted,
    /// Set by the table that lends it, and cleared by the borrower.
    is_written: AtomicBool,
    /// Where the bytes end that begin behind a margin, as long as nothing was written around them; else 0.
    margin_behind: AtomicUsize,
}

/// The bytes before and behind those of a loan in which the rest of its message may be written. A page, so that the
/// program's bytes begin at one.
pub(super) const MARGIN: usize = PAGE;

/// The file of a slot, in the table.
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

    /// Returns whether nothing but the table has this file, so that it may be written. It stays so: the table alone
    /// lends it.
    pub(crate) fn is_free(&mut self) -> bool {
        self.0.is_home()
    }

    /// Lends `length` bytes from `from` on to be written; `None` where the file is not free.
    pub(crate) fn lend_writable(&mut self, from: usize, length: usize) -> Option<WritableSlot> {
        if !self.0.is_home() {
            return None;
        }
        // Before it is lent, so the borrower clears it afterwards.
        self.0.is_written.store(true, Ordering::Relaxed);
        self.0.margin_behind.store(0, Ordering::Relaxed);
        Some(WritableSlot { content: Some(self.0.lend()), from, length })
    }

    /// Returns the offset of these bytes in the first `length` bytes of the file; `None` where they are elsewhere, or
    /// while the file is written.
    pub(crate) fn offset_of(&self, bytes: &[u8], length: usize) -> Option<usize> {
        let from = bytes.as_ptr().addr().checked_sub(self.file().bytes(0).as_ptr().addr())?;
        let is_inside = from <= length && bytes.len() <= length - from;
        // Acquire: what was written comes before.
        (is_inside && !self.0.is_written.load(Ordering::Acquire)).then_some(from)
    }

    /// Returns the bytes that [`SlotFile::offset_of`] has just found: `shared` where it is given, which are the same
    /// with their owner.
    pub(crate) fn share(&mut self, from: usize, length: usize, shared: Option<&Bytes>) -> Bytes {
        let owner = || Bytes::from_owner(SlotBytes { content: self.0.lend(), from, length });
        shared.cloned().unwrap_or_else(owner)
    }

    /// Writes directly before and behind these bytes, which [`WritableSlot::into_first`] returned of a loan with
    /// margins, and returns the whole. `None`, and nothing is written, where they are others, where the margins are too
    /// small, and after the first time: the whole may be under way. `room` is the length of the file. The caller has
    /// the table's lock.
    pub(crate) fn surround(
        &mut self,
        room: usize,
        bytes: &[u8],
        before: &[u8],
        after: &[u8],
    ) -> Option<Bytes> {
        let from = self.offset_of(bytes, room)?;
        let to = from + bytes.len();
        // Nothing else is lent of the margins: the loan gave its first bytes alone, up to this end.
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

/// Filled memory of a slot, behind `Bytes`. As long as it is lent the slot is not written.
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

/// Memory of a slot that only this value has, to be written: a loan, or an array being copied.
/// Dropping it gives the slot back.
#[derive(Debug)]
pub struct WritableSlot {
    /// `None` once the writing has ended.
    content: Option<ArcRef<LentFile>>,
    from: usize,
    length: usize,
}

impl WritableSlot {
    /// The elements written so far; fresh memory is zero, reused memory has the elements of an
    /// earlier array.
    pub fn bytes(&self) -> &[u8] {
        self.content.as_ref().map_or(&[], |content| content.file.bytes_at(self.from, self.length))
    }

    /// The same memory for writing.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let Some(content) = &self.content else { return &mut [] };
        // SAFETY: the file was free when it was lent, and `offset_of` finds no bytes in it while it is written, so
        // nothing else is lent; this value alone has the bytes, and is borrowed alone. Other processes map the file
        // read-only, and their reads are no accesses of this program's.
        unsafe { &mut *content.file.writable_bytes(self.from, self.length) }
    }

    /// Ends the writing and returns the elements. The slot is written again only when the last
    /// clone of the result is dropped and the peer has released all references.
    pub fn into_bytes(self) -> Bytes {
        let length = self.length;
        self.into_first(length)
    }

    /// The same for the first `length` bytes; the others are lent no more.
    #[inline]
    pub fn into_first(self, length: usize) -> Bytes {
        let (from, length) = (self.from, length.min(self.length));
        let Some(content) = self.content else { return Bytes::new() };
        if from == MARGIN {
            content.margin_behind.store(from + length, Ordering::Relaxed);
        }
        // Release: what was written comes before what others do with it.
        content.is_written.store(false, Ordering::Release);
        Bytes::from_owner(SlotBytes { content, from, length })
    }
}
