//! Models of slots: each is filled again only after the last read through every reference.

use super::super::slots::{Counts, release};
use super::*;

/// A slot of one word, and a consumer whose first read must stay valid until it releases the reference.
///
/// `is_released` and `done` are the protocol's, or mutants.
fn slot_reuse(is_released: fn(&Counts<Arc<Heap>>, &Heap, u64) -> bool, done: fn(&Heap)) {
    model(3, move || {
        let (page, ring, slot) = (Heap::new(at::RELEASED + 8), Heap::new(PAGE + 8), Heap::new(PAGE + 16));
        let consumer = {
            let (page, ring, slot) = (page.clone(), ring.clone(), slot.clone());
            thread::spawn(move || {
                for number in 1..=2 {
                    while ring.load(PAGE, Ordering::Acquire) < number {
                        thread::yield_now();
                    }
                    let first = slot.load(PAGE, Ordering::Relaxed);
                    let second = slot.load(PAGE + 8, Ordering::Relaxed);
                    assert_eq!((first, second), (number, number), "the slot was written while it was viewed");
                    done(&page);
                }
            })
        };
        let mut counts = Counts::new(page.clone());
        for number in 1..=2 {
            while !is_released(&counts, &page, number - 1) {
                thread::yield_now();
            }
            slot.store(PAGE, number, Ordering::Relaxed);
            slot.store(PAGE + 8, number, Ordering::Relaxed);
            counts.reference(0);
            ring.store(PAGE, number, Ordering::Release);
        }
        consumer.join().unwrap();
    });
}

#[test]
fn slot_is_written_only_without_views() {
    slot_reuse(|counts, _, _| counts.is_released(0), |page| release(page, 0));
}

#[test]
#[should_panic(expected = "the slot was written while it was viewed")]
fn mutant_without_the_released_check_overwrites_a_view() {
    slot_reuse(|_, _, _| true, |page| release(page, 0));
}

/// [`slot_reuse`] with other orderings of the reader's addition and of the writer's load.
fn reordered_reuse(release: Ordering, acquire: Ordering) {
    model(3, move || {
        let (page, slot) = (Heap::new(at::RELEASED + 8), Heap::new(PAGE + 8));
        let seen = Arc::new(loom::cell::UnsafeCell::new(1u64));
        let consumer = {
            let (page, seen) = (page.clone(), seen.clone());
            thread::spawn(move || {
                // SAFETY: loom checks that nothing accesses it concurrently, which is the purpose of the model.
                assert_eq!(seen.with(|seen| unsafe { *seen }), 1);
                page.add(at::RELEASED, 1, release);
            })
        };
        if page.load(at::RELEASED, acquire) == 1 {
            // SAFETY: as above.
            seen.with_mut(|seen| unsafe { *seen = 2 });
        }
        slot.store(PAGE, 1, Ordering::Relaxed);
        consumer.join().unwrap();
    });
}

#[test]
fn slot_reads_come_before_the_next_write() {
    reordered_reuse(Ordering::Release, Ordering::Acquire);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn mutant_with_relaxed_release_is_found() {
    reordered_reuse(Ordering::Relaxed, Ordering::Acquire);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn mutant_with_relaxed_released_load_is_found() {
    reordered_reuse(Ordering::Release, Ordering::Relaxed);
}
