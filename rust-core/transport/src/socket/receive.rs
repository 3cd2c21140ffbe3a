//! The receiving half of a stream link.
//!
//! Short frames are copied out of a buffer of 64 KiB; one read can bring several. A series of equally long
//! frames is read directly into the memory of each frame (`direct`). A frame over the limit is read and
//! dropped. After an invalid header the start of the next frame is unknown, so the link ends.
//!
//! The peer's process can end while its child keeps the socket open. Before each sleep, `probe_due` therefore
//! requests one check of the pidfd.

mod direct;
mod short;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use bytes::Bytes;
use rustix::event::{PollFd, PollFlags};

use super::PeerActivity;
use crate::Waited;
use crate::admission::PeerIdentity;
use crate::buffers;
use crate::deadline::Waiting;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::frame::{HEADER, Header, Incoming, flags};
use crate::partial::Partial;
use crate::stream::Stream;
use crate::sys::brief::{Brief, BriefReads, SHORTEST_WAIT};
use crate::sys::crc;
use crate::sys::poll;
use crate::value::Limits;

use direct::{Direct, split};

/// The most bytes of one read into the buffer. Longer bodies are read into their own memory.
const BUFFER: usize = 64 << 10;

/// The receiving half; used by one thread at a time.
pub struct StreamRx {
    stream: Stream,
    process: Option<Arc<OwnedFd>>,
    limit: u64,
    /// The peer that long messages count against; determined at the first long message.
    sender: Option<PeerIdentity>,
    buffer: Box<[u8]>,
    /// The beginning of the unread bytes in the buffer ...
    start: usize,
    /// ... and their end.
    end: usize,
    long: Option<Long>,
    direct: Direct,
    brief_reads: BriefReads,
    /// Whether the last brief read took everything, and no `try_recv` has followed.
    emptied_briefly: bool,
    /// Bytes of a frame over the limit that are still to be dropped.
    skip: u64,
    /// Whether to check the peer's process when there is nothing to read; set before each sleep.
    probe_due: bool,
    /// Consecutive polls that found nothing, without a sleep before.
    empty_polls: u32,
    spared: u32,
    /// Whether a poll has just found nothing, so the next look is skipped.
    has_polled: bool,
    /// Whether the last read took everything that the kernel had.
    emptied: bool,
    over: Option<Error>,
    activity: Arc<PeerActivity>,
}

/// After this many empty polls, a sleep is likely.
const EMPTY_POLLS: u32 = 2;

/// Unused bytes at the beginning of a long frame's memory.
///
/// The allocator's long blocks begin 16 bytes into a page. There the kernel copies at less than half its
/// speed on some processors (AMD Zen 3).
const PAD: usize = 48;

struct Long {
    header: Header,
    bytes: Partial,
}

impl StreamRx {
    /// Receives bodies of at most `limit` bytes; `process` is the peer's pidfd.
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
            direct: Direct::default(),
            brief_reads: BriefReads::default(),
            emptied_briefly: false,
            skip: 0,
            probe_due: false,
            empty_polls: 0,
            spared: 0,
            has_polled: false,
            emptied: false,
            over: None,
            activity: Arc::default(),
        }
    }

    pub(crate) fn activity(&self) -> &Arc<PeerActivity> {
        &self.activity
    }

    /// Returns the next frame; see the transport contract.
    ///
    /// # Errors
    /// `TooLarge` concerns one frame, which is skipped. After `OutOfMemory` the frame stays the next
    /// ([`StreamRx::skip_if`]). `Disconnected` and `Malformed` end the link.
    pub fn try_recv(&mut self) -> Result<Option<Incoming>> {
        /// The bound lets the caller do other work: a peer may write as fast as this side reads, parts of one
        /// long or skipped message.
        const READS: u32 = 256;
        self.emptied = std::mem::take(&mut self.emptied_briefly);
        if std::mem::take(&mut self.has_polled) {
            return Ok(None);
        }
        for _ in 0..READS {
            if let Some(frame) = self.buffered()? {
                self.brief_reads.note_message();
                return Ok(Some(frame));
            }
            if let Some(over) = &self.over {
                self.activity.clear();
                return Err(over.clone());
            }
            let read = if let Some(long) = &mut self.long {
                long.bytes.append(|bytes, most| self.stream.read_behind(bytes, most))
            } else if self.expects_whole() {
                let (bytes, most) = self.direct.memory();
                self.stream.read_behind(bytes, most)
            } else {
                if self.start > 0 {
                    self.buffer.copy_within(self.start..self.end, 0);
                    (self.start, self.end) = (0, self.end - self.start);
                }
                self.stream.read(&mut self.buffer[self.end..])
            };
            match read {
                // Bytes that the peer wrote before its end may have arrived since the read: read on to the
                // end.
                Ok(None) if self.probe_due && self.stream.has_ended()? => self.probe_due = false,
                Ok(None) if std::mem::take(&mut self.probe_due) && self.has_ended()? => {
                    self.over = Some(Error::new(ErrorKind::Disconnected, "the peer's process ended"));
                }
                Ok(None) => {
                    self.empty_polls = self.empty_polls.saturating_add(1);
                    return Ok(None);
                }
                Ok(Some(0)) => self.over = Some(self.ended()),
                Ok(Some(n)) => {
                    self.note_activity();
                    // Found by a poll, without a sleep before it.
                    if !std::mem::take(&mut self.probe_due) {
                        self.empty_polls = 0;
                    }
                    if self.long.is_none() {
                        let took_all = self.took_all(n);
                        self.emptied = took_all && self.stream.short_read_is_last();
                    }
                }
                Err(e) if e.kind() == ErrorKind::OutOfMemory && self.long.is_some() => return Err(e),
                Err(e) => {
                    self.long = None;
                    self.over = Some(e);
                }
            }
        }
        Ok(None)
    }

    fn note_activity(&self) {
        if self.stream.is_peer_checked() {
            self.activity.note();
        }
    }

    fn ended(&self) -> Error {
        let half = self.end > self.start || self.long.is_some();
        let text =
            if half { "the peer disconnected in the middle of a message" } else { "the peer disconnected" };
        Error::new(ErrorKind::Disconnected, text)
    }

    fn buffered(&mut self) -> Result<Option<Incoming>> {
        if let Some(frame) = self.direct.take() {
            return self.check(frame).map(Some);
        }
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
        let available = &self.buffer[self.start..self.end];
        let Some(first) = available.first_chunk::<HEADER>() else { return Ok(None) };
        let header = match Header::from_bytes_with(first, crc::of_words) {
            Ok(header) => header,
            Err(error) => {
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
        if available.len() >= whole {
            let frame = copy(header, &available[..whole]);
            self.start += whole;
            self.direct.expect(if self.start == self.end { whole } else { 0 });
            return self.check(frame).map(Some);
        }
        if whole > self.buffer.len() {
            self.begin(header, whole)?;
        }
        Ok(None)
    }

    /// Moves the beginning of a frame that is longer than the buffer into its own memory.
    fn begin(&mut self, header: Header, whole: usize) -> Result<()> {
        let available = &self.buffer[self.start..self.end];
        let sender = self.sender.get_or_insert_with(|| self.stream.sender());
        let mut bytes = Partial::begin(PAD + whole, self.limit, sender.clone());
        let begun = bytes.append(|bytes, _| {
            bytes.resize(PAD, 0);
            bytes.extend_from_slice(available);
            Ok(Some(PAD + available.len()))
        });
        match begun {
            Ok(_) => (self.start, self.end, self.long) = (0, 0, Some(Long { header, bytes })),
            Err(e) if e.kind() == ErrorKind::OutOfMemory => return Err(e),
            Err(e) => {
                (self.start, self.end) = (0, 0);
                self.over = Some(e.clone());
                return Err(e);
            }
        }
        Ok(())
    }

    /// Skips the frame that there was no memory for, if `may` allows it for its header. Returns that header.
    #[cold]
    pub fn skip_if(&mut self, may: impl Fn(&Header) -> bool) -> Option<Header> {
        if let Some(long) = self.long.take_if(|long| may(&long.header)) {
            self.skip = long.bytes.missing() as u64;
            return Some(long.header);
        }
        let first = self.buffer[self.start..self.end].first_chunk::<HEADER>()?;
        let header = Header::from_bytes_with(first, crc::of_words).ok()?;
        let whole = (header.body_offset() as u64).saturating_add(header.body);
        if self.long.is_some() || self.skip > 0 || whole <= self.buffer.len() as u64 || !may(&header) {
            return None;
        }
        self.skip = whole;
        Some(header)
    }

    fn finish(&mut self, long: Long) -> Result<Incoming> {
        match long.bytes.finish() {
            Ok(bytes) => self.check(split(long.header, buffers::bytes(bytes).slice(PAD..))),
            Err(e) => {
                self.over = Some(e.clone());
                Err(e)
            }
        }
    }

    /// Checks a body's checksum, if there is one.
    ///
    /// A wrong checksum ends the link, because other bytes may also be damaged.
    fn check(&mut self, frame: Incoming) -> Result<Incoming> {
        let header = &frame.header;
        if header.flags & flags::BODY_CHECKED == 0 || crc::of_bytes(frame.body.whole()) == header.body_check {
            return Ok(frame);
        }
        let text = format!("the body of message {} does not give its check sum", header.sequence);
        let error = Error::new(ErrorKind::Malformed, text).at(56);
        (self.start, self.end) = (0, 0);
        self.over = Some(error.clone());
        Err(error)
    }

    fn has_ended(&self) -> Result<bool> {
        let Some(process) = &self.process else { return Ok(false) };
        let mut fds = [PollFd::new(process, PollFlags::IN)];
        poll::look(&mut fds).doing("asking whether the peer lives (ppoll)")?;
        Ok(fds[0].revents().contains(PollFlags::IN))
    }

    /// Returns whether a poll would probably find nothing, like the last polls.
    ///
    /// Every 16th poll is still made, to notice a change.
    pub(crate) fn is_likely_empty(&mut self) -> bool {
        const PROBE: u32 = 16;
        if std::mem::take(&mut self.has_polled) {
            return true;
        }
        if !self.last_polls_were_empty() {
            return false;
        }
        self.spared = self.spared.wrapping_add(1);
        !self.spared.is_multiple_of(PROBE)
    }

    /// Announces a sleep. Returns true if the buffer has a frame, which the socket does not show.
    pub fn park(&mut self) -> bool {
        (self.probe_due, self.has_polled) = (true, false);
        self.over.is_some() || self.stream.holds_bytes() || self.direct.is_ready() || self.has_frame()
    }

    /// Returns whether another read may find a frame: false if the last read took everything.
    pub(crate) fn may_hold_more(&self) -> bool {
        !self.emptied || self.direct.is_ready() || self.end > self.start && self.has_frame()
    }

    /// Returns whether the buffer has a complete frame, or an error to report.
    fn has_frame(&self) -> bool {
        let available = (self.end - self.start) as u64;
        if self.long.is_some() || available.saturating_sub(self.skip) < HEADER as u64 {
            return false;
        }
        let first = &self.buffer[self.start + self.skip as usize..self.end];
        let Some(Ok(header)) = first.first_chunk::<HEADER>().map(Header::from_bytes) else { return true };
        let whole = (header.body_offset() as u64).saturating_add(header.body);
        whole <= first.len() as u64 || header.body > self.limit || whole > self.buffer.len() as u64
    }

    /// Returns the descriptors to sleep on: the connection, and the signals of the peer's end.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let process = self.process.as_ref().map(|p| p.as_fd());
        std::iter::once(self.stream.readable().0).chain(self.stream.liveness()).chain(process)
    }
}

impl StreamRx {
    fn expects_whole(&self) -> bool {
        self.direct.is_expecting() && self.start == self.end && self.skip == 0
    }

    /// Counts the bytes of a read. Returns whether it took everything, because there was room for more.
    fn took_all(&mut self, came: usize) -> bool {
        if let Some(settled) = self.direct.settle(self.limit, &mut self.buffer) {
            (self.start, self.end) = (0, settled.in_buffer);
            return settled.took_all;
        }
        self.end += came;
        self.end < self.buffer.len()
    }

    /// Reads. Sleeps some milliseconds for data if frames alternate and the call has the time.
    ///
    /// # Errors
    /// `Timeout`; the error of the tick after a signal. `try_recv` reports errors of the stream.
    pub fn read_briefly(&mut self, waiting: &mut Waiting<'_>) -> Result<Waited> {
        let is_between_frames = self.start == self.end && self.skip == 0 && self.long.is_none();
        if !self.brief_reads.are_due()
            || !is_between_frames
            || self.over.is_some()
            || self.direct.is_ready()
            || !self.brief_reads.are_allowed(|| self.stream.allow_brief_reads())
            || !waiting.has_left(SHORTEST_WAIT)?
        {
            return Ok(Waited::Omitted);
        }
        (self.start, self.end) = (0, 0);
        let read = if self.expects_whole() {
            self.stream.read_behind_briefly(self.direct.memory().0)
        } else {
            self.stream.read_briefly(&mut self.buffer)
        };
        match read {
            Ok(Brief::Came(0)) => self.over = Some(self.ended()),
            Ok(Brief::Came(n)) => {
                self.note_activity();
                self.emptied_briefly = self.took_all(n);
            }
            Ok(Brief::Passed) => {
                self.brief_reads.note_passed();
                return Ok(Waited::Passed);
            }
            Ok(Brief::Interrupted) => {
                waiting.woke(true)?;
                return Ok(Waited::Ready);
            }
            Err(error) => self.over = Some(error),
        }
        waiting.woke(false)?;
        Ok(Waited::Ready)
    }
}

fn copy(header: Header, bytes: &[u8]) -> Incoming {
    let (head, body) = bytes.split_at(header.body_offset());
    let extension = match header.extension {
        0 => Bytes::new(),
        length => Bytes::copy_from_slice(&head[HEADER..HEADER + length]),
    };
    let mut own = buffers::with_room(body.len());
    own.extend_from_slice(body);
    Incoming { extension, body: buffers::aligned(own).into(), header }
}

#[cfg(test)]
mod tests;
