//! The sending side of slots: memory files for the elements of long arrays, which the peer reads in
//! place (decision 55).
//!
//! A slot is one sealed memory file of this side, mapped read-only by the peer. Life of a slot: it
//! is allocated (`lend`, `lend_writable`), written by one owner ([`WritableSlot`]), then shared
//! read-only as [`Bytes`] by all holders of the message. Sending puts a [`Reference`] into the ring
//! record; the first reference into a file is preceded by its descriptor, over the socket. The slot
//! is free again when both hold:
//!
//! - nothing on this side has its memory: a message kept for sending again, or a loan of the
//!   program (the file is back from those to whom it was lent, see `slot_file`);
//! - the peer has released every reference that it was sent: it counts those in its own page, one
//!   word for each slot ([`ReferenceCounts`]).
//!
//! A hostile peer can write anything into those words. A count that is too high makes this side
//! reuse a slot that only that peer still reads; one that is too low makes the slot unusable. This
//! side never waits for a slot: where none is free, the array goes through the ring. All files of
//! one side together have at most twice the longest message, rounded up, and there are at most
//! [`SLOTS`] of them.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::memory::{Memory, OwnMemory};
use super::references::Reference;
use super::segment::{SLOTS, at};
use super::slot_file::{SlotFile, WritableSlot};
use crate::body::{OneOrMany, Split};
use crate::sys::fork;
use crate::sys::memory::{MemoryFile, PeerMemory};

/// The lengths of files are multiples of this many bytes, so that arrays of similar length share
/// one.
pub(super) const STEP: usize = 64 << 10;
/// A file is used for an array that fills at least one part in this many of it. A shorter array
/// gets a file of its own instead of occupying a long one.
pub(super) const MAX_OVERSIZE: usize = 4;
/// After the kernel refused memory for a file, this many arrays go through the ring before the
/// kernel is asked again.
pub(super) const SKIPPED_AFTER_FAILURE: u32 = 64;

/// The length of the longest file for arrays in messages of at most `limit` bytes: the limit,
/// rounded up to a multiple of [`STEP`].
pub(super) fn max_file_length(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX / 2).min(usize::MAX / 2).next_multiple_of(STEP)
}

/// How many references into each slot were sent to the peer, against how many it has released.
/// `page` is the peer's header page. Counts wrap around; they are only compared for equality.
#[derive(Debug)]
pub(super) struct ReferenceCounts<P> {
    page: P,
    sent: [u64; SLOTS],
}

impl<P: Memory> ReferenceCounts<P> {
    /// No reference was sent yet, as the fresh page of the peer says.
    pub(crate) fn new(page: P) -> ReferenceCounts<P> {
        ReferenceCounts { page, sent: [0; SLOTS] }
    }

    /// Whether the peer has released every reference into this slot, so that it may be written
    /// again.
    pub(crate) fn is_released(&self, slot: usize) -> bool {
        // Acquire, against the release order in `release`: the peer's reads of the slot come before
        // its addition, so they come before the writes that follow here.
        self.page.load(at::RELEASED + slot * 8, Ordering::Acquire) == self.sent[slot]
    }

    /// Counts a reference that is about to be sent.
    pub(crate) fn reference(&mut self, slot: usize) {
        self.sent[slot] = self.sent[slot].wrapping_add(1);
    }

    /// Undoes [`ReferenceCounts::reference`] for a reference that was not sent.
    pub(crate) fn cancel(&mut self, slot: usize) {
        self.sent[slot] = self.sent[slot].wrapping_sub(1);
    }
}

/// The receiving side: releases one reference into a slot of the peer's. An atomic addition,
/// because views are dropped by several threads; `page` is this side's own.
pub(super) fn release(page: &impl OwnMemory, slot: usize) {
    // Release: all reads through the reference come before.
    page.add_one(at::RELEASED + slot * 8, Ordering::Release);
}

/// One entry of the table: a memory file, or the place of one.
#[derive(Debug)]
struct Slot {
    /// `None` after it was removed to make room.
    file: Option<SlotFile>,
    /// Bytes of the file, 0 where there is none. It counts towards the bound while the file is
    /// being written.
    length: usize,
    /// The number that references give for this file; 0 until the peer has its descriptor.
    number: u64,
}

/// All slots of one side, behind the mutex of [`Slots`].
#[derive(Debug)]
struct SlotTable {
    slots: Vec<Slot>,
    /// The references that are out at the peer.
    counts: ReferenceCounts<Arc<PeerMemory>>,
    /// How many files the peer was sent so far; the next one gets the next number.
    files: u64,
    /// How many more arrays go without asking the kernel for a file, see [`SKIPPED_AFTER_FAILURE`].
    skip: u32,
}

/// The slots of one side of a link, shared by the sending half and by threads of the program that
/// hold loans. Every call takes the mutex for a short time; elements are copied without it.
#[derive(Debug)]
pub struct Slots {
    table: Mutex<SlotTable>,
    /// The page of the peer, with the counts of released references.
    page: Arc<PeerMemory>,
    /// The longest array in bytes: the longest message that both sides take.
    limit: u64,
    /// The bound on the bytes of all files together.
    max_total: usize,
    /// The fork generation of the link; a child gets no slots, because the peer knows only the
    /// parent.
    generation: u64,
}

impl Slots {
    /// Slots for messages of at most `limit` bytes; the peer counts released references in `page`,
    /// its own header page. No file is made before the first long array.
    pub(crate) fn new(page: Arc<PeerMemory>, limit: u64) -> Slots {
        let counts = ReferenceCounts::new(page.clone());
        Slots {
            page,
            table: Mutex::new(SlotTable { slots: Vec::new(), counts, files: 0, skip: 0 }),
            limit,
            max_total: max_file_length(limit).saturating_mul(2),
            generation: fork::generation(),
        }
    }

    /// The table; a panic of another thread while it held the lock leaves it usable.
    fn table(&self) -> MutexGuard<'_, SlotTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns these elements in a slot: in place where they are in one already, as a copy
    /// otherwise. `None` where no slot is free for them.
    #[cfg(test)]
    pub(crate) fn lend(&self, elements: &[u8]) -> Option<Bytes> {
        self.in_place(elements, None).or_else(|| self.copy(elements))
    }

    /// Returns elements that are in a slot of this side already. The caller keeps their memory
    /// alive, so the slot is not free; where it has their owner, `shared`, that is kept, too, without
    /// another allocation.
    pub fn in_place(&self, elements: &[u8], shared: Option<&Bytes>) -> Option<Bytes> {
        if fork::generation() != self.generation {
            return None;
        }
        let mut table = self.table();
        let (slot, from) = table.locate(elements)?;
        Some(table.slots[slot].file.as_mut()?.share(from, elements.len(), shared))
    }

    /// Returns a copy of these elements in a free slot. `None` where there is none; the caller then
    /// sends them through the ring.
    pub fn copy(&self, elements: &[u8]) -> Option<Bytes> {
        self.lend_writable(elements.len()).map(|writable| writable.filled_with(elements))
    }

    /// Prefetches the counts of released references, which the peer writes and the next search for a slot reads.
    pub fn prefetch_counts(&self) {
        self.page.prefetch(at::RELEASED);
    }

    /// Allocates a slot for `length` bytes. `None` where no slot is free, where the array is longer
    /// than a message may be, and in a forked child.
    pub fn lend_writable(&self, length: usize) -> Option<WritableSlot> {
        if !self.takes(length) {
            return None;
        }
        let mut table = self.table();
        table.lend_free(length).or_else(|| table.make(length, self.max_total))
    }

    /// Allocates a slot as [`Slots::lend_writable`] does, if one that is free has a file for it: that takes a moment, where
    /// making a file takes long.
    #[inline]
    pub fn lend_free(&self, length: usize) -> Option<WritableSlot> {
        if self.takes(length) { self.table().lend_free(length) } else { None }
    }

    /// Whether there may be a slot for so many bytes.
    #[inline]
    fn takes(&self, length: usize) -> bool {
        length as u64 <= self.limit && fork::generation() == self.generation
    }

    /// Bytes of all files, for tests of the bound.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.table().slots.iter().map(|slot| slot.length).sum()
    }

    /// Returns references to the parts of a body, and counts them as sent. `announce` sends the
    /// peer the descriptor of a file that it does not have; false where it could not. `None` where
    /// it could not, or where a part is not in a slot of this side; then nothing is counted.
    /// A record that could not be written afterwards is undone with [`Slots::cancel_references`].
    pub(super) fn reference_parts(
        &self,
        split: &Split,
        mut announce: impl FnMut(usize, &MemoryFile) -> bool,
    ) -> Option<OneOrMany<Reference>> {
        let mut table = self.table();
        let references = OneOrMany::try_of(split.parts(), |part| {
            let (slot, from) = table.locate(&part.bytes)?;
            if table.slots[slot].number == 0 {
                if !announce(slot, table.slots[slot].file.as_ref()?.file()) {
                    return None;
                }
                table.files += 1;
                table.slots[slot].number = table.files;
            }
            Some(Reference {
                at: part.at as u64,
                length: part.bytes.len() as u64,
                slot: slot as u64,
                file: table.slots[slot].number,
                from: from as u64,
                filling: 0,
            })
        })?;
        references.iter().for_each(|reference| table.counts.reference(reference.slot as usize));
        Some(references)
    }

    /// Undoes [`Slots::reference_parts`] for references that were not sent.
    pub(super) fn cancel_references(&self, references: &[Reference]) {
        let mut table = self.table();
        references.iter().for_each(|reference| table.counts.cancel(reference.slot as usize));
    }
}

/// The index of the file in whose memory these bytes are, and their offset in it. A file comes with how many of its
/// bytes are for elements; `None` is the place of one that was removed.
#[inline]
pub(super) fn locate<'f>(
    files: impl Iterator<Item = (Option<&'f SlotFile>, usize)>,
    bytes: &[u8],
) -> Option<(usize, usize)> {
    files.enumerate().find_map(|(slot, (file, length))| Some((slot, file?.offset_of(bytes, length)?)))
}

impl SlotTable {
    /// The slot in whose memory these bytes are, and their offset in it.
    fn locate(&self, bytes: &[u8]) -> Option<(usize, usize)> {
        locate(self.slots.iter().map(|slot| (slot.file.as_ref(), slot.length)), bytes)
    }

    /// Whether neither this side nor the peer uses the memory of a slot.
    fn is_free(&mut self, slot: usize) -> bool {
        self.counts.is_released(slot) && self.slots[slot].file.as_mut().is_some_and(SlotFile::is_free)
    }

    /// Lends the shortest file of a free slot that has room for so many bytes, to be written; `None` where there is none.
    fn lend_free(&mut self, bytes: usize) -> Option<WritableSlot> {
        // No allocation: this is done for each array.
        let range = bytes..=bytes.saturating_mul(MAX_OVERSIZE);
        let mut shortest: Option<(usize, usize)> = None;
        for slot in 0..self.slots.len() {
            let length = self.slots[slot].length;
            if range.contains(&length)
                && shortest.is_none_or(|(_, other)| length < other)
                && self.is_free(slot)
            {
                shortest = Some((slot, length));
            }
        }
        self.slots[shortest?.0].file.as_mut()?.lend_writable(bytes)
    }

    /// Makes a file for so many bytes within `max_total`, and lends it. `None` where that is not possible.
    #[cold]
    fn make(&mut self, bytes: usize, max_total: usize) -> Option<WritableSlot> {
        let free: Vec<_> = (0..self.slots.len()).filter(|slot| self.is_free(*slot)).collect();
        let length = bytes.next_multiple_of(STEP);
        let slot = self.free_entry(&free, length, max_total)?;
        let mut file = SlotFile::new(self.create_file(length)?);
        let writable = file.lend_writable(bytes);
        let entry = Slot { file: Some(file), length, number: 0 };
        if slot == self.slots.len() {
            self.slots.push(entry)
        } else {
            self.slots[slot] = entry
        }
        writable
    }

    /// The index of an entry for a new file of `length` bytes: an empty entry, a new one, or that
    /// of a free slot. Removes files of free slots, but no more than the bound makes necessary;
    /// their entries stay, empty, for later files. `None`, and nothing is removed, where the bound
    /// or the number of slots does not allow the file.
    fn free_entry(&mut self, free: &[usize], length: usize, max_total: usize) -> Option<usize> {
        let total = |slots: &[Slot]| slots.iter().map(|slot| slot.length).sum::<usize>();
        let removable = free.iter().map(|slot| self.slots[*slot].length).sum::<usize>();
        let in_use = total(&self.slots) - removable;
        // Removing files of free slots would not help.
        if in_use.saturating_add(length) > max_total {
            return None;
        }
        let empty = self.slots.iter().position(|slot| slot.length == 0);
        let mut entry = empty.or_else(|| (self.slots.len() < SLOTS).then_some(self.slots.len()));
        for slot in free {
            if entry.is_some() && total(&self.slots) + length <= max_total {
                break;
            }
            (self.slots[*slot].file, self.slots[*slot].length) = (None, 0);
            entry = Some(*slot);
        }
        entry
    }

    /// Makes a file; `None` where the kernel, a control group or a limit refuses it, and for a
    /// while after that.
    fn create_file(&mut self, length: usize) -> Option<MemoryFile> {
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        let made = MemoryFile::create_for_arrays("linkspan-slot", length).ok();
        if made.is_none() {
            self.skip = SKIPPED_AFTER_FAILURE;
        }
        made
    }
}
