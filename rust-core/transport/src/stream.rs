//! A connection that carries bytes in order in both directions: a hello, and then frames if no memory is
//! shared.
//!
//! The two halves of a link share one [`Stream`]. Only `Stream::wait_room` blocks.

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
    /// A TCP socket within this machine. It carries no descriptors, and does not tell the peer's user.
    Inet(Arc<Guarded>),
    /// Two pipes, or TLS.
    Other(Arc<dyn ByteStream>),
}

impl Stream {
    /// Returns whether the peer's kernel has no room for bytes that this kernel still holds.
    ///
    /// If the process ends without a close and the peer then sends, the kernel drops those bytes.
    pub(crate) fn is_held_back(&self) -> bool {
        matches!(self, Stream::Inet(socket) if inet::not_sent(socket.as_fd()).is_ok_and(|bytes| bytes > 0))
    }

    /// Ends writing over TCP, and waits until the peer's kernel has acknowledged all bytes.
    ///
    /// Without the wait, a reset by the peer's sending could overtake the last bytes.
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

    /// Appends at most `most` available bytes to a list, which must have that much room.
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

    /// Prepares the connection for [`Stream::read_briefly`]; false if it has no such reads.
    ///
    /// Over Unix sockets such a read takes as long as a sleep in epoll and a read.
    pub(crate) fn allow_brief_reads(&self) -> bool {
        match self {
            Stream::Inet(socket) => brief::allow(&**socket).is_ok(),
            Stream::Socket(_) | Stream::Other(_) => false,
        }
    }

    /// Reads, and sleeps at most a few milliseconds for data, after [`Stream::allow_brief_reads`].
    pub(crate) fn read_briefly(&self, into: &mut [u8]) -> Result<Brief> {
        match self {
            Stream::Inet(socket) => brief::receive(&**socket, into),
            Stream::Socket(_) | Stream::Other(_) => Ok(Brief::Passed),
        }
    }

    /// Like [`Stream::read_briefly`], appended to a list: at most its spare capacity.
    pub(crate) fn read_behind_briefly(&self, into: &mut Vec<u8>) -> Result<Brief> {
        match self {
            Stream::Inet(socket) => brief::receive_behind(&**socket, into),
            Stream::Socket(_) | Stream::Other(_) => Ok(Brief::Passed),
        }
    }

    /// Returns whether each message checks the peer first: the kernel accepts writes after its end.
    pub(crate) fn is_peer_checked(&self) -> bool {
        !matches!(self, Stream::Socket(_))
    }

    /// Writes as many bytes as there is room for; `None` if there is no room.
    #[inline]
    pub(crate) fn write(&self, parts: &[IoSlice<'_>]) -> Result<Option<usize>> {
        match self {
            Stream::Socket(socket) | Stream::Inet(socket) => socket::send(&**socket, parts, &[]),
            Stream::Other(stream) => stream.write(parts),
        }
    }

    /// Like [`Stream::write`] for one slice, which costs the kernel less than a list with one slice.
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

    /// Passes buffered bytes on to the kernel; true if nothing is left.
    pub(crate) fn flush(&self) -> Result<bool> {
        match self {
            Stream::Socket(_) | Stream::Inet(_) => Ok(true),
            Stream::Other(stream) => stream.flush(),
        }
    }

    /// Writes bytes, and sends descriptors with the first byte.
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
            // An older kernel cannot. The reader then takes the descriptors and closes them.
            rights::refuse_descriptors(&**socket);
        }
    }

    pub(crate) fn readable(&self) -> (BorrowedFd<'_>, PollFlags) {
        match self {
            Stream::Socket(socket) | Stream::Inet(socket) => (socket.as_fd(), PollFlags::IN),
            Stream::Other(stream) => (stream.reader(), PollFlags::IN),
        }
    }

    /// Returns the descriptor to sleep on for reading, if that is cheaper than a read with a time-out.
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

    /// Returns a descriptor that is readable when the peer may have ended: then call [`Stream::has_ended`].
    pub(crate) fn liveness(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Stream::Other(stream) => stream.liveness(),
            _ => None,
        }
    }

    /// Returns whether the peer has ended. Its bytes can still be read, followed by the end.
    pub(crate) fn has_ended(&self) -> Result<bool> {
        match self {
            Stream::Other(stream) => stream.has_ended(),
            _ => Ok(false),
        }
    }

    /// Returns whether the peer is known, without reading, to have closed the connection.
    pub fn is_peer_gone(&self) -> bool {
        match self {
            Stream::Socket(socket) | Stream::Inet(socket) => has_peer_closed(socket.as_fd()),
            Stream::Other(stream) => stream.is_peer_gone(),
        }
    }

    /// Refuses to begin a message for a peer that has closed the connection.
    ///
    /// TCP accepts bytes after the peer's end, and reports the loss only at the next call.
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

    /// Returns the name of the key that a peer on another machine has proven.
    pub fn key_name(&self) -> Option<&str> {
        match self {
            Stream::Other(stream) => stream.key_name(),
            Stream::Socket(_) | Stream::Inet(_) => None,
        }
    }

    /// Limits the unread bytes that the kernel keeps, if their number would grow.
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

    /// Returns the largest write that the kernel does not mix with other writers' bytes, if there are others.
    pub(crate) fn atomic_write_size(&self) -> Option<usize> {
        match self {
            Stream::Socket(_) | Stream::Inet(_) => None,
            Stream::Other(stream) => stream.atomic_write_size(),
        }
    }

    /// Returns whether a short read has returned all available bytes.
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

    /// Returns the Unix socket, for a transport that continues without the stream.
    ///
    /// # Errors
    /// `Internal` for another kind of stream.
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

    /// Returns the peer before it has sent anything: its user if it is on this machine, else its address.
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

    /// Returns the peer as a sender of messages: its key or user if known, else its address.
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

    /// Shuts down the writing side, and discards arrived bytes.
    ///
    /// Closing a socket with unread bytes resets it. The peer would see an error instead of the end, and over
    /// TCP lose bytes in flight.
    pub(crate) fn end_writing(&self) {
        let (Stream::Socket(socket) | Stream::Inet(socket)) = self else { return };
        socket::end_writing(&**socket);
        let mut unread = [0; 4096];
        while matches!(self.read(&mut unread), Ok(Some(1..))) {}
    }

    /// Ends the connection at once for both sides, and for its other holders. Sent bytes still arrive.
    pub fn disconnect(&self) {
        match self {
            Stream::Socket(socket) | Stream::Inet(socket) => socket::disconnect(&**socket),
            Stream::Other(stream) => stream.disconnect(),
        }
    }
}

/// Returns whether the peer has closed the socket or its writing side. Blocks for at most a millisecond.
pub(crate) fn has_peer_closed(socket: BorrowedFd<'_>) -> bool {
    let gone = PollFlags::HUP | PollFlags::RDHUP | PollFlags::ERR;
    happens_within(socket, PollFlags::RDHUP, Duration::from_millis(1)).is_ok_and(|what| what.intersects(gone))
}
