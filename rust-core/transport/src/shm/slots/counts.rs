//! A channel's slot is free after the peer has released every reference that this side sent.
//!
//! The peer counts its releases in its own page, one word for each slot. If a hostile peer's count is too high, this
//! side reuses a slot that only that peer still reads; if it is too low, the slot is unusable.

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

/// References sent to the peer, per slot. The counts wrap; they are only compared for equality.
///
/// `page` is the peer's header page.
#[derive(Debug)]
pub struct Counts<P = Arc<PeerMemory>> {
    page: P,
    sent: [u64; SLOTS],
    /// For each slot, the number of the file that the peer has; 0 for none.
    has: [u64; SLOTS],
}

impl<P: Memory> Counts<P> {
    pub(crate) fn new(page: P) -> Counts<P> {
        Counts { page, sent: [0; SLOTS], has: [0; SLOTS] }
    }

    pub(crate) fn is_released(&self, slot: usize) -> bool {
        // Acquire pairs with the release in `release`: the peer's reads precede its addition, and so this side's
        // writes.
        self.page.load(at::RELEASED + slot * 8, Ordering::Acquire) == self.sent[slot]
    }

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
        // The peer reads only slots that it has references to, so a released slot is free.
        true
    }

    fn note_sent(&mut self, _slots: &mut [Slot], references: &[Reference], _message: u64) {
        references.iter().for_each(|reference| self.reference(reference.slot as usize));
    }

    fn read_by_all(&self) -> u64 {
        // The table does not know which slot the peer left last: a channel has few in use, and takes the first.
        0
    }
}

/// Releases one reference into a slot of the peer's. `page` is this side's own.
///
/// The addition is atomic, because several threads drop views.
pub(in super::super) fn release(page: &impl OwnMemory, slot: usize) {
    // Release: all reads through the reference precede the addition.
    page.add(at::RELEASED + slot * 8, 1, Ordering::Release);
}

/// Counts views for the receiving side of a channel: the end of a view releases its reference.
#[derive(Clone, Debug)]
pub(in super::super) struct ReleaseCounter {
    page: Arc<MemoryFile>,
    /// The fork generation of the link.
    generation: u64,
}

impl ReleaseCounter {
    pub(in super::super) fn new(page: Arc<MemoryFile>) -> ReleaseCounter {
        ReleaseCounter { page, generation: fork::generation() }
    }

    /// Prefetches the count's line: the peer has read it, and the atomic addition would wait for it.
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
    /// Returns references to the parts of a body, and counts them as sent; [`Slots::cancel`] undoes that.
    ///
    /// `announce` sends the peer a file that it lacks. `None`, without a change, if it returned false or if a part is
    /// in no slot of this side.
    pub(in super::super) fn refer(
        &self,
        split: &Split,
        mut announce: impl FnMut(usize, &MemoryFile) -> bool,
    ) -> Option<OneOrMany<Reference>> {
        self.refer_giving(split, 0, |counts, name, file| {
            let has = &mut counts.has[name.slot];
            if *has != name.number && announce(name.slot, file) {
                *has = name.number;
            }
            *has == name.number
        })
    }

    pub(in super::super) fn cancel(&self, references: &[Reference]) {
        let Counts { sent, .. } = &mut self.table().release;
        for reference in references {
            let sent = &mut sent[reference.slot as usize];
            *sent = sent.wrapping_sub(1);
        }
    }
}
