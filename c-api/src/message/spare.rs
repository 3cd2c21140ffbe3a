//! What a thread keeps of the messages that it has released: shells, so that a late use is detected, and memory for the
//! next message.
//!
//! Messages come and go quickly, so each thread keeps its own shells, without a lock. A thread that ends leaves them to
//! the next one that releases its first message. So each shell stays until as many messages were released after it as a list
//! holds, whatever the threads are.

use std::cell::RefCell;
use std::mem;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{State, linkspan_message};

/// How many shells are kept in a list, which cover the common mistake: one more than the number of messages that may be
/// released before a late use.
const SHELLS: usize = 65;

/// The shells of the messages that were released last.
struct Shells {
    places: [Option<NonNull<linkspan_message>>; SHELLS],
    /// The place of the oldest.
    next: usize,
}

// SAFETY: a shell has no content; it is only freed or used again, by the thread that has the list.
unsafe impl Send for Shells {}

impl Shells {
    const NONE: Shells = Shells { places: [None; SHELLS], next: 0 };

    /// Adds a shell in place of the oldest one, and returns that.
    #[inline]
    fn exchange(&mut self, shell: NonNull<linkspan_message>) -> Option<Box<linkspan_message>> {
        let oldest = self.places[self.next].replace(shell);
        self.next = if self.next + 1 < SHELLS { self.next + 1 } else { 0 };
        // SAFETY: `keep` added it, whose caller promised a box that no other code frees.
        oldest.map(|oldest| unsafe { Box::from_raw(oldest.as_ptr()) })
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
    /// A shell that was kept long enough; the next message reuses it.
    shell: Option<Box<linkspan_message>>,
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
    static KEPT: RefCell<Kept> =
        const { RefCell::new(Kept { shells: None, shell: None, state: State::empty() }) };
}

/// Returns the memory of the last message of the program's own that this thread released.
pub(super) fn state() -> State {
    KEPT.try_with(|kept| mem::replace(&mut kept.borrow_mut().state, State::empty()))
        .unwrap_or_else(|_| State::empty())
}

/// Returns a shell for a message, whose content needs no drop; none in a thread that ends, or has released few.
#[inline]
pub(super) fn shell() -> Option<Box<linkspan_message>> {
    KEPT.try_with(|kept| kept.borrow_mut().shell.take()).ok().flatten()
}

/// Keeps the shell of a message, whose last reference is gone, and the memory of what was its content.
///
/// # Safety
/// `message` came from a box, no other code frees it, and its content needs no drop.
pub(super) unsafe fn keep(message: NonNull<linkspan_message>, mut state: State) {
    let is_spare = matches!(state, State::Flat(..) | State::Tree(_));
    if is_spare {
        state.clear();
    }
    let kept = KEPT.try_with(|kept| {
        let kept = &mut *kept.borrow_mut();
        if is_spare {
            mem::swap(&mut kept.state, &mut state);
        }
        kept.shell = kept.shells.get_or_insert_with(take_left).exchange(message);
    });
    if kept.is_err() {
        // The thread ends, and what it keeps is gone.
        let mut shells = take_left();
        drop(shells.exchange(message));
        left().push(*shells);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// A shell is among those that are kept.
    fn is_kept(message: NonNull<linkspan_message>) -> bool {
        let is_here = KEPT.with_borrow(|kept| {
            kept.shells.as_ref().is_some_and(|shells| shells.places.contains(&Some(message)))
        });
        is_here || left().iter().any(|shells| shells.places.contains(&Some(message)))
    }

    fn release_one() -> NonNull<linkspan_message> {
        let message = NonNull::new(linkspan_message::empty()).unwrap();
        // SAFETY: it is live, and released once.
        unsafe { super::super::Reference::give_back(message.as_ptr()).unwrap() };
        message
    }

    #[test]
    fn shell_stays_until_as_many_others_were_released_by_its_thread() {
        let first = release_one();
        for _ in 1..SHELLS {
            assert!(is_kept(first));
            release_one();
        }
        assert!(is_kept(first));
        release_one();
        assert!(!is_kept(first));
    }

    #[test]
    fn thread_that_ends_leaves_its_shells() {
        let place = thread::spawn(|| release_one().as_ptr().expose_provenance()).join().unwrap();
        let shell = NonNull::new(std::ptr::with_exposed_provenance_mut(place)).unwrap();
        assert!(is_kept(shell));
    }
}
