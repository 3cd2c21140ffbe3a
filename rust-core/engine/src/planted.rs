//! What tests plant in the engine, and what is nothing in every build but that of its tests: a rule of sending (in
//! `planted_rule`), and a sleep that the driver of waits does not know (in `planted_sleep`).

use std::time::Duration;

use crate::sys::sleeping::sleep;

/// What is planted in a thread, one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// A message of this length is too long for every link.
    RefusedLength(usize),
    /// The loops in which calls receive, send, serve and wait for subscribers sleep by themselves.
    SleepInLoop,
}

/// Sleeps where a loop of the engine must not, if that is planted.
pub fn sleep_in_loop() {
    if is(Planted::SleepInLoop) {
        sleep(Duration::from_micros(1));
    }
}

/// Returns false: a test alone plants anything.
#[cfg(not(test))]
pub fn is(_: Planted) -> bool {
    false
}

#[cfg(test)]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Planted>> = const { std::cell::Cell::new(None) };
}

/// Returns whether this is planted in this thread.
#[cfg(test)]
pub fn is(planted: Planted) -> bool {
    PLANTED.get() == Some(planted)
}

/// Plants this for this thread while `run` goes on, which may panic.
#[cfg(test)]
pub fn plant<R>(planted: Planted, run: impl FnOnce() -> R) -> std::thread::Result<R> {
    PLANTED.set(Some(planted));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
    PLANTED.set(None);
    result
}
