//! One direction of a channel: a thread of the program has it for a call at a time, and the library borrows it in between.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;

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
    /// Whether a thread of the program is in a call.
    claimed: AtomicBool,
    /// Rung whenever such a call ends, for one who does its work meanwhile.
    ended: LazyBell,
}

/// A thread of the program is in a call that uses this direction.
pub struct Claim<'a>(&'a Door);

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        // Its order against a look for one who waits is the bell's.
        self.0.claimed.store(false, Ordering::Release);
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
    pub fn claim(&self, does: &str) -> Result<Claim<'_>> {
        if self.door.claimed.swap(true, Ordering::AcqRel) {
            return Err(in_use(does));
        }
        Ok(Claim(&self.door))
    }

    /// For a call that has told the thread which is in another to leave. `InvalidState` where that has not by the deadline.
    pub fn claim_next(&self, does: &str, waiting: &Waiting<'_>) -> Result<Claim<'_>> {
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
        self.door.claimed.load(Ordering::SeqCst)
    }

    /// Claims it and waits for the library to give it back, which is told by `knock` where it has lent it to itself.
    pub fn take(&self, does: &str, knock: impl FnOnce()) -> Result<Turn<'_, T>> {
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
pub fn only_one<'a, T>(state: &'a Mutex<T>, does: &str) -> Result<MutexGuard<'a, T>> {
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

fn in_use(does: &str) -> Error {
    let text = format!("another thread {does} on this object; give each thread its own");
    Error::new(ErrorKind::InvalidState, text)
}
