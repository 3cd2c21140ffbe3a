//! Wake-ups within the process: a counter in the kernel that one thread signals and another sleeps on. None is shared with
//! a peer, who could make every read and write of it block.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{Ordering, fence};

use rustix::event::{EventfdFlags, eventfd};

use crate::error::{Doing, Result};

/// An eventfd, non-blocking.
#[derive(Debug)]
pub struct EventFd(OwnedFd);

impl EventFd {
    /// A new one, not signalled.
    pub fn new() -> Result<EventFd> {
        Ok(EventFd(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).doing("making an eventfd")?))
    }

    /// Wakes whoever sleeps on it. A full counter is signalled enough.
    pub fn wake(&self) {
        let _ = rustix::io::write(&self.0, &1u64.to_le_bytes());
    }

    /// Resets it. It may have been so already.
    pub fn drain(&self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.0, &mut count);
    }
}

/// A waker that is made when somebody first waits for it, and costs no descriptor before.
#[derive(Debug, Default)]
pub struct LazyWaker(OnceLock<EventFd>);

impl LazyWaker {
    /// Wakes whoever waits, if anybody ever has. To be called after what is waited for has happened.
    pub fn wake(&self) {
        // Either we see the waker of one who waits, or that one sees what has happened.
        fence(Ordering::SeqCst);
        if let Some(waker) = self.0.get() {
            waker.wake();
        }
    }

    /// Signalled from now on. Whether what is waited for has happened already has to be looked at once more before the sleep.
    pub fn wanted(&self) -> Result<&EventFd> {
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

/// A flag that one object sets for itself, to keep a descriptor of its own readable. Nobody else touches it, so it is
/// known without the kernel whether it is set.
#[derive(Debug)]
pub struct ReadinessFlag {
    waker: EventFd,
    set: bool,
}

impl ReadinessFlag {
    /// A new one, not signalled.
    pub fn new() -> Result<ReadinessFlag> {
        Ok(ReadinessFlag { waker: EventFd::new()?, set: false })
    }

    /// Makes it readable.
    pub fn wake(&mut self) {
        if !std::mem::replace(&mut self.set, true) {
            self.waker.wake();
        }
    }

    /// Makes it unreadable.
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
