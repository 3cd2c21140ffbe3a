//! Several servers of one spool: the claims of files, and their release after a server's death.
//!
//! A worker that claims a file holds a record lock with the file's name, in the file of locks in `hello/`,
//! until the file is processed. The kernel releases the locks of a process at its end, and inotify reports
//! the closed descriptor to the others, which retry those files.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use crate::error::Result;
use crate::sys::fork::Guarded;
use crate::sys::inotify::Watch;
use crate::sys::poll::is_readable;
use crate::sys::timer::Timer;

/// The delays of repeated retries after a closed descriptor: the kernel releases the locks later.
const RETRY_DELAYS: [Duration; 3] =
    [Duration::from_millis(5), Duration::from_millis(100), Duration::from_secs(1)];

/// Returns the name of a worker's lock. The slash makes it differ from every client's name.
pub fn lock_of(file: &str) -> String {
    format!("server/{file}")
}

/// The claims of other workers that this worker has met. Only the receiving half uses it.
pub struct OtherWorkers {
    watch: Watch,
    timer: Timer,
    retries: usize,
    /// The files that were found claimed by others.
    taken: BTreeSet<String>,
}

impl OtherWorkers {
    pub fn new(locks: &Guarded) -> Result<OtherWorkers> {
        Ok(OtherWorkers {
            watch: Watch::closing(locks)?,
            timer: Timer::new()?,
            retries: RETRY_DELAYS.len(),
            taken: BTreeSet::new(),
        })
    }

    pub fn note_taken(&mut self, file: &str) {
        self.taken.insert(file.to_owned());
    }

    /// Returns the files that another worker had claimed and that may be free by now.
    pub fn retry(&mut self) -> Result<Vec<String>> {
        let closed = self.watch.descriptors().any(is_readable);
        let due = is_readable(self.timer.as_fd());
        if !closed && !due {
            return Ok(Vec::new());
        }
        if closed {
            // Drained first, so that later events are reported again.
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

    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.watch.descriptors().chain([self.timer.as_fd()])
    }
}
