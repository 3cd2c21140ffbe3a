//! Bytes in order, both ways: what a hello and then the frames of a link go over where no memory is shared.

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::PollFlags;

use super::admission::Claimant;
use super::fifo::Pipes;
use crate::deadline::{Deadline, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::fork::Guarded;
use crate::sys::inet;
use crate::sys::peer::{self, Credentials};
use crate::sys::poll::wait_any;
use crate::sys::socket;
#[cfg(feature = "tls")]
use crate::transport::tcp::tls::Tls;

/// A connection, shared by the two halves of its link.
#[derive(Clone, Debug)]
pub enum Stream {
    /// A connected, non-blocking Unix socket.
    Socket(Arc<Guarded>),
    /// The same over TCP: it brings no descriptors, and the kernel does not say who is on the other side.
    Inet(Arc<Guarded>),
    /// TCP beyond this machine.
    #[cfg(feature = "tls")]
    Tls(Arc<Tls>),
    /// Two named pipes, one for each direction.
    Pipes(Arc<Pipes>),
}

impl Stream {
    /// Reads what is there; zero is the end, none means nothing yet.
    #[inline]
    pub fn read(&self, into: &mut [u8]) -> Result<Option<usize>> {
        match self {
            Stream::Socket(socket) => socket::receive_bytes_alone(&**socket, into),
            Stream::Inet(socket) => socket::receive(&**socket, into),
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => tls.read(into),
            Stream::Pipes(pipes) => pipes.read(into),
        }
    }

    /// Like [`Stream::read`], behind what is in the list already: at most so many bytes, for which there is room.
    pub fn read_behind(&self, into: &mut Vec<u8>, most: usize) -> Result<Option<usize>> {
        /// As much is made zero before it is read, where the reader asks for that: little enough to stay in a cache.
        const STEP: usize = 64 << 10;
        match self {
            Stream::Socket(socket) if socket::refuses_descriptors() => {
                return socket::receive_behind(&**socket, into, most);
            }
            Stream::Inet(socket) => return socket::receive_behind(&**socket, into, most),
            _ => {}
        }
        let have = into.len();
        into.resize(have + most.min(STEP), 0);
        let got = self.read(&mut into[have..]);
        into.truncate(have + if let Ok(Some(came)) = got { came } else { 0 });
        got
    }

    /// Writes as much as there is room for now; none where there is no room.
    #[inline]
    pub fn write(&self, parts: &[IoSlice<'_>]) -> Result<Option<usize>> {
        match self {
            Stream::Socket(socket) | Stream::Inet(socket) => socket::send(&**socket, parts, &[]),
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => tls.write(parts),
            Stream::Pipes(pipes) => pipes.write(parts),
        }
    }

    /// The same for bytes in one piece, which costs the kernel less than a list of one.
    #[inline]
    pub fn write_bytes(&self, bytes: &[u8]) -> Result<Option<usize>> {
        match self {
            Stream::Socket(socket) | Stream::Inet(socket) => socket::send_bytes(&**socket, bytes),
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => tls.write(&[IoSlice::new(bytes)]),
            Stream::Pipes(pipes) => pipes.write(&[IoSlice::new(bytes)]),
        }
    }

    /// Whether what was written is with the kernel, and not only with us.
    pub fn takes_for_good(&self) -> bool {
        match self {
            Stream::Socket(_) | Stream::Inet(_) | Stream::Pipes(_) => true,
            #[cfg(feature = "tls")]
            Stream::Tls(_) => false,
        }
    }

    /// Brings to the kernel what was written and waits on our side; true once nothing does.
    #[inline]
    pub fn flush(&self) -> Result<bool> {
        match self {
            Stream::Socket(_) | Stream::Inet(_) | Stream::Pipes(_) => Ok(true),
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => tls.flush(),
        }
    }

    /// Writes with descriptors that go along with the first byte.
    pub fn write_with(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<Option<usize>> {
        match self {
            Stream::Socket(socket) => socket::send(&**socket, &[IoSlice::new(bytes)], descriptors),
            _ if descriptors.is_empty() => self.write_bytes(bytes),
            _ => Err(Error::new(ErrorKind::Internal, "descriptors go over Unix sockets alone")),
        }
    }

    /// What to sleep on for reading.
    pub fn readable(&self) -> (BorrowedFd<'_>, PollFlags) {
        match self {
            Stream::Socket(socket) | Stream::Inet(socket) => (socket.as_fd(), PollFlags::IN),
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => (tls.socket(), PollFlags::IN),
            Stream::Pipes(pipes) => (pipes.reader(), PollFlags::IN),
        }
    }

    /// What to sleep on for writing.
    pub fn writable(&self) -> (BorrowedFd<'_>, PollFlags) {
        match self {
            Stream::Socket(socket) | Stream::Inet(socket) => (socket.as_fd(), PollFlags::OUT),
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => (tls.socket(), PollFlags::OUT),
            Stream::Pipes(pipes) => (pipes.writer(), PollFlags::OUT),
        }
    }

    /// Sleeps until there is room for writing; `Disconnected` where only another descriptor tells that nobody reads any
    /// more.
    pub fn wait_room(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        match self {
            Stream::Pipes(pipes) => pipes.wait_room(waiting),
            _ => wait_any(waiting, [self.writable()]).map(drop),
        }
    }

    /// What also wakes when the other side may have gone: then [`Stream::has_ended`] is to be asked.
    pub fn life(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Stream::Pipes(pipes) => pipes.life(),
            _ => None,
        }
    }

    /// Whether it has turned out that the other side has gone. What it wrote is still to be read, and then the end.
    pub fn has_ended(&self) -> Result<bool> {
        match self {
            Stream::Pipes(pipes) => pipes.attend(),
            _ => Ok(false),
        }
    }

    /// Whether the other side has gone, as far as that is known without reading.
    pub fn is_deserted(&self) -> bool {
        if let Stream::Pipes(pipes) = self {
            return pipes.is_gone();
        }
        let mut look = Waiting::until(Deadline::after(Duration::from_millis(1)));
        let gone = PollFlags::HUP | PollFlags::RDHUP | PollFlags::ERR;
        wait_any(&mut look, [(self.readable().0, PollFlags::RDHUP)]).is_ok_and(|[what]| what.intersects(gone))
    }

    /// Refuses to begin with a message for a peer that has hung up, where writing would not say so: TCP takes what is
    /// written after the other side has gone, and says only at the next call that it was for nobody.
    pub fn check_peer(&self) -> Result<()> {
        let gone = match self {
            Stream::Socket(_) => false,
            Stream::Inet(socket) => inet::is_hung_up(&**socket)?,
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => inet::is_hung_up(tls.socket())?,
            Stream::Pipes(pipes) => return pipes.check_peer(),
        };
        if gone { Err(Error::new(ErrorKind::Disconnected, "the other side went away")) } else { Ok(()) }
    }

    /// The name of the key that the other side has shown, where it is on another machine.
    pub fn key_name(&self) -> Option<&str> {
        match self {
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => tls.key_name(),
            _ => None,
        }
    }

    /// Bounds what the kernel keeps of what was written and not yet read, where it would keep ever more.
    pub fn keep_at_most(&self, bytes: usize) -> Result<()> {
        match self {
            Stream::Inet(socket) => inet::keep_at_most(&**socket, bytes),
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => inet::keep_at_most(tls.socket(), bytes),
            // A Unix socket's queue does not grow by itself.
            Stream::Socket(_) | Stream::Pipes(_) => Ok(()),
        }
    }

    /// Whether bytes wait on our side of the descriptor, which then does not tell of them.
    pub fn holds_bytes(&self) -> bool {
        match self {
            Stream::Socket(_) | Stream::Inet(_) | Stream::Pipes(_) => false,
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => tls.holds_bytes(),
        }
    }

    /// Whether a read that gives less than was asked for has given all that there was.
    pub fn is_emptied_by_less(&self) -> bool {
        matches!(self, Stream::Socket(_) | Stream::Inet(_))
    }

    /// Who is on the other side, as the kernel says where it can, and what is readable once that process has ended.
    pub fn peer(&self) -> Result<(Option<Credentials>, Option<Arc<OwnedFd>>)> {
        let credentials = self.credentials()?;
        let process = credentials.as_ref().and_then(|who| self.process(who));
        Ok((credentials, process))
    }

    /// What is readable once the process on the other side has ended.
    pub fn process(&self, who: &Credentials) -> Option<Arc<OwnedFd>> {
        let Stream::Socket(socket) = self else { return None };
        peer::process(&**socket, who).map(Arc::new)
    }

    /// The socket, for a transport that goes on without the stream.
    pub fn into_socket(self) -> Result<Arc<Guarded>> {
        match self {
            Stream::Socket(socket) => Ok(socket),
            _ => Err(Error::new(ErrorKind::Internal, "a socket was asked of another kind of stream")),
        }
    }

    /// Who opened the other end, where the kernel says.
    pub fn credentials(&self) -> Result<Option<Credentials>> {
        match self {
            Stream::Socket(socket) => peer::credentials(&**socket).map(Some),
            _ => Ok(None),
        }
    }

    /// Whose it is, before it has said anything: its user where it is of this machine, else its address.
    pub fn claimant(&self, credentials: Option<&Credentials>) -> Claimant {
        match self {
            _ if credentials.is_some() => Claimant::of(credentials),
            Stream::Inet(socket) => match (inet::peer_address(&**socket), inet::own_address(&**socket)) {
                (Ok(from), Ok(to)) => {
                    inet::user_calling(from, to).map_or(Claimant::at(from.ip()), Claimant::User)
                }
                _ => Claimant::Unknown,
            },
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => {
                inet::peer_address(tls.socket()).map_or(Claimant::Unknown, |from| Claimant::at(from.ip()))
            }
            Stream::Socket(_) | Stream::Pipes(_) => Claimant::Unknown,
        }
    }

    /// Whose the messages are that come over it: a key's or a user's where those are known, else an address's.
    pub fn sender(&self) -> Claimant {
        match self.key_name() {
            Some(key) => Claimant::Key(key.into()),
            None => self.claimant(self.credentials().ok().flatten().as_ref()),
        }
    }

    /// The other end's address, for texts.
    pub fn peer_address(&self) -> String {
        let address = match self {
            Stream::Inet(socket) => inet::peer_address(&**socket).ok(),
            Stream::Socket(_) | Stream::Pipes(_) => None,
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => inet::peer_address(tls.socket()).ok(),
        };
        address.map_or_else(|| "somebody".into(), |address| address.to_string())
    }

    /// Nothing more will be written, and what has come is not read any more. A socket that is closed with unread bytes in
    /// it is cut off: the other side sees an error instead of the end, and over TCP loses what it has not yet been sent.
    pub fn end_writing(&self) {
        let (Stream::Socket(socket) | Stream::Inet(socket)) = self else { return };
        // One that is not connected any more has nothing left to lose.
        let _ = rustix::net::shutdown(&**socket, rustix::net::Shutdown::Write);
        let mut unread = [0; 4096];
        while matches!(self.read(&mut unread), Ok(Some(1..))) {}
    }

    /// Ends the connection for both sides at once, whoever else still holds it. What was sent is still delivered.
    pub fn hang_up(&self) {
        match self {
            Stream::Socket(socket) | Stream::Inet(socket) => socket::hang_up(&**socket),
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => tls.hang_up(),
            Stream::Pipes(pipes) => pipes.hang_up(),
        }
    }
}
