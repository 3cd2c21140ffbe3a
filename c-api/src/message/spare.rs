//! Kept parts of released messages: shells, which detect late uses, and memory for the next message.
//!
//! Each thread keeps its shells without a lock. An ending thread leaves them to the next thread that starts releasing.
//! Each shell therefore stays for a full list of later releases.

use std::cell::RefCell;
use std::ffi::c_void;
use std::mem;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard};

use linkspan::fork::Own;

use super::state::State;

/// A late use is detected until this many messages minus one are released.
const SHELLS: usize = 65;

/// The address of a message without content.
pub(super) type Shell = NonNull<c_void>;

struct Shells {
    places: [Option<Shell>; SHELLS],
    /// The place of the oldest shell, or an empty place.
    next: usize,
}

// SAFETY: a shell has no content. Only the thread with the list frees or reuses it.
unsafe impl Send for Shells {}

impl Shells {
    const NONE: Shells = Shells { places: [None; SHELLS], next: 0 };

    /// Replaces the oldest shell, and returns it if it was not reused.
    #[inline]
    fn exchange(&mut self, shell: Shell) -> Option<Shell> {
        let oldest = self.places[self.next].replace(shell);
        self.next = if self.next + 1 < SHELLS { self.next + 1 } else { 0 };
        oldest
    }
}

/// The lists of ended threads. A forked child starts without those of its parent.
struct Left(Own<Mutex<Vec<Shells>>>);

static LEFT: Left = Left(Own::new());

impl Left {
    fn lists(&'static self) -> MutexGuard<'static, Vec<Shells>> {
        self.0.lock()
    }

    #[cold]
    fn take(&'static self) -> Box<Shells> {
        let there = self.lists().pop();
        Box::new(there.unwrap_or(Shells::NONE))
    }

    fn leave(&'static self, shells: Shells) {
        self.lists().push(shells);
    }
}

struct Kept {
    /// `None` before the first release.
    shells: Option<Box<Shells>>,
    /// The cleared content of the last released message of the program, for the next one.
    state: State,
    left: &'static Left,
}

impl Kept {
    const fn new(left: &'static Left) -> Kept {
        Kept { shells: None, state: State::empty(), left }
    }

    #[inline]
    fn shell(&mut self) -> Option<Shell> {
        let shells = self.shells.as_mut()?;
        shells.places[shells.next].take()
    }

    #[inline]
    fn keep(&mut self, shell: Shell) -> Option<Shell> {
        self.shells.get_or_insert_with(|| self.left.take()).exchange(shell)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(shells) = self.shells.take() {
            self.left.leave(*shells);
        }
    }
}

thread_local! {
    static KEPT: RefCell<Kept> = const { RefCell::new(Kept::new(&LEFT)) };
}

pub(super) fn state() -> State {
    KEPT.try_with(|kept| mem::replace(&mut kept.borrow_mut().state, State::empty()))
        .unwrap_or_else(|_| State::empty())
}

/// Returns an old enough shell for reuse; `None` in an ending thread, or after few releases.
#[inline]
pub(super) fn shell() -> Option<Shell> {
    KEPT.try_with(|kept| kept.borrow_mut().shell()).ok().flatten()
}

/// Keeps the shell and the memory of a message; returns an old enough shell to free.
pub(super) fn keep(shell: Shell, state: &mut State) -> Option<Shell> {
    let is_spare = matches!(state, State::Flat(..) | State::Tree(_));
    if is_spare {
        state.clear();
        // In an ending thread it is dropped below.
        let _ = KEPT.try_with(|kept| mem::swap(&mut kept.borrow_mut().state, state));
    }
    // After the borrow, because dropping may release other messages.
    *state = State::empty();
    let kept = KEPT.try_with(|kept| kept.borrow_mut().keep(shell));
    // In an ending thread the list goes back at once.
    kept.unwrap_or_else(|_| Kept::new(&LEFT).keep(shell))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a shell at this address, which is never read.
    fn at(address: usize) -> Shell {
        NonNull::new(std::ptr::without_provenance_mut(address)).unwrap()
    }

    #[test]
    fn shell_stays_until_as_many_others_were_released_by_its_thread() {
        static MINE: Left = Left(Own::new());
        let mut kept = Kept::new(&MINE);
        let keep_from = |kept: &mut Kept, from: usize| {
            (from..from + SHELLS).filter_map(|address| kept.keep(at(address))).collect::<Vec<_>>()
        };
        assert_eq!((kept.shell(), keep_from(&mut kept, 1000)), (None, vec![]));
        for address in 1000..1000 + SHELLS {
            assert_eq!(kept.shell(), Some(at(address)), "the oldest");
            assert_eq!(kept.shell(), None, "the others are not old enough");
            assert_eq!(kept.keep(at(address)), None, "its place is free");
        }
        let oldest: Vec<_> = (1000..1000 + SHELLS).map(at).collect();
        assert_eq!(keep_from(&mut kept, 2000), oldest, "no message was made meanwhile");
    }

    #[test]
    fn thread_that_ends_leaves_its_shells_to_the_next() {
        static MINE: Left = Left(Own::new());
        let is_there =
            |kept: &Kept, address| kept.shells.as_ref().unwrap().places.contains(&Some(at(address)));
        let (mut first, mut second) = (Kept::new(&MINE), Kept::new(&MINE));
        assert_eq!((first.keep(at(77)), second.keep(at(78))), (None, None));
        assert!(is_there(&first, 77) && !is_there(&second, 77));
        drop(first);
        let mut third = Kept::new(&MINE);
        assert_eq!(third.keep(at(79)), None);
        assert!(is_there(&third, 77) && is_there(&third, 79) && MINE.lists().is_empty());
    }
}
