//! Unix datagram sockets, for the mailslot: each message is delivered whole or not at all.

use std::io::IoSlice;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
    sockopt,
};

use super::beneath::{self, DoingByKernelPath};
use super::descriptor;
use super::directory::Directory;
use super::fork::Guarded;
use super::staging::Staging;
use super::{brief, closing, rights, socket};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::kernel_entry;

fn socket() -> Result<Guarded> {
    let flags = SocketFlags::NONBLOCK;
    let fd = descriptor::socket(AddressFamily::UNIX, SocketType::DGRAM, flags, None)
        .doing("making a datagram socket")?;
    // Otherwise unread descriptors are closed with the socket, which may block.
    let close = if rights::refuse_descriptors(&fd) { drop } else { |fd| closing::close_aside([fd]) };
    Ok(Guarded::closed_by(fd, close))
}

/// Creates a socket for others' messages in a private directory. `shown` is its later path, for texts.
pub fn bind(staging: &Staging, entry: &str, mode: u32, group: Option<u32>, shown: &Path) -> Result<Guarded> {
    let socket = socket()?;
    let doing = || format!("making the mailslot {}", shown.display());
    let address = SocketAddrUnix::new(staging.inside().short_path(entry)).doing(doing())?;
    rustix::net::bind(&socket, &address).doing_by_kernel_path(doing())?;
    staging.set_access(entry, mode, group, shown)?;
    Ok(socket)
}

/// Creates a socket that writes to this name's socket; `None` if no process reads there.
///
/// # Errors
/// `PermissionDenied` for a link; `Corrupt` for anything but a socket; `InvalidState` for another type of socket.
pub fn connect(directory: &Directory, name: &str) -> Result<Option<Guarded>> {
    let socket = socket()?;
    let path = directory.path().join(name);
    let Some(handle) = directory.beneath().socket(name)? else { return Ok(None) };
    let address = SocketAddrUnix::new(beneath::kernel_path(&handle))
        .doing(format_args!("naming the socket {}", path.display()))?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) => Ok(Some(socket)),
        Err(Errno::CONNREFUSED) => Ok(None),
        Err(Errno::PROTOTYPE) => {
            let text = format!("{} is a socket of another kind, and no mailslot", path.display());
            Err(Error::new(ErrorKind::InvalidState, text))
        }
        Err(e) => {
            match Err(e).doing_by_kernel_path(format_args!("opening the mailslot {}", path.display())) {
                Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
                opened => opened,
            }
        }
    }
}

/// Sends one message whole, from one slice.
pub fn send_bytes(socket: impl AsFd, bytes: &[u8]) -> rustix::io::Result<()> {
    kernel_entry::assert_allowed();
    rustix::net::send(socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT).map(drop)
}

/// [`send_bytes`] from several slices, which cost the kernel more.
pub fn send(socket: impl AsFd, parts: &[IoSlice<'_>]) -> rustix::io::Result<()> {
    kernel_entry::assert_allowed();
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    rustix::net::sendmsg(socket, parts, &mut SendAncillaryBuffer::default(), flags).map(drop)
}

/// Takes the next message, if any, and returns its whole length in bytes.
///
/// The rest of a message longer than the buffer is lost.
pub fn receive(socket: impl AsFd, into: &mut [u8]) -> Result<Option<usize>> {
    kernel_entry::assert_allowed();
    if !socket::refuses_descriptors() {
        // One byte more than fits shows that there was more.
        return socket::receive_bytes_alone(socket, into);
    }
    match rustix::net::recv(socket, into, RecvFlags::DONTWAIT | RecvFlags::TRUNC) {
        Ok((_, length)) => Ok(Some(length)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(e) => Err(e).doing("reading from a mailslot"),
    }
}

/// Prepares a socket for brief reads; false if the kernel cannot refuse descriptors.
pub fn allow_brief_reads(socket: impl AsFd) -> bool {
    socket::refuses_descriptors() && brief::allow(socket).is_ok()
}

/// Returns the most bytes of a message.
pub fn longest(socket: impl AsFd) -> Result<usize> {
    // Bytes that the kernel reserves: see `unix_dgram_sendmsg`.
    const KEPT: usize = 32;
    let buffer = sockopt::socket_send_buffer_size(socket).doing("asking for a socket's send buffer")?;
    Ok(buffer.saturating_sub(KEPT))
}

/// Requests a send buffer for such a message; above `net.core.wmem_max` it needs privileges.
pub fn enlarge(socket: impl AsFd, bytes: usize) -> Result<()> {
    kernel_entry::assert_allowed();
    match sockopt::set_socket_send_buffer_size_force(&socket, bytes) {
        Ok(()) => Ok(()),
        Err(_) => {
            sockopt::set_socket_send_buffer_size(&socket, bytes).doing("enlarging a socket's send buffer")
        }
    }
}
