//! A publisher never writes a slot that a subscriber views or copies.
//!
//! The subscriber counts its view in its own page, makes a full fence, and then checks the slot's filling number. The
//! publisher stores a new filling number in the slot's file, makes a full fence, and then checks every subscriber's
//! page. At least one side sees the other's store, and neither waits.
//!
//! One word has the views of all slots, because the publisher ignores a subscriber that claims too many. Several words
//! could add an honest subscriber's earlier and later views.

use std::sync::atomic::Ordering;

use super::super::memory::{Memory, OwnMemory, fence};
use super::super::segment::{VIEW_BITS, at};

/// Begins a view of `filling` in this slot; the filling number of the slot's file is at `word`.
///
/// False, without a view, if the slot has another filling.
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

pub(super) fn end_view(page: &impl OwnMemory, slot: usize) {
    // Release: all reads through the view precede this.
    page.subtract(at::VIEWS, one_view(slot), Ordering::Release);
}

/// Whether the copied bytes belong to `filling`, whose word was checked before the copy.
pub(super) fn was_whole(file: &impl Memory, word: usize, filling: u64) -> bool {
    // A reader that has seen a byte of the next filling sees that filling's word in this load.
    fence(Ordering::Acquire);
    file.load(word, Ordering::Relaxed) == filling
}

/// Announces that a slot will be written: no subscriber begins a view of the old filling any more.
///
/// The caller then loads the [`Claims`] of every subscriber, and stores the old filling again if one views it.
pub(super) fn begin_filling(file: &impl OwnMemory, word: usize, filling: u64) {
    file.store(word, filling, Ordering::Relaxed);
    fence(Ordering::SeqCst);
}

const fn one_view(slot: usize) -> u64 {
    1 << (slot * VIEW_BITS)
}

/// The slots that a subscriber views or copies at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claims(u64);

impl Claims {
    pub fn of(page: &impl Memory) -> Claims {
        // Acquire: the subscriber's reads before the end of a view precede this side's next writes.
        Claims(page.load(at::VIEWS, Ordering::Acquire))
    }

    pub fn has(self, slot: usize) -> bool {
        self.0 >> (slot * VIEW_BITS) & ((1 << VIEW_BITS) - 1) != 0
    }

    pub fn count(self) -> usize {
        const LOWEST: u64 = u64::MAX / ((1 << VIEW_BITS) - 1);
        let any = (0..VIEW_BITS).fold(0, |any, bit| any | self.0 >> bit);
        (any & LOWEST).count_ones() as usize
    }
}
