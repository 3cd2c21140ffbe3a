//! Two pipes as a stream of bytes, one for each direction.

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::PollFlags;

use super::life::Life;
use super::plain::Hold;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::fifo::{self, End};
use crate::sys::fork::Guarded;
use crate::sys::poll::wait_any;

/// The ends that one side has.
///
/// It is written through a descriptor that holds the reading end, too. Without a reader the kernel would send SIGPIPE,
/// which ends a program that has not said otherwise, and for pipes there is no flag against that (sockets have one):
/// to block the signal and take it back would be three more system calls a message, to ignore it would change what the
/// whole program does. Whether the other side still reads is asked of the other pipe, which it writes.
#[derive(Debug)]
pub struct Pipes {
    reader: Guarded,
    writer: Guarded,
    /// Keeps the pipe that is read from ending when one of many writers goes.
    _anchor: Option<Guarded>,
    /// None where the other side knows nothing of locks.
    life: Option<Life>,
    _hold: Option<Hold>,
}

impl Pipes {
    /// A link's ends.
    pub fn linked(reader: Guarded, writer: Guarded, life: Life) -> Pipes {
        Pipes { reader, writer, _anchor: None, life: Some(life), _hold: None }
    }

    /// Ends without a link: with an anchor, reading never comes to an end.
    pub fn plain(reader: Guarded, writer: Guarded, anchor: Option<Guarded>, hold: Option<Hold>) -> Pipes {
        Pipes { reader, writer, _anchor: anchor, life: None, _hold: hold }
    }

    /// Reads what is there; zero is the end, none means nothing yet.
    pub fn read(&self, into: &mut [u8]) -> Result<Option<usize>> {
        // Asked first: what the other side wrote before it went is there by now.
        let ended = self.life.as_ref().is_some_and(Life::has_ended);
        let read = fifo::read(&self.reader, into)?;
        match read {
            Some(0) => self.hang_up(),
            None if ended => return Ok(Some(0)),
            _ => {}
        }
        Ok(read)
    }

    /// Writes as much as there is room for; none where there is no room.
    pub fn write(&self, parts: &[IoSlice<'_>]) -> Result<Option<usize>> {
        if self.life.as_ref().is_some_and(Life::has_ended) {
            return Err(gone());
        }
        fifo::write(&self.writer, parts)
    }

    /// Refuses to begin with a message where the other side has gone: writing would not say so.
    pub fn check_peer(&self) -> Result<()> {
        if self.is_deserted() { Err(gone()) } else { Ok(()) }
    }

    /// Sleeps until there is room.
    pub fn wait_room(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        let (room, end) = ((self.writer.as_fd(), PollFlags::OUT), (self.reader.as_fd(), PollFlags::empty()));
        match &self.life {
            Some(life) => wait_any(waiting, [room, end, (life.as_fd(), PollFlags::IN)]).map(drop)?,
            None => wait_any(waiting, [room, end]).map(drop)?,
        }
        if self.is_deserted() || self.attend()? { Err(gone()) } else { Ok(()) }
    }

    /// Whether the other side has gone, as far as its pipe says; then the link has ended.
    fn is_deserted(&self) -> bool {
        let ended = self.life.as_ref().is_some_and(Life::has_ended);
        if !ended && fifo::is_deserted(&self.reader) {
            self.hang_up();
            return true;
        }
        ended
    }

    /// Whether the other side has gone, whoever keeps its pipe open.
    pub fn is_gone(&self) -> bool {
        self.is_deserted() || self.look().unwrap_or(false)
    }

    /// Asks the other side's lock; true where the link has ended.
    fn look(&self) -> Result<bool> {
        self.life.as_ref().map_or(Ok(false), Life::look)
    }

    /// The link has begun: from here on what is told of the pipes is the other side's doing.
    pub fn settle(&self) -> Result<bool> {
        self.life.as_ref().map_or(Ok(false), Life::settle)
    }

    /// Does what [`Pipes::life`] wakes for; true where the link has ended: then reading comes to an end, too.
    pub fn attend(&self) -> Result<bool> {
        self.life.as_ref().map_or(Ok(false), Life::attend)
    }

    /// Wakes when the other side may have gone.
    pub fn life(&self) -> Option<BorrowedFd<'_>> {
        self.life.as_ref().map(AsFd::as_fd)
    }

    /// What is read.
    pub fn reader(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }

    /// What is written.
    pub fn writer(&self) -> BorrowedFd<'_> {
        self.writer.as_fd()
    }

    /// Ends the link for both sides. What was written is still read.
    pub fn hang_up(&self) {
        let Some(life) = &self.life else { return };
        if life.end() {
            // Closing it is what the other side is woken by, and the halves of this one may still keep the pipe open.
            drop(fifo::again(&self.writer, End::Write));
        }
    }
}

impl Drop for Pipes {
    fn drop(&mut self) {
        // The locks before the pipes: who is woken by the end of a pipe finds the name free.
        self.hang_up();
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::Disconnected, "the other side went away")
}
