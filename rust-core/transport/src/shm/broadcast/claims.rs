//! The protocol by which a publisher never writes a slot that a subscriber views or copies. It has two words, each with
//! one writer: how many views a subscriber has of each slot, and what the slot holds.
//!
//! The subscriber counts its view in its own page, makes a full fence, and then checks that the slot still holds what
//! the record refers to. The publisher stores in the slot's file that its contents will change, makes a full fence, and
//! then checks the page of every subscriber. So at least one of them sees the other's store, and neither waits.
//!
//! The views of all slots are in one word, because a subscriber that claims more slots than it may is ignored: counts
//! in several words would be of different moments, and what an honest subscriber viewed before and after would be
//! added up.

use std::sync::atomic::Ordering;

use super::super::memory::{Memory, OwnMemory, fence};
use super::super::segment::{VIEW_BITS, at};

/// Begins a view of what `filling` brought into this slot; the word of the slot's file is at `word`. Returns false if
/// the slot does not hold that any more, and then there is no view. [`end_view`] ends it.
pub(super) fn begin_view(
    page: &impl OwnMemory,
    file: &impl Memory,
    word: usize,
    slot: usize,
    filling: u64,
) -> bool {
    page.add(at::VIEWS, one_view(slot), Ordering::Relaxed);
    fence(Ordering::SeqCst);
    let there = file.load(word, Ordering::Acquire) == filling;
    if !there {
        end_view(page, slot);
    }
    there
}

/// Ends one view of this slot.
pub(super) fn end_view(page: &impl OwnMemory, slot: usize) {
    // Release: all reads through the view come before.
    page.subtract(at::VIEWS, one_view(slot), Ordering::Release);
}

/// Whether bytes that were copied out of a file, after its word was checked, are those that `filling` brought.
pub(super) fn was_whole(file: &impl Memory, word: usize, filling: u64) -> bool {
    // A reader that has seen a byte of the next filling sees that filling's word in this load.
    fence(Ordering::Acquire);
    file.load(word, Ordering::Relaxed) == filling
}

/// Announces that a slot will be written: no subscriber begins a view of what it held from now on. Load the [`Claims`]
/// of every subscriber after this, and store the old filling again if one of them views it.
pub(super) fn begin_filling(file: &impl OwnMemory, word: usize, filling: u64) {
    file.store(word, filling, Ordering::Relaxed);
    fence(Ordering::SeqCst);
}

/// One view of this slot, in the word of a page.
const fn one_view(slot: usize) -> u64 {
    1 << (slot * VIEW_BITS)
}

/// The slots that a subscriber views or copies at one moment. Those of a hostile one are any.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claims(u64);

impl Claims {
    /// Loads them from the subscriber's page.
    pub fn of(page: &impl Memory) -> Claims {
        // Acquire: all reads that the subscriber made before it ended a view come before the writes that follow here.
        Claims(page.load(at::VIEWS, Ordering::Acquire))
    }

    /// Whether this slot is one of them.
    pub fn has(self, slot: usize) -> bool {
        self.0 >> (slot * VIEW_BITS) & ((1 << VIEW_BITS) - 1) != 0
    }

    /// Returns how many slots they are.
    pub fn count(self) -> usize {
        const LOWEST: u64 = u64::MAX / ((1 << VIEW_BITS) - 1);
        let any = (0..VIEW_BITS).fold(0, |any, bit| any | self.0 >> bit);
        (any & LOWEST).count_ones() as usize
    }
}
