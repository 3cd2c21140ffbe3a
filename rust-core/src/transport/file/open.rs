//! Opening the file of a name: never through a symbolic link, never anything but a regular file.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::error::{Doing, Error, ErrorKind, Result};
use crate::sys::fork::Guarded;
use crate::transport::place::Place;

/// An open file, and what the kernel said of it.
pub struct Opened {
    pub file: Arc<Guarded>,
    pub facts: Stat,
}

impl Opened {
    /// Bytes of the file when it was opened.
    pub fn size(&self) -> u64 {
        u64::try_from(self.facts.st_size).unwrap_or(0)
    }

    /// Whether the name still means this file.
    pub fn is_at(&self, place: &Place) -> bool {
        let now = rustix::fs::statat(&place.directory, &place.file, rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
        now.is_ok_and(|now| (now.st_dev, now.st_ino) == (self.facts.st_dev, self.facts.st_ino))
    }
}

/// When a file was last written to.
pub fn changed(facts: &Stat) -> SystemTime {
    let since = Duration::new(
        u64::try_from(facts.st_mtime).unwrap_or(0),
        u32::try_from(facts.st_mtime_nsec).unwrap_or(0),
    );
    UNIX_EPOCH + since
}

/// The file of a name; none where there is none.
pub fn open(place: &Place, flags: OFlags, mode: u32) -> Result<Option<Opened>> {
    let shown = place.path();
    let doing = || format!("opening {}", shown.display());
    // Without NONBLOCK a FIFO of that name would keep us here.
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = match rustix::fs::openat(&place.directory, &place.file, flags, Mode::from_raw_mode(mode)) {
        Ok(file) => Arc::new(Guarded::new(file)),
        Err(Errno::NOENT) if !flags.contains(OFlags::CREATE) => return Ok(None),
        Err(Errno::NXIO | Errno::ISDIR) => return Err(other(place)),
        Err(Errno::LOOP) => {
            let text = format!(
                "{} is a symbolic link, which is not followed; use the path that it points to",
                shown.display()
            );
            return Err(Error::new(ErrorKind::PermissionDenied, text));
        }
        Err(e) => return Err(e).doing(doing()),
    };
    let facts = rustix::fs::fstat(&file).doing(doing())?;
    if FileType::from_raw_mode(facts.st_mode) != FileType::RegularFile {
        return Err(other(place));
    }
    Ok(Some(Opened { file, facts }))
}

fn other(place: &Place) -> Error {
    let text =
        format!("{} is not a regular file; move it away, or choose another name", place.path().display());
    Error::new(ErrorKind::Corrupt, text)
}

/// Whether a directory is there no more, although we have it open.
pub fn is_deleted(place: &Place) -> bool {
    rustix::fs::fstat(&place.directory).is_ok_and(|facts| facts.st_nlink == 0)
}

/// Reads from a position until the buffer is full or the file ends; gives how much there was.
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
