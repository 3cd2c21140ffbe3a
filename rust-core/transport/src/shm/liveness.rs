//! Whether the peer of a link still lives: its socket reports a hang-up, or its process ends.
//!
//! The kernel is asked rarely, because one question costs as much as several messages; the callers
//! in `link` and `broadcast::subscriber` decide when. Between these questions a sleep in poll
//! notices the end at once, because both descriptors are among those that it waits on. No time-out
//! declares a peer dead: one that was stopped for a minute continues.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags};

use crate::error::{Doing, Result};
use crate::sys::fork::Guarded;
use crate::sys::poll;

/// The descriptors that show the peer's end: the socket over which the memory files came, and the
/// process where the kernel gives a pidfd. The process is needed because a child that the peer
/// forked may hold its socket open.
#[derive(Debug)]
pub(super) struct Liveness {
    socket: Arc<Guarded>,
    process: Option<Arc<OwnedFd>>,
}

impl Liveness {
    /// From now on nothing goes over the socket but the bytes and files of [`super::signals`].
    pub fn new(socket: Arc<Guarded>, process: Option<Arc<OwnedFd>>) -> Liveness {
        Liveness { socket, process }
    }

    /// The socket.
    pub fn socket(&self) -> &Arc<Guarded> {
        &self.socket
    }

    /// The descriptors that become readable when the peer goes.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        [self.socket.as_fd()].into_iter().chain(self.process.as_ref().map(|process| process.as_fd()))
    }

    /// What to poll for: always two entries, the socket twice where there is no pidfd.
    pub fn interests(&self) -> [(BorrowedFd<'_>, PollFlags); 2] {
        let process = self.process.as_ref().map_or(self.socket.as_fd(), |process| process.as_fd());
        [(self.socket.as_fd(), PollFlags::IN | PollFlags::RDHUP), (process, PollFlags::IN)]
    }

    /// Asks the kernel whether the peer is gone, without waiting.
    ///
    /// # Errors
    /// Those of the system call.
    #[cold]
    pub fn is_gone(&self) -> Result<bool> {
        let mut fds = self.interests().map(|(fd, what)| PollFd::from_borrowed_fd(fd, what));
        poll::look(&mut fds).doing("polling the peer's socket and process (ppoll)")?;
        Ok(self.is_hang_up(fds.map(|fd| fd.revents())))
    }

    /// Whether these results of polling for [`Liveness::interests`] mean that the peer is gone.
    pub fn is_hang_up(&self, [socket, process]: [PollFlags; 2]) -> bool {
        let hung_up = PollFlags::HUP | PollFlags::RDHUP | PollFlags::ERR;
        socket.intersects(hung_up) || (self.process.is_some() && process.contains(PollFlags::IN))
    }
}
