//! The loans of the program by the address of their memory: a C array is no handle, so its address identifies the loan.
//!
//! Most programs have one loan at a time. So the last one is outside the table: it is put there and taken with one
//! exchange each, where a lock takes two, and the table would allocate and free an entry for each loan.

use std::cell::UnsafeCell;
use std::collections::BTreeMap;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use linkspan::fork::{Inherited, Own};

/// The place of the last loan is empty. No loan has this address.
const EMPTY: usize = 0;
/// A thread has the place, for a moment. No loan has this address, because elements are aligned.
const TAKEN: usize = 1;

/// The loans.
pub(super) struct Loans<T: 'static> {
    /// [`EMPTY`], [`TAKEN`], or the address of the loan in `lent`.
    last: AtomicUsize,
    lent: UnsafeCell<Option<T>>,
    others: Own<Mutex<BTreeMap<usize, T>>>,
}

// SAFETY: `lent` is used by the thread that has taken the place.
unsafe impl<T: Send> Sync for Loans<T> {}

impl<T: Send + 'static> Loans<T> {
    pub(super) const fn new() -> Loans<T> {
        Loans { last: AtomicUsize::new(EMPTY), lent: UnsafeCell::new(None), others: Own::new() }
    }

    fn others(&self) -> MutexGuard<'static, BTreeMap<usize, T>> {
        self.others.lock()
    }

    /// Exchanges the loan at this address, if it is the last one, for `lent` at `next`; else false.
    #[inline(always)]
    fn exchange(&self, place: usize, next: usize, lent: &mut Option<T>) -> bool {
        // Acquire, against the store below: what the last thread wrote comes before.
        if self.last.compare_exchange(place, TAKEN, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return false;
        }
        // SAFETY: this thread has taken the place, and no other takes it before the store.
        mem::swap(unsafe { &mut *self.lent.get() }, lent);
        // Release: as above. No other thread writes a word that is taken.
        self.last.store(next, Ordering::Release);
        true
    }

    /// Whether there is any, as far as this thread can know: one that it has added is there.
    #[inline]
    pub(super) fn are_any(&self) -> bool {
        self.last.load(Ordering::Relaxed) != EMPTY
            || !self.others().is_empty()
            || !matches!(
                self.others.find_inherited(|theirs| (!theirs.is_empty()).then_some(())),
                Inherited::None
            )
    }

    /// Adds a loan at this address.
    #[inline]
    pub(super) fn insert(&self, place: usize, lent: T) {
        let mut lent = Some(lent);
        if !self.exchange(EMPTY, place, &mut lent) {
            self.insert_beside(place, lent);
        }
    }

    /// Adds a loan while there is another, which goes into the table.
    #[cold]
    fn insert_beside(&self, mut place: usize, mut lent: Option<T>) {
        // A thread that does not find its loan in the last place looks here with the lock, and so finds it if it is
        // moved.
        let mut others = self.others();
        let there = self.last.load(Ordering::Relaxed);
        if there != TAKEN && self.exchange(there, place, &mut lent) {
            place = there;
        }
        if let Some(lent) = lent {
            others.insert(place, lent);
        }
    }

    /// Takes the loan at this address, if there is one.
    #[inline(always)]
    pub(super) fn remove(&self, place: usize) -> Option<T> {
        let mut lent = None;
        if place > TAKEN && self.exchange(place, EMPTY, &mut lent) {
            return lent;
        }
        self.remove_beside(place)
    }

    #[cold]
    fn remove_beside(&self, place: usize) -> Option<T> {
        let here = self.others().remove(&place);
        here.or_else(|| match self.others.find_inherited(|theirs| theirs.remove(&place)) {
            Inherited::Found(lent) => Some(lent),
            Inherited::None | Inherited::Unknown => None,
        })
    }

    /// Whether this may be a loan of the parent, of which a forked child cannot know: a thread of the parent changed
    /// the table at the fork.
    pub(super) fn may_be_parents(&self) -> bool {
        matches!(self.others.find_inherited(|_| None::<()>), Inherited::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use linkspan::NdArray;

    use super::*;

    fn array(number: usize) -> NdArray {
        NdArray::vector(&[number as u64])
    }

    #[test]
    fn each_loan_is_found_by_its_address_once() {
        let loans = Loans::new();
        for place in [8, 16, 24] {
            loans.insert(place, array(place));
        }
        for place in [16, 24, 8] {
            assert_eq!(loans.remove(place), Some(array(place)));
            assert_eq!(loans.remove(place), None);
        }
        loans.insert(8, array(1));
        assert_eq!((loans.remove(EMPTY), loans.remove(TAKEN)), (None, None));
        assert_eq!(loans.remove(8), Some(array(1)));
    }

    #[test]
    fn threads_find_their_loans_whatever_others_do() {
        let loans = Loans::new();
        thread::scope(|scope| {
            for thread in 1..5 {
                let loans = &loans;
                scope.spawn(move || {
                    for round in 0..if cfg!(miri) { 20 } else { 5000 } {
                        let places = [0, 1, 2].map(|n| thread << 32 | (round * 4 + n + 1) << 3);
                        let count = round % 3 + 1;
                        for place in &places[..count] {
                            loans.insert(*place, array(*place));
                        }
                        for place in &places[..count] {
                            assert_eq!(loans.remove(*place), Some(array(*place)));
                        }
                    }
                });
            }
        });
        assert!(loans.others().is_empty() && loans.last.load(Ordering::Relaxed) == EMPTY);
    }
}
