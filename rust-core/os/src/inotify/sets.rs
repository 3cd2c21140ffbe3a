//! A watch with one descriptor, and a watch of one file with a separate instance.

use std::mem::MaybeUninit;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd};

use super::instance::{add, new_instance};
use super::{Watch, WatchFlags};
use crate::beneath;
use crate::error::Result;
use crate::fork::Descriptor;
use crate::poll::{Epoll, Interest};

/// A watch with one descriptor, which is readable while the watch has events.
#[derive(Debug)]
pub struct WatchSet {
    watch: Watch,
    set: Epoll,
}

impl WatchSet {
    /// Adds a set to the watch.
    ///
    /// # Errors
    /// If no descriptors are left.
    pub fn of(watch: Watch) -> Result<WatchSet> {
        let set = Epoll::new()?;
        for descriptor in watch.descriptors() {
            set.add(descriptor, 0, Interest::IN)?;
        }
        Ok(WatchSet { watch, set })
    }
}

impl Deref for WatchSet {
    type Target = Watch;

    fn deref(&self) -> &Watch {
        &self.watch
    }
}

impl AsFd for WatchSet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.set.as_fd()
    }
}

/// Watches one file that another process writes; a separate instance avoids waking other watches.
#[derive(Debug)]
pub struct ContentWatch(Descriptor);

impl ContentWatch {
    /// Watches this open file: writes, and the loss of its name.
    ///
    /// # Errors
    /// The kernel's, with its limit on instances.
    pub fn new(file: BorrowedFd<'_>) -> Result<ContentWatch> {
        let fd = new_instance()?;
        add(&fd, &beneath::kernel_path(file), WatchFlags::MODIFY | WatchFlags::ATTRIB, "watching a file")?;
        Ok(ContentWatch(fd.into()))
    }

    /// Discards the available events.
    pub fn drain(&self) {
        let mut space = [MaybeUninit::<u8>::uninit(); 1024];
        while rustix::io::read(&self.0, &mut space[..]).is_ok_and(|(read, _)| !read.is_empty()) {}
    }
}

impl AsFd for ContentWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
