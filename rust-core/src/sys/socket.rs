//! Unix sockets: names of any length in a directory, descriptors sent along, exact reads.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};

use super::beneath;
use super::directory::Directory;
use super::fork::Guarded;
use super::staging::Staging;
use crate::error::{Doing, Error, ErrorKind, Result};

/// The most descriptors that one message of ours carries.
pub const MAX_DESCRIPTORS: usize = 4;

fn stream() -> Result<Guarded> {
    let fd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        .doing("making a socket")?;
    Ok(Guarded::new(fd))
}

/// A listening socket made in a private directory, non-blocking, with this mode and for this group. `shown` is the path that
/// it is to have, for texts.
pub fn listen(
    staging: &Staging,
    entry: &str,
    mode: u32,
    group: Option<u32>,
    shown: &Path,
) -> Result<Guarded> {
    let socket = stream()?;
    let doing = || format!("listening at {}", shown.display());
    let address = SocketAddrUnix::new(staging.inside().short_path(entry)).doing(doing())?;
    rustix::net::bind(&socket, &address).doing(doing())?;
    staging.set_access(entry, mode, group, shown)?;
    rustix::net::listen(&socket, 128).doing(doing())?;
    rustix::io::ioctl_fionbio(&socket, true).doing(doing())?;
    Ok(socket)
}

/// The next connection of a listening socket, non-blocking; none where nobody waits.
pub fn accept(listener: impl AsFd) -> Result<Option<Guarded>> {
    match rustix::net::accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
        Ok(fd) => Ok(Some(Guarded::new(fd))),
        Err(Errno::AGAIN | Errno::CONNABORTED | Errno::INTR) => Ok(None),
        Err(e) => Err(e).doing("accepting a connection"),
    }
}

/// Connects to the socket of this name, waiting at most so long for a place in its queue; non-blocking afterwards.
///
/// None where the time has passed: somebody listens, but the queue is full. `PermissionDenied` for a link, `Corrupt` for
/// anything but a socket.
pub fn connect(directory: &Directory, name: &str, patience: Duration) -> Result<Option<Guarded>> {
    let socket = stream()?;
    // Zero would mean "for ever" to the kernel.
    let patience = patience.max(Duration::from_millis(1));
    rustix::net::sockopt::set_socket_timeout(&socket, rustix::net::sockopt::Timeout::Send, Some(patience))
        .doing("setting a socket's time-out")?;
    let doing = || format!("connecting to {}", directory.path().join(name).display());
    let Some(there) = directory.beneath().socket(name)? else { return Err(Errno::NOENT).doing(doing()) };
    let address = SocketAddrUnix::new(beneath::kernel_path(&there)).doing(doing())?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) => {}
        Err(Errno::AGAIN | Errno::INTR) => return Ok(None),
        Err(e) => return Err(e).doing(doing()),
    }
    rustix::io::ioctl_fionbio(&socket, true).doing("making a socket non-blocking")?;
    Ok(Some(socket))
}

/// Writes as much as there is room for now; descriptors go with the first byte. None where there is no room.
pub fn send(
    socket: impl AsFd,
    parts: &[IoSlice<'_>],
    descriptors: &[BorrowedFd<'_>],
) -> Result<Option<usize>> {
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

/// The same for bytes in one piece, which costs the kernel less than a list of one.
pub fn send_bytes(socket: impl AsFd, bytes: &[u8]) -> Result<Option<usize>> {
    match rustix::net::send(socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
        Ok(n) => Ok(Some(n)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(e) => Err(e).doing("writing to a socket"),
    }
}

/// Reads what is there, at most the buffer's length; zero is the end. None where nothing is there yet.
pub fn receive(socket: impl AsFd, into: &mut [u8]) -> Result<Option<usize>> {
    match rustix::net::recv(socket, into, RecvFlags::DONTWAIT) {
        Ok((n, _)) => Ok(Some(n)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(e) => Err(e).doing("reading from a socket"),
    }
}

/// Like [`receive`], and takes the descriptors that came along.
pub fn receive_with(
    socket: impl AsFd,
    into: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
) -> Result<Option<usize>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let before = descriptors.len();
    let got = match rustix::net::recvmsg(socket, &mut [IoSliceMut::new(into)], &mut ancillary, flags) {
        Ok(got) => got,
        Err(Errno::AGAIN | Errno::INTR) => return Ok(None),
        Err(e) => return Err(e).doing("reading from a socket"),
    };
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            descriptors.extend(fds);
        }
    }
    // More than there is a place for are none of ours; fewer are what this process had room for.
    if got.flags.contains(ReturnFlags::CTRUNC) && descriptors.len() - before < MAX_DESCRIPTORS {
        return Err(Error::os("taking descriptors from a socket", libc::EMFILE));
    }
    Ok(Some(got.bytes))
}

/// Ends a connection for both sides at once, whoever else still holds the descriptor. What was sent is still delivered.
pub fn hang_up(socket: impl AsFd) {
    // One that is not connected any more has hung up already.
    let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Both);
}
