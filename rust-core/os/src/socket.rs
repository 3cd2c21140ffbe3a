//! Unix sockets: names of any length, descriptors sent with bytes, reads of limited length.
//!
//! All are non-blocking. Closing a peer's unwanted descriptors may block. The kernel refuses them from Linux 6.16 on;
//! before, another thread closes them (`closing`).

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType,
};

use super::append;
use super::beneath::{self, DoingByKernelPath};
use super::descriptor;
use super::directory::Directory;
use super::fork::Guarded;
use super::staging::Staging;
use super::{closing, rights};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::kernel_entry;

/// The most descriptors of one message: a publisher's ring and its slot files.
pub const MAX_DESCRIPTORS: usize = 17;

fn stream() -> Result<OwnedFd> {
    descriptor::socket(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::empty(), None)
        .doing("making a socket (socket)")
        .map_err(beneath::refused_call)
}

/// The ancillary data that a peer may send over a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Carries {
    /// Nothing.
    #[default]
    Bytes,
    /// Descriptors, with the first bytes.
    Descriptors,
}

impl Carries {
    fn set_up(self, socket: &OwnedFd) -> Result<()> {
        if self == Carries::Bytes {
            // An older kernel cannot: the reader then closes them.
            rights::refuse_descriptors(socket);
        }
        keep_in_line(socket)
    }
}

/// A read would drop out-of-band bytes and their descriptors.
fn keep_in_line(socket: &OwnedFd) -> Result<()> {
    rustix::net::sockopt::set_socket_oobinline(socket, true).doing("setting up a socket")
}

/// Creates a listening socket in a private directory. `shown` is its later path, for texts.
///
/// # Errors
/// `PermissionDenied` if this user is not in the group.
pub fn listen(
    staging: &Staging,
    entry: &str,
    carries: Carries,
    mode: u32,
    group: Option<u32>,
    shared: bool,
    shown: &Path,
) -> Result<Guarded> {
    let socket = stream()?;
    // Connections inherit the options before they are accepted.
    carries.set_up(&socket)?;
    // Other processes listen at a shared socket: no shutdown.
    let socket = if shared { Guarded::new(socket) } else { Guarded::closed_by(socket, close_listening) };
    let doing = || format!("listening at {}", shown.display());
    let address = SocketAddrUnix::new(staging.inside().short_path(entry)).doing(doing())?;
    // The private directory's modes do not explain a refusal.
    rustix::net::bind(&socket, &address).doing_by_kernel_path(doing()).map_err(beneath::refused_call)?;
    staging.set_access(entry, mode, group, shown)?;
    rustix::net::listen(&socket, 128).doing(doing())?;
    rustix::io::ioctl_fionbio(&socket, true).doing(doing())?;
    Ok(socket)
}

/// Refuses anything but a listening Unix socket.
///
/// # Errors
/// `Malformed`.
pub fn check_listening(socket: &OwnedFd) -> Result<()> {
    use rustix::net::{AddressFamily, sockopt};
    let is_one = sockopt::socket_acceptconn(socket).unwrap_or(false)
        && sockopt::socket_domain(socket).is_ok_and(|domain| domain == AddressFamily::UNIX);
    if is_one {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Malformed,
        "the process that serves the name sent a descriptor that is no listening socket",
    ))
}

/// Accepts the next connection of a listening socket of any family; `None` if there is none.
pub fn accept(listener: impl AsFd) -> Result<Option<OwnedFd>> {
    kernel_entry::assert_allowed();
    match descriptor::accept(listener, SocketFlags::NONBLOCK) {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::AGAIN | Errno::CONNABORTED | Errno::INTR) => Ok(None),
        Err(e) => Err(e).doing("accepting a connection (accept4)"),
    }
}

/// Returns whether an error of [`accept`] belongs to one connection: TCP passes on network errors.
pub fn is_of_one_connection(errno: i32) -> bool {
    matches!(
        errno,
        libc::ENETDOWN
            | libc::EPROTO
            | libc::ENOPROTOOPT
            | libc::EHOSTDOWN
            | libc::ENONET
            | libc::EHOSTUNREACH
            | libc::ENETUNREACH
            | libc::ETIMEDOUT
    )
}

/// Guards a connection accepted from a Unix socket.
pub fn of_caller(socket: OwnedFd) -> Result<Guarded> {
    keep_in_line(&socket)?;
    Ok(Guarded::closed_by(socket, close))
}

/// Connects to this name's socket; `None` if its queue stays full for `patience`.
///
/// # Errors
/// `NotFound` if no process listens; `PermissionDenied` for a link; `Corrupt` for anything but a socket.
pub fn connect(
    directory: &Directory,
    name: &str,
    carries: Carries,
    patience: Duration,
) -> Result<Option<Guarded>> {
    kernel_entry::assert_allowed();
    let socket = stream()?;
    carries.set_up(&socket)?;
    let socket = Guarded::closed_by(socket, close);
    let non_blocking = || rustix::io::ioctl_fionbio(&socket, true).doing("making a socket non-blocking");
    if patience.is_zero() {
        // To the kernel, zero means no limit.
        non_blocking()?;
    } else {
        rustix::net::sockopt::set_socket_timeout(
            &socket,
            rustix::net::sockopt::Timeout::Send,
            Some(patience),
        )
        .doing("setting a socket's time-out")?;
    }
    let doing = || format!("connecting to {}", directory.path().join(name).display());
    let Some(handle) = directory.beneath().socket(name)? else { return Err(Errno::NOENT).doing(doing()) };
    let address = SocketAddrUnix::new(beneath::kernel_path(&handle)).doing(doing())?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) => {}
        Err(Errno::AGAIN | Errno::INTR) => return Ok(None),
        Err(e) => return Err(e).doing_by_kernel_path(doing()),
    }
    non_blocking()?;
    Ok(Some(socket))
}

/// Writes as much as fits, descriptors with the first byte. `None` without room.
///
/// # Errors
/// `Disconnected` if the peer has closed.
pub fn send(
    socket: impl AsFd,
    parts: &[IoSlice<'_>],
    descriptors: &[BorrowedFd<'_>],
) -> Result<Option<usize>> {
    kernel_entry::assert_allowed();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(Error::new(ErrorKind::Internal, "too many descriptors for one message"));
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    match rustix::net::sendmsg(socket, parts, &mut ancillary, flags) {
        Ok(n) => Ok(Some(n)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(e) => Err(e).doing("writing to a socket"),
    }
}

/// [`send`] for one slice, which costs less.
#[inline]
pub fn send_bytes(socket: impl AsFd, bytes: &[u8]) -> Result<Option<usize>> {
    kernel_entry::assert_allowed();
    match rustix::net::send(socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
        Ok(n) => Ok(Some(n)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(e) => Err(e).doing("writing to a socket"),
    }
}

/// Sends a byte that wakes the peer, if possible. The caller may hold a gate.
pub fn send_wake_up(socket: impl AsFd, byte: u8) {
    let _ = rustix::net::send(socket, &[byte], SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
}

/// Reads the available bytes: `Some(0)` is the end, `None` nothing yet.
pub fn receive(socket: impl AsFd, into: &mut [u8]) -> Result<Option<usize>> {
    kernel_entry::assert_allowed();
    match rustix::net::recv(socket, into, RecvFlags::DONTWAIT) {
        Ok((n, _)) => Ok(Some(n)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(e) => Err(e).doing("reading from a socket"),
    }
}

/// [`receive`] of at most `most` bytes into a list with room for them.
pub fn receive_behind(socket: impl AsFd, into: &mut Vec<u8>, most: usize) -> Result<Option<usize>> {
    kernel_entry::assert_allowed();
    match append(into, most, |room| Ok(rustix::net::recv(socket, room, RecvFlags::DONTWAIT)?.0.0)) {
        Ok(came) => Ok(Some(came)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(e) => Err(e).doing("reading from a socket"),
    }
}

/// [`receive`] if the peer may send descriptors; another thread closes those that the kernel accepts.
#[inline]
pub fn receive_bytes_alone(socket: impl AsFd, into: &mut [u8]) -> Result<Option<usize>> {
    kernel_entry::assert_allowed();
    if *REFUSES {
        return receive(socket, into);
    }
    let mut unwanted = Vec::new();
    let got = rights::receive_with(socket, into, &mut unwanted);
    closing::close_aside(unwanted);
    got
}

/// Returns whether [`receive`] is as safe as [`receive_bytes_alone`].
pub fn refuses_descriptors() -> bool {
    *REFUSES
}

static REFUSES: LazyLock<bool> = LazyLock::new(|| stream().is_ok_and(rights::refuse_descriptors));

/// Closes on another thread if unread descriptors may close with the socket.
fn close(socket: OwnedFd) {
    // After this nothing more arrives.
    let shut = rustix::net::shutdown(&socket, rustix::net::Shutdown::Both);
    if shut.is_ok() && may_hold_descriptors(&socket) {
        closing::close_aside([socket]);
    }
}

/// Whether unread descriptors may be in the socket; yes above 64 unread bytes.
///
/// Few bytes, such as wake-ups, are inspected, because so many threads would be too many.
fn may_hold_descriptors(socket: impl AsFd) -> bool {
    let mut bytes = [0; 64];
    match rustix::io::ioctl_fionread(&socket) {
        Ok(0) | Err(_) => false,
        Ok(unread) => {
            let looked = rights::peek(&socket, &mut bytes);
            !matches!(looked, Ok(Some((seen, false))) if seen as u64 == unread)
        }
    }
}

/// Closes a listening socket with its unaccepted connections.
fn close_listening(socket: OwnedFd) {
    // The kernel now refuses connections. In a forked child the descriptor is `/dev/null`.
    if rustix::net::shutdown(&socket, rustix::net::Shutdown::Both).is_ok() {
        while let Ok(waiting) = descriptor::accept(&socket, SocketFlags::empty()) {
            close(waiting);
        }
    }
}

/// [`receive`] for a socket whose descriptors came with its hello.
///
/// # Errors
/// `Malformed` if more descriptors arrive.
pub fn receive_refusing(socket: impl AsFd, into: &mut [u8]) -> Result<Option<usize>> {
    kernel_entry::assert_allowed();
    let mut unwanted = Vec::new();
    let got = rights::receive_with(socket, into, &mut unwanted);
    if unwanted.is_empty() {
        return got;
    }
    let text = format!("the peer sent {} descriptors where none are expected", unwanted.len());
    closing::close_aside(unwanted);
    Err(Error::new(ErrorKind::Malformed, text))
}

/// Ends a connection for both sides. Sent bytes are still delivered.
pub fn disconnect(socket: impl AsFd) {
    kernel_entry::assert_allowed();
    // A socket that is not connected any more has already ended.
    let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Both);
}

/// Ends writing; the other side sees that, and may continue to write.
pub fn end_writing(socket: impl AsFd) {
    kernel_entry::assert_allowed();
    let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn unread_bytes_are_distinguished_from_descriptors() {
        let (local, mut peer) = UnixStream::pair().unwrap();
        assert!(!may_hold_descriptors(&local), "nothing is there");
        peer.write_all(b"wake").unwrap();
        assert!(!may_hold_descriptors(&local), "four bytes");
        let file = tempfile::tempfile().unwrap();
        send(&peer, &[IoSlice::new(b"x")], &[file.as_fd()]).unwrap();
        assert!(may_hold_descriptors(&local), "a file behind four bytes");
        let (local, mut peer) = UnixStream::pair().unwrap();
        peer.write_all(&[0; 65]).unwrap();
        assert!(may_hold_descriptors(&local), "more than is looked at");
        rustix::net::shutdown(&local, rustix::net::Shutdown::Both).unwrap();
        let (local, mut peer) = UnixStream::pair().unwrap();
        peer.write_all(b"wake").unwrap();
        rustix::net::shutdown(&local, rustix::net::Shutdown::Both).unwrap();
        assert!(!may_hold_descriptors(&local), "what came before the shutdown is still looked at");
    }
}
