//! The process at the other end of a Unix socket: its user, and a descriptor that signals its end.
//!
//! The kernel records the credentials at the connection.

use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use crate::descriptor;
use crate::error::{Error, Result};

/// The user and process of the other end, from the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// In this PID namespace; `None` if not visible here. After the process's end it may be another's.
    pub pid: Option<u32>,
    /// Its effective user.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
    /// Its other groups.
    pub groups: Vec<u32>,
}

/// Returns a number of this process's PID namespace; `None` without /proc.
///
/// A process number of another namespace means an arbitrary process here.
pub fn pid_namespace() -> Option<u64> {
    rustix::fs::stat("/proc/self/ns/pid").ok().map(|facts| facts.st_ino)
}

/// Returns the user and process of this Unix socket's other end.
///
/// Unmapped users have the kernel's overflow number, 65534.
///
/// # Errors
/// The system call's.
pub fn credentials(socket: impl AsFd) -> Result<Credentials> {
    // Library wrappers assume a process number other than 0, which another PID namespace has.
    let mut who = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: `who` is a ucred of `length`; both live through the call.
    let done = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut who).cast(),
            &mut length,
        )
    };
    const DOING: &str = "reading the peer of a socket";
    if done != 0 {
        return Err(Error::os(DOING, std::io::Error::last_os_error().raw_os_error().unwrap_or(0)));
    }
    if length as usize != size_of::<libc::ucred>() {
        return Err(Error::os(DOING, libc::EINVAL));
    }
    let pid = u32::try_from(who.pid).ok().filter(|pid| *pid > 0);
    Ok(Credentials { pid, uid: who.uid, gid: who.gid, groups: groups(&socket)? })
}

/// The peer's other groups, with a buffer that grows as the kernel demands.
fn groups(socket: &impl AsFd) -> Result<Vec<u32>> {
    let mut groups = vec![0u32; 64];
    loop {
        let mut length = (groups.len() * size_of::<u32>()) as libc::socklen_t;
        // SAFETY: the kernel writes at most `length` bytes into the buffer.
        let done = unsafe {
            libc::getsockopt(
                socket.as_fd().as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &mut length,
            )
        };
        let count = length as usize / size_of::<u32>();
        if done == 0 {
            groups.truncate(count);
            return Ok(groups);
        }
        match std::io::Error::last_os_error().raw_os_error() {
            Some(libc::ERANGE) if count > groups.len() => groups.resize(count, 0),
            errno => {
                return Err(Error::os("reading the groups of a socket's peer", errno.unwrap_or(0)));
            }
        }
    }
}

/// Returns a descriptor that becomes readable when the peer's process ends, if the kernel has one.
///
/// From Linux 6.5 on the socket provides it, also for containers. Before, it comes from the process number; if another
/// process has taken that, only the socket's end decides.
pub fn process(socket: impl AsFd, credentials: &Credentials) -> Option<OwnedFd> {
    const SO_PEERPIDFD: libc::c_int = 77;
    let mut fd: libc::c_int = -1;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: `fd` is an int of `length`; both live through the call.
    let done = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            SO_PEERPIDFD,
            (&raw mut fd).cast(),
            &mut length,
        )
    };
    if done == 0 && fd >= 0 {
        // SAFETY: the kernel has just created it for us.
        return descriptor::above_standard(Ok(unsafe { OwnedFd::from_raw_fd(fd) })).ok();
    }
    let pid = rustix::process::Pid::from_raw(credentials.pid?.try_into().ok()?)?;
    descriptor::process(pid).ok()
}
