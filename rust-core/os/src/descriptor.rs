//! Creation of descriptors: all of the library's are above 2.
//!
//! A daemon may close 0, 1 and 2, and the next socket would get the program's later output. A test of the sources
//! refuses such calls elsewhere.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::epoll;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, Mode, OFlags, ResolveFlags, inotify};
use rustix::io::{Errno, Result};
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType};
use rustix::process::{Pid, PidfdFlags};
use rustix::time::{TimerfdClockId, TimerfdFlags};

use crate::kernel_entry;

const LOWEST: i32 = 3;

/// Returns whether it is a standard stream.
pub fn is_standard(fd: &OwnedFd) -> bool {
    fd.as_raw_fd() < LOWEST
}

/// Returns the descriptor, or a duplicate if it has the number of a standard stream.
///
/// # Errors
/// The creator's; `EMFILE` if no number is free.
pub fn above_standard(made: Result<OwnedFd>) -> Result<OwnedFd> {
    let made = made?;
    if is_standard(&made) { duplicate(&made) } else { Ok(made) }
}

/// [`above_standard`] for a file of the standard library.
pub fn file_above_standard(made: std::io::Result<File>) -> std::io::Result<File> {
    Ok(above_standard(Ok(made?.into()))?.into())
}

/// Duplicates a descriptor.
pub fn duplicate(of: impl AsFd) -> Result<OwnedFd> {
    rustix::io::fcntl_dupfd_cloexec(of, LOWEST)
}

/// Creates a socket.
pub fn socket(
    family: AddressFamily,
    kind: SocketType,
    flags: SocketFlags,
    protocol: Option<Protocol>,
) -> Result<OwnedFd> {
    above_standard(rustix::net::socket_with(family, kind, flags | SocketFlags::CLOEXEC, protocol))
}

/// Accepts a connection.
pub fn accept(listener: impl AsFd, flags: SocketFlags) -> Result<OwnedFd> {
    above_standard(rustix::net::accept_with(listener, flags | SocketFlags::CLOEXEC))
}

/// Opens a path.
pub fn open(path: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    above_standard(rustix::fs::open(path, flags | OFlags::CLOEXEC, mode))
}

/// Opens a path relative to a directory.
pub fn open_at(
    directory: impl AsFd,
    path: impl rustix::path::Arg,
    flags: OFlags,
    mode: Mode,
) -> Result<OwnedFd> {
    above_standard(rustix::fs::openat(directory, path, flags | OFlags::CLOEXEC, mode))
}

/// Opens a path relative to a directory, with rules for its links.
///
/// A missing call is tried once, because valgrind reports each attempt.
pub fn open_resolved(
    directory: impl AsFd,
    path: impl rustix::path::Arg,
    flags: OFlags,
    mode: Mode,
    how: ResolveFlags,
) -> Result<OwnedFd> {
    static IS_MISSING: AtomicBool = AtomicBool::new(false);
    if IS_MISSING.load(Ordering::Relaxed) {
        return Err(Errno::NOSYS);
    }
    let opened = rustix::fs::openat2(directory, path, flags | OFlags::CLOEXEC, mode, how);
    if let Err(Errno::NOSYS) = opened {
        IS_MISSING.store(true, Ordering::Relaxed);
    }
    above_standard(opened)
}

/// Creates a memory file that can be sealed, not executable if the kernel knows that seal.
pub fn memory_file(name: &str) -> Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let made = match rustix::fs::memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
        // Before Linux 6.3.
        Err(Errno::INVAL) => rustix::fs::memfd_create(name, flags),
        made => made,
    };
    above_standard(made)
}

/// Creates a non-blocking eventfd.
pub fn event() -> Result<OwnedFd> {
    kernel_entry::assert_allowed();
    above_standard(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK))
}

/// Creates a non-blocking monotonic timer.
pub fn timer() -> Result<OwnedFd> {
    let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
    above_standard(rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags))
}

/// Creates an epoll set.
pub fn epoll_set() -> Result<OwnedFd> {
    above_standard(epoll::create(epoll::CreateFlags::CLOEXEC))
}

/// Creates a non-blocking inotify instance.
pub fn inotify() -> Result<OwnedFd> {
    above_standard(inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK))
}

/// Opens a process.
pub fn process(pid: Pid) -> Result<OwnedFd> {
    above_standard(rustix::process::pidfd_open(pid, PidfdFlags::empty()))
}

/// Creates a non-blocking pipe: its reading and its writing end.
pub fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC | rustix::pipe::PipeFlags::NONBLOCK)?;
    Ok((above_standard(Ok(reader))?, above_standard(Ok(writer))?))
}
