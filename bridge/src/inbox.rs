//! What the engine's threads hand to the loop: a bounded queue, and a descriptor that is readable while something waits in it.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use linkspan::{Error, Result};
use rustix::event::{EventfdFlags, eventfd};

use crate::engine::{Arrival, failure};

/// Bytes of samples and requests that wait, at most; more are dropped, and the numbers of those that follow tell of it.
const MOST: usize = 64 << 20;

/// The queue; clones share it.
#[derive(Clone)]
pub struct Inbox(Arc<Shared>);

struct Shared {
    waiting: Mutex<(VecDeque<Arrival>, usize)>,
    waker: OwnedFd,
    dropped: AtomicU64,
}

impl Inbox {
    /// An empty one.
    pub fn new() -> Result<Inbox> {
        let waker = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|e| Error::os("making an eventfd", e.raw_os_error()))?;
        Ok(Inbox(Arc::new(Shared { waiting: Mutex::default(), waker, dropped: AtomicU64::new(0) })))
    }

    /// Hands something over. Beyond the bound samples are dropped and counted, and requests refused; nothing else is.
    pub fn push(&self, arrival: Arrival) {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let size = arrival.size();
        if size > 0 && waiting.1 + size > MOST && !waiting.0.is_empty() {
            drop(waiting);
            if let Arrival::Request(_, _, respond) = arrival {
                respond(Err(failure(
                    "Full",
                    "the server's machine has more requests waiting than it can take",
                )));
            } else {
                self.0.dropped.fetch_add(1, Ordering::Relaxed);
            }
            return;
        }
        waiting.1 += size;
        waiting.0.push_back(arrival);
        drop(waiting);
        self.wake();
    }

    /// Wakes the loop, which takes what waits.
    pub fn wake(&self) {
        // Any number makes it readable; it fails only where the counter is at its end, and readable.
        let _ = rustix::io::write(&self.0.waker, &[1; 8]);
    }

    /// Takes everything that waits.
    pub fn take(&self) -> VecDeque<Arrival> {
        // Before the queue: what comes in between is told again.
        let _ = rustix::io::read(&self.0.waker, &mut [0u8; 8]);
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.1 = 0;
        std::mem::take(&mut waiting.0)
    }

    /// Samples dropped here because the loop was too slow.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }
}

impl AsFd for Inbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.waker.as_fd()
    }
}
