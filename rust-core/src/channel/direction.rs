//! One direction of a channel: a thread of the program has it for a call at a time, and the library borrows it in between.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;

use super::turns::Turns;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::eventfd::{EventFd, LazyBell};

/// A direction and what is known of it.
pub struct Direction<T> {
    door: Door,
    state: Mutex<T>,
}

/// Who is in, and who waits for it to come out.
#[derive(Default)]
struct Door {
    /// The thread of the program that is in a call, and those that wait for theirs.
    turns: Turns,
    /// Rung whenever such a call ends, for one who does its work meanwhile.
    ended: LazyBell,
}

/// A thread of the program is in a call that uses this direction.
pub struct Claim<'a>(&'a Door);

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.0.turns.give();
        self.0.ended.ring();
    }
}

/// A claim together with the state. The state is let go of first.
pub struct Turn<'a, T> {
    state: MutexGuard<'a, T>,
    _claim: Claim<'a>,
}

impl<T> Direction<T> {
    pub fn new(state: T) -> Direction<T> {
        Direction { door: Door::default(), state: Mutex::new(state) }
    }

    /// For a call of the program. `InvalidState` where another one of its threads is in such a call.
    pub fn claim(&self, does: Does) -> Result<Claim<'_>> {
        if self.door.turns.take_at_once() { Ok(Claim(&self.door)) } else { Err(in_use(does)) }
    }

    /// For a call of the program that waits for its turn, after those that came before. `Timeout` where it has not come by the
    /// deadline, `InvalidState` where this very thread is in such a call.
    pub fn claim_in_turn(&self, does: Does, waiting: &mut Waiting<'_>) -> Result<Claim<'_>> {
        self.door.turns.take(does.word(), waiting)?;
        Ok(Claim(&self.door))
    }

    /// [`Direction::claim_in_turn`], and the state.
    pub fn take_in_turn(&self, does: Does, waiting: &mut Waiting<'_>) -> Result<Turn<'_, T>> {
        let claim = self.claim_in_turn(does, waiting)?;
        Ok(Turn { state: self.lock(), _claim: claim })
    }

    /// For a call that has told the thread which is in another to leave. `InvalidState` where that has not by the deadline.
    pub fn claim_next(&self, does: Does, waiting: &Waiting<'_>) -> Result<Claim<'_>> {
        loop {
            match self.claim(does) {
                Err(_) if !waiting.deadline().has_passed() => {
                    // It lets go of the state first, and of its claim right behind that.
                    drop(self.lock());
                    thread::yield_now();
                }
                claimed => return claimed,
            }
        }
    }

    /// Rung from now on whenever a call of the program ends, for one who does its work meanwhile.
    pub fn await_end(&self) -> Result<&EventFd> {
        self.door.ended.wanted()
    }

    /// Whether a thread of the program is in a call that uses it, or waits to.
    pub fn is_claimed(&self) -> bool {
        self.door.turns.are_taken()
    }

    /// Whether this very thread is in such a call, whose callback or signal handler runs.
    pub fn is_claimed_here(&self) -> bool {
        self.door.turns.is_held_here()
    }

    /// Claims it and waits for the library to give it back, which is told by `knock` where it has lent it to itself.
    pub fn take(&self, does: Does, knock: impl FnOnce()) -> Result<Turn<'_, T>> {
        let claim = self.claim(does)?;
        let state = match self.borrow() {
            Some(state) => state,
            None => {
                knock();
                self.lock()
            }
        };
        Ok(Turn { state, _claim: claim })
    }

    /// The state, for one who has claimed it.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, for the library's own ends; none where somebody has it.
    pub fn borrow(&self) -> Option<MutexGuard<'_, T>> {
        unless_held(&self.state)
    }

    pub fn get_mut(&mut self) -> &mut T {
        self.state.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Deref for Turn<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.state
    }
}

impl<T> DerefMut for Turn<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.state
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
    Hears,
    /// Takes a server's requests.
    TakesRequests,
}

impl Does {
    /// What it does, for a text.
    pub const fn word(self) -> &'static str {
        match self {
            Does::Sends => "sends",
            Does::Receives | Does::Hears => "receives",
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
            Does::Hears => "give each thread a subscriber of its own, or let this one hand on what it gets",
            Does::TakesRequests => "let it hand its requests on: any thread may answer one",
        }
    }
}

fn in_use(does: Does) -> Error {
    let text = format!("another thread {} on this object; {}", does.word(), does.instead());
    Error::new(ErrorKind::InvalidState, text)
}
