//! Whether the peer of a link still lives: its socket hangs up, or its process ends.
//!
//! One question to the kernel costs as much as several messages, so callers ask rarely. A sleep in poll waits on both
//! descriptors and notices the end at once. No time-out declares a peer dead: a peer that was stopped for a minute
//! continues.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags};

use crate::error::{Doing, Result};
use crate::sys::fork::Guarded;
use crate::sys::poll;

/// The socket, and the process if the kernel gives a pidfd: a forked child may hold the socket open.
#[derive(Debug)]
pub(super) struct Liveness {
    socket: Arc<Guarded>,
    process: Option<Arc<OwnedFd>>,
}

impl Liveness {
    pub fn new(socket: Arc<Guarded>, process: Option<Arc<OwnedFd>>) -> Liveness {
        Liveness { socket, process }
    }

    pub fn socket(&self) -> &Arc<Guarded> {
        &self.socket
    }

    /// The descriptors that become readable when the peer goes.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        [self.socket.as_fd()].into_iter().chain(self.process.as_ref().map(|process| process.as_fd()))
    }

    /// The socket twice without a pidfd.
    pub fn interests(&self) -> [(BorrowedFd<'_>, PollFlags); 2] {
        let process = self.process.as_ref().map_or(self.socket.as_fd(), |process| process.as_fd());
        [(self.socket.as_fd(), PollFlags::IN | PollFlags::RDHUP), (process, PollFlags::IN)]
    }

    /// Does not wait.
    #[cold]
    pub fn is_gone(&self) -> Result<bool> {
        let mut fds = self.interests().map(|(fd, what)| PollFd::from_borrowed_fd(fd, what));
        poll::look(&mut fds).doing("polling the peer's socket and process (ppoll)")?;
        Ok(self.is_hang_up(fds.map(|fd| fd.revents())))
    }

    pub fn is_hang_up(&self, [socket, process]: [PollFlags; 2]) -> bool {
        let hung_up = PollFlags::HUP | PollFlags::RDHUP | PollFlags::ERR;
        socket.intersects(hung_up) || (self.process.is_some() && process.contains(PollFlags::IN))
    }
}
