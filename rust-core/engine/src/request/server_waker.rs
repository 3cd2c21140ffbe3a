//! Wakes the serving thread if it is parked. An answer from the serving thread itself takes no system call.
//!
//! The protocol is the usual one of parking: the serving thread sets `parked`, then checks once more for
//! work; a thread with work for it stores the work, then reads `parked`. A sequentially consistent
//! fence between the two steps on each side ensures that at least one of the threads sees the store of the other.
//!
//! The work is a list of clients with waiting answers, so that the serving thread does not visit every client.

use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};

use crate::sys::eventfd::EventFd;

/// Wakes the serving thread; shared with the threads that answer.
pub struct ServerWaker {
    /// Signalled to wake the serving thread.
    waker: Arc<EventFd>,
    /// Whether the serving thread waits in the kernel, or is about to.
    parked: AtomicBool,
    /// Whether `pending` has tokens. Read without its lock.
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

    /// Prepares the serving thread for a wait. It has to check for work once more after this.
    pub fn prepare_park(&self) {
        self.parked.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Records that the serving thread runs. It checks for work before it waits again.
    pub fn unpark(&self) {
        self.parked.store(false, Ordering::Relaxed);
    }

    /// Wakes the serving thread if it is parked. The caller has to store the work before.
    pub fn wake(&self) {
        // Pairs with the fence in `prepare_park`.
        fence(Ordering::SeqCst);
        if self.parked.load(Ordering::Relaxed) {
            self.waker.wake();
        }
    }
}
