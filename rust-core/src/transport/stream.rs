//! Bytes in order, both ways: what a hello and then the frames of a link go over where no memory is shared.

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::PollFlags;

use crate::error::{Error, ErrorKind, Result};
use crate::sys::fork::Guarded;
use crate::sys::peer::{self, Credentials};
use crate::sys::socket;

/// A connection, shared by the two halves of its link.
#[derive(Clone, Debug)]
pub enum Stream {
    /// A connected, non-blocking socket.
    Socket(Arc<Guarded>),
}

impl Stream {
    /// Reads what is there; zero is the end, none means nothing yet.
    #[inline]
    pub fn read(&self, into: &mut [u8]) -> Result<Option<usize>> {
        match self {
            Stream::Socket(socket) => socket::receive(&**socket, into),
        }
    }

    /// Like [`Stream::read`], and takes the descriptors that came along, where the stream carries any.
    pub fn read_with(&self, into: &mut [u8], descriptors: &mut Vec<OwnedFd>) -> Result<Option<usize>> {
        match self {
            Stream::Socket(socket) => socket::receive_with(&**socket, into, descriptors),
        }
    }

    /// Writes as much as there is room for now; none where there is no room.
    #[inline]
    pub fn write(&self, parts: &[IoSlice<'_>]) -> Result<Option<usize>> {
        match self {
            Stream::Socket(socket) => socket::send(&**socket, parts, &[]),
        }
    }

    /// The same for bytes in one piece, which costs the kernel less than a list of one.
    #[inline]
    pub fn write_bytes(&self, bytes: &[u8]) -> Result<Option<usize>> {
        match self {
            Stream::Socket(socket) => socket::send_bytes(&**socket, bytes),
        }
    }

    /// Writes with descriptors that go along with the first byte.
    pub fn write_with(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<Option<usize>> {
        match self {
            Stream::Socket(socket) => socket::send(&**socket, &[IoSlice::new(bytes)], descriptors),
        }
    }

    /// What to sleep on for reading.
    pub fn readable(&self) -> (BorrowedFd<'_>, PollFlags) {
        match self {
            Stream::Socket(socket) => (socket.as_fd(), PollFlags::IN),
        }
    }

    /// What to sleep on for writing.
    pub fn writable(&self) -> (BorrowedFd<'_>, PollFlags) {
        match self {
            Stream::Socket(socket) => (socket.as_fd(), PollFlags::OUT),
        }
    }

    /// Whether bytes wait on our side of the descriptor, which then does not tell of them.
    pub fn holds_bytes(&self) -> bool {
        match self {
            Stream::Socket(_) => false,
        }
    }

    /// The socket, for a transport that goes on without the stream.
    pub fn into_socket(self) -> Result<Arc<Guarded>> {
        match self {
            Stream::Socket(socket) => Ok(socket),
            #[allow(unreachable_patterns, reason = "other streams are not sockets")]
            _ => Err(Error::new(ErrorKind::Internal, "a socket was asked of another kind of stream")),
        }
    }

    /// Who opened the other end, where the kernel says.
    pub fn credentials(&self) -> Result<Option<Credentials>> {
        match self {
            Stream::Socket(socket) => match rustix::net::sockopt::socket_domain(&**socket) {
                Ok(rustix::net::AddressFamily::UNIX) => peer::credentials(&**socket).map(Some),
                _ => Ok(None),
            },
        }
    }

    /// The other end's address, for texts.
    pub fn peer_address(&self) -> String {
        let Stream::Socket(socket) = self;
        let address = rustix::net::getpeername(&**socket).ok().flatten();
        match address.and_then(|address| std::net::SocketAddr::try_from(address).ok()) {
            Some(address) => address.to_string(),
            None => "somebody".into(),
        }
    }

    /// Ends the connection for both sides at once, whoever else still holds it. What was sent is still delivered.
    pub fn hang_up(&self) {
        match self {
            Stream::Socket(socket) => socket::hang_up(&**socket),
        }
    }
}
