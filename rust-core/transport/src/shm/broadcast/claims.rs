//! The protocol by which a publisher never writes a slot that a subscriber views. It has two words, each with one
//! writer: how many views a subscriber has of a slot, and what the slot holds.
//!
//! The subscriber counts its view in its own page, makes a full fence, and then checks that the slot still holds what
//! the record refers to. The publisher stores in the slot's file that its contents will change, makes a full fence, and
//! then checks the page of every subscriber. So at least one of them sees the other's store, and neither waits.

use std::sync::atomic::Ordering;

use super::super::memory::{Memory, OwnMemory, fence};
use super::super::segment::at;

/// Begins a view of what `filling` brought into this slot; the word of the slot's file is at `word`. Returns false if
/// the slot does not hold that any more, and then there is no view. [`end_view`] ends it.
pub(super) fn begin_view(
    page: &impl OwnMemory,
    file: &impl Memory,
    word: usize,
    slot: usize,
    filling: u64,
) -> bool {
    page.add_one(at::VIEWS + slot * 8, Ordering::Relaxed);
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
    page.subtract_one(at::VIEWS + slot * 8, Ordering::Release);
}

/// Whether bytes that were copied out of a file, after its word was checked, are those that `filling` brought.
pub(super) fn was_whole(file: &impl Memory, word: usize, filling: u64) -> bool {
    // A reader that has seen a byte of the next filling sees that filling's word in this load.
    fence(Ordering::Acquire);
    file.load(word, Ordering::Relaxed) == filling
}

/// Announces that a slot will be written: no subscriber begins a view of what it held from now on. Check [`is_viewed`]
/// for every subscriber after this, and store the old filling again if one of them views it.
pub(super) fn begin_filling(file: &impl OwnMemory, word: usize, filling: u64) {
    file.store(word, filling, Ordering::Relaxed);
    fence(Ordering::SeqCst);
}

/// Whether the subscriber that owns this page views the slot.
pub(super) fn is_viewed(page: &impl Memory, slot: usize) -> bool {
    // Acquire: all reads that the subscriber made before it ended its view come before the writes that follow here.
    page.load(at::VIEWS + slot * 8, Ordering::Acquire) != 0
}
