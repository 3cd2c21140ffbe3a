//! Wakes the serving thread if it is parked. An answer from the serving thread takes no system call.
//!
//! The serving thread sets `parked`, then checks for work once more. Another thread stores work, then reads `parked`. A
//! sequentially consistent fence between the two steps on each side ensures that at least one thread sees the other's
//! store. The work is a list of clients with waiting answers.

use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};

use crate::sys::eventfd::EventFd;

pub struct ServerWaker {
    waker: Arc<EventFd>,
    /// Whether the serving thread waits in the kernel, or is about to.
    parked: AtomicBool,
    has_pending: AtomicBool,
    pending: Mutex<Vec<u64>>,
}

impl ServerWaker {
    /// Returns a waker for a thread that counts as parked, because it may wait in its own event loop.
    pub fn new(waker: Arc<EventFd>) -> ServerWaker {
        ServerWaker {
            waker,
            parked: AtomicBool::new(true),
            has_pending: AtomicBool::new(false),
            pending: Mutex::default(),
        }
    }

    pub fn add_pending(&self, token: u64) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.push(token);
        self.has_pending.store(true, Ordering::Release);
        drop(pending);
        self.wake();
    }

    pub fn take_pending(&self, to: &mut Vec<u64>) {
        if self.has_pending.load(Ordering::Acquire) {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            self.has_pending.store(false, Ordering::Relaxed);
            to.append(&mut pending);
        }
    }

    /// Prepares the serving thread for a wait. The thread must check for work once more afterwards.
    pub fn prepare_park(&self) {
        self.parked.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    pub fn unpark(&self) {
        self.parked.store(false, Ordering::Relaxed);
    }

    /// Wakes the serving thread if it is parked. The caller must have stored the work.
    pub fn wake(&self) {
        // Pairs with the fence in `prepare_park`.
        fence(Ordering::SeqCst);
        if self.parked.load(Ordering::Relaxed) {
            self.waker.wake();
        }
    }
}
