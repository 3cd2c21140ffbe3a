//! A stream of bytes that is no plain socket: two pipes, or TLS over a socket.
//!
//! [`super::stream::Stream`] calls this trait for everything but sockets. Both halves of a link
//! share one object, so every method takes `&self`, and an implementation guards its own state. No
//! method blocks but [`ByteStream::wait_room`].

use std::fmt::Debug;
use std::io::IoSlice;
use std::os::fd::BorrowedFd;

use super::admission::PeerIdentity;
use crate::deadline::Waiting;
use crate::error::Result;

/// Bytes in order, in both directions.
pub trait ByteStream: Debug + Send + Sync {
    /// Reads the available bytes. `Some(0)` is the end, `None` means that nothing is available yet.
    fn read(&self, into: &mut [u8]) -> Result<Option<usize>>;

    /// Appends the available bytes to a list: at most `most`, for which the list has room.
    fn read_behind(&self, into: &mut Vec<u8>, most: usize) -> Result<Option<usize>> {
        read_zeroed(into, most, |room| self.read(room))
    }

    /// Writes as much as there is room for; `None` where there is none.
    ///
    /// # Errors
    /// `Disconnected` where the peer has ended.
    fn write(&self, parts: &[IoSlice<'_>]) -> Result<Option<usize>>;

    /// Returns the descriptor that is readable when there is something to read.
    fn reader(&self) -> BorrowedFd<'_>;

    /// Returns whether that descriptor is readable as long as anything can be read, and a read takes everything that
    /// fits.
    fn shows_all(&self) -> bool {
        false
    }

    /// Returns the descriptor that is writable when there is room.
    fn writer(&self) -> BorrowedFd<'_>;

    /// Sleeps until there is room.
    ///
    /// # Errors
    /// `Disconnected` where only another descriptor shows that the peer has ended; `Timeout`.
    fn wait_room(&self, waiting: &mut Waiting<'_>) -> Result<()>;

    /// Refuses to begin a message for a peer that has closed the connection, where a write would
    /// not report it.
    ///
    /// # Errors
    /// `Disconnected`.
    fn check_peer(&self) -> Result<()>;

    /// Returns whether the peer has ended, as far as that is known without reading.
    fn is_peer_gone(&self) -> bool;

    /// Ends the connection for both sides at once, also for other holders of it. What was sent is
    /// still delivered.
    fn disconnect(&self);

    /// Returns whether everything that `write` accepted is with the kernel. False where a part may
    /// be in a buffer of this process.
    fn writes_reach_kernel(&self) -> bool {
        true
    }

    /// Passes on to the kernel what `write` accepted; returns true once nothing is left.
    fn flush(&self) -> Result<bool> {
        Ok(true)
    }

    /// Returns whether this process has buffered bytes to read, which the descriptor does not show.
    fn holds_bytes(&self) -> bool {
        false
    }

    /// Returns a descriptor that is also readable when the peer may have ended: then call
    /// [`ByteStream::has_ended`].
    fn liveness(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Returns whether the peer has ended. What it wrote can still be read, and then the end.
    fn has_ended(&self) -> Result<bool> {
        Ok(false)
    }

    /// Returns the largest write that is not mixed with those of other writers; `None` where there
    /// is one writer.
    fn atomic_write_size(&self) -> Option<usize> {
        None
    }

    /// Returns the name of the key that the peer has proven, where it is on another machine.
    fn key_name(&self) -> Option<&str> {
        None
    }

    /// Limits what the kernel keeps of what was written and not yet read, where it would grow on
    /// its own.
    fn limit_send_queue(&self, _bytes: usize) -> Result<()> {
        Ok(())
    }

    /// Returns the peer before it has sent anything.
    fn peer_identity(&self) -> PeerIdentity {
        PeerIdentity::Unknown
    }

    /// Returns the peer's address, for texts.
    fn peer_address(&self) -> Option<String> {
        None
    }
}

/// Appends what `read` reads to a list, at most `most` bytes, for a stream that reads into initialised memory.
pub fn read_zeroed(
    into: &mut Vec<u8>,
    most: usize,
    read: impl FnOnce(&mut [u8]) -> Result<Option<usize>>,
) -> Result<Option<usize>> {
    /// Bytes that are zeroed before a read: few enough to stay in a cache.
    const STEP: usize = 64 << 10;
    let have = into.len();
    into.resize(have + most.min(STEP), 0);
    let got = read(&mut into[have..]);
    into.truncate(have + if let Ok(Some(came)) = got { came } else { 0 });
    got
}
