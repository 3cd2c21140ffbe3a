//! Several servers of one spool: the claims of files, and their release when a server has died.
//!
//! A worker that claims a file holds a record lock with the file's name, in the file of locks in
//! `hello/`, until the file is processed. The kernel releases the locks of a process that ends,
//! however it ends, and inotify reports to the others that its descriptor was closed. Files that
//! others had claimed are then tried again.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use crate::error::Result;
use crate::sys::fork::Guarded;
use crate::sys::inotify::Watch;
use crate::sys::poll::is_readable;
use crate::sys::timer::Timer;

/// The kernel reports the end of a descriptor before it releases the locks, and may suspend the
/// dying process in between: so the files are tried at once, and again after each of these delays.
const RETRY_DELAYS: [Duration; 3] =
    [Duration::from_millis(5), Duration::from_millis(100), Duration::from_secs(1)];

/// Returns the name of the lock that a worker holds for a file of `server/`. No client has such a
/// name: it contains a slash.
pub fn lock_of(file: &str) -> String {
    format!("server/{file}")
}

/// The claims of other workers that this one has met. Used by the receiving half alone.
pub struct OtherWorkers {
    /// Becomes readable when a process closes the file of locks.
    watch: Watch,
    /// Becomes readable when the next retry is due.
    timer: Timer,
    /// How many of the delays were used since a descriptor was closed last.
    retries: usize,
    /// The files that were found claimed by others.
    taken: BTreeSet<String>,
}

impl OtherWorkers {
    /// Watches the workers that use this open file of locks.
    pub fn new(locks: &Guarded) -> Result<OtherWorkers> {
        Ok(OtherWorkers {
            watch: Watch::closing(locks)?,
            timer: Timer::new()?,
            retries: RETRY_DELAYS.len(),
            taken: BTreeSet::new(),
        })
    }

    /// Notes that another worker has claimed this file.
    pub fn note_taken(&mut self, file: &str) {
        self.taken.insert(file.to_owned());
    }

    /// Returns the files that another worker had claimed and that may be free by now; none unless a
    /// worker's descriptor was closed.
    pub fn retry(&mut self) -> Result<Vec<String>> {
        let closed = self.watch.descriptors().any(is_readable);
        let due = is_readable(self.timer.as_fd());
        if !closed && !due {
            return Ok(Vec::new());
        }
        if closed {
            // Drained before the files are tried, so that later events are reported again.
            self.watch.drain();
            self.retries = 0;
        }
        self.timer.drain();
        if let Some(later) = RETRY_DELAYS.get(self.retries) {
            self.timer.arm(*later)?;
            self.retries += 1;
        }
        Ok(std::mem::take(&mut self.taken).into_iter().collect())
    }

    /// Returns the descriptors that become readable when [`OtherWorkers::retry`] should be called.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.watch.descriptors().chain([self.timer.as_fd()])
    }
}
