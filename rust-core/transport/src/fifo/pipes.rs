//! Two pipes as a stream of bytes, one for each direction.

use std::fmt::Debug;
use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::PollFlags;

use super::liveness::Liveness;
use crate::byte_stream::ByteStream;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::fifo::{self, PIPE_BUF, PipeEnd};
use crate::sys::fork::Guarded;
use crate::sys::poll::wait_any;

/// The ends of one side.
///
/// The writer is also open for reading: pipes lack a flag like `MSG_NOSIGNAL`, and a write without a reader would raise
/// SIGPIPE. The other pipe shows whether the peer still reads.
#[derive(Debug)]
pub struct Pipes {
    reader: Guarded,
    writer: Guarded,
    /// Keeps the pipe open when a writer among many closes.
    _anchor: Option<Guarded>,
    /// `None` if the peer uses no locks.
    liveness: Option<Liveness>,
    _hold: Option<Box<dyn Debug + Send + Sync>>,
}

impl Pipes {
    pub fn linked(reader: Guarded, writer: Guarded, liveness: Liveness) -> Pipes {
        Pipes { reader, writer, _anchor: None, liveness: Some(liveness), _hold: None }
    }

    /// Returns ends without a link; with an anchor, reading never ends.
    pub fn plain(
        reader: Guarded,
        writer: Guarded,
        anchor: Option<Guarded>,
        hold: Option<Box<dyn Debug + Send + Sync>>,
    ) -> Pipes {
        Pipes { reader, writer, _anchor: anchor, liveness: None, _hold: hold }
    }

    /// `Some(0)` is the end; `None` means that nothing is available yet.
    pub fn read(&self, into: &mut [u8]) -> Result<Option<usize>> {
        self.read_by(|reader| fifo::read(reader, into))
    }

    fn read_by(&self, read: impl FnOnce(&Guarded) -> Result<Option<usize>>) -> Result<Option<usize>> {
        // Before the read: by now the pipe has all bytes that the peer wrote.
        let ended = self.liveness.as_ref().is_some_and(Liveness::has_ended);
        let read = read(&self.reader)?;
        match read {
            Some(0) => self.disconnect(),
            None if ended => return Ok(Some(0)),
            _ => {}
        }
        Ok(read)
    }

    /// Writes as many bytes as there is room for. `None` if there is no room.
    ///
    /// # Errors
    /// `Disconnected` after the end of the link.
    pub fn write(&self, parts: &[IoSlice<'_>]) -> Result<Option<usize>> {
        if self.liveness.as_ref().is_some_and(Liveness::has_ended) {
            return Err(gone());
        }
        fifo::write(&self.writer, parts)
    }

    /// Refuses to begin a message after the peer's end, which a write would not report.
    ///
    /// # Errors
    /// `Disconnected`.
    pub fn check_peer(&self) -> Result<()> {
        if self.is_peer_gone() { Err(gone()) } else { Ok(()) }
    }

    /// Sleeps until there is room.
    ///
    /// # Errors
    /// `Disconnected` if the peer ends; `Timeout`.
    pub fn wait_room(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        let (room, end) = ((self.writer.as_fd(), PollFlags::OUT), (self.reader.as_fd(), PollFlags::empty()));
        match &self.liveness {
            Some(liveness) => wait_any(waiting, [room, end, (liveness.as_fd(), PollFlags::IN)]).map(drop)?,
            None => wait_any(waiting, [room, end]).map(drop)?,
        }
        if self.is_peer_gone() || self.check_events()? { Err(gone()) } else { Ok(()) }
    }

    fn is_peer_gone(&self) -> bool {
        let ended = self.liveness.as_ref().is_some_and(Liveness::has_ended);
        if !ended && fifo::is_peer_gone(&self.reader) {
            self.disconnect();
            return true;
        }
        ended
    }

    /// Returns whether the peer has ended, even if another process keeps its pipe open.
    pub fn is_gone(&self) -> bool {
        self.is_peer_gone() || self.test_lock().unwrap_or(false)
    }

    fn test_lock(&self) -> Result<bool> {
        self.liveness.as_ref().map_or(Ok(false), Liveness::test_lock)
    }

    /// Notes that the link is established: earlier events are not the peer's.
    pub fn start(&self) -> Result<bool> {
        self.liveness.as_ref().map_or(Ok(false), Liveness::start)
    }

    /// Handles the events of [`Pipes::liveness`]. Returns true if the link has ended.
    pub fn check_events(&self) -> Result<bool> {
        self.liveness.as_ref().map_or(Ok(false), Liveness::check_events)
    }

    pub fn liveness(&self) -> Option<BorrowedFd<'_>> {
        self.liveness.as_ref().map(AsFd::as_fd)
    }

    pub fn reader(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }

    pub fn writer(&self) -> BorrowedFd<'_> {
        self.writer.as_fd()
    }

    pub fn disconnect(&self) {
        let Some(liveness) = &self.liveness else { return };
        if liveness.end() {
            // This wakes the peer: this side's halves may keep their ends open.
            drop(fifo::again(&self.writer, PipeEnd::Write));
        }
    }
}

impl ByteStream for Pipes {
    fn read(&self, into: &mut [u8]) -> Result<Option<usize>> {
        Pipes::read(self, into)
    }

    fn read_behind(&self, into: &mut Vec<u8>, most: usize) -> Result<Option<usize>> {
        self.read_by(|reader| fifo::read_behind(reader, into, most))
    }

    fn write(&self, parts: &[IoSlice<'_>]) -> Result<Option<usize>> {
        Pipes::write(self, parts)
    }

    fn reader(&self) -> BorrowedFd<'_> {
        Pipes::reader(self)
    }

    fn shows_all(&self) -> bool {
        true
    }

    fn writer(&self) -> BorrowedFd<'_> {
        Pipes::writer(self)
    }

    fn wait_room(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        Pipes::wait_room(self, waiting)
    }

    fn check_peer(&self) -> Result<()> {
        Pipes::check_peer(self)
    }

    fn is_peer_gone(&self) -> bool {
        self.is_gone()
    }

    fn disconnect(&self) {
        Pipes::disconnect(self);
    }

    fn liveness(&self) -> Option<BorrowedFd<'_>> {
        Pipes::liveness(self)
    }

    fn has_ended(&self) -> Result<bool> {
        self.check_events()
    }

    fn atomic_write_size(&self) -> Option<usize> {
        Some(PIPE_BUF)
    }
}

impl Drop for Pipes {
    fn drop(&mut self) {
        // Before the pipes close: a process that their end wakes finds the name free.
        self.disconnect();
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::Disconnected, "the peer disconnected")
}
