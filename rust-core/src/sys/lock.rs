//! Locks that die with their owner: OFD byte ranges in one file of a directory that is never deleted.

use std::os::fd::AsRawFd;

use rustix::fs::{Mode, OFlags, openat};

use super::directory::Directory;
use super::fork::Guarded;
use crate::error::{Doing, Error, Result};

/// A held lock. Its release is the drop, or the end of the process.
#[derive(Debug)]
pub struct Lock {
    _file: Guarded,
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

fn request(name: &str) -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: offset(name),
        l_len: 1,
        l_pid: 0,
    }
}

/// Takes the lock of a name, or none where a living process holds it.
pub fn try_lock(directory: &Directory, name: &str) -> Result<Option<Lock>> {
    let file = open(directory)?;
    match set(&file, name) {
        0 => Ok(Some(Lock { _file: file })),
        libc::EAGAIN | libc::EACCES => Ok(None),
        errno => Err(Error::os(format_args!("locking {name} in {}", directory.path().display()), errno)),
    }
}

/// Locks the byte of a name; gives 0 or the error's number.
fn set(file: &Guarded, name: &str) -> i32 {
    let what = request(name);
    // SAFETY: the descriptor is open and `what` is a flock that lives through the call.
    let done = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &what) };
    if done == 0 { 0 } else { std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO) }
}

/// Whether this kernel has such locks at all, tried on a file that nobody else sees.
pub fn try_kernel() -> Result<()> {
    let file =
        rustix::fs::memfd_create("linkspan-lock", rustix::fs::MemfdFlags::CLOEXEC).doing("making a file")?;
    match set(&Guarded::new(file), "doctor") {
        0 => Ok(()),
        errno => Err(Error::os("locking a file", errno)),
    }
}

/// Whether a living process holds the lock of a name.
pub fn is_locked(directory: &Directory, name: &str) -> Result<bool> {
    let file = open(directory)?;
    let mut what = request(name);
    // SAFETY: the descriptor is open and `what` is a flock that lives through the call, which writes to it.
    let done = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &mut what) };
    if done == 0 {
        return Ok(what.l_type != libc::F_UNLCK as i16);
    }
    let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
    Err(Error::os(format_args!("looking at the lock of {name} in {}", directory.path().display()), errno))
}
