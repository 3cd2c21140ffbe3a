//! A publisher's slots: memory files for the elements of long arrays, which all subscribers read in place.
//!
//! A slot is written again when this side holds no reference to its memory (the newest message, a message that is kept, an array lent to the program)
//! and no subscriber views it; the oldest free slot is used first. A subscriber that has not begun to view an array by then has been overtaken. The
//! publisher never waits: if no slot is free, an array goes through the ring.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::super::references::{self, Reference};
use super::super::segment::{PAGE, SLOTS};
use super::super::slot_file::{SlotFile, WritableSlot};
use super::super::slots::{MAX_OVERSIZE, SKIPPED_AFTER_FAILURE, STEP, locate, max_file_length};
use super::claims;
use super::files::{self, FileName};
use super::viewers::Viewers;
use crate::body::{OneOrMany, Split};
use crate::error::{Doing, Result};
use crate::sys::fork::{self, Guarded};
use crate::sys::memory::PeerMemory;

/// The bound on the bytes of all files together, as a multiple of the longest message; the largest ring has the same.
const MOST: usize = 4;
/// This many published arrays stay unchanged as long as there is room for another file, so that subscribers have time to read them.
const HISTORY: usize = 3;

#[derive(Debug)]
struct PublishedSlot {
    /// `None` for a slot without a file.
    file: Option<SlotFile>,
    /// Bytes for elements.
    length: usize,
    number: u64,
    /// The filling that the file has, or that is being written.
    filling: u64,
    /// When the contents were last published, counted in messages that refer to slots; 0 if they were not.
    published: u64,
}

impl PublishedSlot {
    /// Announces that the contents of the file will change, unless a subscriber views them.
    fn claim(&mut self, viewers: &mut Viewers, slot: usize) -> bool {
        let Some(file) = self.file.as_ref().map(SlotFile::file) else { return false };
        let word = self.length + files::at::FILLING;
        // Subscribers' processors hold this cache line; fetching it overlaps with loading their pages.
        file.prefetch(word);
        if viewers.is_viewed(slot) {
            return false;
        }
        claims::begin_filling(file, word, self.filling + 1);
        if viewers.is_viewed(slot) {
            // Nothing was written, so the old filling is still there.
            claims::begin_filling(file, word, self.filling);
            return false;
        }
        (self.filling, self.published) = (self.filling + 1, 0);
        true
    }
}

#[derive(Debug)]
struct PublishedSlots {
    slots: Vec<PublishedSlot>,
    viewers: Viewers,
    /// Files made so far.
    files: u64,
    /// Messages published so far that refer to slots.
    published: u64,
    pause: u32,
    /// The publisher has ended: nothing is written any more, so views need not be checked.
    closed: bool,
}

/// The slots of a publisher.
#[derive(Debug)]
pub struct BroadcastSlots {
    table: Mutex<PublishedSlots>,
    session: u64,
    /// The longest array.
    limit: u64,
    /// Bytes of all files together, at most.
    most: usize,
    /// Bytes of the ring: an array goes through the ring if the ring can hold more arrays of its length than all slots together.
    ring: usize,
    /// There is a subscriber without support for slots.
    off: AtomicBool,
    generation: u64,
}

impl BroadcastSlots {
    /// Slots for the arrays in messages of at most `limit` bytes of this session, beside a ring of `ring` bytes.
    pub(crate) fn new(session: u64, limit: u64, ring: usize) -> BroadcastSlots {
        let table = PublishedSlots {
            slots: Vec::new(),
            viewers: Viewers::default(),
            files: 0,
            published: 0,
            pause: 0,
            closed: false,
        };
        BroadcastSlots {
            table: Mutex::new(table),
            session,
            limit,
            most: max_file_length(limit).saturating_mul(MOST),
            ring,
            off: AtomicBool::new(false),
            generation: fork::generation(),
        }
    }

    fn table(&self) -> MutexGuard<'_, PublishedSlots> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// While there is a subscriber without support for slots, no array is put into one.
    pub(super) fn turn_off(&self, off: bool) {
        self.off.store(off, Ordering::Relaxed);
    }

    /// Ends writing to slots: what is viewed stays unchanged, so no subscriber's socket is kept open for its views.
    pub(super) fn close(&self) {
        let mut table = self.table();
        table.closed = true;
        table.viewers.forget();
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
        if !self.takes(elements.len()) {
            return None;
        }
        let mut table = self.table();
        let (slot, from) = table.find(elements)?;
        Some(table.slots[slot].file.as_mut()?.share(from, elements.len(), shared))
    }

    /// Returns a copy of these elements in a free slot. `None` where there is none; the caller then
    /// sends them through the ring.
    pub fn copy(&self, elements: &[u8]) -> Option<Bytes> {
        self.lend_writable(elements.len()).map(|writable| writable.filled_with(elements))
    }

    /// Returns a free slot with room for so many bytes; `None` if there is none.
    pub fn lend_writable(&self, length: usize) -> Option<WritableSlot> {
        if !self.takes(length) {
            return None;
        }
        self.table().take(length, self)
    }

    fn takes(&self, length: usize) -> bool {
        !self.off.load(Ordering::Relaxed)
            && length as u64 <= self.limit
            && length.saturating_mul(SLOTS) >= self.ring
            && fork::generation() == self.generation
    }

    /// Returns references to the parts of a body that is about to be published, after all subscribers were sent the slots' files. `None` if a part
    /// is not in a slot, or if a subscriber could not be sent a file.
    pub(super) fn refer(&self, split: &Split) -> Option<OneOrMany<Reference>> {
        if self.off.load(Ordering::Relaxed) || split.parts().len() > references::MOST {
            return None;
        }
        let mut table = self.table();
        let PublishedSlots { slots, viewers, .. } = &mut *table;
        let references = OneOrMany::try_of(split.parts(), |part| {
            let (slot, from) = find(slots, &part.bytes)?;
            let PublishedSlot { file, number, filling, .. } = &slots[slot];
            viewers.give(FileName { slot, number: *number }, file.as_ref()?.file()).then(|| Reference {
                at: part.at as u64,
                length: part.bytes.len() as u64,
                slot: slot as u64,
                file: *number,
                from: from as u64,
                filling: *filling,
            })
        })?;
        table.published += 1;
        let published = table.published;
        references.iter().for_each(|one| table.slots[one.slot as usize].published = published);
        Some(references)
    }

    /// From now on slots that this subscriber views are not written.
    pub(super) fn add(&self, id: u64, page: Arc<PeerMemory>, socket: Arc<Guarded>) {
        self.table().viewers.add(id, page, socket);
    }

    /// Removes a subscriber that has left.
    pub(super) fn remove(&self, id: u64) {
        self.table().viewers.leave(id);
    }

    /// Returns the slots' files that were published, for the answer to this subscriber's hello.
    pub(super) fn files_for(&self, id: u64) -> Result<Vec<OwnedFd>> {
        let mut table = self.table();
        let there = table.slots.iter().enumerate().filter(|(_, slot)| slot.published > 0);
        let (names, files) = duplicates(there)?;
        table.viewers.gets(id, &names);
        Ok(files)
    }

    /// Returns the files that hold the parts of a body.
    pub(super) fn files_of(&self, split: &Split) -> Result<Vec<OwnedFd>> {
        let table = self.table();
        let has_part = |slot: usize| {
            split.parts().iter().any(|part| table.find(&part.bytes).is_some_and(|at| at.0 == slot))
        };
        Ok(duplicates(table.slots.iter().enumerate().filter(|(slot, _)| has_part(*slot)))?.1)
    }

    /// The hello of this subscriber was answered: sends it the files of what was published meanwhile.
    pub(super) fn answered(&self, id: u64) {
        let mut table = self.table();
        let PublishedSlots { slots, viewers, .. } = &mut *table;
        viewers.answered(id);
        for (slot, entry) in slots.iter().enumerate().filter(|(_, entry)| entry.published > 0) {
            if let Some(file) = &entry.file {
                // If the kernel refuses a descriptor, the subscriber sends another hello once it needs the file.
                let _ = viewers.give(FileName { slot, number: entry.number }, file.file());
            }
        }
    }

    /// Returns the bytes of all files and the number of subscribers, for tests.
    #[cfg(test)]
    pub(crate) fn held(&self) -> (usize, usize) {
        let table = self.table();
        (table.slots.iter().map(|slot| slot.length).sum(), table.viewers.count())
    }
}

/// Returns duplicated descriptors of these slots' files, and which files they are.
fn duplicates<'s>(
    slots: impl Iterator<Item = (usize, &'s PublishedSlot)>,
) -> Result<(Vec<FileName>, Vec<OwnedFd>)> {
    let (mut names, mut files) = (Vec::new(), Vec::new());
    for (slot, entry) in slots {
        let Some(file) = &entry.file else { continue };
        files.push(file.file().fd().try_clone_to_owned().doing("duplicating the descriptor of a slot")?);
        names.push(FileName { slot, number: entry.number });
    }
    Ok((names, files))
}

/// The slot in whose memory these bytes are, and their offset in it.
fn find(slots: &[PublishedSlot], bytes: &[u8]) -> Option<(usize, usize)> {
    locate(slots.iter().map(|slot| (slot.file.as_ref(), slot.length)), bytes)
}

impl PublishedSlots {
    fn find(&self, bytes: &[u8]) -> Option<(usize, usize)> {
        find(&self.slots, bytes)
    }

    /// Lends the file of a free slot with room for so many bytes, to be written.
    fn take(&mut self, bytes: usize, of: &BroadcastSlots) -> Option<WritableSlot> {
        if self.closed {
            return None;
        }
        self.viewers.forget_those_that_have_gone();
        if let Some(slot) = self.oldest_past(bytes, of.ring) {
            return self.slots[slot].file.as_mut()?.lend_writable(bytes);
        }
        // No allocation here: this may run for each array.
        let mut free = [0; SLOTS];
        let mut count = 0;
        for slot in 0..self.slots.len().min(SLOTS) {
            if self.is_ours(slot) {
                free[count] = slot;
                count += 1;
            }
        }
        let free = &mut free[..count];
        free.sort_by_key(|slot| (self.slots[*slot].published, self.slots[*slot].length));
        let range = bytes..=bytes.saturating_mul(MAX_OVERSIZE);
        let past = free.iter().find(|slot| {
            range.contains(&self.slots[**slot].length) && self.is_past(**slot, of.ring) && self.claim(**slot)
        });
        if let Some(slot) = past {
            return self.slots[*slot].file.as_mut()?.lend_writable(bytes);
        }
        let length = bytes.next_multiple_of(STEP);
        if self.has_room(length, of.most)
            && let Some(made) = self.make(bytes, length, of.session)
        {
            return Some(made);
        }
        let fits = free.iter().find(|slot| range.contains(&self.slots[**slot].length) && self.claim(**slot));
        if let Some(slot) = fits {
            return self.slots[*slot].file.as_mut()?.lend_writable(bytes);
        }
        for slot in free.iter().copied() {
            if self.has_room(length, of.most) {
                break;
            }
            if self.claim(slot) {
                (self.slots[slot].file, self.slots[slot].length) = (None, 0);
            }
        }
        if self.has_room(length, of.most) { self.make(bytes, length, of.session) } else { None }
    }

    /// Returns the slot that was published first of those that are free and fit, if what it holds is past; it is claimed. Nearly
    /// always there is one. If what the oldest holds is not past, that of the others is not.
    #[inline]
    fn oldest_past(&mut self, bytes: usize, ring: usize) -> Option<usize> {
        let range = bytes..=bytes.saturating_mul(MAX_OVERSIZE);
        let mut oldest: Option<(u64, usize, usize)> = None;
        for slot in 0..self.slots.len() {
            let PublishedSlot { published, length, .. } = self.slots[slot];
            let is_older = oldest.is_none_or(|(other, longer, _)| (published, length) < (other, longer));
            if is_older && range.contains(&length) && self.is_ours(slot) {
                oldest = Some((published, length, slot));
            }
        }
        let (_, _, slot) = oldest?;
        (self.is_past(slot, ring) && self.claim(slot)).then_some(slot)
    }

    /// Whether this side holds no reference to the memory of a slot.
    fn is_ours(&mut self, slot: usize) -> bool {
        self.slots[slot].file.as_mut().is_some_and(SlotFile::is_free)
    }

    /// Whether the contents of the slot were never published, or are so old that a ring would not hold them any more.
    fn is_past(&self, slot: usize, ring: usize) -> bool {
        let published = self.slots[slot].published;
        let newer = || self.slots.iter().filter(|other| other.published > published);
        published == 0
            || (newer().count() >= HISTORY && newer().map(|slot| slot.length).sum::<usize>() >= ring)
    }

    fn claim(&mut self, slot: usize) -> bool {
        let PublishedSlots { slots, viewers, .. } = self;
        slots[slot].claim(viewers, slot)
    }

    /// Whether there is a slot without a file, and a file of so many bytes stays within the bound.
    fn has_room(&self, length: usize, most: usize) -> bool {
        let held = self.slots.iter().map(|slot| slot.length).sum::<usize>();
        held + length <= most && (self.slots.len() < SLOTS || self.slots.iter().any(|slot| slot.length == 0))
    }

    /// Makes a file of `length` bytes for a slot that has none, and lends the first `bytes` of it.
    fn make(&mut self, bytes: usize, length: usize, session: u64) -> Option<WritableSlot> {
        if self.pause > 0 {
            self.pause -= 1;
            return None;
        }
        let slot = self.slots.iter().position(|slot| slot.length == 0).unwrap_or(self.slots.len());
        let number = self.files + 1;
        let Ok(file) = files::create(session, FileName { slot, number }, length) else {
            self.pause = SKIPPED_AFTER_FAILURE;
            return None;
        };
        // Its word is 0, which no record refers to.
        let filling = 1;
        claims::begin_filling(&file, length + files::at::FILLING, filling);
        self.files = number;
        let mut file = SlotFile::new(file);
        let writable = file.lend_writable(bytes);
        let entry = PublishedSlot { file: Some(file), length, number, filling, published: 0 };
        match self.slots.get_mut(slot) {
            Some(place) => *place = entry,
            None => self.slots.push(entry),
        }
        writable
    }
}

const _: () = assert!(STEP.is_multiple_of(PAGE), "the page behind the elements begins at a page");
