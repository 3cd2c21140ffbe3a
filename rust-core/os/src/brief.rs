//! Reads of a socket that sleep for a few milliseconds, instead of a sleep in epoll and a read.
//!
//! The time-out is the socket's (`SO_RCVTIMEO`), which costs less than a timer per call. All other calls on these
//! sockets use `MSG_DONTWAIT`.

use std::os::fd::AsFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::net::sockopt::{Timeout, set_socket_timeout};

use super::append;
use crate::error::{Doing, Result};
use crate::{kernel_entry, sleeping};

/// The time-out of a brief read. The kernel rounds it up to its ticks, to at most 20 ms.
pub(crate) const AT_MOST: Duration = Duration::from_millis(4);

/// A call with less time makes no brief read, which may outlast its time-out.
pub const SHORTEST_WAIT: Duration = Duration::from_millis(40);

/// Messages that must arrive before a brief read, and again after an empty one.
///
/// This bounds the needless wake-ups of a slow connection.
pub const FIRST: u32 = 16;

/// How a brief read ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brief {
    /// So many bytes; 0 is the end of a stream.
    Came(usize),
    /// Nothing came.
    Passed,
    /// A signal came.
    Interrupted,
}

/// Whether a receiver makes brief reads.
///
/// A brief read notices neither the end of a process whose child keeps the socket, nor another thread's wake-up. So it
/// is made only during a series of messages, before a sleep in epoll.
#[derive(Default)]
pub struct BriefReads {
    /// Messages since the last empty brief read, up to [`FIRST`].
    messages: u32,
    /// Whether the socket allows brief reads; determined at the first.
    allowed: Option<bool>,
}

impl BriefReads {
    /// Counts a message.
    #[inline]
    pub fn note_message(&mut self) {
        self.messages = self.messages.saturating_add(1).min(FIRST);
    }

    /// Returns whether a series of messages arrives.
    pub fn are_due(&self) -> bool {
        self.messages == FIRST
    }

    /// Returns whether the socket allows brief reads, after `allow` prepared it.
    pub fn are_allowed(&mut self, allow: impl FnOnce() -> bool) -> bool {
        *self.allowed.get_or_insert_with(allow)
    }

    /// Records an empty brief read.
    pub fn note_passed(&mut self) {
        self.messages = 0;
    }
}

/// Prepares a socket for brief reads, once.
pub fn allow(socket: impl AsFd) -> Result<()> {
    set_socket_timeout(&socket, Timeout::Recv, Some(AT_MOST)).doing("setting a socket's time-out")?;
    rustix::io::ioctl_fionbio(&socket, false).doing("making a socket blocking")
}

/// Reads into a slice.
pub fn receive(socket: impl AsFd, into: &mut [u8]) -> Result<Brief> {
    kernel_entry::assert_allowed();
    sleeping::assert_driven();
    ended_with(rustix::net::recv(socket, into, RecvFlags::empty()).map(|(came, _)| came))
}

/// Takes a datagram; returns its whole length, which may exceed the slice.
pub fn receive_datagram(socket: impl AsFd, into: &mut [u8]) -> Result<Brief> {
    kernel_entry::assert_allowed();
    sleeping::assert_driven();
    ended_with(rustix::net::recv(socket, into, RecvFlags::TRUNC).map(|(_, length)| length))
}

/// Appends to a list, at most its spare capacity.
pub fn receive_behind(socket: impl AsFd, into: &mut Vec<u8>) -> Result<Brief> {
    kernel_entry::assert_allowed();
    sleeping::assert_driven();
    ended_with(append(into, usize::MAX, |room| Ok(rustix::net::recv(socket, room, RecvFlags::empty())?.0.0)))
}

fn ended_with(read: rustix::io::Result<usize>) -> Result<Brief> {
    match read {
        Ok(came) => Ok(Brief::Came(came)),
        Err(Errno::AGAIN) => Ok(Brief::Passed),
        Err(Errno::INTR) => Ok(Brief::Interrupted),
        Err(e) => Err(e).doing("reading from a socket"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::{UnixDatagram, UnixStream};

    use super::*;

    fn times_asleep() -> u64 {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
        count.trim().parse().unwrap()
    }

    #[test]
    fn brief_read_returns_bytes_the_end_or_passes() {
        let (near, mut far) = UnixStream::pair().unwrap();
        allow(&near).unwrap();
        // Elapsed time proves nothing: the kernel counts by its tick.
        let before = times_asleep();
        for _ in 0..8 {
            assert_eq!(receive(&near, &mut [0; 8]).unwrap(), Brief::Passed);
        }
        assert!(times_asleep() > before, "none of eight reads has slept");
        far.write_all(b"abc").unwrap();
        assert_eq!(receive(&near, &mut [0; 2]).unwrap(), Brief::Came(2));
        let mut list = Vec::with_capacity(16);
        list.push(7);
        assert_eq!(receive_behind(&near, &mut list).unwrap(), Brief::Came(1));
        assert_eq!(list, [7, b'c']);
        drop(far);
        assert_eq!(receive(&near, &mut [0; 8]).unwrap(), Brief::Came(0));
        assert_eq!(receive_behind(&near, &mut list).unwrap(), Brief::Came(0));
        assert_eq!(list, [7, b'c']);
    }

    #[test]
    fn brief_read_of_a_datagram_returns_its_whole_length() {
        let (near, far) = UnixDatagram::pair().unwrap();
        allow(&near).unwrap();
        far.send(&[1; 100]).unwrap();
        assert_eq!(receive_datagram(&near, &mut [0; 10]).unwrap(), Brief::Came(100));
        assert_eq!(receive_datagram(&near, &mut [0; 10]).unwrap(), Brief::Passed);
    }

    #[test]
    fn end_of_the_connection_by_another_thread_ends_a_brief_read() {
        let (near, _far) = UnixStream::pair().unwrap();
        allow(&near).unwrap();
        let other = near.try_clone().unwrap();
        let ender = std::thread::spawn(move || crate::socket::disconnect(&other));
        while receive(&near, &mut [0; 8]).unwrap() == Brief::Passed {}
        assert_eq!(receive(&near, &mut [0; 8]).unwrap(), Brief::Came(0));
        ender.join().unwrap();
    }
}
