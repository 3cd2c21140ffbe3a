//! A publisher's slots, which all subscribers read in place, and the files that each is sent.
//!
//! Of long messages the slot of the newest that every subscriber has read is used first, then the oldest free slot. A
//! subscriber that has not begun to view an array by then is overtaken.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::super::references::Reference;
use super::super::slot_page::FileName;
use super::super::slots::{Slot, SlotTable, Slots, locate};
use super::viewers::Viewers;
use crate::body::{OneOrMany, Split};
use crate::error::{Doing, Result};
use crate::sys::fork::Guarded;
use crate::sys::memory::PeerMemory;

/// The slots of a publisher.
pub type PublishedSlots = Slots<Viewers>;

impl PublishedSlots {
    /// While a subscriber does not support slots, no array goes into a slot.
    pub(super) fn turn_off(&self, off: bool) {
        self.table().release.turn_off(off);
    }

    /// Ends writing to slots, so that no subscriber's socket stays open for its views.
    pub(super) fn close(&self) {
        self.table().release.close();
    }

    /// Sends all subscribers the slots' files, and returns references to the parts of this message's body.
    ///
    /// `None` if a part is in no slot, or if a subscriber could not be sent a file.
    pub(super) fn refer(&self, split: &Split, message: u64) -> Option<OneOrMany<Reference>> {
        self.refer_giving(split, message, Viewers::give)
    }

    pub(super) fn add(&self, id: u64, page: Arc<PeerMemory>, socket: Arc<Guarded>) {
        self.table().release.add(id, page, socket);
    }

    pub(super) fn remove(&self, id: u64) {
        self.table().release.leave(id);
    }

    /// Returns the files of published slots, for the answer to this subscriber's hello.
    pub(super) fn files_for(&self, id: u64) -> Result<Vec<OwnedFd>> {
        let SlotTable { slots, release, .. } = &mut *self.table();
        let (names, files) = duplicates(slots, |_, slot| slot.published > 0)?;
        release.gets(id, &names);
        Ok(files)
    }

    /// Returns the files of a body, for a reader that no page tells of.
    pub(super) fn files_of(&self, split: &Split) -> Result<Vec<OwnedFd>> {
        let SlotTable { slots, release, .. } = &mut *self.table();
        release.expect_reader();
        let has_part = |slot: usize| {
            split.parts().iter().any(|part| locate(slots, &part.bytes).is_some_and(|at| at.0 == slot))
        };
        Ok(duplicates(slots, |slot, _| has_part(slot))?.1)
    }

    /// Records the answer to this subscriber's hello, and sends the files published since it was prepared.
    pub(super) fn answered(&self, id: u64) {
        let SlotTable { slots, release, .. } = &mut *self.table();
        release.answered(id);
        for (slot, entry) in slots.iter().enumerate().filter(|(_, entry)| entry.published > 0) {
            if let Some(file) = &entry.file {
                // If the kernel refuses a descriptor, the subscriber sends another hello when it needs the file.
                let _ = release.give(FileName { slot, number: entry.number }, file.file());
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn held(&self) -> (usize, usize) {
        (self.bytes(), self.table().release.count())
    }
}

/// Returns duplicated descriptors of the files of some slots, with their names.
fn duplicates(
    slots: &[Slot],
    is_wanted: impl Fn(usize, &Slot) -> bool,
) -> Result<(Vec<FileName>, Vec<OwnedFd>)> {
    let (mut names, mut files) = (Vec::new(), Vec::new());
    for (slot, entry) in slots.iter().enumerate().filter(|(slot, entry)| is_wanted(*slot, entry)) {
        let Some(file) = &entry.file else { continue };
        files.push(file.file().fd().try_clone_to_owned().doing("duplicating the descriptor of a slot")?);
        names.push(FileName { slot, number: entry.number });
    }
    Ok((names, files))
}
