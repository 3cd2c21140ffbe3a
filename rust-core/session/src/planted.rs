//! Bugs that a test plants, one at a time, to see that the simulation finds them.

use std::cell::Cell;

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A message that went over a link which was replaced meanwhile, or over none, is not sent over the newest one.
    UnsentIsLost,
    /// A link that was replaced is used as if it were the newest.
    GenerationIsNotCompared,
    /// A withdrawn request is forgotten.
    WithdrawalIsNotQueued,
    /// A frame acknowledges one message more than was consumed.
    AcknowledgesMore,
    /// The next peer is not asked to wake the thread that waits for room.
    NeedHasNoWakeUp,
    /// A peer that may return is taken for one that has ended.
    LinkThatBreaksIsAnEnd,
    /// Of a batch that the link took in part, another number is taken back than the last.
    RetractsAnother,
}

impl Bug {
    pub const ALL: [Bug; 7] = [
        Bug::UnsentIsLost,
        Bug::GenerationIsNotCompared,
        Bug::WithdrawalIsNotQueued,
        Bug::AcknowledgesMore,
        Bug::NeedHasNoWakeUp,
        Bug::LinkThatBreaksIsAnEnd,
        Bug::RetractsAnother,
    ];
}

thread_local! {
    static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Returns whether this bug is planted in this thread.
pub fn is(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Plants a bug for this thread while `run` goes on, which may panic.
pub fn plant<R>(bug: Bug, run: impl FnOnce() -> R) -> std::thread::Result<R> {
    PLANTED.set(Some(bug));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
    PLANTED.set(None);
    result
}
