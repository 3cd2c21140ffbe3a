//! Reading from a mailslot, and counting the gaps in each sender's numbers.
//!
//! Invalid datagrams are counted and skipped, and do not end the link for others. The table of senders is
//! bounded against a hostile writer with many names.

use std::cell::Cell;
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use crate::buffers;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result, memory};
use crate::extension::{LastSender, Sender};
use crate::frame::{HEADER, Header, Incoming, Kind};
use crate::half::ReceiveHalf;
use crate::sys::brief::{self, Brief, BriefReads, SHORTEST_WAIT};
use crate::sys::crc;
use crate::sys::datagram;
use crate::sys::fork::Guarded;
use crate::value::Limits;
use crate::{Losses, Waited};

/// The longest datagram in bytes, for readers and writers.
pub(super) const LONGEST: usize = 1 << 20;

const SENDERS: usize = 4096;

pub struct DgramRx {
    socket: Option<Arc<Guarded>>,
    limit: u64,
    /// The memory of the next datagram, one byte longer than the longest accepted one.
    ///
    /// Allocated at the first read. The kernel provides memory only for the parts that were ever written.
    buffer: Vec<u8>,
    /// The offset of datagrams in the buffer, see [`DgramRx::place`].
    start: usize,
    empty_polls: u32,
    spared: Cell<u32>,
    slept: bool,
    brief_reads: BriefReads,
    /// The outcome of a brief read, for the next poll: the length of a datagram in the buffer, or an error.
    taken: Option<Result<usize>>,
    /// By the sender's name and session: its last number, and the value of `messages` then.
    last_numbers: HashMap<(Arc<str>, u64), (u64, u64)>,
    last_sender: LastSender,
    /// Counts messages: the clock that decides which senders to forget.
    messages: u64,
    losses: Losses,
}

impl DgramRx {
    pub fn new(socket: Arc<Guarded>, limit: u64) -> DgramRx {
        DgramRx { socket: Some(socket), limit, ..DgramRx::of_writer() }
    }

    /// Returns the half of a writer, whose every read is `Unsupported`.
    pub fn of_writer() -> DgramRx {
        DgramRx {
            socket: None,
            limit: 0,
            buffer: Vec::new(),
            start: 0,
            empty_polls: 0,
            spared: Cell::new(0),
            slept: false,
            brief_reads: BriefReads::default(),
            taken: None,
            last_numbers: HashMap::new(),
            last_sender: LastSender::default(),
            messages: 0,
            losses: Losses::default(),
        }
    }

    /// Returns the offset in this memory at which datagrams are read: the middle of its first page.
    ///
    /// The kernel keeps a long datagram from the beginning of a page on. Copying 10 kB to 8 or 16 bytes after
    /// a page's beginning takes 5.5 µs instead of 2.3: the processor takes loads for dependent on the
    /// preceding stores.
    fn place(memory: &[u8]) -> usize {
        (2048usize.wrapping_sub(memory.as_ptr().addr())) % 4096
    }

    fn most(&self) -> u64 {
        self.limit.saturating_add((HEADER + crate::frame::MAX_EXTENSION + HEADER) as u64)
    }

    fn room(&mut self) -> Result<&mut [u8]> {
        let room = LONGEST.min(usize::try_from(self.most()).unwrap_or(LONGEST)) + 1;
        if self.buffer.is_empty() {
            self.buffer = memory::zeroed(room + 4096)?;
            self.start = DgramRx::place(&self.buffer);
        }
        Ok(&mut self.buffer[self.start..][..room])
    }

    fn take(&mut self, socket: &Guarded) -> Result<Option<usize>> {
        let length = match self.taken.take() {
            Some(taken) => taken?,
            None => {
                let slept = std::mem::take(&mut self.slept);
                let Some(length) = datagram::receive(socket, self.room()?)? else {
                    self.empty_polls = self.empty_polls.saturating_add(1);
                    return Ok(None);
                };
                if !slept {
                    self.empty_polls = 0;
                }
                length
            }
        };
        self.brief_reads.note_message();
        if length as u64 > self.most() {
            Limits::for_message(self.limit).check_message(length as u64)?;
        }
        if length > LONGEST {
            let text = format!("a datagram of {length} bytes is over the {LONGEST} that a mailslot accepts");
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        Ok(Some(length))
    }

    /// Counts the missing numbers before this one. Numbers before a sender's first message do not count.
    fn count(&mut self, sender: Sender, sequence: u64) {
        self.messages += 1;
        if self.last_numbers.len() >= SENDERS {
            // Forgets the eighth of the senders that have been silent for longest.
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
        while let Some(length) = self.take(&socket)? {
            let bytes = &self.buffer[self.start..][..length];
            let Ok((frame, sender)) = read(bytes, &mut self.last_sender) else {
                self.losses.refused += 1;
                continue;
            };
            self.count(sender, frame.header.sequence);
            Limits::for_message(self.limit).check_message(frame.header.body)?;
            return Ok(Some(frame));
        }
        Ok(None)
    }

    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.socket.iter().map(|socket| socket.as_fd()).collect()
    }

    fn goes_on_after(&self, error: &Error) -> bool {
        error.kind() == ErrorKind::Unsupported
    }

    fn take_losses(&mut self) -> Losses {
        std::mem::take(&mut self.losses)
    }

    /// True if the last polls found nothing before a sleep; every 16th poll is still made.
    fn is_likely_empty(&self) -> bool {
        if self.taken.is_some() {
            return false;
        }
        const EMPTY_POLLS: u32 = 2;
        const PROBE: u32 = 16;
        if self.empty_polls < EMPTY_POLLS {
            return false;
        }
        self.spared.set(self.spared.get().wrapping_add(1));
        !self.spared.get().is_multiple_of(PROBE)
    }

    fn read_briefly(&mut self, waiting: &mut Waiting<'_>) -> Result<Waited> {
        let Some(socket) = self.socket.clone() else { return Ok(Waited::Omitted) };
        if !self.brief_reads.are_due()
            || self.taken.is_some()
            || waiting.sleep()?.is_some_and(|left| left < SHORTEST_WAIT)
            || !self.brief_reads.are_allowed(|| datagram::allow_brief_reads(&*socket))
        {
            return Ok(Waited::Omitted);
        }
        match brief::receive_datagram(&*socket, self.room()?) {
            Ok(Brief::Came(length)) => self.taken = Some(Ok(length)),
            Ok(Brief::Passed) => {
                self.brief_reads.note_passed();
                return Ok(Waited::Passed);
            }
            Ok(Brief::Interrupted) => {
                waiting.woke(true)?;
                return Ok(Waited::Ready);
            }
            Err(error) => self.taken = Some(Err(error)),
        }
        waiting.woke(false)?;
        Ok(Waited::Ready)
    }

    fn park(&mut self) -> Result<bool> {
        self.slept = true;
        Ok(self.taken.is_some())
    }
}

fn read(bytes: &[u8], last_sender: &mut LastSender) -> Result<(Incoming, Sender)> {
    let malformed = |text: &str| Error::new(ErrorKind::Malformed, text);
    let first = bytes.first_chunk::<HEADER>().ok_or_else(|| malformed("shorter than a header"))?;
    let header = Header::from_bytes_with(first, crc::of_words)?;
    if header.kind != Kind::Data {
        return Err(malformed("a mailslot accepts messages, and neither requests nor answers"));
    }
    let start = header.body_offset();
    if header.body.checked_add(start as u64) != Some(bytes.len() as u64) {
        return Err(malformed("its length is not the one in its header"));
    }
    let sender = last_sender.read(&bytes[HEADER..HEADER + header.extension])?;
    let sender = sender.ok_or_else(|| malformed("it does not say who sent it"))?.clone();
    let body = &bytes[start..];
    let mut own = buffers::take(body.len());
    memory::reserve(&mut own, body.len())?;
    own.extend_from_slice(body);
    let extension = last_sender.bytes().clone();
    Ok((Incoming { extension, body: buffers::aligned(own).into(), header }, sender))
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixDatagram;

    use super::*;
    use crate::sys::brief::FIRST;

    fn reader(limit: u64) -> (DgramRx, UnixDatagram) {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        (DgramRx::new(Arc::new(Guarded::new(OwnedFd::from(ours))), limit), theirs)
    }

    #[test]
    fn datagrams_of_any_length_are_taken_or_refused_one_by_one() {
        let (mut reader, writer) = reader(10_000);
        for length in [0, 1, HEADER, 5_000, 100_000, 3] {
            writer.send(&vec![7; length]).unwrap();
        }
        let error = reader.try_recv().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert!(error.text().contains("100000"), "{error}");
        assert_eq!(reader.take_losses().refused, 4);
        assert!(reader.try_recv().unwrap().is_none());
        assert_eq!(reader.take_losses().refused, 1);
    }

    #[test]
    fn brief_reads_take_datagrams_after_some_and_end_with_one_without_any() {
        let (mut reader, writer) = reader(100);
        let mut waiting =
            Waiting::until(crate::deadline::Deadline::after(std::time::Duration::from_secs(60)));
        for _ in 0..FIRST {
            assert_eq!(reader.read_briefly(&mut waiting).unwrap(), Waited::Omitted, "too few");
            writer.send(&[1]).unwrap();
            assert!(reader.try_recv().unwrap().is_none(), "it is no frame");
        }
        assert_eq!(reader.take_losses().refused, u64::from(FIRST));
        for length in [1, 100_000, 2] {
            writer.send(&vec![1; length]).unwrap();
            assert_eq!(reader.read_briefly(&mut waiting).unwrap(), Waited::Ready);
            assert!(!reader.is_likely_empty() && reader.park().unwrap(), "it has one");
            assert_eq!(reader.read_briefly(&mut waiting).unwrap(), Waited::Omitted, "it has one");
            match reader.try_recv() {
                Ok(none) => assert!(none.is_none() && length < 100_000),
                Err(error) => assert!(error.kind() == ErrorKind::TooLarge && length == 100_000, "{error}"),
            }
        }
        assert_eq!(reader.take_losses().refused, 2);
        assert_eq!(reader.read_briefly(&mut waiting).unwrap(), Waited::Passed, "nothing came");
        assert_eq!(
            reader.read_briefly(&mut waiting).unwrap(),
            Waited::Omitted,
            "nothing came in the last one"
        );
        assert!(reader.try_recv().unwrap().is_none(), "no other read waits");
    }

    #[test]
    fn poll_that_finds_nothing_is_left_out_until_one_finds_a_datagram_without_a_sleep() {
        let (mut reader, writer) = reader(100);
        assert!(!reader.is_likely_empty());
        for _ in 0..2 {
            assert!(reader.try_recv().unwrap().is_none());
            reader.park().unwrap();
        }
        assert_eq!((0..32).filter(|_| !reader.is_likely_empty()).count(), 2);
        writer.send(&[1]).unwrap();
        reader.park().unwrap();
        assert!(reader.try_recv().unwrap().is_none(), "it is no frame");
        reader.park().unwrap();
        assert_eq!((0..16).filter(|_| !reader.is_likely_empty()).count(), 1, "a sleep came before it");
        reader.try_recv().unwrap();
        writer.send(&[1]).unwrap();
        reader.try_recv().unwrap();
        assert!(!reader.is_likely_empty());
    }
}
