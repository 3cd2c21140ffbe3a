//! The liveness of the peer of a link over pipes, shown by its lock.
//!
//! A process that ends closes its pipes and releases its locks in sequence. inotify signals the closing of a
//! pipe. The lock is then tested at once, and if it is still held, again after 5 and 105 ms. [`Liveness`] is
//! an epoll set, readable whenever [`Liveness::check_events`] has work, so a sleeping receiver needs one
//! descriptor.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::error::Result;
use crate::place::Place;
use crate::sys::eventfd::EventFd;
use crate::sys::fork::Guarded;
use crate::sys::inotify::Watch;
use crate::sys::lock::{self, Lock};
use crate::sys::poll::{Epoll, Interest, is_readable};
use crate::sys::timer::Timer;

/// The delays of repeated tests: the process may be descheduled between closing its pipe and releasing its
/// lock.
const RECHECKS: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(100)];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkSide {
    Client,
    Server,
}

pub fn link_lock_name(place: &Place, nonce: u64, side: LinkSide) -> String {
    let side = if side == LinkSide::Client { "client" } else { "server" };
    format!("{}#{side}#{nonce:016x}", place.file)
}

pub fn client_lock_name(place: &Place) -> String {
    format!("{}#client", place.file)
}

/// Returns whether a name has its client.
///
/// # Errors
/// Errors of opening the lock file.
pub fn has_client(place: &Place) -> Result<bool> {
    lock::is_locked(&place.directory, &client_lock_name(place))
}

/// The locks of both sides of one link. Several threads may call every method.
#[derive(Debug)]
pub struct Liveness {
    place: Place,
    peer_lock: String,
    /// This side's locks; `None` after the end.
    held: Mutex<Option<Lock>>,
    /// Whether the link has ended. Set once, with release semantics, before the locks are released.
    ended: AtomicBool,
    epoll: Epoll,
    watch: Watch,
    timer: Timer,
    tests_done: AtomicU8,
    /// Signalled at the end of the link, and never drained.
    end_signal: EventFd,
}

impl Liveness {
    /// Holds this side's lock and watches the peer's; `reader` is the pipe that the peer writes.
    ///
    /// If other processes have the pipe open, closing it only causes a test of the lock.
    pub fn new(place: &Place, reader: &Guarded, held: Lock, peer_lock: String) -> Result<Liveness> {
        let new = Liveness {
            place: place.clone(),
            peer_lock,
            held: Mutex::new(Some(held)),
            ended: AtomicBool::new(false),
            epoll: Epoll::new()?,
            watch: Watch::closing(reader)?,
            timer: Timer::new()?,
            tests_done: AtomicU8::new(0),
            end_signal: EventFd::new()?,
        };
        for (token, fd) in (0..).zip(new.watch.descriptors()) {
            new.epoll.add(fd, token, Interest::IN)?;
        }
        new.epoll.add(&new.timer, 2, Interest::IN)?;
        new.epoll.add(&new.end_signal, 3, Interest::IN)?;
        Ok(new)
    }

    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Ends the link: releases this side's locks, which shows the peer the end; false if it had ended before.
    pub fn end(&self) -> bool {
        let ends = !self.ended.swap(true, Ordering::AcqRel);
        if ends {
            drop(self.held.lock().unwrap_or_else(PoisonError::into_inner).take());
            self.end_signal.wake();
        }
        ends
    }

    /// Tests the peer's lock; returns true if the link has ended.
    ///
    /// # Errors
    /// Errors of opening the lock file.
    pub fn test_lock(&self) -> Result<bool> {
        if !self.has_ended() && !lock::is_locked(&self.place.directory, &self.peer_lock)? {
            self.end();
        }
        Ok(self.has_ended())
    }

    /// Discards the events that opening the pipes has caused, and tests the lock once.
    pub fn start(&self) -> Result<bool> {
        self.watch.drain();
        self.test_lock()
    }

    pub fn check_events(&self) -> Result<bool> {
        if self.has_ended() || !is_readable(self.epoll.as_fd()) {
            return Ok(self.has_ended());
        }
        // Drained before the test, so that later events wake again.
        if self.watch.descriptors().any(is_readable) {
            self.watch.drain();
            self.tests_done.store(0, Ordering::Relaxed);
        }
        self.timer.drain();
        if self.test_lock()? {
            return Ok(true);
        }
        let taken = self.tests_done.fetch_add(1, Ordering::Relaxed);
        if let Some(later) = RECHECKS.get(usize::from(taken)) {
            self.timer.arm(*later)?;
        }
        Ok(false)
    }
}

impl AsFd for Liveness {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}
