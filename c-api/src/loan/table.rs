//! The loans of the program, by address, because a C array is not a handle.
//!
//! Most programs have one loan at a time, so the last loan is outside the table: one atomic exchange each puts and
//! takes it. A lock would need two, and the table an allocation.

use std::cell::UnsafeCell;
use std::collections::BTreeMap;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use linkspan::fork::{Inherited, Own};

/// The last place is empty. No loan has this address.
const EMPTY: usize = 0;
/// A thread briefly holds the last place. Aligned elements never have this address.
const TAKEN: usize = 1;

pub(super) struct Loans<T: 'static> {
    /// [`EMPTY`], [`TAKEN`], or the address of the loan in `lent`.
    last: AtomicUsize,
    lent: UnsafeCell<Option<T>>,
    others: Own<Mutex<BTreeMap<usize, T>>>,
}

// SAFETY: only the thread that holds the place uses `lent`.
unsafe impl<T: Send> Sync for Loans<T> {}

impl<T: Send + 'static> Loans<T> {
    pub(super) const fn new() -> Loans<T> {
        Loans { last: AtomicUsize::new(EMPTY), lent: UnsafeCell::new(None), others: Own::new() }
    }

    fn others(&self) -> MutexGuard<'static, BTreeMap<usize, T>> {
        self.others.lock()
    }

    /// Exchanges the last loan, if its address is `place`, for `lent` at `next`.
    #[inline(always)]
    fn exchange(&self, place: usize, next: usize, lent: &mut Option<T>) -> bool {
        // Acquire pairs with the store below, so that the last thread's writes are visible.
        if self.last.compare_exchange(place, TAKEN, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return false;
        }
        // SAFETY: this thread holds the place until the store.
        mem::swap(unsafe { &mut *self.lent.get() }, lent);
        // Release pairs with the exchange above. No other thread writes a taken word.
        self.last.store(next, Ordering::Release);
        true
    }

    /// Returns whether there are loans, at least those of this thread.
    #[inline]
    pub(super) fn are_any(&self) -> bool {
        self.last.load(Ordering::Relaxed) != EMPTY
            || !self.others().is_empty()
            || !matches!(
                self.others.find_inherited(|theirs| (!theirs.is_empty()).then_some(())),
                Inherited::None
            )
    }

    #[inline]
    pub(super) fn insert(&self, place: usize, lent: T) {
        let mut lent = Some(lent);
        if !self.exchange(EMPTY, place, &mut lent) {
            self.insert_beside(place, lent);
        }
    }

    /// Adds a loan next to another one, which goes into the table.
    #[cold]
    fn insert_beside(&self, mut place: usize, mut lent: Option<T>) {
        // A thread that misses its loan in the last place takes this lock, so it finds a moved loan.
        let mut others = self.others();
        let there = self.last.load(Ordering::Relaxed);
        if there != TAKEN && self.exchange(there, place, &mut lent) {
            place = there;
        }
        if let Some(lent) = lent {
            others.insert(place, lent);
        }
    }

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

    /// Returns whether this may be a loan of the parent, whose thread may have changed it at the fork.
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
