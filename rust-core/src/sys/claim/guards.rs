//! What a call or the library has of a cell: each guard gives back by its drop what it stands for.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::sync::{self, MutexGuard, Step, left_out, place};
use super::{ClaimCell, OWNER, TAKEN};

/// Value and gate, for a call that does not sleep.
pub struct Entered<'a, T, G> {
    pub(super) gate: MutexGuard<'a, G>,
    pub(super) cell: &'a ClaimCell<T, G>,
}

impl<'a, T, G> Entered<'a, T, G> {
    /// Returns the value, and what the gate protects.
    #[inline]
    pub fn parts(&mut self) -> (&mut T, &mut G) {
        // SAFETY: `TAKEN` was clear when the gate was entered, and only the holder of the gate sets it. The guard is
        // borrowed alone.
        (unsafe { &mut *place(&self.cell.value) }, &mut self.gate)
    }

    /// Takes claim and value along, and leaves the gate.
    #[inline]
    pub fn hold(self) -> Lease<'a, T, G> {
        self.cell.lease()
    }

    /// Takes claim and value of another cell with the same gate; `None` where another thread has or awaits it. The drop of
    /// the lease enters the gate, so this call has to leave before.
    #[inline]
    pub fn try_hold<'b, U>(&self, other: &'b ClaimCell<U, G>) -> Option<Lease<'b, U, G>> {
        self.is_free(other).then(|| other.lease())
    }

    /// Returns whether no thread has or awaits another cell with the same gate.
    #[inline]
    pub fn is_free<U>(&self, other: &ClaimCell<U, G>) -> bool {
        Arc::ptr_eq(&self.cell.gate, &other.gate) && other.is_free()
    }
}

/// Claim and value, which a call has outside the gate.
pub struct Lease<'a, T, G> {
    pub(super) cell: &'a ClaimCell<T, G>,
    /// The cell names the thread that made it.
    pub(super) no_send: PhantomData<*const ()>,
}

impl<'a, T, G> Lease<'a, T, G> {
    /// Divides it, so that claim and value can be given back one after the other.
    pub fn split(self) -> (Claim<'a, T, G>, Borrowed<'a, T, G>) {
        let cell = self.cell;
        std::mem::forget(self);
        (Claim { cell, no_send: PhantomData }, Borrowed { cell, no_send: PhantomData })
    }

    /// Comes back to the gate.
    #[inline]
    pub fn enter(self) -> Ending<'a, T, G> {
        Ending { gate: sync::lock(&self.cell.gate), lease: self }
    }

    /// Ends it for a thread that has the gate. Returns the cell and those that wait, whom the thread wakes once it has
    /// left.
    #[inline]
    fn end_at_gate(self) -> (&'a ClaimCell<T, G>, u64) {
        let cell = self.cell;
        std::mem::forget(self);
        (cell, cell.give_back(OWNER | TAKEN))
    }
}

impl<T, G> Drop for Lease<'_, T, G> {
    fn drop(&mut self) {
        self.cell.release(OWNER | TAKEN);
    }
}

/// A call with a lease, at the gate again.
pub struct Ending<'a, T, G> {
    // Dropped first: the drop of the other field enters the gate.
    gate: MutexGuard<'a, G>,
    lease: Lease<'a, T, G>,
}

impl<'a, T, G> Ending<'a, T, G> {
    /// Returns the value, and what the gate protects.
    #[inline]
    pub fn parts(&mut self) -> (&mut T, &mut G) {
        (&mut *self.lease, &mut self.gate)
    }

    /// Leaves the gate, and keeps the lease.
    pub fn go_on(self) -> Lease<'a, T, G> {
        self.lease
    }

    /// Ends the call; leaves the gate, and wakes those that wait.
    #[inline(always)]
    pub fn end(self) {
        let (cell, waits) = self.lease.end_at_gate();
        drop(self.gate);
        cell.wake(waits);
    }
}

/// The claim, which a call has.
pub struct Claim<'a, T, G> {
    pub(super) cell: &'a ClaimCell<T, G>,
    pub(super) no_send: PhantomData<*const ()>,
}

impl<'a, T, G> Claim<'a, T, G> {
    /// Takes the value as well, once no other thread has it.
    pub fn take(self) -> Lease<'a, T, G> {
        let cell = self.cell;
        if !left_out(Step::AwaitValue) {
            std::mem::forget(cell.borrow());
        }
        std::mem::forget(self);
        Lease { cell, no_send: PhantomData }
    }

    /// Returns whether the library has the value at this instant.
    pub fn is_borrowed(&self) -> bool {
        let _gate = sync::lock(&self.cell.gate);
        self.cell.word.load(Ordering::Relaxed) & TAKEN != 0
    }
}

impl<T, G> Drop for Claim<'_, T, G> {
    fn drop(&mut self) {
        self.cell.release(OWNER);
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
        self.cell.release(TAKEN);
    }
}

macro_rules! value {
    ($guard:ident) => {
        impl<T, G> Deref for $guard<'_, T, G> {
            type Target = T;

            #[inline]
            fn deref(&self) -> &T {
                // SAFETY: `TAKEN` was set for this guard under the gate, where no thread had the value, and the guard
                // alone clears it; until then no other thread uses the value.
                unsafe { &*place(&self.cell.value) }
            }
        }

        impl<T, G> DerefMut for $guard<'_, T, G> {
            #[inline]
            fn deref_mut(&mut self) -> &mut T {
                // SAFETY: as above; the guard is borrowed alone, so this is the only reference to the value.
                unsafe { &mut *place(&self.cell.value) }
            }
        }
    };
}

value!(Lease);
value!(Borrowed);
