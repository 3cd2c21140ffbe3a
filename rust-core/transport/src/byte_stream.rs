//! A stream of bytes that is not a plain socket: two pipes, or TLS over a socket.
//!
//! Both halves of a link share one object, so every method takes `&self`, and an implementation guards its
//! own state. Only [`ByteStream::wait_room`] blocks. Methods without a comment are described at
//! [`super::stream::Stream`].

use std::fmt::Debug;
use std::io::IoSlice;
use std::os::fd::BorrowedFd;

use super::admission::PeerIdentity;
use crate::deadline::Waiting;
use crate::error::Result;

pub trait ByteStream: Debug + Send + Sync {
    fn read(&self, into: &mut [u8]) -> Result<Option<usize>>;

    fn read_behind(&self, into: &mut Vec<u8>, most: usize) -> Result<Option<usize>> {
        read_zeroed(into, most, |room| self.read(room))
    }

    /// Writes as many bytes as there is room for. `None` if there is no room.
    ///
    /// # Errors
    /// `Disconnected` if the peer has ended.
    fn write(&self, parts: &[IoSlice<'_>]) -> Result<Option<usize>>;

    fn reader(&self) -> BorrowedFd<'_>;

    /// Returns whether that descriptor shows everything that can be read, and a read takes all that fits.
    fn shows_all(&self) -> bool {
        false
    }

    fn writer(&self) -> BorrowedFd<'_>;

    /// Sleeps until there is room.
    ///
    /// # Errors
    /// `Disconnected` if only another descriptor shows that the peer has ended; `Timeout`.
    fn wait_room(&self, waiting: &mut Waiting<'_>) -> Result<()>;

    fn check_peer(&self) -> Result<()>;

    fn is_peer_gone(&self) -> bool;

    fn disconnect(&self);

    fn writes_reach_kernel(&self) -> bool {
        true
    }

    fn flush(&self) -> Result<bool> {
        Ok(true)
    }

    fn holds_bytes(&self) -> bool {
        false
    }

    fn liveness(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn has_ended(&self) -> Result<bool> {
        Ok(false)
    }

    fn atomic_write_size(&self) -> Option<usize> {
        None
    }

    fn key_name(&self) -> Option<&str> {
        None
    }

    fn limit_send_queue(&self, _bytes: usize) -> Result<()> {
        Ok(())
    }

    fn peer_identity(&self) -> PeerIdentity {
        PeerIdentity::Unknown
    }

    fn peer_address(&self) -> Option<String> {
        None
    }
}

/// Appends at most `most` bytes from `read` to a list, for a stream that reads into initialised memory.
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
