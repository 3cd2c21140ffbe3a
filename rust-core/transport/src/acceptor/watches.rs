//! The epoll set of the acceptor's thread, and the descriptors that it watches for layers above.
//!
//! A descriptor's token is never reused, so an event of a removed descriptor finds nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::PollFlags;

use crate::error::Result;
use crate::stream::Stream;
use crate::sys::fork;
use crate::sys::poll::{self, Epoll, Interest};

/// Called when a descriptor that the acceptor watches is ready.
pub trait Watcher: Send + Sync {
    /// Handles an event on the acceptor's thread; must not block or run the program's code.
    ///
    /// Returns false to end the watch.
    fn ready(&self, what: Interest) -> bool;
}

/// A connected socket's entry at the acceptor. Its drop ends the watch and the connection.
pub struct WatchedSocket {
    watches: Arc<Watches>,
    token: u64,
    stream: Stream,
    /// The event that reports the peer's end, besides an error and a full hang-up.
    end: PollFlags,
    /// Whether dropping it ends the connection.
    pub hangs_up: bool,
}

pub(super) struct Watches {
    /// The fork generation of its maker: a forked child leaves it alone.
    pub born: u64,
    pub epoll: Epoll,
    last_token: AtomicU64,
    watched: Mutex<HashMap<u64, Arc<dyn Watcher>>>,
}

impl Watches {
    /// Makes an empty set.
    ///
    /// # Errors
    /// The kernel has no descriptor left.
    pub(crate) fn new() -> Result<Watches> {
        Ok(Watches {
            born: fork::generation(),
            epoll: Epoll::new()?,
            last_token: AtomicU64::new(0),
            watched: Mutex::default(),
        })
    }

    pub(crate) fn next_token(&self) -> u64 {
        self.last_token.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Calls `watcher` at each event of this connection, until it returns false or the result is dropped.
    ///
    /// # Errors
    /// Errors of adding it to the epoll set.
    pub(crate) fn watch(
        self: &Arc<Self>,
        stream: &Stream,
        what: Interest,
        watcher: Arc<dyn Watcher>,
    ) -> Result<WatchedSocket> {
        let token = self.next_token();
        self.watched().insert(token, watcher);
        self.epoll
            .add(stream.readable().0, token, what)
            .inspect_err(|_| drop(self.watched().remove(&token)))?;
        // A peer that is watched for nothing may close its sending side and stay.
        let end = if what.contains(Interest::RDHUP) { PollFlags::RDHUP } else { PollFlags::empty() };
        Ok(WatchedSocket { watches: self.clone(), token, stream: stream.clone(), end, hangs_up: true })
    }

    /// Calls the watcher of a token, if there is one, without holding the mutex.
    pub(crate) fn ready(&self, token: u64, what: Interest) {
        let Some(watcher) = self.watched().get(&token).cloned() else { return };
        if !watcher.ready(what) {
            self.watched().remove(&token);
        }
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<u64, Arc<dyn Watcher>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WatchedSocket {
    /// Changes the events that the watch waits for.
    pub fn change(&self, what: Interest) -> Result<()> {
        self.watches.epoll.modify(self.stream.readable().0, self.token, what)
    }

    /// Returns whether the peer has ended the connection.
    pub fn has_ended(&self) -> bool {
        let ended = poll::happens_within(self.stream.readable().0, self.end, Duration::ZERO);
        ended.is_ok_and(|what| !what.is_empty())
    }
}

impl Drop for WatchedSocket {
    fn drop(&mut self) {
        if self.watches.born == fork::generation() {
            self.watches.epoll.remove(self.stream.readable().0);
            self.watches.watched().remove(&self.token);
            if self.hangs_up {
                // The acceptor's thread may still hold it: shut it down.
                self.stream.disconnect();
            }
        }
    }
}
