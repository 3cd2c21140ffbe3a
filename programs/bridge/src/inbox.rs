//! The inbox: a bounded queue from the engine's threads to the event loop.
//!
//! An eventfd is readable while it has items; the loop waits for it together with its sockets. The limit only counts
//! droppable items: samples, packets and requests. Presences are always queued, because losing one would corrupt the
//! loop's list of names.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use linkspan::{Error, Result};
use rustix::event::{EventfdFlags, eventfd};

use crate::engine::{Arrival, failure};

/// The most queued bytes of droppable items. Gaps in the numbers show a loss to subscribers.
const MOST: usize = 64 << 20;

#[derive(Clone)]
pub struct Inbox(Arc<Shared>);

struct Shared {
    waiting: Mutex<(VecDeque<Arrival>, usize)>,
    waker: OwnedFd,
    dropped: AtomicU64,
}

impl Inbox {
    /// Creates an empty inbox.
    ///
    /// # Errors
    /// System errors, if the process has no descriptor left.
    pub fn new() -> Result<Inbox> {
        let waker = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|e| Error::os("making an eventfd (eventfd2)", e.raw_os_error()))?;
        Ok(Inbox(Arc::new(Shared { waiting: Mutex::default(), waker, dropped: AtomicU64::new(0) })))
    }

    /// Queues an item and wakes the loop.
    ///
    /// Above the limit, samples and packets are dropped and counted, and requests are answered with `Full`. An empty
    /// queue accepts an item of any size.
    pub fn push(&self, arrival: Arrival) {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let size = arrival.size();
        if size > 0 && waiting.1.saturating_add(size) > MOST && !waiting.0.is_empty() {
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
        waiting.1 = waiting.1.saturating_add(size);
        waiting.0.push_back(arrival);
        drop(waiting);
        self.wake();
    }

    pub fn wake(&self) {
        // Any number makes it readable. The write fails only with a full counter, which is already readable.
        let _ = rustix::io::write(&self.0.waker, &[1; 8]);
    }

    pub fn take(&self) -> VecDeque<Arrival> {
        // Before taking the queue: an item that comes in between sets it again.
        let _ = rustix::io::read(&self.0.waker, &mut [0u8; 8]);
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.1 = 0;
        std::mem::take(&mut waiting.0)
    }

    /// Returns how many samples and packets were dropped because the loop was too slow.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }
}

impl AsFd for Inbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.waker.as_fd()
    }
}
