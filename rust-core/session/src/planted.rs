//! Bugs and numbers that the tests of this crate plant, to show that the simulation finds them.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A message that was sent over no link, or a replaced link, is not sent over the newest.
    UnsentIsLost,
    /// A replaced link is used as if it were the newest.
    GenerationIsNotCompared,
    /// A withdrawn request is forgotten.
    WithdrawalIsNotQueued,
    /// A frame acknowledges one message more than was consumed.
    AcknowledgesMore,
    /// The next peer is not asked to wake the thread that waits for room.
    NeedHasNoWakeUp,
    /// A peer that may return is treated as ended.
    LinkThatBreaksIsAnEnd,
    /// The requests that a peer has taken are not read when the next link is made.
    TakenIsNotRead,
    /// Requests that no peer has taken end with their link.
    UntakenIsLost,
    /// If the link took a part of a batch, a wrong number is taken back.
    RetractsAnother,
}

#[cfg(not(test))]
mod nothing {
    /// Returns false: only tests plant bugs.
    #[inline]
    pub fn is(_: super::Bug) -> bool {
        false
    }

    /// Returns 0: the first number is 1.
    #[inline]
    pub fn number_before_first() -> u64 {
        0
    }
}

#[cfg(not(test))]
pub use nothing::{is, number_before_first};

#[cfg(test)]
pub use by_tests::{is, number_before_first, numbered_behind, plant};

#[cfg(test)]
mod by_tests {
    use std::cell::Cell;

    use super::Bug;

    impl Bug {
        pub const ALL: [Bug; 9] = [
            Bug::UnsentIsLost,
            Bug::GenerationIsNotCompared,
            Bug::WithdrawalIsNotQueued,
            Bug::AcknowledgesMore,
            Bug::NeedHasNoWakeUp,
            Bug::LinkThatBreaksIsAnEnd,
            Bug::TakenIsNotRead,
            Bug::UntakenIsLost,
            Bug::RetractsAnother,
        ];
    }

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
        static NUMBER_BEFORE_FIRST: Cell<u64> = const { Cell::new(0) };
    }

    pub fn is(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }

    /// Plants a bug for this thread during `run`, which may panic.
    pub fn plant<R>(bug: Bug, run: impl FnOnce() -> R) -> std::thread::Result<R> {
        PLANTED.set(Some(bug));
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
        PLANTED.set(None);
        result
    }

    /// Returns the number before the first of an outbox that this thread makes now.
    pub fn number_before_first() -> u64 {
        NUMBER_BEFORE_FIRST.get()
    }

    /// Makes an outbox whose messages are numbered after `last`.
    pub fn numbered_behind<R>(last: u64, make: impl FnOnce() -> R) -> R {
        NUMBER_BEFORE_FIRST.set(last);
        let made = make();
        NUMBER_BEFORE_FIRST.set(0);
        made
    }
}
