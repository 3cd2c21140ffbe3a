//! Whether the thread that serves sleeps, and what wakes it: who answers from the same thread need not ring.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};

use crate::sys::eventfd::EventFd;

/// What the thread that serves and those that answer share.
pub struct Sleeper {
    waker: Arc<EventFd>,
    asleep: AtomicBool,
}

impl Sleeper {
    /// One that is woken by this waker, asleep.
    pub fn new(waker: Arc<EventFd>) -> Sleeper {
        Sleeper { waker, asleep: AtomicBool::new(true) }
    }

    /// OwnerRecord to sleep: what there is to be done is looked at once more after this.
    pub fn sleeps(&self) {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Awake, and looks at what there is to be done before it sleeps again.
    pub fn wakes(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// There is something to be done, which has been noted where it looks: wakes it if it sleeps.
    pub fn tell(&self) {
        // Either we see that it sleeps, or it sees what we have noted.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) {
            self.waker.wake();
        }
    }
}
