//! Wake-ups within the process: a counter in the kernel that one thread signals and another waits for.
//!
//! No eventfd is shared with a peer, which could make every read and write of it block.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::descriptor;
use crate::error::{Doing, Result};
use crate::fork::Descriptor;
use crate::kernel_entry;

/// A non-blocking eventfd, readable from `wake` until `drain`.
#[derive(Debug)]
pub struct EventFd(Descriptor);

impl EventFd {
    /// Returns an unreadable eventfd.
    pub fn new() -> Result<EventFd> {
        Ok(EventFd(descriptor::event().doing("making an eventfd (eventfd2)")?.into()))
    }

    /// Makes it readable. A full counter is readable already, so its error is ignored.
    pub fn wake(&self) {
        let _ = rustix::io::write(&self.0, &1u64.to_le_bytes());
    }

    /// Makes it unreadable.
    pub fn drain(&self) {
        kernel_entry::assert_allowed();
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.0, &mut count);
    }

    /// Returns whether it is readable, and makes it unreadable.
    #[cfg(all(test, loom))]
    pub fn is_signalled(&self) -> bool {
        rustix::io::read(&self.0, &mut [0; 8]).is_ok()
    }
}

/// An eventfd that is created when a thread first waits for it.
#[derive(Debug, Default)]
pub struct LazyWaker(OnceLock<EventFd>);

impl LazyWaker {
    /// Wakes the waiting threads. Called after the event.
    pub fn wake(&self) {
        // Pairs with the fence in `arm`: either this thread sees the eventfd, or the waiting thread sees the event.
        fence(Ordering::SeqCst);
        if let Some(waker) = self.0.get() {
            waker.wake();
        }
    }

    /// Makes it unreadable.
    pub fn drain(&self) {
        if let Some(waker) = self.0.get() {
            waker.drain();
        }
    }

    /// Returns the eventfd. The caller checks once more for the event before it sleeps.
    pub fn arm(&self) -> Result<&EventFd> {
        let waker = match self.0.get() {
            Some(waker) => waker,
            None => {
                let made = EventFd::new()?;
                self.0.get_or_init(|| made)
            }
        };
        fence(Ordering::SeqCst);
        Ok(waker)
    }
}

/// The waiting threads' eventfds, one each: no thread takes another's wake-up.
#[derive(Debug, Default)]
pub struct Waiters(Mutex<Vec<Arc<EventFd>>>);

impl Waiters {
    fn all(&self) -> MutexGuard<'_, Vec<Arc<EventFd>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the waiting threads. Called after the event.
    pub fn wake(&self) {
        self.all().iter().for_each(|own| own.wake());
    }

    /// Returns this thread's eventfd. The caller checks once more for the event before it sleeps.
    pub fn arm(&self) -> Result<Armed<'_>> {
        let own = Arc::new(EventFd::new()?);
        self.all().push(own.clone());
        Ok(Armed { own, waiters: self })
    }
}

/// A waiting thread's eventfd.
#[derive(Debug)]
pub struct Armed<'a> {
    own: Arc<EventFd>,
    waiters: &'a Waiters,
}

impl Armed<'_> {
    /// Makes it unreadable.
    pub fn drain(&self) {
        self.own.drain();
    }
}

impl AsFd for Armed<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.own.as_fd()
    }
}

impl Drop for Armed<'_> {
    fn drop(&mut self) {
        self.waiters.all().retain(|one| !Arc::ptr_eq(one, &self.own));
    }
}

/// Keeps an object's descriptor readable while the object has something to return.
#[derive(Debug)]
pub struct ReadinessFlag {
    waker: EventFd,
    set: bool,
}

impl ReadinessFlag {
    /// Returns an unreadable flag.
    pub fn new() -> Result<ReadinessFlag> {
        Ok(ReadinessFlag { waker: EventFd::new()?, set: false })
    }

    /// Makes it readable; a system call only on a change.
    pub fn wake(&mut self) {
        if !std::mem::replace(&mut self.set, true) {
            self.waker.wake();
        }
    }

    /// Makes it unreadable; a system call only on a change.
    pub fn drain(&mut self) {
        if std::mem::replace(&mut self.set, false) {
            self.waker.drain();
        }
    }
}

impl AsFd for ReadinessFlag {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.waker.as_fd()
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poll::is_readable;

    #[test]
    fn waiting_thread_that_drains_takes_no_wake_up_of_another() {
        let waiters = Waiters::default();
        waiters.wake();
        let (one, other) = (waiters.arm().unwrap(), waiters.arm().unwrap());
        assert!(!is_readable(one.as_fd()) && !is_readable(other.as_fd()));
        waiters.wake();
        one.drain();
        assert!(!is_readable(one.as_fd()) && is_readable(other.as_fd()));
        drop(one);
        assert_eq!(waiters.all().len(), 1);
        drop(other);
        assert!(waiters.all().is_empty());
    }
}
