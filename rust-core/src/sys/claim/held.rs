//! A call that holds a cell between two visits to the gate: it neither takes nor releases the cell by an exchange.
//!
//! It writes its name into `held` under the gate, which it has for other reasons, and clears it under the gate when it
//! comes back. Another thread that sets a bit or its name in the word passes through the gate afterwards. It does so
//! either before the call has returned to its gate: then it sees the name and waits, and the call, which comes later, sees
//! its bit and wakes it; or later: then it finds the cell free. So a lock orders both, and no word needs an order of its
//! own.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::sync::{self, MutexGuard, Step, left_out, place, this_thread};
use super::{AWAITED, ClaimCell, Entered, IN_LINE, SIGNAL_END};

/// Claim and value of a cell, held by a call that has entered and left the gate since.
pub struct Held<'a, T, G> {
    cell: &'a ClaimCell<T, G>,
    /// The cell names the thread that made it.
    no_send: PhantomData<*const ()>,
}

impl<'a, T, G> Entered<'a, T, G> {
    /// Holds this cell, and leaves the gate.
    pub fn hold(self) -> Held<'a, T, G> {
        self.cell.begin_hold()
    }

    /// Holds another cell with the same gate; `None` where another thread has, awaits or holds it. The guard enters the
    /// gate when it is dropped, so this call has to leave before.
    #[inline]
    pub fn try_hold<'b, U>(&self, other: &'b ClaimCell<U, G>) -> Option<Held<'b, U, G>> {
        self.is_free(other).then(|| other.begin_hold())
    }

    /// The same for two cells, both or neither.
    #[inline]
    pub fn try_hold_both<'b, U, V>(
        &self,
        one: &'b ClaimCell<U, G>,
        other: &'b ClaimCell<V, G>,
    ) -> Option<(Held<'b, U, G>, Held<'b, V, G>)> {
        (self.is_free(one) && self.is_free(other)).then(|| (one.begin_hold(), other.begin_hold()))
    }

    /// Returns whether no thread has, awaits or holds another cell with the same gate.
    #[inline]
    pub fn is_free<U>(&self, other: &ClaimCell<U, G>) -> bool {
        Arc::ptr_eq(&self.cell.gate, &other.gate) && other.is_free()
    }
}

impl<T, G> ClaimCell<T, G> {
    /// Writes the name of this thread. The caller has the gate, and has found the cell free.
    #[inline]
    fn begin_hold(&self) -> Held<'_, T, G> {
        self.held.store(this_thread(), Ordering::Relaxed);
        Held { cell: self, no_send: PhantomData }
    }

    /// Clears the name, and returns the bits of those that have passed through the gate meanwhile. The caller has the
    /// gate, and wakes them once it has left.
    #[inline]
    fn end_hold(&self) -> u64 {
        self.held.store(0, Ordering::Relaxed);
        self.word.load(Ordering::Relaxed) & (IN_LINE | AWAITED | SIGNAL_END)
    }

    /// Wakes those that waited for the end of a call that held the cell.
    #[cold]
    fn wake_after_hold(&self, bits: u64) {
        if left_out(Step::WakeAtEnd) {
            return;
        }
        if bits & SIGNAL_END != 0 {
            self.word.fetch_and(!SIGNAL_END, Ordering::SeqCst);
        }
        self.wake_waiters(bits, true);
    }
}

impl<'a, T, G> Held<'a, T, G> {
    /// Comes back to the gate.
    #[inline]
    pub fn enter(self) -> Ending<'a, T, G> {
        Ending { gate: sync::lock(&self.cell.gate), held: self }
    }
}

impl<T, G> Drop for Held<'_, T, G> {
    fn drop(&mut self) {
        let gate = sync::lock(&self.cell.gate);
        let bits = self.cell.end_hold();
        drop(gate);
        if bits != 0 {
            self.cell.wake_after_hold(bits);
        }
    }
}

impl<T, G> Deref for Held<'_, T, G> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the name was written under the gate while no thread had the cell. A thread that takes or enters it
        // looks there under the gate, and leaves while the name is there, which this guard alone clears.
        unsafe { &*place(&self.cell.value) }
    }
}

impl<T, G> DerefMut for Held<'_, T, G> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above; the guard is borrowed alone, so this is the only reference to the value.
        unsafe { &mut *place(&self.cell.value) }
    }
}

/// A call that holds a cell and has returned to its gate.
pub struct Ending<'a, T, G> {
    // Dropped first: the drop of the other field enters the gate.
    gate: MutexGuard<'a, G>,
    held: Held<'a, T, G>,
}

impl<'a, T, G> Ending<'a, T, G> {
    /// Returns the value, and what the gate protects.
    #[inline]
    pub fn parts(&mut self) -> (&mut T, &mut G) {
        (&mut *self.held, &mut self.gate)
    }

    /// Leaves the gate, and holds the cell still.
    pub fn go_on(self) -> Held<'a, T, G> {
        self.held
    }

    /// Ends the call, which holds no other cell; leaves the gate, and wakes those that wait for this one.
    #[inline(always)]
    pub fn end_alone(self) {
        let Ending { gate, held } = self;
        let cell = held.cell;
        std::mem::forget(held);
        let bits = cell.end_hold();
        drop(gate);
        if bits != 0 {
            cell.wake_after_hold(bits);
        }
    }

    /// Ends the call, which holds another cell with the same gate, too, perhaps; leaves the gate, and wakes those that
    /// wait for a cell.
    #[inline]
    pub fn end<U>(self, other: Option<Held<'_, U, G>>) {
        let Ending { gate, held } = self;
        let cell = held.cell;
        // A cell with another gate is given back by the drop of its guard.
        let (other, foreign) = match other {
            Some(other) if Arc::ptr_eq(&other.cell.gate, &cell.gate) => (Some(other), None),
            other => (None, other),
        };
        std::mem::forget(held);
        let bits = cell.end_hold();
        let other = other.map(|other| {
            let cell = other.cell;
            std::mem::forget(other);
            (cell, cell.end_hold())
        });
        drop(gate);
        drop(foreign);
        if bits != 0 {
            cell.wake_after_hold(bits);
        }
        if let Some((other, bits)) = other
            && bits != 0
        {
            other.wake_after_hold(bits);
        }
    }
}
