//! Wakes the serving thread, and only if it is parked: an answer from the serving thread itself
//! costs no system call.
//!
//! The handshake is that of all parking: the serving thread sets `parked`, then checks once more for
//! work; a thread with work for it stores the work, then reads `parked`. A sequentially consistent
//! fence between the two steps on each side makes sure that at least one of them sees the other.
//!
//! The work is a list of clients whose answers wait, so that the serving thread visits these and not every
//! client.

use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};

use crate::sys::eventfd::EventFd;

/// Shared by the serving thread and those that answer.
pub struct ServerWaker {
    /// Signalled to wake the serving thread.
    waker: Arc<EventFd>,
    /// Whether the serving thread waits in the kernel, or is about to.
    parked: AtomicBool,
    /// Whether `pending` has tokens: read without its lock.
    has_pending: AtomicBool,
    /// Tokens of clients whose answers wait for the serving thread.
    pending: Mutex<Vec<u64>>,
}

impl ServerWaker {
    /// Returns a waker for a thread that counts as parked, because it may wait in an event loop of
    /// its own.
    pub fn new(waker: Arc<EventFd>) -> ServerWaker {
        ServerWaker {
            waker,
            parked: AtomicBool::new(true),
            has_pending: AtomicBool::new(false),
            pending: Mutex::default(),
        }
    }

    /// Adds a client whose answers wait, and wakes the serving thread.
    pub fn add_pending(&self, token: u64) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.push(token);
        self.has_pending.store(true, Ordering::Release);
        drop(pending);
        self.wake();
    }

    /// Moves the clients whose answers wait to the end of `to`.
    pub fn take_pending(&self, to: &mut Vec<u64>) {
        if self.has_pending.load(Ordering::Acquire) {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            self.has_pending.store(false, Ordering::Relaxed);
            to.append(&mut pending);
        }
    }

    /// Called before the serving thread waits. It checks for work once more after this.
    pub fn prepare_park(&self) {
        self.parked.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Called when the serving thread runs: it checks for work before it waits again.
    pub fn unpark(&self) {
        self.parked.store(false, Ordering::Relaxed);
    }

    /// Wakes the serving thread if it is parked. The caller has stored the work before.
    pub fn wake(&self) {
        // Pairs with the fence in `prepare_park`.
        fence(Ordering::SeqCst);
        if self.parked.load(Ordering::Relaxed) {
            self.waker.wake();
        }
    }
}
