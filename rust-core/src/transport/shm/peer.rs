//! Whether the other side still lives: its socket hangs up, or its process ends.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec};

use crate::error::{Doing, Result};
use crate::sys::fork::Guarded;

/// What tells us: the socket over which the memory files came, and the process where the kernel gives one (a child
/// that the peer forked may hold its socket open).
#[derive(Debug)]
pub(super) struct Peer {
    socket: Arc<Guarded>,
    process: Option<Arc<OwnedFd>>,
}

impl Peer {
    /// Over the socket nothing is sent any more but the bytes of [`super::signals`].
    pub fn new(socket: Arc<Guarded>, process: Option<Arc<OwnedFd>>) -> Peer {
        Peer { socket, process }
    }

    /// The socket.
    pub fn socket(&self) -> &Arc<Guarded> {
        &self.socket
    }

    /// What becomes readable when the peer goes.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        [self.socket.as_fd()].into_iter().chain(self.process.as_ref().map(|process| process.as_fd()))
    }

    /// What to poll for, always two.
    pub fn interests(&self) -> [(BorrowedFd<'_>, PollFlags); 2] {
        let process = self.process.as_ref().map_or(self.socket.as_fd(), |process| process.as_fd());
        [(self.socket.as_fd(), PollFlags::IN | PollFlags::RDHUP), (process, PollFlags::IN)]
    }

    /// Asks the kernel, without waiting.
    #[cold]
    pub fn is_gone(&self) -> Result<bool> {
        let mut fds = self.interests().map(|(fd, what)| PollFd::from_borrowed_fd(fd, what));
        // Not a wait, so a signal can't interrupt it.
        rustix::event::poll(&mut fds, Some(&Timespec::default())).doing("asking whether the peer lives")?;
        Ok(self.judge(fds.map(|fd| fd.revents())))
    }

    /// What [`Peer::interests`] are ready for says whether the peer is gone.
    pub fn judge(&self, [socket, process]: [PollFlags; 2]) -> bool {
        let hung_up = PollFlags::HUP | PollFlags::RDHUP | PollFlags::ERR;
        socket.intersects(hung_up) || (self.process.is_some() && process.contains(PollFlags::IN))
    }
}
