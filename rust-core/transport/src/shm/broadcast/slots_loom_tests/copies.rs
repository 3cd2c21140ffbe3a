//! Models of a slot that a subscriber claims during its copy.
//!
//! The copy is whole without another check, and no honest subscriber is ignored. The slot is free when the publisher's
//! own program has also given it up.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use loom::cell::UnsafeCell;
use loom::thread;

use super::super::super::memory::heap::Heap;
use super::super::super::memory::{Memory, OwnMemory};
use super::super::super::segment::{PAGE, at};
use super::super::claims::{self, Claims};
use super::{WORD, model};
use crate::sys::arc_owner::ArcOwner;

/// The words of the two slots' files in one memory.
const SLOTS: [usize; 2] = [PAGE, WORD + 8];

/// How a subscriber claims a slot and copies its two words; `None` if it was overwritten.
type Copying = fn(page: &Heap, slots: &Heap, slot: usize, filling: u64) -> Option<[u64; 2]>;

fn filling_word(slot: usize) -> usize {
    SLOTS[slot] + WORD - PAGE
}

fn words_of(slots: &Heap, slot: usize) -> [u64; 2] {
    [0, 8].map(|behind| slots.load(SLOTS[slot] + behind, Ordering::Relaxed))
}

fn copy_claimed(page: &Heap, slots: &Heap, slot: usize, filling: u64) -> Option<[u64; 2]> {
    claims::begin_view(page, slots, filling_word(slot), slot, filling).then(|| {
        let copied = words_of(slots, slot);
        claims::end_view(page, slot);
        copied
    })
}

/// A subscriber copies slots, whole without another check, while a publisher overwrites unclaimed ones.
///
/// For each message the publisher takes the other of two slots. If that one is claimed, the message has no slot; the
/// publisher never waits.
fn copied_while_claimed(copying: Copying, is_claimed: fn(&Heap, usize) -> bool) {
    model(move || {
        let (page, slots, ring) =
            (Heap::new(at::VIEWS + 8), Heap::new(filling_word(1) + 8), Heap::new(PAGE + 8));
        // A message is named by its filling, whose lowest bit is the number of its slot.
        let fill = |slots: &Heap, filling: u64| {
            [0, 8].map(|behind| {
                slots.store(SLOTS[filling as usize & 1] + behind, filling, Ordering::Relaxed);
            })
        };
        slots.store(filling_word(0), 2, Ordering::Relaxed);
        fill(&slots, 2);
        ring.store(PAGE, 2, Ordering::Relaxed);
        let subscriber = {
            let (page, slots, ring) = (page.clone(), slots.clone(), ring.clone());
            thread::spawn(move || {
                for _ in 0..2 {
                    let filling = ring.load(PAGE, Ordering::Acquire);
                    if let Some(copied) = copying(&page, &slots, filling as usize & 1, filling) {
                        assert_eq!(copied, [filling; 2], "the slot was written while it was copied");
                    }
                }
            })
        };
        let mut held = [2, 0];
        for filling in 3..=4 {
            let slot = filling as usize & 1;
            if is_claimed(&page, slot) {
                continue;
            }
            claims::begin_filling(&*slots, filling_word(slot), filling);
            if is_claimed(&page, slot) {
                claims::begin_filling(&*slots, filling_word(slot), held[slot]);
                continue;
            }
            held[slot] = filling;
            fill(&slots, filling);
            ring.store(PAGE, filling, Ordering::Release);
        }
        subscriber.join().unwrap();
    });
}

fn is_claimed(page: &Heap, slot: usize) -> bool {
    Claims::of(page).has(slot)
}

#[test]
fn copy_of_a_claimed_slot_is_whole() {
    copied_while_claimed(copy_claimed, is_claimed);
}

#[test]
#[should_panic(expected = "the slot was written while it was copied")]
fn mutant_claim_that_ends_before_the_copy_is_found() {
    let ends_first: Copying = |page, slots, slot, filling| {
        claims::begin_view(page, slots, filling_word(slot), slot, filling).then(|| {
            claims::end_view(page, slot);
            words_of(slots, slot)
        })
    };
    copied_while_claimed(ends_first, is_claimed);
}

#[test]
#[should_panic(expected = "the slot was written while it was copied")]
fn mutant_copy_without_a_claim_is_found() {
    let unclaimed: Copying = |_, slots, slot, filling| {
        (slots.load(filling_word(slot), Ordering::Acquire) == filling).then(|| words_of(slots, slot))
    };
    copied_while_claimed(unclaimed, is_claimed);
}

#[test]
#[should_panic(expected = "the slot was written while it was copied")]
fn mutant_publisher_that_looks_at_another_slot_is_found() {
    copied_while_claimed(copy_claimed, |page, slot| Claims::of(page).has(1 - slot));
}

/// A subscriber that copies from two slots in turn claims one at each moment.
///
/// A publisher that counted more would ignore its views from then on.
fn counted_while_it_copies(count: fn(&Heap) -> usize) {
    model(move || {
        let (page, slots) = (Heap::new(at::VIEWS + 8), Heap::new(filling_word(1) + 8));
        let publisher = {
            let page = page.clone();
            thread::spawn(move || assert!(count(&page) <= 1, "an honest subscriber is ignored"))
        };
        for slot in 0..2 {
            copy_claimed(&page, &slots, slot, 0).unwrap();
        }
        publisher.join().unwrap();
    });
}

#[test]
fn claims_of_an_honest_subscriber_are_counted_at_one_moment() {
    counted_while_it_copies(|page| Claims::of(page).count());
}

#[test]
#[should_panic(expected = "an honest subscriber is ignored")]
fn mutant_count_of_one_slot_after_another_is_found() {
    counted_while_it_copies(|page| (0..2).filter(|slot| Claims::of(page).has(*slot)).count());
}

/// The program keeps a message, a subscriber copies it, and the table wants to write its slot again.
///
/// The slot is free when both have ended. Loom reports an access that is concurrent with the write.
fn freed_by_both(is_home: fn(&mut ArcOwner<Arc<UnsafeCell<u64>>>) -> bool, is_claimed: fn(&Heap) -> bool) {
    model(move || {
        let (page, slot) = (Heap::new(at::VIEWS + 8), Heap::new(WORD + 8));
        slot.store(WORD, 1, Ordering::Relaxed);
        let elements = Arc::new(UnsafeCell::new(1u64));
        // The table's file, which each process maps separately.
        let mut file = ArcOwner::new(elements.clone());
        let kept = file.lend();
        let program = thread::spawn(move || kept.with(|_| ()));
        let subscriber = {
            let (page, slot, elements) = (page.clone(), slot.clone(), elements.clone());
            thread::spawn(move || {
                if claims::begin_view(&page, &slot, WORD, 0, 1) {
                    elements.with(|_| ());
                    claims::end_view(&page, 0);
                }
            })
        };
        if is_home(&mut file) && !is_claimed(&page) {
            claims::begin_filling(&*slot, WORD, 2);
            if is_claimed(&page) {
                claims::begin_filling(&*slot, WORD, 1);
            } else {
                elements.with_mut(|_| ());
            }
        }
        program.join().unwrap();
        subscriber.join().unwrap();
    });
}

#[test]
fn slot_is_written_again_after_the_program_and_the_subscriber() {
    freed_by_both(ArcOwner::is_home, |page| Claims::of(page).has(0));
}

#[test]
#[should_panic]
fn mutant_table_that_does_not_look_whether_a_message_is_kept_is_found() {
    freed_by_both(|_| true, |page| Claims::of(page).has(0));
}

#[test]
#[should_panic]
fn mutant_table_that_looks_only_whether_a_message_is_kept_is_found() {
    freed_by_both(ArcOwner::is_home, |_| false);
}
