//! What a thread keeps of the messages that it has released: shells, so that a late use is detected, and memory for the
//! next message.
//!
//! Messages come and go quickly, so each thread keeps its own shells, without a lock. A thread that ends leaves them to
//! the next one that releases its first message. So each shell stays until as many messages were released after it as a list
//! holds, whatever the threads are.

use std::cell::RefCell;
use std::ffi::c_void;
use std::mem;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::state::State;

/// How many shells are in a list, which cover the common mistake: one more than the number of messages that may be
/// released before a late use.
const SHELLS: usize = 65;

/// The shell of a message, whose content is gone. Only its address counts here.
pub(super) type Shell = NonNull<c_void>;

/// The shells of the messages that were released last.
struct Shells {
    places: [Option<Shell>; SHELLS],
    /// The place of the oldest, or an empty one.
    next: usize,
}

// SAFETY: a shell has no content; it is freed or used again by the thread that has the list.
unsafe impl Send for Shells {}

impl Shells {
    const NONE: Shells = Shells { places: [None; SHELLS], next: 0 };

    /// Adds a shell in place of the oldest one, and returns that, if it was not taken before.
    #[inline]
    fn exchange(&mut self, shell: Shell) -> Option<Shell> {
        let oldest = self.places[self.next].replace(shell);
        self.next = if self.next + 1 < SHELLS { self.next + 1 } else { 0 };
        oldest
    }
}

/// Lists of threads that have ended.
static LEFT: Mutex<Vec<Shells>> = Mutex::new(Vec::new());

fn left() -> MutexGuard<'static, Vec<Shells>> {
    LEFT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns a list that a thread left, or a new one.
#[cold]
fn take_left() -> Box<Shells> {
    let there = left().pop();
    Box::new(there.unwrap_or(Shells::NONE))
}

/// What one thread keeps.
struct Kept {
    /// None before its first release.
    shells: Option<Box<Shells>>,
    /// The cleared content of the last message of the program's own that was released; the next one reuses its memory.
    state: State,
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(shells) = self.shells.take() {
            left().push(*shells);
        }
    }
}

thread_local! {
    static KEPT: RefCell<Kept> = const { RefCell::new(Kept { shells: None, state: State::empty() }) };
}

/// Returns the memory of the last message of the program's own that this thread released.
pub(super) fn state() -> State {
    KEPT.try_with(|kept| mem::replace(&mut kept.borrow_mut().state, State::empty()))
        .unwrap_or_else(|_| State::empty())
}

/// Returns a shell that was kept long enough, to be used again; none in a thread that ends, or has released few.
#[inline]
pub(super) fn shell() -> Option<Shell> {
    let take = |shells: &mut Box<Shells>| shells.places[shells.next].take();
    KEPT.try_with(|kept| kept.borrow_mut().shells.as_mut().and_then(take)).ok().flatten()
}

/// Keeps the shell of a message, and the memory of what was its content. Returns one that was kept long enough, to be
/// freed.
pub(super) fn keep(shell: Shell, mut state: State) -> Option<Shell> {
    let is_spare = matches!(state, State::Flat(..) | State::Tree(_));
    if is_spare {
        state.clear();
    }
    let kept = KEPT.try_with(|kept| {
        let kept = &mut *kept.borrow_mut();
        if is_spare {
            mem::swap(&mut kept.state, &mut state);
        }
        kept.shells.get_or_insert_with(take_left).exchange(shell)
    });
    kept.unwrap_or_else(|_| {
        // The thread ends, and what it keeps is gone.
        let mut shells = take_left();
        let oldest = shells.exchange(shell);
        left().push(*shells);
        oldest
    })
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// The shell at this address, which is never read.
    fn at(address: usize) -> Shell {
        NonNull::new(std::ptr::without_provenance_mut(address)).unwrap()
    }

    #[test]
    fn shell_stays_until_as_many_others_were_released_by_its_thread() {
        let keep_from = |from: usize| {
            // The list may be one that a thread left.
            (from..from + SHELLS).for_each(|address| _ = keep(at(address), State::empty()));
        };
        keep_from(1000);
        for address in 1000..1000 + SHELLS {
            assert_eq!(shell(), Some(at(address)), "the oldest");
            assert_eq!(shell(), None, "the others are not old enough");
            assert_eq!(keep(at(address), State::empty()), None, "its place is free");
        }
        keep_from(2000);
        assert_eq!(keep(at(3000), State::empty()), Some(at(2000)), "no message was made meanwhile");
    }

    #[test]
    fn thread_that_ends_leaves_its_shells() {
        thread::spawn(|| _ = keep(at(77), State::empty())).join().unwrap();
        let is_left = |shells: &Shells| shells.places.contains(&Some(at(77)));
        // Another test may have taken the list.
        let is_here = || KEPT.with_borrow(|kept| kept.shells.as_ref().is_some_and(|shells| is_left(shells)));
        assert!(left().iter().any(is_left) || left().is_empty() || is_here());
    }
}
