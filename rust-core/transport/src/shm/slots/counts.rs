//! When a channel's slot is free: once the peer has released every reference that it was sent. It counts those in its
//! own page, one word for each slot.
//!
//! A hostile peer can write anything into those words. A count that is too high makes this side reuse a slot that only
//! that peer still reads; one that is too low makes the slot unusable.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::memory::{Memory, OwnMemory};
use super::super::references::Reference;
use super::super::segment::{SLOTS, at};
use super::super::views::ViewCounter;
use super::{Release, Slot, Slots};
use crate::body::{OneOrMany, Split};
use crate::sys::fork;
use crate::sys::memory::{MemoryFile, PeerMemory};

/// How many references into each slot were sent to the peer, against how many it has released.
/// `page` is the peer's header page. Counts wrap around; they are only compared for equality.
#[derive(Debug)]
pub struct Counts<P = Arc<PeerMemory>> {
    page: P,
    sent: [u64; SLOTS],
    /// For each slot, the number of the file that the peer was sent; 0 for none.
    has: [u64; SLOTS],
}

impl<P: Memory> Counts<P> {
    /// No reference was sent yet, as the fresh page of the peer says.
    pub(crate) fn new(page: P) -> Counts<P> {
        Counts { page, sent: [0; SLOTS], has: [0; SLOTS] }
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
}

impl<P: Memory> Release for Counts<P> {
    const BOUND: usize = 2;

    fn is_open(&mut self) -> bool {
        true
    }

    fn may_be_free(&self, slot: usize) -> bool {
        self.is_released(slot)
    }

    fn claim(&mut self, _slot: usize, _entry: &mut Slot) -> bool {
        // It is free: the peer reads nothing that it has no reference to.
        true
    }

    fn note_sent(&mut self, _slots: &mut [Slot], references: &[Reference]) {
        references.iter().for_each(|reference| self.reference(reference.slot as usize));
    }
}

/// The receiving side: releases one reference into a slot of the peer's. An atomic addition,
/// because views are dropped by several threads; `page` is this side's own.
pub(in super::super) fn release(page: &impl OwnMemory, slot: usize) {
    // Release: all reads through the reference come before.
    page.add(at::RELEASED + slot * 8, 1, Ordering::Release);
}

/// The receiving side of a channel: a view ends with the release of its reference.
#[derive(Clone, Debug)]
pub(in super::super) struct ReleaseCounter {
    /// This side's header page.
    page: Arc<MemoryFile>,
    /// The fork generation of the link.
    generation: u64,
}

impl ReleaseCounter {
    pub(in super::super) fn new(page: Arc<MemoryFile>) -> ReleaseCounter {
        ReleaseCounter { page, generation: fork::generation() }
    }

    /// Prefetches the line in which a reference is released: the peer has read it, and an atomic addition waits for it.
    pub(in super::super) fn prefetch(&self, slot: usize) {
        self.page.prefetch(at::RELEASED + slot * 8);
    }
}

impl ViewCounter for ReleaseCounter {
    fn end_view(&self, slot: usize) {
        // In a forked child the page is absent, and the reference belongs to the parent.
        if fork::generation() == self.generation {
            release(&*self.page, slot);
        }
    }
}

impl Slots {
    /// Returns references to the parts of a body, and counts them as sent. `announce` sends the
    /// peer the descriptor of a file that it does not have; false where it could not. `None` where
    /// it could not, or where a part is not in a slot of this side; then nothing is counted.
    /// A record that could not be written afterwards is undone with [`Slots::cancel`].
    pub(in super::super) fn refer(
        &self,
        split: &Split,
        mut announce: impl FnMut(usize, &MemoryFile) -> bool,
    ) -> Option<OneOrMany<Reference>> {
        self.refer_giving(split, |counts, name, file| {
            let has = &mut counts.has[name.slot];
            if *has != name.number && announce(name.slot, file) {
                *has = name.number;
            }
            *has == name.number
        })
    }

    /// Undoes [`Slots::refer`] for references that were not sent.
    pub(in super::super) fn cancel(&self, references: &[Reference]) {
        let Counts { sent, .. } = &mut self.table().release;
        for reference in references {
            let sent = &mut sent[reference.slot as usize];
            *sent = sent.wrapping_sub(1);
        }
    }
}
