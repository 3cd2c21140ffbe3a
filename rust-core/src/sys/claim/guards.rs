//! What a call or the library has of a cell: each guard gives back by its drop what it stands for.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::Ordering;

use super::sync::{MutexGuard, Step, left_out, place, this_thread};
use super::{AWAITED, ClaimCell, IN_LINE, OWNER, SIGNAL_END, TAKEN, ordered};

/// Value and gate, held by a short call.
pub struct Entered<'a, T, G> {
    pub(super) gate: MutexGuard<'a, G>,
    pub(super) cell: &'a ClaimCell<T, G>,
}

impl<T, G> Entered<'_, T, G> {
    /// Returns the value, and what the gate protects.
    #[inline]
    pub fn parts(&mut self) -> (&mut T, &mut G) {
        // SAFETY: `TAKEN` was clear while the gate was held, which it still is: a thread that has set it
        // since passes through the gate before it makes a guard, and another thread cannot enter. The guard
        // is borrowed alone.
        (unsafe { &mut *place(&self.cell.value) }, &mut self.gate)
    }
}

/// Claim and value, taken by a call.
pub struct Guard<'a, T, G> {
    pub(super) cell: &'a ClaimCell<T, G>,
    /// The thread that made it.
    pub(super) here: u64,
    /// Its word names the thread that made it.
    pub(super) no_send: PhantomData<*const ()>,
}

impl<'a, T, G> Guard<'a, T, G> {
    /// Divides it, so that claim and value can be released one after the other.
    pub fn split(self) -> (Claim<'a, T, G>, Borrowed<'a, T, G>) {
        let cell = self.cell;
        std::mem::forget(self);
        (Claim { cell, no_send: PhantomData }, Borrowed { cell, no_send: PhantomData })
    }
}

impl<T, G> Drop for Guard<'_, T, G> {
    #[inline]
    fn drop(&mut self) {
        let word = &self.cell.word;
        let alone = self.here | TAKEN;
        if left_out(Step::SeeWaiters) {
            return word.store(0, Ordering::SeqCst);
        }
        if word.compare_exchange(alone, 0, ordered(Step::Release), Ordering::Relaxed).is_err() {
            let before = word.fetch_and(IN_LINE | AWAITED, ordered(Step::Release));
            self.cell.wake_waiters(before, true);
        }
    }
}

/// The claim, held by a call.
pub struct Claim<'a, T, G> {
    pub(super) cell: &'a ClaimCell<T, G>,
    pub(super) no_send: PhantomData<*const ()>,
}

impl<'a, T, G> Claim<'a, T, G> {
    /// Takes the value as well, once no other thread has it.
    pub fn take(self) -> Guard<'a, T, G> {
        let cell = self.cell;
        if left_out(Step::AwaitValue) {
            cell.word.fetch_or(TAKEN, Ordering::SeqCst);
        } else {
            std::mem::forget(cell.borrow());
        }
        std::mem::forget(self);
        Guard { cell, here: this_thread(), no_send: PhantomData }
    }

    /// Returns whether the library has the value at this instant.
    pub fn is_borrowed(&self) -> bool {
        self.cell.word.load(Ordering::SeqCst) & TAKEN != 0
    }
}

impl<T, G> Drop for Claim<'_, T, G> {
    fn drop(&mut self) {
        let before = self.cell.word.fetch_and(!(OWNER | SIGNAL_END), Ordering::SeqCst);
        if before & (IN_LINE | SIGNAL_END) != 0 {
            self.cell.wake_waiters(before & !AWAITED, true);
        }
    }
}

/// The value, without the claim.
pub struct Borrowed<'a, T, G> {
    pub(super) cell: &'a ClaimCell<T, G>,
    pub(super) no_send: PhantomData<*const ()>,
}

impl<T, G> Drop for Borrowed<'_, T, G> {
    #[inline]
    fn drop(&mut self) {
        // The bit is set, so this clears it and leaves the others.
        let before = self.cell.word.fetch_sub(TAKEN, ordered(Step::ReleaseValue));
        if before & AWAITED != 0 && !left_out(Step::WakeValues) {
            self.cell.wake_waiters(before, false);
        }
    }
}

impl<T, G> Deref for Guard<'_, T, G> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this guard set `TAKEN`, which no other guard can until it clears it.
        unsafe { &*place(&self.cell.value) }
    }
}

impl<T, G> DerefMut for Guard<'_, T, G> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above; the guard is borrowed alone, so this is the only reference to the value.
        unsafe { &mut *place(&self.cell.value) }
    }
}

impl<T, G> Deref for Borrowed<'_, T, G> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this guard set `TAKEN`, which no other guard can until it clears it.
        unsafe { &*place(&self.cell.value) }
    }
}

impl<T, G> DerefMut for Borrowed<'_, T, G> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above; the guard is borrowed alone, so this is the only reference to the value.
        unsafe { &mut *place(&self.cell.value) }
    }
}
