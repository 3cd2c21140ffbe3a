//! Locks that die with their owner: OFD byte ranges in one file of a directory that is never deleted.

use std::sync::Arc;

use rustix::fs::{Mode, OFlags, openat};

use super::directory::Directory;
use super::fork::Guarded;
use super::record_lock::{self, Held, Span};
use crate::deadline::Waiting;
use crate::error::{Doing, Error, Result};

/// A held lock. Its release is the drop, or the end of the process.
#[derive(Debug)]
pub struct Lock {
    _held: Held,
}

const NAME: &str = ".lock";

/// The byte that stands for a name: FNV-1a, kept in the positive half of an `off_t`. Two names that fall on the same byte,
/// one in 2^62, would keep each other from listening, and nothing worse.
fn offset(name: &str) -> i64 {
    let hash =
        name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    (hash >> 2) as i64
}

fn open(directory: &Directory) -> Result<Guarded> {
    let mode = Mode::from_raw_mode(directory.file_mode());
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let doing = || format!("opening the lock file {}", directory.path().join(NAME).display());
    let file = openat(directory, NAME, flags, mode).doing(doing())?;
    // The umask may have taken the group's bits away from the first user's file.
    if rustix::fs::fstat(&file).doing(doing())?.st_uid == rustix::process::geteuid().as_raw() {
        rustix::fs::fchmod(&file, mode).doing(doing())?;
    }
    Ok(Guarded::new(file))
}

/// Takes the lock of a name, or none where a living process holds it.
pub fn try_lock(directory: &Directory, name: &str) -> Result<Option<Lock>> {
    let file = Arc::new(open(directory)?);
    let held = record_lock::try_take(&file, Span::byte(offset(name)));
    Ok(held.map_err(|e| doing(directory, name, e))?.map(|held| Lock { _held: held }))
}

fn doing(directory: &Directory, name: &str, error: Error) -> Error {
    let text = format!("locking {name} in {}: {}", directory.path().display(), error.text());
    Error::new(error.kind(), text)
}

/// Takes the lock of a name, waiting for whoever has it; then `Stalled`.
pub fn take(directory: &Directory, name: &str, waiting: &mut Waiting<'_>) -> Result<Lock> {
    let file = Arc::new(open(directory)?);
    let held = record_lock::take(file, Span::byte(offset(name)), waiting);
    Ok(Lock { _held: held.map_err(|e| doing(directory, name, e))? })
}

/// Whether this kernel has such locks at all, tried on a file that nobody else sees.
pub fn try_kernel() -> Result<()> {
    let file =
        rustix::fs::memfd_create("linkspan-lock", rustix::fs::MemfdFlags::CLOEXEC).doing("making a file")?;
    record_lock::try_take(&Arc::new(Guarded::new(file)), Span::byte(offset("doctor"))).map(drop)
}

/// Whether a living process holds the lock of a name.
pub fn is_locked(directory: &Directory, name: &str) -> Result<bool> {
    let holder = record_lock::holder(open(directory)?, Span::byte(offset(name)));
    Ok(holder.map_err(|e| doing(directory, name, e))?.is_some())
}

/// Whether somebody has this file open for writing, as far as the kernel tells: of a file of another user it does not.
pub fn is_being_written(file: impl std::os::fd::AsFd) -> bool {
    let fd = std::os::fd::AsRawFd::as_raw_fd(&file.as_fd());
    // SAFETY: the descriptor is open, and these commands take numbers. A writer who came while the lease is held would
    // have us sent a signal: one that is ignored where nobody asks for it. The lease ends at once.
    unsafe {
        if libc::fcntl(fd, F_SETSIG, libc::SIGURG) < 0
            || libc::fcntl(fd, libc::F_SETLEASE, libc::F_RDLCK) == 0
        {
            libc::fcntl(fd, libc::F_SETLEASE, libc::F_UNLCK);
            return false;
        }
    }
    std::io::Error::last_os_error().raw_os_error() == Some(libc::EAGAIN)
}

/// Not in the `libc` crate for every target.
const F_SETSIG: i32 = 10;
