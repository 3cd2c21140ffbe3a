//! Slots: memory files of this side for the elements of long arrays, which other processes map read-only and read in
//! place.
//!
//! Life of a slot: it is lent (`lend_writable`), written by one owner ([`WritableSlot`]), then shared read-only as
//! [`Bytes`] by all holders of the message. Sending puts a [`Reference`] into a record of the ring; who reads the
//! record has got the descriptor of the file before. A slot is written again when both hold:
//!
//! - nothing on this side has its memory: a message that is kept, or a loan of the program (the file is back from those
//!   to whom it was lent, see `slot_file`);
//! - no other process reads it, which a channel and a publisher know in different ways ([`Release`]).
//!
//! This side never waits for a slot: where none is free, the array goes through the ring. There are at most [`SLOTS`]
//! files, and all together have a bound, and so have those of all tables of the process.

mod copying;
mod counts;

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::references::{self, Reference};
use super::segment::{PAGE, SLOTS, with_the_pools_memory};
use super::slot_bytes::Counted;
use super::slot_file::{MARGIN, SlotFile, WritableSlot};
use super::slot_page::{self, FileName};
use crate::body::{OneOrMany, Split};
use crate::sys::fork;
use crate::sys::memory::MemoryFile;

use copying::Copying;
pub use counts::Counts;
pub(super) use counts::ReleaseCounter;
#[cfg(all(test, loom))]
pub(super) use counts::release;

/// The lengths of files are multiples of this many bytes, so that arrays of similar length share
/// one.
const STEP: usize = 64 << 10;
/// A file is used for an array that fills at least one part in this many of it. A shorter array
/// gets a file of its own instead of occupying a long one.
pub(super) const MAX_OVERSIZE: usize = 4;
/// After the kernel refused memory for a file, this many arrays go through the ring before the
/// kernel is asked again.
const SKIPPED_AFTER_FAILURE: u32 = 64;
/// This many published arrays stay unchanged as long as there is room for another file, so that subscribers have time
/// to read them.
const HISTORY: usize = 3;

const _: () = assert!(STEP.is_multiple_of(PAGE), "the page behind the elements begins at a page");

/// The length of the elements of the longest file for arrays in messages of at most `limit` bytes: the limit,
/// rounded up to a multiple of [`STEP`].
pub(super) fn max_file_length(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX / 2).min(usize::MAX / 2).next_multiple_of(STEP)
}

/// What other processes do with the slots of this side: a channel's peer, or a publisher's subscribers.
pub trait Release {
    /// The bound on the bytes of all files together, as a multiple of the longest message.
    const BOUND: usize;

    /// Whether arrays are put into slots at present; asked before each search.
    fn is_open(&mut self) -> bool;

    /// Whether it is worth a try to claim the slot. To be fast: asked for several slots in each search.
    fn may_be_free(&self, slot: usize) -> bool;

    /// Makes sure that no other process reads what the slot holds, or begins to, so that it may be written. False, and
    /// nothing has changed, where one reads it.
    fn claim(&mut self, slot: usize, entry: &mut Slot) -> bool;

    /// Notes the references of a message that is about to be sent.
    fn note_sent(&mut self, slots: &mut [Slot], references: &[Reference]);
}

/// One entry of the table: a memory file, or the place of one.
#[derive(Debug)]
pub struct Slot {
    /// `None` after it was given up to make room.
    pub(super) file: Option<SlotFile>,
    /// Bytes of the file for elements, 0 where there is none. They count towards the bound while the file is being
    /// written.
    pub(super) length: usize,
    /// The number of the file.
    pub(super) number: u64,
    /// The filling that the file has, or that is being written.
    pub(super) filling: u64,
    /// When the contents were last published, counted in messages that refer to slots; 0 if they were not, and in a
    /// channel.
    pub(super) published: u64,
}

/// All slots of one side, behind the mutex of [`Slots`].
#[derive(Debug)]
pub(super) struct SlotTable<R> {
    pub(super) slots: Vec<Slot>,
    pub(super) release: R,
    session: u64,
    /// Files made so far; the next one gets the next number.
    files: u64,
    /// The bound on the bytes of all files together.
    max_total: usize,
    /// The bytes of a publisher's ring: what is published stays as long as it would there. 0 in a channel.
    ring: usize,
    /// How many more arrays go without asking the kernel for a file, see [`SKIPPED_AFTER_FAILURE`].
    skip: u32,
}

/// The slots of one side of a link, or of a publisher, shared by what sends and by threads of the program that
/// hold loans. Every call takes the mutex for a short time; elements are copied without it.
#[derive(Debug)]
pub struct Slots<R = Counts> {
    table: Mutex<SlotTable<R>>,
    /// The lengths in bytes of arrays that are put into slots.
    lengths: Range<usize>,
    /// How bytes are copied into the slots.
    copying: Copying,
    /// The fork generation of their owner; a child gets no slots, because others know only the
    /// parent.
    generation: u64,
}

impl<R: Release> Slots<R> {
    /// Slots for messages of at most `limit` bytes of this session. No file is made before the first long array.
    /// `ring` is the length of a publisher's ring, which takes an array if it can hold more arrays of its length than
    /// all slots together; 0 for a channel.
    pub(crate) fn new(release: R, session: u64, limit: u64, ring: usize) -> Slots<R> {
        let max_total = max_file_length(limit).saturating_mul(R::BOUND);
        let slots = Vec::new();
        Slots {
            table: Mutex::new(SlotTable { slots, release, session, files: 0, max_total, ring, skip: 0 }),
            lengths: ring.div_ceil(SLOTS)..usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1),
            copying: Copying::new(),
            generation: fork::generation(),
        }
    }

    /// The table; a panic of another thread while it held the lock leaves it usable.
    pub(super) fn table(&self) -> MutexGuard<'_, SlotTable<R>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The elements of the longest file, in bytes.
    fn longest(&self) -> usize {
        max_file_length(self.lengths.end.saturating_sub(1) as u64)
    }

    /// The table, if there may be a slot for so many bytes.
    fn table_for(&self, length: usize) -> Option<MutexGuard<'_, SlotTable<R>>> {
        // Before locking: in a forked child the lock may be another thread's that is not there.
        if !self.lengths.contains(&length) || fork::generation() != self.generation {
            return None;
        }
        let mut table = self.table();
        table.release.is_open().then_some(table)
    }

    /// Returns these elements in a slot: in place, as [`Slots::in_place`] does, where they are in one already, as a
    /// copy otherwise. `None` where no slot is free for them.
    pub fn in_place_or_copy(&self, elements: &[u8], shared: Option<&Bytes>) -> Option<Bytes> {
        let mut table = self.table_for(elements.len())?;
        if let Some(lent) = table.in_place(elements, shared) {
            return Some(lent);
        }
        let writable = table.lend(0, elements.len())?;
        drop(table);
        Some(self.filled(writable, elements))
    }

    /// As [`Slots::in_place_or_copy`].
    #[cfg(test)]
    pub(crate) fn lend(&self, elements: &[u8]) -> Option<Bytes> {
        self.in_place_or_copy(elements, None)
    }

    /// Returns elements that are in a slot of this side already. The caller keeps their memory
    /// alive, so the slot is not free; where it has their owner, `shared`, that is kept, too, without
    /// another allocation.
    pub fn in_place(&self, elements: &[u8], shared: Option<&Bytes>) -> Option<Bytes> {
        self.table_for(elements.len())?.in_place(elements, shared)
    }

    /// Returns a copy of these elements in a free slot. `None` where there is none; the caller then
    /// sends them through the ring.
    pub fn copy(&self, elements: &[u8]) -> Option<Bytes> {
        self.lend_writable(elements.len()).map(|writable| self.filled(writable, elements))
    }

    /// Copies these elements into a slot that was lent for them, and returns them. No mutex is held during the copy,
    /// which may take long.
    fn filled(&self, mut writable: WritableSlot, elements: &[u8]) -> Bytes {
        self.copying.copy(elements, writable.bytes_mut());
        writable.into_bytes()
    }

    /// Lends a slot for `length` bytes. `None` where no slot is free, where the array is longer
    /// than a message may be, and in a forked child.
    pub fn lend_writable(&self, length: usize) -> Option<WritableSlot> {
        self.table_for(length)?.lend(0, length)
    }

    /// The same for bytes around which the rest of their message is written by [`Slots::surround`]: with margins, where
    /// the longest message has room for them.
    pub fn lend_with_margins(&self, length: usize) -> Option<WritableSlot> {
        let margin = if length.saturating_add(2 * MARGIN) <= self.longest() { MARGIN } else { 0 };
        self.table_for(length)?.lend(margin, length)
    }

    /// Lends all bytes of a slot that has room for at least so many, and if possible for as many as are wanted. One
    /// that is there and free comes before a new file, so that bodies of one length share it, however they are written.
    pub fn lend_at_least(&self, least: usize, wanted: usize) -> Option<WritableSlot> {
        let mut table = self.table_for(least)?;
        // Others refuse a longer file, with the message in it.
        let wanted = wanted.min(self.longest());
        let slot = table
            .claim(fitting(wanted), true, 0)
            .or_else(|| table.claim(fitting(least), true, 0))
            .or_else(|| table.make_or_reuse(wanted))?;
        let entry = &mut table.slots[slot];
        let all = entry.length;
        entry.lend(0, all)
    }

    /// Returns the bytes of a loan, which are in a slot of this side, with others directly before and behind them,
    /// which are written there. `None` where they are not, where the margins are too small, and where something was
    /// written around them before.
    pub fn surround(&self, bytes: &[u8], before: &[u8], after: &[u8]) -> Option<Bytes> {
        let mut table = self.table_for(bytes.len())?;
        if before.is_empty() && after.is_empty() {
            return table.in_place(bytes, None);
        }
        let (slot, _) = locate(&table.slots, bytes)?;
        let Slot { file, length, .. } = &mut table.slots[slot];
        file.as_mut()?.surround(*length, bytes, before, after)
    }

    /// Lends a slot as [`Slots::lend_writable`] does, if one that is free has a file for it: that takes a moment, where
    /// making a file takes long.
    #[inline]
    pub fn lend_free(&self, length: usize) -> Option<WritableSlot> {
        let mut table = self.table_for(length)?;
        let slot = table.claim(fitting(length), true, 0)?;
        table.slots[slot].lend(0, length)
    }

    /// Returns references to the parts of a body, which are noted as sent. `give` makes sure that others have the file
    /// of a slot, and returns false where they cannot get it. `None` then, and where a part is not in a slot of this
    /// side; nothing is noted.
    pub(super) fn refer_giving(
        &self,
        split: &Split,
        mut give: impl FnMut(&mut R, FileName, &MemoryFile) -> bool,
    ) -> Option<OneOrMany<Reference>> {
        if split.parts().len() > references::MOST {
            return None;
        }
        let mut table = self.table();
        let SlotTable { slots, release, .. } = &mut *table;
        if !release.is_open() {
            return None;
        }
        let references = OneOrMany::try_of(split.parts(), |part| {
            let (slot, from) = locate(slots, &part.bytes)?;
            let Slot { file, number, filling, .. } = &slots[slot];
            give(release, FileName { slot, number: *number }, file.as_ref()?.file()).then(|| Reference {
                at: part.at as u64,
                length: part.bytes.len() as u64,
                slot: slot as u64,
                file: *number,
                from: from as u64,
                filling: *filling,
            })
        })?;
        release.note_sent(slots, &references);
        Some(references)
    }

    /// Bytes of all files, for tests of the bound.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.table().slots.iter().map(|slot| slot.length).sum()
    }
}

impl Slot {
    fn lend(&mut self, from: usize, length: usize) -> Option<WritableSlot> {
        self.file.as_mut()?.lend_writable(from, length)
    }
}

/// The lengths of files for an array of so many bytes.
fn fitting(bytes: usize) -> Range<usize> {
    bytes..bytes.saturating_mul(MAX_OVERSIZE).saturating_add(1)
}

/// The slot in whose memory these bytes are, and their offset in it.
pub(super) fn locate(slots: &[Slot], bytes: &[u8]) -> Option<(usize, usize)> {
    let offset = |slot: &Slot| slot.file.as_ref()?.offset_of(bytes, slot.length);
    slots.iter().enumerate().find_map(|(slot, entry)| Some((slot, offset(entry)?)))
}

impl<R: Release> SlotTable<R> {
    /// Returns elements that are in a slot already: see [`Slots::in_place`].
    fn in_place(&mut self, elements: &[u8], shared: Option<&Bytes>) -> Option<Bytes> {
        let (slot, from) = locate(&self.slots, elements)?;
        Some(self.slots[slot].file.as_mut()?.share(from, elements.len(), shared))
    }

    /// Lends a slot for `length` bytes with a margin on both sides: see [`Slots::lend_writable`].
    fn lend(&mut self, margin: usize, length: usize) -> Option<WritableSlot> {
        let all = length + 2 * margin;
        let slot = self.claim(fitting(all), true, 0).or_else(|| self.make_or_reuse(all))?;
        self.slots[slot].lend(margin, length)
    }

    /// Claims a free slot with a file of such a length: that which was published first, and of those the shortest. With
    /// `past`, one that was never published, or so long ago that a ring would not hold it any more. Each bit of
    /// `except` is a slot that is passed over.
    #[inline]
    fn claim(&mut self, lengths: Range<usize>, past: bool, mut except: u32) -> Option<usize> {
        loop {
            let (published, slot) = self.oldest(&lengths, except)?;
            // If what the oldest holds is not past, that of the others is not.
            if past && !self.is_past(published) {
                return None;
            }
            if self.release.claim(slot, &mut self.slots[slot]) {
                return Some(slot);
            }
            except |= 1 << slot;
        }
    }

    /// The slot that [`SlotTable::claim`] tries next, and when it was published.
    #[inline]
    fn oldest(&mut self, lengths: &Range<usize>, except: u32) -> Option<(u64, usize)> {
        // No allocation: this is done for each array.
        let mut oldest: Option<(u64, usize, usize)> = None;
        for (slot, entry) in self.slots.iter_mut().enumerate() {
            let Slot { published, length, .. } = *entry;
            let is_older = oldest.is_none_or(|(other, longer, _)| (published, length) < (other, longer));
            if is_older
                && lengths.contains(&length)
                && except & 1 << slot == 0
                && entry.file.as_mut().is_some_and(SlotFile::is_free)
                && self.release.may_be_free(slot)
            {
                oldest = Some((published, length, slot));
            }
        }
        oldest.map(|(published, _, slot)| (published, slot))
    }

    /// Whether what was published then is so old that a ring would not hold it any more, or was never published.
    fn is_past(&self, published: u64) -> bool {
        let newer = || self.slots.iter().filter(|other| other.published > published);
        published == 0
            || (newer().count() >= HISTORY && newer().map(|slot| slot.length).sum::<usize>() >= self.ring)
    }

    /// Makes a file for so many bytes if there is room for one, else gives up others for it whose content is past, else
    /// takes any that is free, else gives up any others. Returns its slot.
    #[cold]
    fn make_or_reuse(&mut self, bytes: usize) -> Option<usize> {
        let length = bytes.next_multiple_of(STEP);
        let had_room = self.has_room(length, &[]);
        let made = if had_room { self.make(length) } else { None };
        let give_up = |table: &mut Self, past| {
            if !had_room && table.make_room(length, past) { table.make(length) } else { None }
        };
        made.or_else(|| give_up(self, true))
            .or_else(|| self.claim(fitting(bytes), false, 0))
            .or_else(|| give_up(self, false))
    }

    /// Whether there is a slot without a file, and a file of so many bytes stays within the bound, once the files of
    /// the slots in `given_up` are gone.
    fn has_room(&self, length: usize, given_up: &[usize]) -> bool {
        let lengths = self
            .slots
            .iter()
            .enumerate()
            .map(|(slot, entry)| if given_up.contains(&slot) { 0 } else { entry.length });
        let has_place = self.slots.len() < SLOTS || lengths.clone().any(|length| length == 0);
        has_place && lengths.sum::<usize>().saturating_add(length) <= self.max_total
    }

    /// Gives up files of free slots, as many as a file of `length` bytes needs, but none where all would not suffice;
    /// with `past` only those whose content is. Their entries stay, empty, for later files.
    fn make_room(&mut self, length: usize, past: bool) -> bool {
        let mut given_up = Vec::new();
        while !self.has_room(length, &given_up) {
            let except = given_up.iter().fold(0, |slots, slot| slots | 1 << slot);
            let Some(slot) = self.claim(STEP..usize::MAX, past, except) else { return false };
            given_up.push(slot);
        }
        given_up.into_iter().for_each(|slot| (self.slots[slot].file, self.slots[slot].length) = (None, 0));
        true
    }

    /// Makes a file of `length` bytes, which [`SlotTable::has_room`] allows, and returns its slot. `None` where the
    /// kernel, a control group, a limit or the bound of all files refuses it, and for a while after that.
    fn make(&mut self, length: usize) -> Option<usize> {
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        let empty = self.slots.iter().position(|slot| slot.length == 0);
        let (slot, number) = (empty.unwrap_or(self.slots.len()), self.files + 1);
        let create = || slot_page::create(self.session, FileName { slot, number }, length);
        let counted = Counted::reserve(length, self.max_total / R::BOUND);
        let made = counted.and_then(|counted| Some((with_the_pools_memory(create).ok()?, counted)));
        let Some((file, counted)) = made else {
            self.skip = SKIPPED_AFTER_FAILURE;
            return None;
        };
        self.files = number;
        let file = Some(SlotFile::new(file, counted));
        let entry = Slot { file, length, number, filling: slot_page::FIRST, published: 0 };
        match self.slots.get_mut(slot) {
            Some(place) => *place = entry,
            None => self.slots.push(entry),
        }
        Some(slot)
    }
}
