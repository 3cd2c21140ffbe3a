//! The queue of admitted links that wait for `accept`.
//!
//! The eventfd is readable exactly while the queue holds a link or an error. Signals and drains happen under the lock
//! of `links`, so that a drain cannot swallow the wake-up of a new link.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::link::Link;
use crate::deadline::Waiting;
use crate::drive;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::eventfd::EventFd;

pub struct AcceptQueue<L = Link> {
    links: Mutex<VecDeque<L>>,
    /// Written under the lock of `links`; a server reads it before every request without the lock.
    has_links: AtomicBool,
    waker: EventFd,
    closed: AtomicBool,
    failure: OnceLock<Error>,
    /// Why a channel's single peer was refused, until the program has taken the error.
    refusal: Mutex<Option<Error>>,
}

impl<L> AcceptQueue<L> {
    pub fn new() -> Result<AcceptQueue<L>> {
        Ok(AcceptQueue {
            links: Mutex::default(),
            has_links: AtomicBool::new(false),
            waker: EventFd::new()?,
            closed: AtomicBool::new(false),
            failure: OnceLock::new(),
            refusal: Mutex::default(),
        })
    }

    pub fn push(&self, link: L) {
        let mut links = self.links();
        links.push_back(link);
        self.has_links.store(true, Ordering::Release);
        self.waker.wake();
    }

    pub fn len(&self) -> usize {
        self.links().len()
    }

    /// Wakes the thread that waits for the single peer with the reason for the refusal.
    pub fn refuse(&self, error: Error) {
        let mut refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        *refusal = Some(error);
        self.waker.wake();
    }

    /// Wakes waiting threads with the reason for the end. Each later call gets it also.
    pub fn fail(&self, error: &Error) {
        let _ = self.failure.set(error.clone());
        self.refuse(error.clone());
    }

    pub fn check_failure(&self) -> Result<()> {
        self.failure.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Returns why the single peer was refused, once for each refusal.
    pub fn take_refusal(&self) -> Option<Error> {
        let mut refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        let error = refusal.take()?;
        // The lock is held during the drain, because a link pushed in between would otherwise wake no thread.
        let links = self.links();
        if links.is_empty() {
            self.waker.drain();
        }
        Some(error)
    }

    fn links(&self) -> MutexGuard<'_, VecDeque<L>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn has_links(&self) -> bool {
        self.has_links.load(Ordering::Acquire)
    }

    pub fn pop(&self) -> Option<L> {
        if !self.has_links() {
            return None;
        }
        let mut links = self.links();
        let link = links.pop_front()?;
        // The last successful pop has drained the waker of an empty queue.
        if links.is_empty() {
            self.has_links.store(false, Ordering::Release);
            self.waker.drain();
        }
        Some(link)
    }

    /// Makes the eventfd readable exactly while a link or a refusal waits, after another signal.
    pub fn settle(&self) {
        let refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        // As in `take_refusal`.
        let links = self.links();
        if refusal.is_none() && links.is_empty() {
            self.waker.drain();
        }
    }

    /// Waits for the next link; `InvalidState` once the queue is closed.
    pub fn wait(&self, waiting: &mut Waiting<'_>) -> Result<L> {
        loop {
            if self.closed.load(Ordering::Acquire) {
                return Err(Error::new(ErrorKind::InvalidState, "the listener is closed"));
            }
            if let Some(link) = self.pop() {
                return Ok(link);
            }
            self.check_failure()?;
            drive::link_event(&[self.waker.as_fd()], waiting)?;
        }
    }

    /// Drops unaccepted links. Waiting threads get `InvalidState`.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let mut links = self.links();
        links.clear();
        self.has_links.store(false, Ordering::Release);
        drop(links);
        self.waker.wake();
    }

    pub fn waker(&self) -> &EventFd {
        &self.waker
    }
}
