//! Unix datagram sockets: each message whole, or not at all.

use std::io::IoSlice;
use std::os::fd::AsFd;

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
    sockopt,
};

use super::directory::Directory;
use super::fork::Guarded;
use super::group;
use crate::error::{Doing, Error, ErrorKind, Result};

fn socket() -> Result<Guarded> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)
        .doing("making a datagram socket")?;
    Ok(Guarded::new(fd))
}

fn address(directory: &Directory, name: &str) -> Result<SocketAddrUnix> {
    SocketAddrUnix::new(directory.short_path(name)).doing(format_args!("naming the socket {name}"))
}

/// A socket of this name, into which others write.
pub fn bind(directory: &Directory, name: &str, mode: u32, group: Option<u32>) -> Result<Guarded> {
    let socket = socket()?;
    let doing = || format!("making the mailslot {}", directory.path().join(name).display());
    rustix::net::bind(&socket, &address(directory, name)?).doing(doing())?;
    let path = directory.short_path(name);
    let given = group::give_name(directory, name, group)
        .and_then(|()| rustix::fs::chmod(&path, Mode::from_raw_mode(mode)).doing(doing()));
    if let Err(error) = given {
        // The first error is the one that counts; what cannot be removed now is swept by the next.
        let _ = rustix::fs::unlinkat(directory, name, rustix::fs::AtFlags::empty());
        return Err(error);
    }
    Ok(socket)
}

/// A socket that writes into the one of this name; none where nobody reads there.
pub fn connect(directory: &Directory, name: &str) -> Result<Option<Guarded>> {
    let socket = socket()?;
    let path = directory.path().join(name);
    match rustix::net::connect(&socket, &address(directory, name)?) {
        Ok(()) => Ok(Some(socket)),
        Err(Errno::NOENT | Errno::CONNREFUSED | Errno::NOTDIR) => Ok(None),
        Err(Errno::PROTOTYPE) => {
            let text = format!("{} is a socket of another kind, and no mailslot", path.display());
            Err(Error::new(ErrorKind::InvalidState, text))
        }
        Err(e) => Err(e).doing(format_args!("opening the mailslot {}", path.display())),
    }
}

/// Sends one message whole; gives the kernel's word where it does not take it.
pub fn send(socket: impl AsFd, parts: &[IoSlice<'_>]) -> rustix::io::Result<()> {
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    rustix::net::sendmsg(socket, parts, &mut SendAncillaryBuffer::default(), flags).map(drop)
}

/// Bytes of the next message; none where there is none.
pub fn next_length(socket: impl AsFd) -> Result<Option<usize>> {
    let flags = RecvFlags::DONTWAIT | RecvFlags::PEEK | RecvFlags::TRUNC;
    match rustix::net::recv(socket, &mut [0u8; 0], flags) {
        // What is cut off is counted all the same.
        Ok((_, length)) => Ok(Some(length)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(e) => Err(e).doing("looking into a mailslot"),
    }
}

/// Takes the next message, or the beginning of it that the buffer holds.
pub fn receive(socket: impl AsFd, into: &mut [u8]) -> Result<usize> {
    rustix::net::recv(socket, into, RecvFlags::DONTWAIT).map(|(n, _)| n).doing("reading from a mailslot")
}

/// The most bytes of one message that this socket sends.
pub fn longest(socket: impl AsFd) -> Result<usize> {
    // What the kernel keeps for itself: see unix_dgram_sendmsg.
    const KEPT: usize = 32;
    let buffer = sockopt::socket_send_buffer_size(socket).doing("asking for a socket's send buffer")?;
    Ok(buffer.saturating_sub(KEPT))
}

/// Asks for a send buffer that one message of so many bytes fits into: beyond net.core.wmem_max only for the privileged.
pub fn enlarge(socket: impl AsFd, bytes: usize) -> Result<()> {
    match sockopt::set_socket_send_buffer_size_force(&socket, bytes) {
        Ok(()) => Ok(()),
        Err(_) => {
            sockopt::set_socket_send_buffer_size(&socket, bytes).doing("enlarging a socket's send buffer")
        }
    }
}
