//! The receiving half of a stream link.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, Timespec};

use super::heard::Heard;
use crate::buffers;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::frame::{HEADER, Header, Incoming, flags};
use crate::transport::admission::Claimant;
use crate::transport::partial::Partial;
use crate::transport::stream::Stream;
use crate::value::Limits;

/// One read takes at most this much; longer bodies are read straight into their own memory.
const BUFFER: usize = 64 << 10;

/// The receiving half.
pub struct StreamRx {
    stream: Stream,
    process: Option<Arc<OwnedFd>>,
    limit: u64,
    /// Whose its messages are, once one was long enough to ask.
    sender: Option<Claimant>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    long: Option<Long>,
    /// Bytes of a frame over the limit that are still to be read and forgotten.
    skip: u64,
    /// The peer may be gone although its socket is open: ask once there is nothing to read.
    probe_due: bool,
    /// Looks in a row that found nothing, and how often one was spared because of that.
    empty_polls: u32,
    spared: u32,
    /// Whether the last look read all that the kernel had.
    emptied: bool,
    /// Why nothing more will come.
    over: Option<Error>,
    /// Where the sending half looks when bytes came last.
    heard: Arc<Heard>,
}

/// A frame that is longer than what was left of the buffer.
struct Long {
    header: Header,
    bytes: Partial,
}

impl StreamRx {
    /// Receives from this stream bodies of at most `limit` bytes.
    pub fn new(stream: Stream, process: Option<Arc<OwnedFd>>, limit: u64) -> StreamRx {
        let buffer = vec![0; BUFFER].into_boxed_slice();
        StreamRx {
            stream,
            process,
            limit,
            sender: None,
            buffer,
            start: 0,
            end: 0,
            long: None,
            skip: 0,
            probe_due: false,
            empty_polls: 0,
            spared: 0,
            emptied: false,
            over: None,
            heard: Arc::default(),
        }
    }

    /// When the other side was heard last, for the sending half.
    pub fn heard(&self) -> &Arc<Heard> {
        &self.heard
    }

    /// See the transport contract.
    pub fn try_recv(&mut self) -> Result<Option<Incoming>> {
        self.emptied = false;
        loop {
            if let Some(frame) = self.buffered()? {
                return Ok(Some(frame));
            }
            if let Some(over) = &self.over {
                self.heard.has_ended();
                return Err(over.clone());
            }
            let read = match &mut self.long {
                Some(long) => long.bytes.append(|bytes, most| self.stream.read_behind(bytes, most)),
                None => {
                    self.buffer.copy_within(self.start..self.end, 0);
                    (self.start, self.end) = (0, self.end - self.start);
                    self.stream.read(&mut self.buffer[self.end..])
                }
            };
            match read {
                // What it wrote before it went may have come since: read on to the end.
                Ok(None) if self.probe_due && self.stream.has_ended()? => self.probe_due = false,
                Ok(None) if std::mem::take(&mut self.probe_due) && self.has_ended()? => {
                    self.over = Some(Error::new(ErrorKind::Disconnected, "the other side's process ended"));
                }
                Ok(None) => {
                    self.empty_polls = self.empty_polls.saturating_add(1);
                    return Ok(None);
                }
                Ok(Some(0)) => {
                    let half = self.end > self.start || self.long.is_some();
                    let text = if half {
                        "the other side went away in the middle of a message"
                    } else {
                        "the other side went away"
                    };
                    self.over = Some(Error::new(ErrorKind::Disconnected, text));
                }
                Ok(Some(n)) => {
                    self.heard.note();
                    // Found without having slept for it.
                    if !std::mem::take(&mut self.probe_due) {
                        self.empty_polls = 0;
                    }
                    if self.long.is_none() {
                        self.end += n;
                        self.emptied = self.stream.is_emptied_by_less() && self.end < self.buffer.len();
                    }
                }
                Err(e) if e.kind() == ErrorKind::OutOfMemory && self.long.is_some() => {
                    self.skip = self.long.take().map_or(0, |long| long.bytes.missing() as u64);
                    return Err(e);
                }
                Err(e) => {
                    self.long = None;
                    self.over = Some(e);
                }
            }
        }
    }

    /// The next frame of those that have been read, if one is whole.
    fn buffered(&mut self) -> Result<Option<Incoming>> {
        if let Some(long) = &self.long {
            if long.bytes.missing() > 0 {
                return Ok(None);
            }
            return match self.long.take() {
                Some(long) => self.finish(long).map(Some),
                None => Ok(None),
            };
        }
        let skipped = self.skip.min((self.end - self.start) as u64);
        self.skip -= skipped;
        self.start += skipped as usize;
        let there = &self.buffer[self.start..self.end];
        let Some(first) = there.first_chunk::<HEADER>() else { return Ok(None) };
        let header = match Header::from_bytes(first) {
            Ok(header) => header,
            Err(error) => {
                // Where one frame is wrong, nobody knows where the next begins.
                (self.start, self.end) = (0, 0);
                self.over = Some(error.clone());
                return Err(error);
            }
        };
        if let Err(too_large) = Limits::for_message(self.limit).check_message(header.body) {
            self.skip = header.body.saturating_add(header.body_offset() as u64);
            return Err(too_large);
        }
        let whole = header.body_offset() + header.body as usize;
        if there.len() >= whole {
            let frame = split(header, Bytes::copy_from_slice(&there[..whole]));
            self.start += whole;
            return self.check(frame).map(Some);
        }
        if whole > self.buffer.len() {
            self.begin(header, whole)?;
        }
        Ok(None)
    }

    /// The first bytes of a frame that is longer than the buffer are in there.
    fn begin(&mut self, header: Header, whole: usize) -> Result<()> {
        let there = &self.buffer[self.start..self.end];
        let sender = self.sender.get_or_insert_with(|| self.stream.sender());
        let mut bytes = Partial::begin(whole, self.limit, sender.clone());
        let begun = bytes.append(|bytes, _| {
            // Fewer than any room.
            bytes.extend_from_slice(there);
            Ok(Some(there.len()))
        });
        (self.start, self.end) = (0, 0);
        match begun {
            Ok(_) => self.long = Some(Long { header, bytes }),
            Err(e) if e.kind() == ErrorKind::OutOfMemory => {
                self.skip = (whole - there.len()) as u64;
                return Err(e);
            }
            Err(e) => {
                self.over = Some(e.clone());
                return Err(e);
            }
        }
        Ok(())
    }

    /// The long frame, which has come to its end.
    fn finish(&mut self, long: Long) -> Result<Incoming> {
        match long.bytes.finish() {
            Ok(bytes) => self.check(split(long.header, buffers::bytes(bytes))),
            Err(e) => {
                self.over = Some(e.clone());
                Err(e)
            }
        }
    }

    /// Compares a body with its check sum, where its sender gave one. Damage on the way ends the link: who knows what else
    /// was damaged.
    fn check(&mut self, frame: Incoming) -> Result<Incoming> {
        let header = &frame.header;
        if header.flags & flags::BODY_CHECKED == 0 || crc32c::crc32c(&frame.body) == header.body_check {
            return Ok(frame);
        }
        let text = format!("the body of message {} does not give its check sum", header.sequence);
        let error = Error::new(ErrorKind::Malformed, text).at(56);
        (self.start, self.end) = (0, 0);
        self.over = Some(error.clone());
        Err(error)
    }

    /// Asks the kernel whether the peer's process has ended: a child of its own may keep the socket open.
    fn has_ended(&self) -> Result<bool> {
        let Some(process) = &self.process else { return Ok(false) };
        let mut fds = [PollFd::new(process, PollFlags::IN)];
        rustix::event::poll(&mut fds, Some(&Timespec::default())).doing("asking whether the peer lives")?;
        Ok(fds[0].revents().contains(PollFlags::IN))
    }

    /// Whether a look is likely to find nothing, as it was of late; now and then it is tried all the same, to notice
    /// better times.
    pub fn is_likely_empty(&mut self) -> bool {
        const OF_LATE: u32 = 2;
        const PROBE: u32 = 16;
        if self.empty_polls < OF_LATE || self.end > self.start || self.long.is_some() || self.over.is_some() {
            return false;
        }
        self.spared = self.spared.wrapping_add(1);
        !self.spared.is_multiple_of(PROBE)
    }

    /// See the contract: bytes that have been read wait in the buffer, and the socket does not tell of those.
    pub fn park(&mut self) -> bool {
        self.probe_due = true;
        self.over.is_some() || self.stream.holds_bytes() || self.has_frame()
    }

    /// Whether another look may find a frame: false where the last one took all that there was.
    #[inline]
    pub fn may_hold_more(&self) -> bool {
        !self.emptied || self.end > self.start && self.has_frame()
    }

    /// Whether a look into the buffer would give something: a whole frame, or what is wrong with it. Of half a frame the
    /// rest is still to come, and the stream will tell.
    fn has_frame(&self) -> bool {
        let there = (self.end - self.start) as u64;
        if self.long.is_some() || there.saturating_sub(self.skip) < HEADER as u64 {
            return false;
        }
        let first = &self.buffer[self.start + self.skip as usize..self.end];
        let Some(Ok(header)) = first.first_chunk::<HEADER>().map(Header::from_bytes) else { return true };
        let whole = (header.body_offset() as u64).saturating_add(header.body);
        whole <= first.len() as u64 || header.body > self.limit || whole > self.buffer.len() as u64
    }

    /// What to sleep on: the connection, and what tells that the peer has gone where there is such a thing.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let process = self.process.as_ref().map(|p| p.as_fd());
        std::iter::once(self.stream.readable().0).chain(self.stream.life()).chain(process)
    }
}

fn split(header: Header, bytes: Bytes) -> Incoming {
    Incoming {
        extension: bytes.slice(HEADER..HEADER + header.extension),
        body: bytes.slice(header.body_offset()..),
        header,
    }
}
