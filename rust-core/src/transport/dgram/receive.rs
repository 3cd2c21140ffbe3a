//! Reading from a mailslot, and counting what is missing in each sender's numbers.

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
use crate::value::Limits;

/// Senders whose last number is remembered, at most.
const SENDERS: usize = 4096;

/// The receiving half: a reader's, or a writer's, to whom nothing comes.
pub struct DgramRx {
    socket: Option<Arc<Guarded>>,
    limit: u64,
    /// The last number of each sender's session, and when it was heard: counted in messages.
    heard: HashMap<(Arc<str>, u64), (u64, u64)>,
    messages: u64,
    losses: Losses,
}

impl DgramRx {
    /// Reads from this bound socket bodies of at most `limit` bytes.
    pub fn new(socket: Arc<Guarded>, limit: u64) -> DgramRx {
        let (heard, losses) = (HashMap::new(), Losses::default());
        DgramRx { socket: Some(socket), limit, heard, messages: 0, losses }
    }

    /// The half of a writer.
    pub fn of_writer() -> DgramRx {
        let (heard, losses) = (HashMap::new(), Losses::default());
        DgramRx { socket: None, limit: 0, heard, messages: 0, losses }
    }

    /// See the transport contract. What is no message is counted and skipped: it is of one writer, and the others' go on.
    pub fn try_recv(&mut self) -> Result<Option<Incoming>> {
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

    /// Notes the numbers that are missing before this one. What a sender said before we read here was never ours.
    fn count(&mut self, sender: Sender, sequence: u64) {
        self.messages += 1;
        if self.heard.len() >= SENDERS {
            // Whoever has been silent longest is forgotten, an eighth of them at a time.
            let mut last: Vec<u64> = self.heard.values().map(|(_, when)| *when).collect();
            let (_, border, _) = last.select_nth_unstable(SENDERS / 8);
            let border = *border;
            self.heard.retain(|_, (_, when)| *when > border);
        }
        let before = self.heard.insert((sender.source, sender.session), (sequence, self.messages));
        if let Some((before, _)) = before {
            self.losses.missed += sequence.saturating_sub(before.saturating_add(1));
        }
    }

    /// What was lost since the last call.
    pub fn take_losses(&mut self) -> Losses {
        std::mem::take(&mut self.losses)
    }

    /// What to sleep on.
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.socket.iter().map(|socket| socket.as_fd()).collect()
    }
}

/// The message that a datagram is; anything else is refused.
fn read(bytes: Bytes) -> Result<(Incoming, Sender)> {
    let malformed = |text: &str| Error::new(ErrorKind::Malformed, text);
    let first = bytes.first_chunk::<HEADER>().ok_or_else(|| malformed("shorter than a header"))?;
    let header = Header::from_bytes(first)?;
    if header.kind != Kind::Data {
        return Err(malformed("a mailslot takes messages, and neither requests nor answers"));
    }
    let start = header.body_offset();
    if header.body.checked_add(start as u64) != Some(bytes.len() as u64) {
        return Err(malformed("its length is not what its header tells"));
    }
    let extension = bytes.slice(HEADER..HEADER + header.extension);
    let sender = extension::read(&extension)?.ok_or_else(|| malformed("it does not say who sent it"))?;
    Ok((Incoming { extension, body: bytes.slice(start..), header }, sender))
}
