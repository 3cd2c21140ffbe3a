//! One direction of a channel: a thread of the program has it for a call at a time, and the library borrows it in between.

use std::sync::{Mutex, MutexGuard, TryLockError};
use std::thread;

use super::turns::{already_in, in_vain};
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::claim::ClaimCell;
use crate::sys::eventfd::EventFd;

pub use crate::sys::claim::{Borrowed, Claim, Guard as DirectionGuard};

/// A direction and what is known of it.
pub struct Direction<T>(ClaimCell<T>);

impl<T> Direction<T> {
    pub fn new(state: T) -> Direction<T> {
        Direction(ClaimCell::new(state))
    }

    /// Claims the direction for a call of the program, and its state. `InvalidState` where another thread is in such a call. Where the
    /// library has borrowed the state, `knock` asks for it back.
    #[inline]
    pub fn take(&self, does: Does, interrupt: impl FnOnce()) -> Result<DirectionGuard<'_, T>> {
        match self.0.try_take() {
            Some(taken) => Ok(taken),
            None => self.take_back(does, interrupt),
        }
    }

    /// The same where nobody has it, nor waits for it.
    #[inline]
    pub fn take_at_once(&self) -> Option<DirectionGuard<'_, T>> {
        self.0.try_take()
    }

    #[cold]
    fn take_back(&self, does: Does, interrupt: impl FnOnce()) -> Result<DirectionGuard<'_, T>> {
        let claim = self.claim(does)?;
        if claim.is_borrowed() {
            interrupt();
        }
        Ok(claim.take())
    }

    /// Claims the direction alone, for a call of the program. `InvalidState` where another thread is in such a call.
    fn claim(&self, does: Does) -> Result<Claim<'_, T>> {
        self.0.try_claim().ok_or_else(|| in_use(does))
    }

    /// [`Direction::take`] for a call of the program that waits for its turn, after those that came before. `Timeout` where it has not
    /// come by the deadline, `InvalidState` where this very thread is in such a call.
    #[inline]
    pub fn take_in_turn(&self, does: Does, waiting: &mut Waiting<'_>) -> Result<DirectionGuard<'_, T>> {
        match self.0.try_take() {
            Some(taken) => Ok(taken),
            None => self.queue(does, waiting),
        }
    }

    #[cold]
    fn queue(&self, does: Does, waiting: &mut Waiting<'_>) -> Result<DirectionGuard<'_, T>> {
        if self.is_claimed_here() {
            return Err(already_in(does.word()));
        }
        let claim = match self.0.try_claim() {
            Some(claim) => claim,
            None => self.0.claim_in_line(waiting).map_err(|error| in_vain(error, does.word(), waiting))?,
        };
        Ok(claim.take())
    }

    /// For a call that has told the thread which is in another to leave. `InvalidState` where that has not by the deadline.
    pub fn take_next(&self, does: Does, waiting: &Waiting<'_>) -> Result<DirectionGuard<'_, T>> {
        loop {
            match self.claim(does) {
                Err(_) if !waiting.deadline().has_passed() => {
                    // It lets go of the state first, and of its claim right behind that.
                    drop(self.lock());
                    thread::yield_now();
                }
                claimed => return claimed.map(Claim::take),
            }
        }
    }

    /// Readable once the call of the program that is in it now has ended, for a thread that does its work meanwhile.
    pub fn await_end(&self) -> Result<&EventFd> {
        self.0.await_end()
    }

    /// Whether a thread of the program is in a call that uses it, or waits for its state.
    pub fn is_claimed(&self) -> bool {
        self.0.is_claimed()
    }

    /// Whether this very thread is in such a call, whose callback or signal handler runs.
    pub fn is_claimed_here(&self) -> bool {
        self.0.is_claimed_here()
    }

    /// The state, once nobody else has it.
    pub fn lock(&self) -> Borrowed<'_, T> {
        self.0.borrow()
    }

    /// The state, for the library's own ends; none where somebody has it.
    pub fn borrow(&self) -> Option<Borrowed<'_, T>> {
        self.0.try_borrow()
    }

    pub fn get_mut(&mut self) -> &mut T {
        self.0.get_mut()
    }
}

/// Locks what only one thread of the program may use at a time, where the library borrows nothing in between.
pub fn only_one<'a, T>(state: &'a Mutex<T>, does: Does) -> Result<MutexGuard<'a, T>> {
    unless_held(state).ok_or_else(|| in_use(does))
}

/// The state, unless somebody has it. A panic in a caller's callback has left no half-done state behind: each step is
/// complete in itself.
fn unless_held<T>(state: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match state.try_lock() {
        Ok(state) => Some(state),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// What one thread at a time may do with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// Puts messages into a channel.
    Sends,
    /// Takes messages, and the answers to its calls, out of a channel.
    Receives,
    /// Takes a subscriber's messages.
    ReceivesPublished,
    /// Takes a server's requests.
    TakesRequests,
}

impl Does {
    /// What it does, for a text.
    pub const fn word(self) -> &'static str {
        match self {
            Does::Sends => "sends",
            Does::Receives | Does::ReceivesPublished => "receives",
            Does::TakesRequests => "takes requests",
        }
    }

    /// What another thread can do instead.
    const fn instead(self) -> &'static str {
        match self {
            Does::Sends => "come again once that call has ended",
            Does::Receives => {
                "one thread at a time receives or calls: let it hand on what it gets, or connect anew for each thread"
            }
            Does::ReceivesPublished => {
                "give each thread a subscriber of its own, or let this one hand on what it gets"
            }
            Does::TakesRequests => "let it hand its requests on: any thread may answer one",
        }
    }
}

fn in_use(does: Does) -> Error {
    let text = format!("another thread {} on this object; {}", does.word(), does.instead());
    Error::new(ErrorKind::InvalidState, text)
}
