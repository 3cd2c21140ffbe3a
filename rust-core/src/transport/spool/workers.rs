//! Several servers of one spool: which of them works on a file, and when one has died what it had taken is free again.
//!
//! A worker that takes a file holds a lock of its name, in the file of locks in `hello/`, until it has dealt with it. The
//! kernel lets go of the locks of a process that ends, however it does, and the others are told that its descriptor was closed.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use crate::error::Result;
use crate::sys::fork::Guarded;
use crate::sys::inotify::Watch;
use crate::sys::poll::is_readable;
use crate::sys::timer::Timer;

/// The kernel tells of a descriptor's end before it lets go of its locks, and may put the dying process to sleep in between:
/// whoever was told looks at once, and so much later each time.
const LOOKS: [Duration; 3] = [Duration::from_millis(5), Duration::from_millis(100), Duration::from_secs(1)];

/// The name whose lock a worker holds that has taken a file of `server/`. No client is called so.
pub fn lock_of(file: &str) -> String {
    format!("server/{file}")
}

/// What the other workers have taken.
pub struct Others {
    /// Tells when somebody has let go of all its locks.
    watch: Watch,
    timer: Timer,
    /// How many of the looks have been taken since it told last.
    looks: usize,
    taken: BTreeSet<String>,
}

impl Others {
    /// The others who take locks of this open file of locks.
    pub fn new(locks: &Guarded) -> Result<Others> {
        Ok(Others {
            watch: Watch::closing(locks)?,
            timer: Timer::new()?,
            looks: LOOKS.len(),
            taken: BTreeSet::new(),
        })
    }

    /// Another worker has this file.
    pub fn has(&mut self, file: &str) {
        self.taken.insert(file.to_owned());
    }

    /// The files that another worker had and that may be free by now.
    pub fn perhaps_free(&mut self) -> Result<Vec<String>> {
        let told = self.watch.descriptors().into_iter().any(is_readable);
        let due = is_readable(self.timer.as_fd());
        if !told && !due {
            return Ok(Vec::new());
        }
        if told {
            // Before the look, so that what happens after it tells again.
            self.watch.drain();
            self.looks = 0;
        }
        self.timer.drain();
        if let Some(later) = LOOKS.get(self.looks) {
            self.timer.arm(*later)?;
            self.looks += 1;
        }
        Ok(std::mem::take(&mut self.taken).into_iter().collect())
    }

    /// What to sleep on.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.watch.descriptors().into_iter().chain([self.timer.as_fd()])
    }
}
