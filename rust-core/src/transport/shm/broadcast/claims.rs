//! Who views a slot of a publisher's, and what the slot holds: two words, each with one writing side, so that no slot is written while
//! somebody views it.
//!
//! The subscriber counts its view in its own page, and then looks whether the slot still holds what the record says. The publisher says
//! in the slot's file that it will hold something else, and then looks into every page. With a full fence between the two steps of each,
//! at least one of them sees the other; neither waits.

use std::sync::atomic::Ordering;

use super::super::memory::{Memory, OwnMemory, fence};
use super::super::segment::at;

/// The subscriber is about to view what `filling` brought into this slot, whose file has its word at `word`. False where that is not there
/// any more. [`end_view`] ends it.
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

/// The subscriber has done with one view of this slot.
pub(super) fn end_view(page: &impl OwnMemory, slot: usize) {
    // Release: all reads of the view come before.
    page.subtract_one(at::VIEWS + slot * 8, Ordering::Release);
}

/// Whether what was copied out of a file since its word was looked at is what `filling` brought.
pub(super) fn was_whole(file: &impl Memory, word: usize, filling: u64) -> bool {
    // Whoever has read a byte of the next filling sees its word behind this.
    fence(Ordering::Acquire);
    file.load(word, Ordering::Relaxed) == filling
}

/// The publisher is about to write a slot: from now on nobody begins to view what it held. Look at [`is_viewed`] of every subscriber after
/// this, and say what it holds again where somebody views it.
pub(super) fn begin_filling(file: &impl OwnMemory, word: usize, filling: u64) {
    file.store(word, filling, Ordering::Relaxed);
    fence(Ordering::SeqCst);
}

/// Whether the subscriber with this page views the slot.
pub(super) fn is_viewed(page: &impl Memory, slot: usize) -> bool {
    // Acquire: what the subscriber read before it said that it had done, it read before what is written now.
    page.load(at::VIEWS + slot * 8, Ordering::Acquire) != 0
}
