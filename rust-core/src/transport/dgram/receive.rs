//! Reading from a mailslot, and counting the numbers that are missing from each sender.
//!
//! Invalid datagrams are counted and skipped: any process with write permission may send some, and
//! they must not end the link for others. The table of senders is bounded, so that a hostile writer
//! with many names cannot fill memory.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Error, ErrorKind, Result, memory};
use crate::frame::{HEADER, Header, Incoming, Kind};
use crate::sys::datagram;
use crate::sys::fork::Guarded;
use crate::transport::Losses;
use crate::transport::extension::{self, Sender};
use crate::transport::half::ReceiveHalf;
use crate::value::Limits;

/// The most senders whose last number is kept.
const SENDERS: usize = 4096;

/// The receiving half of a reader; or of a writer, which receives nothing.
pub struct DgramRx {
    /// The bound socket; `None` for a writer.
    socket: Option<Arc<Guarded>>,
    /// The longest body in bytes.
    limit: u64,
    /// By the sender's name and session: its last number, and the value of `messages` then.
    last_numbers: HashMap<(Arc<str>, u64), (u64, u64)>,
    /// Counts messages: the clock by which the oldest senders are forgotten.
    messages: u64,
    /// What is missing or invalid since the last `take_losses`.
    losses: Losses,
}

impl DgramRx {
    /// Reads bodies of at most `limit` bytes from this bound socket.
    pub fn new(socket: Arc<Guarded>, limit: u64) -> DgramRx {
        let (last_numbers, losses) = (HashMap::new(), Losses::default());
        DgramRx { socket: Some(socket), limit, last_numbers, messages: 0, losses }
    }

    /// The half of a writer, whose every read is `Unsupported`.
    pub fn of_writer() -> DgramRx {
        let (last_numbers, losses) = (HashMap::new(), Losses::default());
        DgramRx { socket: None, limit: 0, last_numbers, messages: 0, losses }
    }

    /// Counts the numbers that are missing before this one. What a sender sent before its first
    /// message here does not count.
    fn count(&mut self, sender: Sender, sequence: u64) {
        self.messages += 1;
        if self.last_numbers.len() >= SENDERS {
            // The eighth of the senders that have been silent longest is forgotten.
            let mut last: Vec<u64> = self.last_numbers.values().map(|(_, when)| *when).collect();
            let (_, border, _) = last.select_nth_unstable(SENDERS / 8);
            let border = *border;
            self.last_numbers.retain(|_, (_, when)| *when > border);
        }
        let before = self.last_numbers.insert((sender.source, sender.session), (sequence, self.messages));
        if let Some((before, _)) = before {
            self.losses.missed += sequence.saturating_sub(before.saturating_add(1));
        }
    }
}

impl ReceiveHalf for DgramRx {
    /// Returns the next message; see the transport contract.
    ///
    /// # Errors
    /// `TooLarge` and `OutOfMemory` concern one message; `Unsupported` for a writer.
    fn try_recv(&mut self) -> Result<Option<Incoming>> {
        let Some(socket) = self.socket.clone() else {
            let text =
                "a mailslot goes one way, and this is a writer of it; use unix: for messages both ways";
            return Err(Error::new(ErrorKind::Unsupported, text));
        };
        while let Some(length) = datagram::next_length(&*socket)? {
            let most = self.limit.saturating_add((HEADER + crate::frame::MAX_EXTENSION + HEADER) as u64);
            if length as u64 > most {
                datagram::receive(&*socket, &mut [0])?;
                Limits::for_message(self.limit).check_message(length as u64)?;
            }
            let mut bytes = memory::zeroed(length)?;
            let got = datagram::receive(&*socket, &mut bytes)?;
            bytes.truncate(got);
            let Ok((frame, sender)) = read(bytes.into()) else {
                self.losses.refused += 1;
                continue;
            };
            self.count(sender, frame.header.sequence);
            Limits::for_message(self.limit).check_message(frame.header.body)?;
            return Ok(Some(frame));
        }
        Ok(None)
    }

    /// Returns what to sleep on: the socket, which stays readable while there is a message.
    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.socket.iter().map(|socket| socket.as_fd()).collect()
    }

    /// A writer's `Unsupported` does not end its link.
    fn goes_on_after(&self, error: &Error) -> bool {
        error.kind() == ErrorKind::Unsupported
    }

    fn take_losses(&mut self) -> Losses {
        std::mem::take(&mut self.losses)
    }
}

/// Decodes a datagram.
///
/// # Errors
/// `Malformed` for anything but a message that names its sender.
fn read(bytes: Bytes) -> Result<(Incoming, Sender)> {
    let malformed = |text: &str| Error::new(ErrorKind::Malformed, text);
    let first = bytes.first_chunk::<HEADER>().ok_or_else(|| malformed("shorter than a header"))?;
    let header = Header::from_bytes(first)?;
    if header.kind != Kind::Data {
        return Err(malformed("a mailslot takes messages, and neither requests nor answers"));
    }
    let start = header.body_offset();
    if header.body.checked_add(start as u64) != Some(bytes.len() as u64) {
        return Err(malformed("its length is not the one in its header"));
    }
    let extension = bytes.slice(HEADER..HEADER + header.extension);
    let sender = extension::read(&extension)?.ok_or_else(|| malformed("it does not say who sent it"))?;
    Ok((Incoming { extension, body: bytes.slice(start..).into(), header }, sender))
}
