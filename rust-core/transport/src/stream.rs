//! A connection that carries bytes in order in both directions: a hello, then perhaps frames.
//!
//! Only `Stream::wait_room` blocks.

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use std::time::Duration;

use rustix::event::PollFlags;

use super::admission::PeerIdentity;
use super::byte_stream::{ByteStream, read_zeroed};
use crate::deadline::{Deadline, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::brief::{self, Brief};
use crate::sys::fork::Guarded;
use crate::sys::inet;
use crate::sys::peer::{self, Credentials};
use crate::sys::poll::{happens_within, wait_any};
use crate::sys::{rights, sleeping, socket};

/// A connection, shared by the two halves of its link.
#[derive(Clone, Debug)]
pub enum Stream {
    /// A Unix socket.
    Socket(Arc<Guarded>),
    /// A TCP socket within this machine, without descriptors and the peer's user.
    Inet(Arc<Guarded>),
    /// Two pipes, or TLS.
    Other(Arc<dyn ByteStream>),
}

impl Stream {
    /// Returns whether this kernel still holds bytes, without room in the peer's.
    ///
    /// If the process ends without a close and the peer then sends, they are dropped.
    pub(crate) fn is_held_back(&self) -> bool {
        matches!(self, Stream::Inet(socket) if inet::not_sent(socket.as_fd()).is_ok_and(|bytes| bytes > 0))
    }

    /// Ends writing over TCP, and waits until the peer's kernel has acknowledged all bytes.
    ///
    /// Otherwise a reset by the peer's sending could overtake them.
    pub(crate) fn end_acknowledged(&self, until: Deadline) {
        let Stream::Inet(socket) = self else { return };
        socket::end_writing(&**socket);
        let mut pause = Duration::from_micros(20);
        while inet::not_acknowledged(socket.as_fd()).is_ok_and(|bytes| bytes > 0) && !until.has_passed() {
            // No descriptor signals the acknowledgement.
            sleeping::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(2));
        }
    }

    /// Reads the available bytes. `Some(0)` is the end; `None` means that nothing is available yet.
    #[inline]
    pub(crate) fn read(&self, into: &mut [u8]) -> Result<Option<usize>> {
        match self {
            Stream::Socket(socket) => socket::receive_bytes_alone(&**socket, into),
            Stream::Inet(socket) => socket::receive(&**socket, into),
            Stream::Other(stream) => stream.read(into),
        }
    }

    /// Appends at most `most` bytes to a list with that room.
    pub(crate) fn read_behind(&self, into: &mut Vec<u8>, most: usize) -> Result<Option<usize>> {
        match self {
            Stream::Socket(socket) if socket::refuses_descriptors() => {
                socket::receive_behind(&**socket, into, most)
            }
            Stream::Inet(socket) => socket::receive_behind(&**socket, into, most),
            Stream::Socket(_) => read_zeroed(into, most, |room| self.read(room)),
            Stream::Other(stream) => stream.read_behind(into, most),
        }
    }

    /// Prepares [`Stream::read_briefly`]; over Unix sockets it takes as long as epoll and a read.
    pub(crate) fn allow_brief_reads(&self) -> bool {
        match self {
            Stream::Inet(socket) => brief::allow(&**socket).is_ok(),
            Stream::Socket(_) | Stream::Other(_) => false,
        }
    }

    /// Reads, and sleeps at most a few milliseconds for data.
    pub(crate) fn read_briefly(&self, into: &mut [u8]) -> Result<Brief> {
        match self {
            Stream::Inet(socket) => brief::receive(&**socket, into),
            Stream::Socket(_) | Stream::Other(_) => Ok(Brief::Passed),
        }
    }

    /// [`Stream::read_briefly`] into a list's spare capacity.
    pub(crate) fn read_behind_briefly(&self, into: &mut Vec<u8>) -> Result<Brief> {
        match self {
            Stream::Inet(socket) => brief::receive_behind(&**socket, into),
            Stream::Socket(_) | Stream::Other(_) => Ok(Brief::Passed),
        }
    }

    /// Whether each message checks the peer first, because the kernel accepts writes after its end.
    pub(crate) fn is_peer_checked(&self) -> bool {
        !matches!(self, Stream::Socket(_))
    }

    /// Writes as much as fits; `None` without room.
    #[inline]
    pub(crate) fn write(&self, parts: &[IoSlice<'_>]) -> Result<Option<usize>> {
        match self {
            Stream::Socket(socket) | Stream::Inet(socket) => socket::send(&**socket, parts, &[]),
            Stream::Other(stream) => stream.write(parts),
        }
    }

    /// [`Stream::write`] for one slice, which costs less.
    #[inline]
    pub(crate) fn write_bytes(&self, bytes: &[u8]) -> Result<Option<usize>> {
        match self {
            Stream::Socket(socket) | Stream::Inet(socket) => socket::send_bytes(&**socket, bytes),
            Stream::Other(stream) => stream.write(&[IoSlice::new(bytes)]),
        }
    }

    /// Returns whether accepted bytes are in the kernel instead of in a buffer of this process.
    pub(crate) fn writes_reach_kernel(&self) -> bool {
        match self {
            Stream::Socket(_) | Stream::Inet(_) => true,
            Stream::Other(stream) => stream.writes_reach_kernel(),
        }
    }

    /// Passes buffered bytes on; true if nothing is left.
    pub(crate) fn flush(&self) -> Result<bool> {
        match self {
            Stream::Socket(_) | Stream::Inet(_) => Ok(true),
            Stream::Other(stream) => stream.flush(),
        }
    }

    /// Writes bytes, and descriptors with the first.
    ///
    /// # Errors
    /// `Internal` for descriptors over anything but a Unix socket.
    pub fn write_with(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<Option<usize>> {
        match self {
            Stream::Socket(socket) => socket::send(&**socket, &[IoSlice::new(bytes)], descriptors),
            _ if descriptors.is_empty() => self.write_bytes(bytes),
            _ => Err(Error::new(ErrorKind::Internal, "descriptors go over Unix sockets alone")),
        }
    }

    /// Lets the kernel refuse the peer's descriptors from now on, if it can: see [`Carries::Bytes`].
    ///
    /// [`Carries::Bytes`]: crate::sys::socket::Carries::Bytes
    pub fn refuse_descriptors(&self) {
        if let Stream::Socket(socket) = self {
            // An older kernel cannot: the reader then closes them.
            rights::refuse_descriptors(&**socket);
        }
    }

    pub(crate) fn readable(&self) -> (BorrowedFd<'_>, PollFlags) {
        match self {
            Stream::Socket(socket) | Stream::Inet(socket) => (socket.as_fd(), PollFlags::IN),
            Stream::Other(stream) => (stream.reader(), PollFlags::IN),
        }
    }

    /// Returns the descriptor to sleep on, if cheaper than a read with a time-out.
    pub(crate) fn polled(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Stream::Socket(socket) => Some(socket.as_fd()),
            Stream::Inet(_) => None,
            Stream::Other(stream) => stream.shows_all().then(|| stream.reader()),
        }
    }

    pub(crate) fn writable(&self) -> (BorrowedFd<'_>, PollFlags) {
        match self {
            Stream::Socket(socket) | Stream::Inet(socket) => (socket.as_fd(), PollFlags::OUT),
            Stream::Other(stream) => (stream.writer(), PollFlags::OUT),
        }
    }

    /// Sleeps until there is room for writing.
    ///
    /// # Errors
    /// `Timeout`; `Disconnected` if only another descriptor shows that the peer has ended.
    pub(crate) fn wait_room(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        match self {
            Stream::Other(stream) => stream.wait_room(waiting),
            _ => wait_any(waiting, [self.writable()]).map(drop),
        }
    }

    /// Returns a descriptor that is readable when [`Stream::has_ended`] may be true.
    pub(crate) fn liveness(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Stream::Other(stream) => stream.liveness(),
            _ => None,
        }
    }

    /// Returns whether the peer has ended. Its bytes can still be read.
    pub(crate) fn has_ended(&self) -> Result<bool> {
        match self {
            Stream::Other(stream) => stream.has_ended(),
            _ => Ok(false),
        }
    }

    /// Returns whether the peer is known to have closed, without reading.
    pub fn is_peer_gone(&self) -> bool {
        match self {
            Stream::Socket(socket) | Stream::Inet(socket) => has_peer_closed(socket.as_fd()),
            Stream::Other(stream) => stream.is_peer_gone(),
        }
    }

    /// Refuses to begin a message for a peer that has closed the connection.
    ///
    /// TCP reports that loss only at the next call.
    ///
    /// # Errors
    /// `Disconnected`.
    pub(crate) fn check_peer(&self) -> Result<()> {
        let gone = match self {
            Stream::Socket(_) => false,
            Stream::Inet(socket) => inet::is_peer_closed(&**socket)?,
            Stream::Other(stream) => return stream.check_peer(),
        };
        if gone { Err(Error::new(ErrorKind::Disconnected, "the peer disconnected")) } else { Ok(()) }
    }

    /// Returns the key that a peer on another machine has proven.
    pub fn key_name(&self) -> Option<&str> {
        match self {
            Stream::Other(stream) => stream.key_name(),
            Stream::Socket(_) | Stream::Inet(_) => None,
        }
    }

    /// Limits the kernel's unread bytes, if they would grow.
    pub fn limit_send_queue(&self, bytes: usize) -> Result<()> {
        match self {
            Stream::Inet(socket) => inet::limit_send_queue(&**socket, bytes),
            Stream::Other(stream) => stream.limit_send_queue(bytes),
            // The kernel does not grow a Unix socket's queue.
            Stream::Socket(_) => Ok(()),
        }
    }

    /// Returns whether this process has buffered bytes, which the descriptor does not show.
    pub(crate) fn holds_bytes(&self) -> bool {
        match self {
            Stream::Socket(_) | Stream::Inet(_) => false,
            Stream::Other(stream) => stream.holds_bytes(),
        }
    }

    /// Returns the largest write that is not mixed with other writers' bytes.
    pub(crate) fn atomic_write_size(&self) -> Option<usize> {
        match self {
            Stream::Socket(_) | Stream::Inet(_) => None,
            Stream::Other(stream) => stream.atomic_write_size(),
        }
    }

    /// Returns whether a short read is complete.
    pub(crate) fn short_read_is_last(&self) -> bool {
        match self {
            Stream::Socket(_) | Stream::Inet(_) => true,
            Stream::Other(stream) => stream.shows_all(),
        }
    }

    pub(crate) fn peer(&self) -> Result<(Option<Credentials>, Option<Arc<OwnedFd>>)> {
        let credentials = self.credentials()?;
        let process = credentials.as_ref().and_then(|who| self.process(who));
        Ok((credentials, process))
    }

    pub(crate) fn process(&self, who: &Credentials) -> Option<Arc<OwnedFd>> {
        let Stream::Socket(socket) = self else { return None };
        peer::process(&**socket, who).map(Arc::new)
    }

    /// Returns the Unix socket, to continue without the stream.
    ///
    /// # Errors
    /// `Internal` for another stream.
    pub fn into_socket(self) -> Result<Arc<Guarded>> {
        match self {
            Stream::Socket(socket) => Ok(socket),
            _ => Err(Error::new(ErrorKind::Internal, "the socket of another kind of stream was requested")),
        }
    }

    /// Returns the user that opened the other end, if the kernel provides it.
    pub fn credentials(&self) -> Result<Option<Credentials>> {
        match self {
            Stream::Socket(socket) => peer::credentials(&**socket).map(Some),
            _ => Ok(None),
        }
    }

    /// The peer before it has sent anything: its user, else its address.
    pub(crate) fn peer_identity(&self, credentials: Option<&Credentials>) -> PeerIdentity {
        match self {
            _ if credentials.is_some() => PeerIdentity::of(credentials),
            Stream::Inet(socket) => match (inet::peer_address(&**socket), inet::own_address(&**socket)) {
                (Ok(from), Ok(to)) => {
                    inet::user_calling(from, to).map_or(PeerIdentity::at(from.ip()), PeerIdentity::User)
                }
                _ => PeerIdentity::Unknown,
            },
            Stream::Other(stream) => stream.peer_identity(),
            Stream::Socket(_) => PeerIdentity::Unknown,
        }
    }

    /// The peer as a sender: its key or user, else its address.
    pub(crate) fn sender(&self) -> PeerIdentity {
        match self.key_name() {
            Some(key) => PeerIdentity::Key(key.into()),
            None => self.peer_identity(self.credentials().ok().flatten().as_ref()),
        }
    }

    /// Returns the other end's address, for texts.
    pub fn peer_address(&self) -> String {
        let address = match self {
            Stream::Inet(socket) => inet::peer_address(&**socket).ok().map(|address| address.to_string()),
            Stream::Socket(_) => None,
            Stream::Other(stream) => stream.peer_address(),
        };
        address.unwrap_or_else(|| "an unknown peer".into())
    }

    /// Shuts down writing, and discards arrived bytes.
    ///
    /// Closing with unread bytes resets the socket: the peer would see an error, and over TCP lose bytes in flight.
    pub(crate) fn end_writing(&self) {
        let (Stream::Socket(socket) | Stream::Inet(socket)) = self else { return };
        socket::end_writing(&**socket);
        let mut unread = [0; 4096];
        while matches!(self.read(&mut unread), Ok(Some(1..))) {}
    }

    /// Ends the connection for all. Sent bytes still arrive.
    pub fn disconnect(&self) {
        match self {
            Stream::Socket(socket) | Stream::Inet(socket) => socket::disconnect(&**socket),
            Stream::Other(stream) => stream.disconnect(),
        }
    }
}

/// Whether the peer has closed its writing side. Blocks for at most a millisecond.
pub(crate) fn has_peer_closed(socket: BorrowedFd<'_>) -> bool {
    let gone = PollFlags::HUP | PollFlags::RDHUP | PollFlags::ERR;
    happens_within(socket, PollFlags::RDHUP, Duration::from_millis(1)).is_ok_and(|what| what.intersects(gone))
}
