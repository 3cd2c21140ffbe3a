//! Slots: memory files of this side for long arrays, which other processes read in place.
//!
//! The table lends a slot, one owner writes it ([`WritableSlot`]), then all holders of the message share it read-only
//! as [`Bytes`]. Sending puts a [`Reference`] into a record of the ring, after the file's descriptor went over the
//! socket. A slot may be written again if both hold:
//!
//! - No message or loan of this side has its memory (`slot_file`).
//! - No other process reads it ([`Release`]).
//!
//! This side never waits for a slot: without a free slot the array goes through the ring. A table has at most [`SLOTS`]
//! files, and both the table and the process limit the bytes of all files.

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

/// The unit of files' lengths: arrays of similar length share a file.
const STEP: usize = 64 << 10;
/// An array uses a file of at most this many times its length.
pub(super) const MAX_OVERSIZE: usize = 4;
/// So many arrays go through the ring after the kernel refused a file.
const SKIPPED_AFTER_FAILURE: u32 = 64;
/// So many published arrays stay unchanged if there is room: subscribers need time.
const HISTORY: usize = 3;
/// From this length on a history's slots pass through the caches, which still have the newest one.
///
/// Shorter ones all fit. A processor writes an older slot sooner than one whose lines the readers have: 64 KiB there
/// and back take 4.5 and 6.1 µs, 4 MiB take 750 and 610.
const RECENT_FROM: usize = 512 << 10;

const _: () = assert!(STEP.is_multiple_of(PAGE), "the page behind the elements begins at a page");

/// The longest file in bytes, for messages of at most `limit` bytes.
pub(super) fn max_file_length(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX / 2).min(usize::MAX / 2).next_multiple_of(STEP)
}

/// What a channel's peer, or a publisher's subscribers, do with this side's slots.
pub trait Release {
    /// The bound of all files, as a multiple of the longest message.
    const BOUND: usize;

    fn is_open(&mut self) -> bool;

    /// Whether claiming may succeed. Fast: each search calls it for several slots.
    fn may_be_free(&self, slot: usize) -> bool;

    /// Makes sure that no other process reads the slot or begins to. False, without a change, if one does.
    fn claim(&mut self, slot: usize, entry: &mut Slot) -> bool;

    /// Records a message's references before it is sent.
    fn note_sent(&mut self, slots: &mut [Slot], references: &[Reference], message: u64);

    /// Returns the number up to which all others have read; 0 if this is unknown, or if others may still come for
    /// older messages.
    fn read_by_all(&self) -> u64;
}

#[derive(Debug)]
pub struct Slot {
    pub(super) file: Option<SlotFile>,
    /// Bytes of the file for elements, 0 without a file.
    pub(super) length: usize,
    pub(super) number: u64,
    /// The number of the content, present or being written.
    pub(super) filling: u64,
    /// The last publication, in messages that refer to slots; 0 in a channel.
    pub(super) published: u64,
    /// The number of the last message that refers to the contents.
    pub(super) message: u64,
}

#[derive(Debug)]
pub(super) struct SlotTable<R> {
    pub(super) slots: Vec<Slot>,
    pub(super) release: R,
    session: u64,
    files: u64,
    /// In bytes of all files together.
    max_total: usize,
    /// Bytes of a publisher's ring: published arrays stay as long as there. 0 in a channel.
    ring: usize,
    skip: u32,
}

/// One side's slots, for senders and holders of loans. Elements are copied without the mutex.
#[derive(Debug)]
pub struct Slots<R = Counts> {
    table: Mutex<SlotTable<R>>,
    /// The lengths in bytes of arrays that go into slots.
    lengths: Range<usize>,
    copying: Copying,
    /// A forked child gets no slots: other processes know only the parent.
    generation: u64,
}

impl<R: Release> Slots<R> {
    /// Slots for this session's messages of at most `limit` bytes; the first long array creates a file.
    ///
    /// `ring` is a publisher's ring, 0 for a channel. Arrays of which the ring holds more than all slots use the ring.
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

    pub(super) fn table(&self) -> MutexGuard<'_, SlotTable<R>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn longest(&self) -> usize {
        max_file_length(self.lengths.end.saturating_sub(1) as u64)
    }

    fn table_for(&self, length: usize) -> Option<MutexGuard<'_, SlotTable<R>>> {
        // Before locking: in a forked child, an absent thread may hold the lock.
        if !self.lengths.contains(&length) || fork::generation() != self.generation {
            return None;
        }
        let mut table = self.table();
        table.release.is_open().then_some(table)
    }

    /// Returns these elements in a slot, in place or copied; `None` if no slot is free.
    ///
    /// See [`Slots::in_place`].
    pub fn in_place_or_copy(&self, elements: &[u8], shared: Option<&Bytes>) -> Option<Bytes> {
        let mut table = self.table_for(elements.len())?;
        if let Some(lent) = table.in_place(elements, shared) {
            return Some(lent);
        }
        let writable = table.lend(0, elements.len())?;
        drop(table);
        Some(self.filled(writable, elements))
    }

    #[cfg(test)]
    pub(crate) fn lend(&self, elements: &[u8]) -> Option<Bytes> {
        self.in_place_or_copy(elements, None)
    }

    /// Returns elements that are in a slot. The caller keeps their memory alive.
    ///
    /// Reusing `shared`, their owner, saves an allocation.
    pub fn in_place(&self, elements: &[u8], shared: Option<&Bytes>) -> Option<Bytes> {
        self.table_for(elements.len())?.in_place(elements, shared)
    }

    /// Copies these elements to a slot; `None` without a free one.
    pub fn copy(&self, elements: &[u8]) -> Option<Bytes> {
        self.lend_writable(elements.len()).map(|writable| self.filled(writable, elements))
    }

    fn filled(&self, mut writable: WritableSlot, elements: &[u8]) -> Bytes {
        self.copying.copy(elements, writable.bytes_mut());
        writable.into_bytes()
    }

    /// Lends a slot for `length` bytes; `None` without a free one, beyond the limit, or in a forked child.
    pub fn lend_writable(&self, length: usize) -> Option<WritableSlot> {
        self.table_for(length)?.lend(0, length)
    }

    /// [`Slots::lend_writable`] with margins for [`Slots::surround`], if there is room.
    pub fn lend_with_margins(&self, length: usize) -> Option<WritableSlot> {
        let margin = if length.saturating_add(2 * MARGIN) <= self.longest() { MARGIN } else { 0 };
        self.table_for(length)?.lend(margin, length)
    }

    /// Lends a whole slot for at least `least` bytes, if possible for `wanted`.
    ///
    /// A free file is preferred to a new one.
    pub fn lend_at_least(&self, least: usize, wanted: usize) -> Option<WritableSlot> {
        let mut table = self.table_for(least)?;
        // A receiver refuses a longer file, and the message with it.
        let wanted = wanted.min(self.longest());
        let slot = table
            .reuse(fitting(wanted))
            .or_else(|| table.reuse(fitting(least)))
            .or_else(|| table.make_or_reuse(wanted))?;
        let entry = &mut table.slots[slot];
        let all = entry.length;
        entry.lend(0, all)
    }

    /// Writes `before` and `after` around a loan's bytes and returns the whole.
    ///
    /// `None` if the bytes are in no slot, have too small margins, or were surrounded before.
    pub fn surround(&self, bytes: &[u8], before: &[u8], after: &[u8]) -> Option<Bytes> {
        let mut table = self.table_for(bytes.len())?;
        if before.is_empty() && after.is_empty() {
            return table.in_place(bytes, None);
        }
        let (slot, _) = locate(&table.slots, bytes)?;
        let Slot { file, length, .. } = &mut table.slots[slot];
        file.as_mut()?.surround(*length, bytes, before, after)
    }

    /// [`Slots::lend_writable`] without creating a file, which takes long.
    #[inline]
    pub fn lend_free(&self, length: usize) -> Option<WritableSlot> {
        let mut table = self.table_for(length)?;
        let slot = table.reuse(fitting(length))?;
        table.slots[slot].lend(0, length)
    }

    /// Returns references to a body's parts, and records them as sent.
    ///
    /// `give` makes sure that others have a slot's file. `None`, without a change, if it returned false or a part is in
    /// no slot.
    pub(super) fn refer_giving(
        &self,
        split: &Split,
        message: u64,
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
        release.note_sent(slots, &references, message);
        Some(references)
    }

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

fn fitting(bytes: usize) -> Range<usize> {
    bytes..bytes.saturating_mul(MAX_OVERSIZE).saturating_add(1)
}

pub(super) fn locate(slots: &[Slot], bytes: &[u8]) -> Option<(usize, usize)> {
    let offset = |slot: &Slot| slot.file.as_ref()?.offset_of(bytes, slot.length);
    slots.iter().enumerate().find_map(|(slot, entry)| Some((slot, offset(entry)?)))
}

impl<R: Release> SlotTable<R> {
    fn in_place(&mut self, elements: &[u8], shared: Option<&Bytes>) -> Option<Bytes> {
        let (slot, from) = locate(&self.slots, elements)?;
        Some(self.slots[slot].file.as_mut()?.share(from, elements.len(), shared))
    }

    fn lend(&mut self, margin: usize, length: usize) -> Option<WritableSlot> {
        let all = length + 2 * margin;
        let slot = self.reuse(fitting(all)).or_else(|| self.make_or_reuse(all))?;
        self.slots[slot].lend(margin, length)
    }

    /// Claims a free slot of such a length. From [`RECENT_FROM`] on that is the most recently published whose message
    /// all others have read; otherwise it is the oldest if its content [is past](SlotTable::is_past).
    #[inline]
    fn reuse(&mut self, lengths: Range<usize>) -> Option<usize> {
        let mut tried = 0;
        if lengths.start >= RECENT_FROM {
            let read = self.release.read_by_all();
            while let Some(slot) = self.newest_read(&lengths, read, tried) {
                if self.release.claim(slot, &mut self.slots[slot]) {
                    return Some(slot);
                }
                tried |= 1 << slot;
            }
        }
        self.claim(lengths, true, tried)
    }

    /// Returns the most recently published free slot of such a length with a message up to `read`.
    #[inline]
    fn newest_read(&mut self, lengths: &Range<usize>, read: u64, except: u32) -> Option<usize> {
        let mut newest = None;
        for (slot, entry) in self.slots.iter_mut().enumerate() {
            let Slot { published, length, message, .. } = *entry;
            if published > newest.map_or(0, |(other, _)| other)
                && message <= read
                && lengths.contains(&length)
                && except & 1 << slot == 0
                && entry.file.as_mut().is_some_and(SlotFile::is_free)
            {
                newest = Some((published, slot));
            }
        }
        newest.map(|(_, slot)| slot)
    }

    /// Claims a free slot of such a length: the least recently published, then the shortest.
    ///
    /// With `past`, only if its content [is past](SlotTable::is_past). Bits of `except` exclude slots.
    #[inline]
    fn claim(&mut self, lengths: Range<usize>, past: bool, mut except: u32) -> Option<usize> {
        loop {
            let (published, slot) = self.oldest(&lengths, except)?;
            // The others were published later, so they are not past either.
            if past && !self.is_past(published) {
                return None;
            }
            if self.release.claim(slot, &mut self.slots[slot]) {
                return Some(slot);
            }
            except |= 1 << slot;
        }
    }

    #[inline]
    fn oldest(&mut self, lengths: &Range<usize>, except: u32) -> Option<(u64, usize)> {
        // No allocation: this runs for each array.
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

    /// Whether the content was never published, or the ring would have lost it.
    fn is_past(&self, published: u64) -> bool {
        let newer = || self.slots.iter().filter(|other| other.published > published);
        published == 0
            || (newer().count() >= HISTORY && newer().map(|slot| slot.length).sum::<usize>() >= self.ring)
    }

    /// Creates or reuses a file.
    ///
    /// In order: new; new instead of past ones; any fitting one; new instead of free ones.
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

    /// Whether a new file of `length` bytes fits the table and its limit, without the files of `given_up`.
    fn has_room(&self, length: usize, given_up: &[usize]) -> bool {
        let lengths = self
            .slots
            .iter()
            .enumerate()
            .map(|(slot, entry)| if given_up.contains(&slot) { 0 } else { entry.length });
        let has_place = self.slots.len() < SLOTS || lengths.clone().any(|length| length == 0);
        has_place && lengths.sum::<usize>().saturating_add(length) <= self.max_total
    }

    /// Gives up as many free (with `past`, past) files as needed, or none.
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

    /// Creates a file; `None` if it is refused, and for a while afterwards.
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
        let entry = Slot { file, length, number, filling: slot_page::FIRST, published: 0, message: 0 };
        match self.slots.get_mut(slot) {
            Some(place) => *place = entry,
            None => self.slots.push(entry),
        }
        Some(slot)
    }
}
