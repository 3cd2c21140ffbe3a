//! Loom models of a publisher's slots: none is written while a subscriber or the program uses it.
//!
//! Mutants of the protocol must fail. They run like the models of the ring.

mod copies;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use loom::cell::UnsafeCell;
use loom::thread;

use super::super::memory::heap::Heap;
use super::super::memory::{Memory, OwnMemory};
use super::super::segment::{PAGE, at};
use super::claims::{self, Claims};

/// The word of the slot's file with its filling number.
const WORD: usize = PAGE + 16;

fn model(check: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(check);
}

/// From `claims`, or from a mutant.
#[derive(Clone, Copy)]
struct Steps {
    begin_view: fn(&Heap, &Heap, u64) -> bool,
    end_view: fn(&Heap),
    is_viewed: fn(&Heap) -> bool,
    looks_again: bool,
}

const STEPS: Steps = Steps {
    begin_view: |page, slot, filling| claims::begin_view(page, slot, WORD, 0, filling),
    end_view: |page| claims::end_view(page, 0),
    is_viewed: |page| Claims::of(page).has(0),
    looks_again: true,
};

/// A publisher fills a slot twice more if it is not viewed; a subscriber views the slot's message.
///
/// Loom reports an access to the elements that is concurrent with a write.
fn slot_reuse(steps: Steps) {
    model(move || {
        let (page, slot, ring) = (Heap::new(at::VIEWS + 8), Heap::new(WORD + 8), Heap::new(PAGE + 8));
        slot.store(WORD, 1, Ordering::Relaxed);
        ring.store(PAGE, 1, Ordering::Relaxed);
        let elements = Arc::new(UnsafeCell::new(1u64));
        let subscriber = {
            let (page, slot, ring, elements) = (page.clone(), slot.clone(), ring.clone(), elements.clone());
            thread::spawn(move || {
                for _ in 0..2 {
                    let filling = ring.load(PAGE, Ordering::Acquire);
                    if (steps.begin_view)(&page, &slot, filling) {
                        // SAFETY: loom checks that nothing accesses it concurrently, which is the purpose of the model.
                        let read = elements.with(|elements| unsafe { *elements });
                        assert_eq!(read, filling, "the slot was written while it was viewed");
                        (steps.end_view)(&page);
                    }
                }
            })
        };
        let mut filled = 1;
        for _ in 0..2 {
            if (steps.is_viewed)(&page) {
                continue;
            }
            claims::begin_filling(&*slot, WORD, filled + 1);
            if steps.looks_again && (steps.is_viewed)(&page) {
                claims::begin_filling(&*slot, WORD, filled);
                continue;
            }
            filled += 1;
            // SAFETY: as above.
            elements.with_mut(|elements| unsafe { *elements = filled });
            ring.store(PAGE, filled, Ordering::Release);
        }
        subscriber.join().unwrap();
    });
}

#[test]
fn slot_is_not_written_while_a_subscriber_views_it() {
    slot_reuse(STEPS);
}

#[test]
#[should_panic]
fn mutant_publisher_without_second_check_is_found() {
    slot_reuse(Steps { looks_again: false, ..STEPS });
}

#[test]
#[should_panic]
fn mutant_publisher_without_check_of_pages_is_found() {
    slot_reuse(Steps { is_viewed: |_| false, ..STEPS });
}

#[test]
#[should_panic]
fn mutant_subscriber_without_check_of_the_filling_is_found() {
    let begin_view: fn(&Heap, &Heap, u64) -> bool = |page, slot, filling| {
        let _ = claims::begin_view(page, slot, WORD, 0, filling);
        true
    };
    // The count stays as it is if the slot has another filling.
    slot_reuse(Steps { begin_view, end_view: |_| {}, ..STEPS });
}

#[test]
#[should_panic]
fn mutant_subscriber_without_fence_is_found() {
    let begin_view: fn(&Heap, &Heap, u64) -> bool = |page, slot, filling| {
        page.add(at::VIEWS, 1, Ordering::Relaxed);
        let there = slot.load(WORD, Ordering::Acquire) == filling;
        if !there {
            claims::end_view(page, 0);
        }
        there
    };
    slot_reuse(Steps { begin_view, ..STEPS });
}

#[test]
#[should_panic]
fn mutant_with_relaxed_end_of_view_is_found() {
    slot_reuse(Steps { end_view: |page| page.subtract(at::VIEWS, 1, Ordering::Relaxed), ..STEPS });
}

#[test]
#[should_panic]
fn mutant_with_relaxed_check_of_views_is_found() {
    slot_reuse(Steps { is_viewed: |page| page.load(at::VIEWS, Ordering::Relaxed) != 0, ..STEPS });
}

/// A reader without a page copies the two words of a slot, then checks for overwriting.
fn copied(was_whole: fn(&Heap, u64) -> bool) {
    model(move || {
        let slot = Heap::new(WORD + 8);
        let fill = |slot: &Heap, number: u64| {
            claims::begin_filling(slot, WORD, number);
            slot.store(PAGE, number, Ordering::Relaxed);
            slot.store(PAGE + 8, number, Ordering::Relaxed);
        };
        fill(&slot, 1);
        let publisher = thread::spawn({
            let slot = slot.clone();
            move || fill(&slot, 2)
        });
        if slot.load(WORD, Ordering::Acquire) == 1 {
            let read = [PAGE, PAGE + 8].map(|at| slot.load(at, Ordering::Relaxed));
            if was_whole(&slot, 1) {
                assert_eq!(read, [1, 1], "half an array was taken for one");
            }
        }
        publisher.join().unwrap();
    });
}

#[test]
fn copy_of_a_slot_is_whole_or_discarded() {
    copied(|slot, filling| claims::was_whole(slot, WORD, filling));
}

#[test]
#[should_panic(expected = "half an array was taken for one")]
fn mutant_without_check_after_the_copy_is_found() {
    copied(|_, _| true);
}

#[test]
#[should_panic(expected = "half an array was taken for one")]
fn mutant_without_fence_before_the_check_of_the_copy_is_found() {
    copied(|slot, filling| slot.load(WORD, Ordering::Relaxed) == filling);
}
