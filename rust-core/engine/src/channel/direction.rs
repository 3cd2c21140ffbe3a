//! One direction of a channel: a program's thread holds it for a call, and the library borrows it in between.
//!
//! Exclusive use has two parts (`sys::seat`):
//!
//! - The *permit* keeps the messages of different calls in order. A program's thread has it for its whole call.
//! - The *state* keeps memory safe. The thread may release it during a wait, for example for another thread's
//!   acknowledgement.
//!
//! A call whose message or room is ready takes only the session's lock.
//!
//! Senders take turns ([`Direction::take_in_turn`]). Calls take turns for the receiving direction (`ends/call`). A
//! second thread that receives gets `InvalidState` at once.

use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, TryLockError};

use super::session_state::{SessionHalves, SessionState};
use super::turns::take_in_turn;
use crate::deadline::Waiting;
use crate::drive;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::eventfd::{EventFd, LazyWaker};
use crate::sys::seat::{self, Seat};

/// A direction, whose gate is the lock of the session's halves.
///
/// A call that does not wait needs only that lock ([`Seat::enter`]).
pub struct Direction<T> {
    seat: Seat<T, SessionHalves>,
    /// Wakes a thread that has the state on long loan, when a call of the program wants it.
    wanted: LazyWaker,
}

/// Permit and state, for a call without the session's lock.
pub type Lease<'a, T> = seat::Lease<'a, T, SessionHalves>;
pub type ValueGuard<'a, T> = seat::ValueGuard<'a, T, SessionHalves>;
pub type Permit<'a, T> = seat::Permit<'a, T, SessionHalves>;
/// The state and the session's halves, for a call that does not wait.
pub type SeatGuard<'a, T> = seat::SeatGuard<'a, T, SessionHalves>;

impl<T> Direction<T> {
    pub fn new(state: T, session_state: &SessionState) -> Direction<T> {
        Direction { seat: Seat::new(state, session_state.gate()), wanted: LazyWaker::default() }
    }

    /// Acquires permit and state for a call of the program, also from a borrowing thread.
    #[inline]
    pub fn take(&self, operation: Operation) -> Result<Lease<'_, T>> {
        match self.seat.try_take() {
            Some(taken) => Ok(taken),
            None => {
                self.seat.try_acquire().map(|permit| self.take_back(permit)).ok_or_else(|| in_use(operation))
            }
        }
    }

    /// Takes the state with this permit, also from a borrowing thread.
    #[cold]
    pub fn take_back<'a>(&'a self, permit: Permit<'a, T>) -> Lease<'a, T> {
        if !permit.is_borrowed() {
            return drive::value_of(permit);
        }
        self.wanted.wake();
        let lease = drive::value_of(permit);
        // Only the owner of the permit wakes, so no wake-up can come until this call has ended.
        self.wanted.drain();
        lease
    }

    /// Returns a descriptor that is readable once a call wants the lent state.
    ///
    /// The borrowing thread checks [`Seat::is_acquired`] before it sleeps. `OutOfMemory` if no descriptors are left.
    pub fn wanted(&self) -> Result<&EventFd> {
        self.wanted.arm()
    }

    /// [`Direction::take`] for a call that waits for its turn.
    ///
    /// # Errors
    /// `Timeout` at the deadline; `InvalidState` if this very thread is in such a call.
    pub fn take_in_turn(&self, operation: Operation, waiting: &mut Waiting<'_>) -> Result<Lease<'_, T>> {
        take_in_turn(&self.seat, operation.verb(), waiting)
    }

    /// Takes the state after the library's use, without the permit.
    pub fn borrow(&self) -> ValueGuard<'_, T> {
        drive::value(&self.seat)
    }
}

impl<T> Deref for Direction<T> {
    type Target = Seat<T, SessionHalves>;

    fn deref(&self) -> &Seat<T, SessionHalves> {
        &self.seat
    }
}

/// Locks a state in an object without permits; `InvalidState` if another thread holds it.
pub fn lock_exclusive<'a, T>(state: &'a Mutex<T>, operation: Operation) -> Result<MutexGuard<'a, T>> {
    seat::note_locked();
    match state.try_lock() {
        Ok(state) => Ok(state),
        // A panic in a program's callback leaves complete state: each step is complete in itself.
        Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => Err(in_use(operation)),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Send,
    /// Receives from a channel, or waits for an answer.
    Receive,
    Call,
    ReceivePublished,
    TakeRequests,
}

impl Operation {
    pub const fn verb(self) -> &'static str {
        match self {
            Operation::Send => "sends",
            Operation::Receive | Operation::ReceivePublished => "receives",
            Operation::Call => "calls",
            Operation::TakeRequests => "takes requests",
        }
    }

    const fn advice(self) -> &'static str {
        match self {
            Operation::Send | Operation::Call => "try again once that call has ended",
            Operation::Receive => {
                "one thread at a time receives or calls: let it hand on what it gets, or connect anew for each thread"
            }
            Operation::ReceivePublished => {
                "give each thread a subscriber of its own, or let this one hand on what it gets"
            }
            Operation::TakeRequests => "let it hand its requests on: any thread may answer one",
        }
    }
}

pub fn in_use(operation: Operation) -> Error {
    let text = format!("another thread {} on this object; {}", operation.verb(), operation.advice());
    Error::new(ErrorKind::InvalidState, text)
}
