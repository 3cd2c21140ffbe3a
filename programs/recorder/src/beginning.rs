//! Checks the files at the path of a new recording: whether to continue them, and whether another process writes.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use linkspan::{Error, ErrorKind, Result};
use linkspan_recording::files;
use linkspan_recording::files::of_io;
use linkspan_recording::parts::Place;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// Returns whether an earlier recorder of this user left this file empty and no recorder has it open.
pub fn is_own_beginning(path: &Path) -> bool {
    let is_own = fs::symlink_metadata(path).is_ok_and(|facts| {
        facts.is_file() && facts.len() == 0 && facts.uid() == rustix::process::geteuid().as_raw()
    });
    is_own && files::open_found(path).is_ok_and(|file| lock(&file, path).is_ok())
}

/// Attempts to lock a file, and their pause: readers hold a shared lock for a moment.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(5);

/// Locks a file while this process has it open: two recorders of a file would overwrite each other's records.
pub fn lock(file: &File, path: &Path) -> Result<()> {
    let mut attempts = (0..ATTEMPTS).map(|attempt| {
        if attempt > 0 {
            std::thread::sleep(PAUSE);
        }
        flock(file.as_fd(), FlockOperation::NonBlockingLockExclusive)
    });
    match attempts.find(|locked| *locked != Err(Errno::WOULDBLOCK)).unwrap_or(Err(Errno::WOULDBLOCK)) {
        Ok(()) => Ok(()),
        Err(Errno::WOULDBLOCK) => {
            let text = format!(
                "another process records into {}; name another file, or end that one first",
                path.display()
            );
            Err(Error::new(ErrorKind::AddressInUse, text))
        }
        Err(errno) => Err(of_io(&errno.into(), "locking", path)),
    }
}

/// Returns the identity of the recording that ends with this part, if another part can follow.
pub fn examine(last: &Place) -> Result<String> {
    let path = &last.path;
    let mut file = if last.number == 1 { files::open(path)? } else { files::open_found(path)? };
    lock(&file, path)?;
    let exists = |text: &str| {
        let text = format!("{} exists, and {text}; name another file, or remove it first", path.display());
        Error::new(ErrorKind::AddressInUse, text)
    };
    let about = file.metadata().map_err(|error| of_io(&error, "reading", path))?;
    let length = about.len();
    // The numbers in the file decide which messages are recorded, so another user must not provide it.
    if about.uid() != rustix::process::geteuid().as_raw() {
        return Err(exists("belongs to another user, whose recording is not continued"));
    }
    let mut beginning = Vec::new();
    file.by_ref()
        .take(BEGINNING)
        .read_to_end(&mut beginning)
        .map_err(|error| of_io(&error, "reading", path))?;
    let mut facts = linkspan_recording::facts(&beginning).unwrap_or_default();
    let id = facts.remove("id").ok_or_else(|| exists("is no recording of Linkspan"))?;
    if facts.get("part").is_some_and(|part| *part != last.number.to_string()) {
        return Err(exists("says that it is another part of its recording than its name says"));
    }
    if linkspan_recording::is_closed(&file, length).map_err(|error| of_io(&error, "reading", path))? {
        return Err(exists("is a recording that was closed"));
    }
    Ok(id)
}

/// The facts of a recording are within its first bytes, up to this number.
const BEGINNING: u64 = 1 << 20;
