//! Who is on the other side of a socket, and whether that process lives.

use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use rustix::process::{PidfdFlags, pidfd_open};

use crate::error::{Doing, Error, Result};

/// Who opened the other end, as the kernel says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Its process; proves nothing once that has ended.
    pub pid: i32,
    /// Its effective user.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
    /// Its other groups.
    pub groups: Vec<u32>,
}

/// Who opened the other end of this Unix socket.
pub fn credentials(socket: impl AsFd) -> Result<Credentials> {
    let c = rustix::net::sockopt::socket_peercred(&socket)
        .doing("asking who is on the other side of a socket")?;
    Ok(Credentials {
        pid: c.pid.as_raw_nonzero().get(),
        uid: c.uid.as_raw(),
        gid: c.gid.as_raw(),
        groups: groups(&socket)?,
    })
}

fn groups(socket: &impl AsFd) -> Result<Vec<u32>> {
    let mut groups = vec![0u32; 64];
    loop {
        let mut length = (groups.len() * size_of::<u32>()) as libc::socklen_t;
        // SAFETY: the buffer is `length` bytes long and lives through the call; the kernel writes at most that much.
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
                return Err(Error::os(
                    "asking for the groups on the other side of a socket",
                    errno.unwrap_or(0),
                ));
            }
        }
    }
}

/// A descriptor that becomes readable when the process on the other side ends; none where the kernel has none to give.
///
/// From Linux 6.5 the socket itself knows its peer's; before, the number from its credentials is used while the socket
/// is still open, and a number that was taken by another process since is no worse than no help: hang-up decides.
pub fn process(socket: impl AsFd, credentials: &Credentials) -> Option<OwnedFd> {
    const SO_PEERPIDFD: libc::c_int = 77;
    let mut fd: libc::c_int = -1;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: `fd` is an int, `length` says so, and both live through the call.
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
        // SAFETY: the kernel has just made this descriptor for us.
        return Some(unsafe { OwnedFd::from_raw_fd(fd) });
    }
    let pid = rustix::process::Pid::from_raw(credentials.pid)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}
