//! Room that is reserved on the disk for a file before it is written, and for what closes the file.
//!
//! A disk that is full is found before a chunk begins, so no chunk is torn, and the indexes and the footer still have
//! room.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

/// How much is reserved at a time, beyond what is needed now.
const STEP: u64 = 4 << 20;

/// Room that is reserved for one file.
#[derive(Debug)]
pub struct Reservation {
    /// Up to here the disk has room.
    reserved: u64,
    /// Whether the file system reserves room; some do not, and then a full disk is found by a write.
    works: bool,
}

impl Reservation {
    /// Nothing is reserved yet.
    pub fn new() -> Reservation {
        Reservation { reserved: 0, works: true }
    }

    /// Reserves room up to this length. The length of the file stays as it is.
    ///
    /// # Errors
    /// ENOSPC or EDQUOT where it is not there.
    pub fn extend(&mut self, file: &File, length: u64) -> io::Result<()> {
        if !self.works || length <= self.reserved {
            return Ok(());
        }
        // On a disk that is nearly full less than a whole step is there.
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
