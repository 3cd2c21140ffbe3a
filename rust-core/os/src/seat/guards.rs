//! The guards of a seat; the drop of a guard gives back the permit, the value or both.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::sync::{self, GateGuard, ProtocolStep, left_out, place, this_thread};
use super::{IN_LINE, InLine, LEFT, OWNER, Seat, TAKEN, Waiter};
use crate::error::Result;

/// Value and gate, for a call that does not sleep.
pub struct SeatGuard<'a, T, G> {
    pub(super) gate: GateGuard<'a, G>,
    pub(super) seat: &'a Seat<T, G>,
}

impl<'a, T, G> SeatGuard<'a, T, G> {
    /// Returns the value and the gate's data.
    pub fn parts(&mut self) -> (&mut T, &mut G) {
        // SAFETY: `TAKEN` was clear, and only the holder of the gate sets it. The guard is borrowed exclusively.
        (unsafe { &mut *place(&self.seat.value) }, &mut self.gate)
    }

    /// Takes permit and value, and leaves the gate.
    pub fn hold(self) -> Lease<'a, T, G> {
        self.seat.lease()
    }

    /// Takes another free seat of this gate. The drop of the lease enters the gate, so leave it before.
    pub fn try_hold<'b, U>(&self, other: &'b Seat<U, G>) -> Option<Lease<'b, U, G>> {
        self.is_free(other).then(|| other.lease())
    }

    /// Returns [`Seat::is_acquired_here`] for another seat of this gate.
    pub fn is_acquired_here<U>(&mut self, other: &Seat<U, G>) -> bool {
        other.is_acquired_by_holder(&mut self.gate)
    }

    /// Returns whether another seat of this gate is free.
    pub fn is_free<U>(&self, other: &Seat<U, G>) -> bool {
        Arc::ptr_eq(&self.seat.gate, &other.gate) && other.is_free()
    }
}

/// Permit and value, outside the gate.
pub struct Lease<'a, T, G> {
    pub(super) seat: &'a Seat<T, G>,
    /// The seat names the thread that created the guard.
    pub(super) no_send: PhantomData<*const ()>,
}

impl<'a, T, G> Lease<'a, T, G> {
    /// Splits it, to give back permit and value separately.
    pub fn split(self) -> (Permit<'a, T, G>, ValueGuard<'a, T, G>) {
        let seat = self.seat;
        std::mem::forget(self);
        (Permit { seat, no_send: PhantomData }, ValueGuard { seat, no_send: PhantomData })
    }

    /// Gives both back, runs the due callback, and acquires the permit again before the waiting threads.
    ///
    /// `None` as soon as `is_done` is true, as in [`Seat::acquire_unless`].
    ///
    /// # Errors
    /// The error of the callback or of `wait`. The permit is then not taken, and `is_done` is false.
    #[cold]
    pub fn step_aside(
        self,
        wait: &mut impl InLine,
        is_done: impl FnMut(&mut G) -> bool,
    ) -> Result<Option<Permit<'a, T, G>>> {
        let seat = self.seat;
        let mut gate = sync::lock(&seat.gate);
        let line = seat.line(&mut gate);
        let waiter = Waiter { is_away: true, stepped_aside: this_thread(), ..line.waiter() };
        let id = waiter.id;
        line.acquiring.push_front(waiter);
        std::mem::forget(self);
        let waits = seat.give_back(&gate, OWNER | TAKEN);
        seat.word.store(seat.word.load(Ordering::Relaxed) | IN_LINE, Ordering::Relaxed);
        drop(gate);
        if !left_out(ProtocolStep::WakeAside) {
            seat.wake(waits);
        }
        seat.await_permit(id, wait.call_back().map(|()| false), wait, is_done)
    }

    /// Comes back to the gate.
    pub fn enter(self) -> LockedLease<'a, T, G> {
        LockedLease { gate: sync::lock(&self.seat.gate), lease: self }
    }

    /// Ends the lease at the gate; returns the waiters to wake after leaving it.
    fn end_at_gate(self, gate: &G) -> (&'a Seat<T, G>, u64) {
        let seat = self.seat;
        std::mem::forget(self);
        (seat, seat.give_back(gate, OWNER | TAKEN))
    }
}

impl<T, G> Drop for Lease<'_, T, G> {
    fn drop(&mut self) {
        self.seat.release(OWNER | TAKEN, 0);
    }
}

/// A lease, at the gate again.
pub struct LockedLease<'a, T, G> {
    // Dropped first: the other drop enters the gate.
    gate: GateGuard<'a, G>,
    lease: Lease<'a, T, G>,
}

impl<'a, T, G> LockedLease<'a, T, G> {
    /// Returns the value and the gate's data.
    pub fn parts(&mut self) -> (&mut T, &mut G) {
        (&mut *self.lease, &mut self.gate)
    }

    /// Leaves the gate, and keeps the lease.
    pub fn go_on(self) -> Lease<'a, T, G> {
        self.lease
    }

    /// Leaves the gate, and wakes the waiting threads.
    #[inline]
    pub fn end(self) {
        let LockedLease { gate, lease } = self;
        let (seat, waits) = lease.end_at_gate(&gate);
        drop(gate);
        seat.wake(waits);
    }
}

/// The permit of a call.
pub struct Permit<'a, T, G> {
    pub(super) seat: &'a Seat<T, G>,
    pub(super) no_send: PhantomData<*const ()>,
}

impl<'a, T, G> Permit<'a, T, G> {
    /// Also takes the value, once it is free.
    pub fn take(self) -> Lease<'a, T, G> {
        let seat = self.seat;
        if !left_out(ProtocolStep::AwaitValue) {
            std::mem::forget(seat.borrow());
        }
        std::mem::forget(self);
        Lease { seat, no_send: PhantomData }
    }

    /// Returns whether the library has the value now.
    pub fn is_borrowed(&self) -> bool {
        let _gate = sync::lock(&self.seat.gate);
        self.seat.word.load(Ordering::Relaxed) & TAKEN != 0
    }
}

impl<T, G> Drop for Permit<'_, T, G> {
    fn drop(&mut self) {
        self.seat.release(OWNER, 0);
    }
}

/// The value, without the permit.
pub struct ValueGuard<'a, T, G> {
    pub(super) seat: &'a Seat<T, G>,
    pub(super) no_send: PhantomData<*const ()>,
}

impl<T, G> ValueGuard<'_, T, G> {
    /// Gives it back, for a thread that looks itself for left work.
    pub fn end_left(self) {
        self.seat.release(TAKEN, LEFT);
        std::mem::forget(self);
    }
}

impl<T, G> Drop for ValueGuard<'_, T, G> {
    #[inline]
    fn drop(&mut self) {
        self.seat.release(TAKEN, 0);
    }
}

macro_rules! value {
    ($guard:ident) => {
        impl<T, G> Deref for $guard<'_, T, G> {
            type Target = T;

            fn deref(&self) -> &T {
                // SAFETY: `TAKEN` was set for this guard at the gate, and only the guard clears it; until then no other
                // thread uses the value.
                unsafe { &*place(&self.seat.value) }
            }
        }

        impl<T, G> DerefMut for $guard<'_, T, G> {
            fn deref_mut(&mut self) -> &mut T {
                // SAFETY: as above; the guard is borrowed exclusively.
                unsafe { &mut *place(&self.seat.value) }
            }
        }
    };
}

value!(Lease);
value!(ValueGuard);
