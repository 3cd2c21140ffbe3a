//! Wake-ups within the process: a counter in the kernel that one thread rings and another sleeps on. None is shared with
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
    /// A new one, not rung.
    pub fn new() -> Result<EventFd> {
        Ok(EventFd(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).doing("making an eventfd")?))
    }

    /// Wakes whoever sleeps on it. A full counter is rung enough.
    pub fn ring(&self) {
        let _ = rustix::io::write(&self.0, &1u64.to_le_bytes());
    }

    /// Makes it unrung. It may have been so already.
    pub fn drain(&self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.0, &mut count);
    }
}

/// A bell that is made when somebody first waits for it, and costs no descriptor before.
#[derive(Debug, Default)]
pub struct LazyBell(OnceLock<EventFd>);

impl LazyBell {
    /// Wakes whoever waits, if anybody ever has. To be called after what is waited for has happened.
    pub fn ring(&self) {
        // Either we see the bell of one who waits, or that one sees what has happened.
        fence(Ordering::SeqCst);
        if let Some(bell) = self.0.get() {
            bell.ring();
        }
    }

    /// Rung from now on. Whether what is waited for has happened already has to be looked at once more before the sleep.
    pub fn wanted(&self) -> Result<&EventFd> {
        let bell = match self.0.get() {
            Some(bell) => bell,
            None => {
                let made = EventFd::new()?;
                self.0.get_or_init(|| made)
            }
        };
        fence(Ordering::SeqCst);
        Ok(bell)
    }
}

/// A bell that one object rings for itself, to keep a descriptor of its own readable. Nobody else touches it, so it is
/// known without the kernel whether it is rung.
#[derive(Debug)]
pub struct OwnBell {
    bell: EventFd,
    rung: bool,
}

impl OwnBell {
    /// A new one, not rung.
    pub fn new() -> Result<OwnBell> {
        Ok(OwnBell { bell: EventFd::new()?, rung: false })
    }

    /// Makes it readable.
    pub fn ring(&mut self) {
        if !std::mem::replace(&mut self.rung, true) {
            self.bell.ring();
        }
    }

    /// Makes it unreadable.
    pub fn drain(&mut self) {
        if std::mem::replace(&mut self.rung, false) {
            self.bell.drain();
        }
    }
}

impl AsFd for OwnBell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
