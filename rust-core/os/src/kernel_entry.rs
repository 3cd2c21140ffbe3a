//! Checks in debug builds that a thread with a gate enters the kernel only to wake others.
//!
//! All calls of an object take the gate of its [`Seat`](crate::seat::Seat), so a system call under it would delay them.

#[cfg(all(debug_assertions, not(loom)))]
thread_local! {
    static HELD: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

/// Exists while the gate is held.
pub struct NoKernelEntry(());

impl NoKernelEntry {
    /// Records that this thread has taken a gate.
    pub fn new() -> NoKernelEntry {
        #[cfg(all(debug_assertions, not(loom)))]
        HELD.set(HELD.get() + 1);
        NoKernelEntry(())
    }
}

#[cfg(all(debug_assertions, not(loom)))]
impl Drop for NoKernelEntry {
    fn drop(&mut self) {
        HELD.set(HELD.get() - 1);
    }
}

/// Called before each system call that sends, receives, waits, or opens, maps or reads a file.
#[track_caller]
pub fn assert_allowed() {
    #[cfg(all(debug_assertions, not(loom)))]
    assert!(
        HELD.get() == 0,
        "a system call under a gate, which is the lock of a session: under it a thread may only wake others"
    );
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::eventfd::EventFd;
    use crate::poll::is_readable;
    use std::os::fd::AsFd;

    #[test]
    #[cfg_attr(not(debug_assertions), ignore = "a release build does not check")]
    fn system_call_under_the_lock_panics_and_a_wake_up_does_not() {
        let waker = EventFd::new().unwrap();
        let held = NoKernelEntry::new();
        waker.wake();
        let polls = std::panic::AssertUnwindSafe(|| is_readable(waker.as_fd()));
        assert!(std::panic::catch_unwind(polls).is_err());
        drop(held);
        assert!(is_readable(waker.as_fd()));
    }
}
