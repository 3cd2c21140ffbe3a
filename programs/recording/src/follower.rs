//! Waits for a growing recording through inotify events of its folder, without polling.

use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use linkspan::{Deadline, ErrorKind, Result, Wait};
use rustix::fs::inotify;

use crate::files::{folder_of, of_io};
use crate::parts::{self, Place};

#[derive(Debug)]
pub struct Follower {
    base: PathBuf,
    notices: OwnedFd,
}

impl Follower {
    /// Watches the folder.
    ///
    /// # Errors
    /// Errors of inotify, such as `fs.inotify.max_user_instances`.
    pub fn new(base: &Path) -> Result<Follower> {
        let folder = folder_of(base);
        let failed = |error: rustix::io::Errno| of_io(&error.into(), "looking for changes in", folder);
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        let notices = inotify::init(flags).map_err(failed)?;
        let changes = inotify::WatchFlags::MODIFY
            | inotify::WatchFlags::CREATE
            | inotify::WatchFlags::CLOSE_WRITE
            | inotify::WatchFlags::MOVED_TO;
        inotify::add_watch(&notices, folder, changes).map_err(failed)?;
        Ok(Follower { base: base.to_owned(), notices })
    }

    /// Waits for a change; returns false if the wait ended before.
    ///
    /// # Errors
    /// Errors of the kernel; `Interrupted` or `Cancelled` if the wait was ended.
    pub fn wait(&self, wait: Wait<'_>) -> Result<bool> {
        match linkspan::wait_any(&[self.notices.as_fd()], wait) {
            Ok(_) => self.take_notices().map(|()| true),
            Err(error) if error.kind() == ErrorKind::Timeout => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Waits for the first bytes of a new file.
    ///
    /// # Errors
    /// Errors of the kernel.
    pub fn wait_until_begun(&self) -> Result<()> {
        let begun = Deadline::after(Duration::from_secs(1));
        while parts::existing(&self.base).last().is_some_and(|part| !is_begun(&part.path))
            && !begun.has_passed()
        {
            self.wait(Wait::from(begun.remaining()))?;
        }
        Ok(())
    }

    /// The files themselves show the changes.
    fn take_notices(&self) -> Result<()> {
        let mut memory = [MaybeUninit::uninit(); 4096];
        let mut notices = inotify::Reader::new(&self.notices, &mut memory);
        loop {
            match notices.next() {
                Ok(_) => {}
                Err(rustix::io::Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(of_io(&error.into(), "reading changes of", &self.base)),
            }
        }
    }

    /// Returns the parts from this number on. `is_named`: the previous part names its successor.
    pub fn parts_from(&self, following: u64, is_named: bool) -> VecDeque<Place> {
        let is_there = |number| parts::path_of(&self.base, number).symlink_metadata().is_ok();
        // A folder with many names is listed only if a new part is likely.
        if !is_named && !is_there(following) && is_there(following.saturating_sub(1)) {
            return VecDeque::new();
        }
        let mut behind = VecDeque::from(parts::existing(&self.base));
        behind.retain(|part| part.number >= following && is_begun(&part.path));
        behind
    }
}

fn is_begun(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|facts| facts.len() >= mcap::MAGIC.len() as u64)
}
