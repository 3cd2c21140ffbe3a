//! A publisher's slots: memory files for the elements of long arrays, which all subscribers read where they lie.
//!
//! A slot is written again when nothing on this side has its memory (the newest message, one that is kept, an array that was lent to the
//! program) and no subscriber views it; the oldest is taken first. A subscriber that has not come to an array by then finds that it was
//! overtaken. Nobody waits: where no slot is free, an array goes through the ring.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::super::segment::{PAGE, SLOTS};
use super::super::slots::{
    Home, MAX_OVERSIZE, SKIPPED_AFTER_FAILURE, STEP, SlotBytes, WritableSlot, max_file_length,
};
use super::claims;
use super::files::{self, FileName};
use super::references::{self, Reference};
use super::viewers::Viewers;
use crate::body::{Few, Split};
use crate::error::{Doing, Result};
use crate::sys::fork::{self, Guarded};
use crate::sys::memory::{MemoryFile, PeerMemory};

/// All files together have at most so many times the bytes of the longest message, as the largest ring has.
const MOST: usize = 4;
/// So many arrays that were published stay where they are as long as there is room for another file, so that readers have time.
const HISTORY: usize = 3;

#[derive(Debug)]
struct Slot {
    /// None while somebody fills it, and where the slot has no file.
    file: Option<Arc<MemoryFile>>,
    /// Bytes for elements.
    length: usize,
    number: u64,
    /// Which filling the file has, or is being given.
    filling: u64,
    /// When what it holds was published last, counted in messages that refer to slots; 0 where it was not.
    published: u64,
}

impl Slot {
    /// Says that the file will hold something else, unless somebody views what it holds.
    fn claim(&mut self, viewers: &mut Viewers, slot: usize) -> bool {
        let Some(file) = self.file.as_ref() else { return false };
        let word = self.length + files::at::FILLING;
        // Readers have the line; it comes while those of their pages do.
        file.prefetch(word);
        if viewers.is_viewed(slot) {
            return false;
        }
        claims::begin_filling(&**file, word, self.filling + 1);
        if viewers.is_viewed(slot) {
            // Nothing was written: it holds what it held.
            claims::begin_filling(&**file, word, self.filling);
            return false;
        }
        (self.filling, self.published) = (self.filling + 1, 0);
        true
    }
}

#[derive(Debug)]
struct Table {
    slots: Vec<Slot>,
    viewers: Viewers,
    /// Files made so far.
    files: u64,
    /// Messages published so far that refer to slots.
    published: u64,
    pause: u32,
    /// Nothing is written any more, so views need nobody's regard.
    closed: bool,
}

/// The slots of a publisher.
#[derive(Debug)]
pub(crate) struct BroadcastSlots {
    table: Mutex<Table>,
    session: u64,
    /// The longest array.
    limit: u64,
    /// Bytes of all files together, at most.
    most: usize,
    /// Bytes of the ring: slots are not used for arrays of which the ring holds more than all slots can.
    ring: usize,
    /// Somebody reads who knows of no slots.
    off: AtomicBool,
    generation: u64,
}

impl Home for BroadcastSlots {
    fn put_back(&self, slot: usize, file: Arc<MemoryFile>) {
        self.table().slots[slot].file = Some(file);
    }
}

impl BroadcastSlots {
    /// Slots for the arrays in messages of at most `limit` bytes of this session, beside a ring of `ring` bytes.
    pub fn new(session: u64, limit: u64, ring: usize) -> BroadcastSlots {
        let table = Table {
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

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No array is put into a slot as long as somebody reads who knows of none.
    pub(super) fn turn_off(&self, off: bool) {
        self.off.store(off, Ordering::Relaxed);
    }

    /// No slot is written any more: what is viewed stays as it is, and no subscriber's socket is kept open for that.
    pub(super) fn close(&self) {
        let mut table = self.table();
        table.closed = true;
        table.viewers.forget();
    }

    /// These elements in a slot: as they are where they lie in one, else a copy. None where no slot is free for them.
    pub fn lend(self: &Arc<Self>, elements: &[u8]) -> Option<Bytes> {
        if !self.takes(elements.len()) {
            return None;
        }
        if let Some(there) = self.in_place(elements) {
            return Some(there);
        }
        // Without the lock, because a long copy takes its time.
        let mut writable = self.lend_writable(elements.len())?;
        writable.bytes_mut().copy_from_slice(elements);
        Some(writable.into_bytes())
    }

    /// A free slot with room for so many bytes. None where there is none.
    pub fn lend_writable(self: &Arc<Self>, length: usize) -> Option<WritableSlot> {
        if !self.takes(length) {
            return None;
        }
        let (slot, file) = self.table().take(length, self)?;
        Some(WritableSlot::new(self.clone(), slot, file, length))
    }

    fn takes(&self, length: usize) -> bool {
        !self.off.load(Ordering::Relaxed)
            && length as u64 <= self.limit
            && length.saturating_mul(SLOTS) >= self.ring
            && fork::generation() == self.generation
    }

    /// Elements that lie in a slot already. Somebody has them, or they could not be asked about, so the slot is not free.
    fn in_place(&self, elements: &[u8]) -> Option<Bytes> {
        let table = self.table();
        let (slot, from) = table.find(elements)?;
        let file = table.slots[slot].file.clone()?;
        Some(Bytes::from_owner(SlotBytes { file, from, length: elements.len() }))
    }

    /// References to the parts of a body that is about to be published, whose files all subscribers have been given. None where one of them
    /// lies in no slot, or there is somebody who could not be told.
    pub(super) fn refer(&self, split: &Split) -> Option<Few<Reference>> {
        if self.off.load(Ordering::Relaxed) || split.parts().len() > references::MOST {
            return None;
        }
        let mut table = self.table();
        let Table { slots, viewers, .. } = &mut *table;
        let mut references = Few::new();
        for part in split.parts() {
            let (slot, from) = find(slots, &part.bytes)?;
            let Slot { file, number, filling, .. } = &slots[slot];
            if !viewers.give(FileName { slot, number: *number }, file.as_ref()?) {
                return None;
            }
            references.push(Reference {
                at: part.at as u64,
                length: part.bytes.len() as u64,
                slot: slot as u64,
                file: *number,
                from: from as u64,
                filling: *filling,
            });
        }
        table.published += 1;
        let published = table.published;
        references.iter().for_each(|one| table.slots[one.slot as usize].published = published);
        Some(references)
    }

    /// What this subscriber views is not written from now on.
    pub(super) fn add(&self, id: u64, page: Arc<PeerMemory>, socket: Arc<Guarded>) {
        self.table().viewers.add(id, page, socket);
    }

    /// It has left.
    pub(super) fn remove(&self, id: u64) {
        self.table().viewers.leave(id);
    }

    /// The files of what was published, for the subscriber of this number, who gets them with the answer to its hello.
    pub(super) fn files_for(&self, id: u64) -> Result<Vec<OwnedFd>> {
        let mut table = self.table();
        let there = table.slots.iter().enumerate().filter(|(_, slot)| slot.published > 0);
        let (names, files) = duplicates(there)?;
        table.viewers.gets(id, &names);
        Ok(files)
    }

    /// The files in which the parts of a body lie.
    pub(super) fn files_of(&self, split: &Split) -> Result<Vec<OwnedFd>> {
        let table = self.table();
        let lies = |slot: usize| {
            split.parts().iter().any(|part| table.find(&part.bytes).is_some_and(|at| at.0 == slot))
        };
        Ok(duplicates(table.slots.iter().enumerate().filter(|(slot, _)| lies(*slot)))?.1)
    }

    /// The hello of this subscriber has been answered: it gets the files of what was published meanwhile.
    pub(super) fn answered(&self, id: u64) {
        let mut table = self.table();
        let Table { slots, viewers, .. } = &mut *table;
        viewers.answered(id);
        for (slot, entry) in slots.iter().enumerate().filter(|(_, entry)| entry.published > 0) {
            if let Some(file) = &entry.file {
                // Where the kernel takes none, the subscriber calls again once it needs it.
                let _ = viewers.give(FileName { slot, number: entry.number }, file);
            }
        }
    }

    /// Bytes of all files, and how many subscribers they know.
    #[cfg(test)]
    pub fn held(&self) -> (usize, usize) {
        let table = self.table();
        (table.slots.iter().map(|slot| slot.length).sum(), table.viewers.count())
    }
}

/// Descriptors of these slots' files, and which those are.
fn duplicates<'s>(slots: impl Iterator<Item = (usize, &'s Slot)>) -> Result<(Vec<FileName>, Vec<OwnedFd>)> {
    let (mut names, mut files) = (Vec::new(), Vec::new());
    for (slot, entry) in slots {
        let Some(file) = &entry.file else { continue };
        files.push(file.fd().try_clone_to_owned().doing("duplicating the descriptor of a slot")?);
        names.push(FileName { slot, number: entry.number });
    }
    Ok((names, files))
}

/// The slot in whose memory these bytes lie, and where.
fn find(slots: &[Slot], bytes: &[u8]) -> Option<(usize, usize)> {
    let at = bytes.as_ptr().addr();
    slots.iter().enumerate().find_map(|(slot, entry)| {
        let from = at.checked_sub(entry.file.as_ref()?.bytes(0).as_ptr().addr())?;
        (from <= entry.length && bytes.len() <= entry.length - from).then_some((slot, from))
    })
}

impl Table {
    fn find(&self, bytes: &[u8]) -> Option<(usize, usize)> {
        find(&self.slots, bytes)
    }

    /// Takes the file of a free slot with room for so many bytes, in place of which the caller puts it again.
    fn take(&mut self, bytes: usize, of: &BroadcastSlots) -> Option<(usize, Arc<MemoryFile>)> {
        if self.closed {
            return None;
        }
        self.viewers.forget_those_that_have_gone();
        // No allocation: this is done for each array.
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
            return Some((*slot, self.slots[*slot].file.take()?));
        }
        let length = bytes.next_multiple_of(STEP);
        if self.has_room(length, of.most)
            && let Some(made) = self.make(length, of.session)
        {
            return Some(made);
        }
        let fits = free.iter().find(|slot| range.contains(&self.slots[**slot].length) && self.claim(**slot));
        if let Some(slot) = fits {
            return Some((*slot, self.slots[*slot].file.take()?));
        }
        for slot in free.iter().copied() {
            if self.has_room(length, of.most) {
                break;
            }
            if self.claim(slot) {
                (self.slots[slot].file, self.slots[slot].length) = (None, 0);
            }
        }
        if self.has_room(length, of.most) { self.make(length, of.session) } else { None }
    }

    /// Whether nobody on this side has the memory of a slot.
    fn is_ours(&mut self, slot: usize) -> bool {
        self.slots[slot].file.as_mut().is_some_and(|file| Arc::get_mut(file).is_some())
    }

    /// Whether what the slot holds is so old that a ring would not have it any more, or was never published.
    fn is_past(&self, slot: usize, ring: usize) -> bool {
        let published = self.slots[slot].published;
        let newer = || self.slots.iter().filter(|other| other.published > published);
        published == 0
            || (newer().count() >= HISTORY && newer().map(|slot| slot.length).sum::<usize>() >= ring)
    }

    fn claim(&mut self, slot: usize) -> bool {
        let Table { slots, viewers, .. } = self;
        slots[slot].claim(viewers, slot)
    }

    /// Whether there is a slot without a file, and a file of so many bytes keeps the bound.
    fn has_room(&self, length: usize, most: usize) -> bool {
        let held = self.slots.iter().map(|slot| slot.length).sum::<usize>();
        held + length <= most && (self.slots.len() < SLOTS || self.slots.iter().any(|slot| slot.length == 0))
    }

    /// Makes a file for a slot without one.
    fn make(&mut self, length: usize, session: u64) -> Option<(usize, Arc<MemoryFile>)> {
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
        // Its word says 0, which no record refers to.
        let filling = 1;
        claims::begin_filling(&file, length + files::at::FILLING, filling);
        self.files = number;
        let entry = Slot { file: None, length, number, filling, published: 0 };
        match self.slots.get_mut(slot) {
            Some(place) => *place = entry,
            None => self.slots.push(entry),
        }
        Some((slot, Arc::new(file)))
    }
}

const _: () = assert!(STEP.is_multiple_of(PAGE), "the page behind the elements begins at a page");
