//! One direction of a channel: a thread of the program holds it for a call, and the library borrows
//! it in between.
//!
//! The exclusive use has two parts (`sys::seat`): the *permit*, which a thread of the program keeps for the
//! whole of its call, and the *state*, which it may release while it waits, so that the library can use the
//! direction meanwhile (a sending thread that waits for room lets another thread send an acknowledgement).
//! The permit keeps messages of different calls in order; the state keeps memory safe. A call whose message or
//! room is ready takes neither, but the lock of the session.
//!
//! Senders take turns ([`Direction::take_in_turn`]). Calls wait in the line for the receiving direction until they have
//! their answers (`ends/call`). A second thread that receives gets `InvalidState` at once.

use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, TryLockError};

use super::session_state::{SessionHalves, SessionState};
use super::turns::take_in_turn;
use crate::deadline::Waiting;
use crate::drive;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::eventfd::{EventFd, LazyWaker};
use crate::sys::seat::{self, Seat};

/// A direction with its state `T`. Its gate is the lock of the session's halves, which every message needs: a
/// call that need not wait takes that lock and no permit ([`Seat::enter`]). The library borrows the state with
/// [`Direction::borrow`] and [`Seat::try_borrow`].
pub struct Direction<T> {
    seat: Seat<T, SessionHalves>,
    /// Ends the sleep of a thread that has the state on loan for long, once a call of the program wants it.
    wanted: LazyWaker,
}

/// Permit and state of a direction, which a call has while it does not hold the lock of the session's halves.
pub type Lease<'a, T> = seat::Lease<'a, T, SessionHalves>;
/// The state alone.
pub type ValueGuard<'a, T> = seat::ValueGuard<'a, T, SessionHalves>;
/// The permit alone.
pub type Permit<'a, T> = seat::Permit<'a, T, SessionHalves>;
/// The state of a direction and the session's halves, held by a call that does not wait.
pub type SeatGuard<'a, T> = seat::SeatGuard<'a, T, SessionHalves>;

impl<T> Direction<T> {
    /// Returns a direction of this session that no thread holds.
    pub fn new(state: T, session_state: &SessionState) -> Direction<T> {
        Direction { seat: Seat::new(state, session_state.gate()), wanted: LazyWaker::default() }
    }

    /// Acquires the direction for a call of the program, together with its state, which a thread that has it on loan
    /// gives back.
    ///
    /// # Errors
    /// `InvalidState` if another thread is in such a call.
    #[inline]
    pub fn take(&self, operation: Operation) -> Result<Lease<'_, T>> {
        match self.seat.try_take() {
            Some(taken) => Ok(taken),
            None => {
                self.seat.try_acquire().map(|permit| self.take_back(permit)).ok_or_else(|| in_use(operation))
            }
        }
    }

    /// Takes the state with this permit, also from a thread that has it on loan.
    #[cold]
    pub fn take_back<'a>(&'a self, permit: Permit<'a, T>) -> Lease<'a, T> {
        if !permit.is_borrowed() {
            return drive::value_of(permit);
        }
        self.wanted.wake();
        let lease = drive::value_of(permit);
        // The permit says who wakes: nobody else does before this call has ended.
        self.wanted.drain();
        lease
    }

    /// Returns what is readable once a call of the program wants the state, for a thread that has it on loan. That
    /// thread looks for such a call ([`Seat::is_acquired`]) before it sleeps.
    ///
    /// # Errors
    /// `OutOfMemory` if the process has no descriptors left.
    pub fn wanted(&self) -> Result<&EventFd> {
        self.wanted.arm()
    }

    /// [`Direction::take`] for a call that waits for its turn behind earlier ones.
    ///
    /// # Errors
    /// `Timeout` at the deadline; `InvalidState` if this very thread is in such a call.
    pub fn take_in_turn(&self, operation: Operation, waiting: &mut Waiting<'_>) -> Result<Lease<'_, T>> {
        take_in_turn(&self.seat, operation.verb(), waiting)
    }

    /// Takes the state, whichever call has the permit, once the library has given it back.
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

/// Locks the state that only one thread may use at a time, in an object without permits.
///
/// # Errors
/// `InvalidState` if another thread holds it.
pub fn lock_exclusive<'a, T>(state: &'a Mutex<T>, operation: Operation) -> Result<MutexGuard<'a, T>> {
    seat::note_locked();
    match state.try_lock() {
        Ok(state) => Ok(state),
        // A panic in a callback of the program leaves no incomplete state: each step is complete in itself.
        Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => Err(in_use(operation)),
    }
}

/// An operation on an object that only one thread at a time may perform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Sends to a channel.
    Send,
    /// Receives from a channel, or waits for the answer to a call.
    Receive,
    /// Calls over a channel.
    Call,
    /// Receives from a subscriber.
    ReceivePublished,
    /// Takes requests from a server.
    TakeRequests,
}

impl Operation {
    /// Returns the verb, for error texts.
    pub const fn verb(self) -> &'static str {
        match self {
            Operation::Send => "sends",
            Operation::Receive | Operation::ReceivePublished => "receives",
            Operation::Call => "calls",
            Operation::TakeRequests => "takes requests",
        }
    }

    /// Returns what another thread can do instead, for error texts.
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

/// Returns the error for an object that another thread uses.
pub fn in_use(operation: Operation) -> Error {
    let text = format!("another thread {} on this object; {}", operation.verb(), operation.advice());
    Error::new(ErrorKind::InvalidState, text)
}
