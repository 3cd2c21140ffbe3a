//! Reserves space on the disk for a file and for closing it, so a full disk tears no chunk.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

/// Bytes that are reserved in advance.
const STEP: u64 = 4 << 20;

#[derive(Debug)]
pub struct Reservation {
    /// The length of the reserved space, from the file's start.
    reserved: u64,
    /// Whether the file system supports this. Otherwise a write notices the full disk.
    works: bool,
}

impl Reservation {
    pub fn new() -> Reservation {
        Reservation { reserved: 0, works: true }
    }

    /// Reserves space up to this length; the file's length stays.
    ///
    /// # Errors
    /// ENOSPC or EDQUOT.
    pub fn extend(&mut self, file: &File, length: u64) -> io::Result<()> {
        if !self.works || length <= self.reserved {
            return Ok(());
        }
        // A nearly full disk may have less.
        let mut steps = [STEP, 0].into_iter();
        let mut extra = steps.next().unwrap_or(0);
        loop {
            let to = length.saturating_add(extra);
            match fallocate(
                file.as_fd(),
                FallocateFlags::KEEP_SIZE,
                self.reserved,
                to.saturating_sub(self.reserved),
            ) {
                Ok(()) => {
                    self.reserved = to;
                    return Ok(());
                }
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                    self.works = false;
                    return Ok(());
                }
                Err(Errno::INTR) => {}
                Err(errno @ (Errno::NOSPC | Errno::DQUOT)) => match steps.next() {
                    Some(less) => extra = less,
                    None => return Err(errno.into()),
                },
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}
