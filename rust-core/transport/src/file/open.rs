//! Opening the file of a name: never through a symbolic link, and only a regular file.
//!
//! No call here waits for another process.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{OFlags, Stat};
use rustix::io::Errno;

use crate::error::Result;
use crate::place::Place;
use crate::store::StoreForm;
use crate::sys::beneath::RequiredOwner;
use crate::sys::fork::Guarded;

#[derive(Clone, Debug)]
pub struct Settings {
    pub form: StoreForm,
    pub locked: bool,
    /// Whether each write is on the disk before it returns.
    pub durable: bool,
    /// The mode, if given. Otherwise the existing file's, or the directory's.
    pub mode: Option<u32>,
    pub group: Option<u32>,
    /// The longest body in bytes.
    pub max_message_size: u64,
}

pub struct OpenFile {
    /// The descriptor, closed in a forked child.
    pub file: Arc<Guarded>,
    /// The result of `fstat` at the time of opening.
    pub facts: Stat,
}

impl OpenFile {
    pub fn size(&self) -> u64 {
        u64::try_from(self.facts.st_size).unwrap_or(0)
    }

    pub fn is_at(&self, place: &Place) -> bool {
        let now = rustix::fs::statat(&place.directory, &place.file, rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
        now.is_ok_and(|now| (now.st_dev, now.st_ino) == (self.facts.st_dev, self.facts.st_ino))
    }
}

pub fn changed(facts: &Stat) -> SystemTime {
    let nanoseconds = u32::try_from(facts.st_mtime_nsec).ok().filter(|n| *n < 1_000_000_000).unwrap_or(0);
    let since = Duration::new(u64::try_from(facts.st_mtime).unwrap_or(0), nanoseconds);
    UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
}

/// Opens the file of a name with this access, if it exists.
///
/// # Errors
/// `PermissionDenied` for a link or an untrusted owner; `Corrupt` for anything but a file.
pub fn open(place: &Place, access: OFlags, owner: RequiredOwner) -> Result<Option<OpenFile>> {
    let opened = place.directory.beneath().file(&place.file, access, owner)?;
    Ok(opened.map(|opened| OpenFile { file: Arc::new(Guarded::new(opened.fd)), facts: opened.facts }))
}

pub fn is_deleted(place: &Place) -> bool {
    rustix::fs::fstat(&place.directory).is_ok_and(|facts| facts.st_nlink == 0)
}

/// Reads from a position until the buffer is full or the file ends; returns the number of bytes.
pub fn read_at(file: &Guarded, into: &mut [u8], at: u64) -> rustix::io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match rustix::io::pread(file, &mut into[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}
