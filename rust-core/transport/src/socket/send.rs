//! The sending half of a stream link.
//!
//! A frame is written with its header in one system call; a short frame is first copied into one block. If
//! the socket is full in the middle of a frame, the half keeps the rest (`tail`) and writes it first.

use std::io::IoSlice;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use super::PeerActivity;
use crate::Sent;
use crate::deadline::{Deadline, Waiting};
use crate::error::Result;
use crate::frame::{Header, Kind, Outgoing, flags};
use crate::stream::Stream;
use crate::sys::crc;
use crate::tail::Tail;
use crate::value::Timestamp;

/// Frames up to this size, with header, are copied into one block.
///
/// Copying costs less than the kernel's handling of a list with two pieces.
const SMALL: usize = 1280;

/// The size of a batch for one write. Its frames have at most `SHORT` bytes, because copying longer ones
/// costs more than a system call.
const BATCH: usize = 64 << 10;
const SHORT: usize = 4 << 10;

/// The sending half; used by one thread at a time.
pub struct StreamTx {
    stream: Stream,
    block: Box<[u8; SMALL]>,
    /// Whether each body is sent with its checksum: true if bytes leave this machine's memory.
    checked: bool,
    tail: Option<Tail>,
    /// The time of the peer's last activity; `None` without a receiving half.
    activity: Option<Arc<PeerActivity>>,
}

impl StreamTx {
    /// Sends over this stream; with `checked`, each body has a checksum.
    pub fn new(stream: Stream, checked: bool) -> StreamTx {
        let block = Box::new([0; SMALL]);
        StreamTx { stream, block, checked, tail: None, activity: None }
    }

    pub(crate) fn beside(self, activity: Arc<PeerActivity>) -> StreamTx {
        StreamTx { activity: Some(activity), ..self }
    }

    /// Sends a frame, or the part that there is room for; see the transport contract.
    ///
    /// An acknowledgement without room is kept as a tail.
    ///
    /// # Errors
    /// `Disconnected`.
    pub(crate) fn try_send(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
        if !self.flush()? {
            return Ok(Sent::Blocked);
        }
        if self.stream.is_peer_checked() && !self.was_recently_active(&frame.header) {
            self.stream.check_peer()?;
        }
        let sealed;
        let frame = if self.checked {
            sealed = seal(frame, crc::of_bytes(frame.body));
            &sealed
        } else {
            frame
        };
        let head = frame.header.bytes_with(crc::of_words);
        let longer;
        let head: &[u8] = if frame.extension.is_empty() {
            &head
        } else {
            longer = frame.head();
            &longer
        };
        let whole = head.len() + frame.body.len();
        let first = if whole <= SMALL {
            self.stream.write_bytes(joined(&mut self.block, head, frame.body))?
        } else {
            self.stream.write(&[IoSlice::new(head), IoSlice::new(frame.body)])?
        };
        let Some(mut written) = first else {
            // Its sender may be about to sleep, and would not send it again.
            if frame.header.kind == Kind::Ack {
                self.tail = Some(Tail::of(head, frame, 0));
                return Ok(Sent::Started);
            }
            return Ok(Sent::Blocked);
        };
        while written < whole {
            let parts = [
                IoSlice::new(head.get(written..).unwrap_or_default()),
                IoSlice::new(&frame.body[written.saturating_sub(head.len())..]),
            ];
            match self.stream.write(&parts)? {
                Some(n) => written += n,
                None => break,
            }
        }
        // Bytes in a buffer of this process are not sent yet.
        if written == whole && self.stream.flush()? {
            return Ok(Sent::Whole);
        }
        self.tail = Some(Tail::of(head, frame, written));
        Ok(Sent::Started)
    }

    /// Sends several short frames with one write; see [`Tx::try_send_many`](crate::Tx::try_send_many).
    #[inline]
    pub(crate) fn try_send_many<'f>(&mut self, frames: impl Iterator<Item = Outgoing<'f>>) -> Result<usize> {
        // TLS buffers accepted bytes, so the number of sent frames would be unknown.
        if !self.stream.writes_reach_kernel() || !self.flush()? {
            return Ok(0);
        }
        let mut frames = frames.peekable();
        let Some(first) = frames.peek() else { return Ok(0) };
        if !self.was_recently_active(&first.header) {
            self.stream.check_peer()?;
        }
        let mut bytes = Vec::new();
        let mut ends = Vec::new();
        for frame in frames {
            let whole = frame.header.body_offset() + frame.body.len();
            if whole > SHORT || bytes.len() + whole > BATCH {
                break;
            }
            let frame = if self.checked { seal(&frame, crc::of_bytes(frame.body)) } else { frame };
            frame.append_head(&mut bytes);
            bytes.extend_from_slice(frame.body);
            ends.push(bytes.len());
        }
        if ends.len() < 2 {
            return Ok(0);
        }
        let Some(written) = self.stream.write_bytes(&bytes)? else { return Ok(0) };
        let whole = ends.partition_point(|end| *end <= written);
        let begun = whole.checked_sub(1).map_or(0, |last| ends[last]) < written;
        if begun && let Some(end) = ends.get(whole) {
            self.tail = Some(Tail::of_bytes(Kind::Data, bytes[written..*end].to_vec()));
            return Ok(whole + 1);
        }
        Ok(whole)
    }

    /// Returns whether the peer was just active and need not be checked before this frame.
    ///
    /// If the peer has ended since, all unacknowledged frames are sent again. A request that may run only
    /// once is never sent again, so the peer is always checked before it.
    fn was_recently_active(&self, header: &Header) -> bool {
        let once_only = header.kind == Kind::Request && header.flags & flags::IDEMPOTENT == 0;
        // Frames without a message carry no time.
        let now = || if header.sent == 0 { Timestamp::now() } else { Timestamp(header.sent) };
        !once_only && self.activity.as_ref().is_some_and(|activity| activity.is_recent(now()))
    }

    /// Writes the rest of the last frame; returns true if nothing is left.
    pub(crate) fn flush(&mut self) -> Result<bool> {
        Tail::flush(&mut self.tail, &self.stream)
    }

    pub(crate) fn tail(&self) -> Option<&Tail> {
        self.tail.as_ref()
    }

    /// Returns whether written bytes wait for room at the peer.
    pub(crate) fn is_held_back(&self) -> bool {
        self.stream.is_held_back()
    }

    pub(crate) fn end_acknowledged(&self, until: Deadline) {
        self.stream.end_acknowledged(until);
    }

    pub(crate) fn wait_room(&mut self, waiting: &mut Waiting<'_>) -> Result<()> {
        self.stream.wait_room(waiting)
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.stream.writable().0
    }
}

fn joined<'b>(block: &'b mut [u8; SMALL], head: &[u8], body: &[u8]) -> &'b [u8] {
    let block = &mut block[..head.len() + body.len()];
    let (first, rest) = block.split_at_mut(head.len());
    first.copy_from_slice(head);
    rest.copy_from_slice(body);
    block
}

fn seal<'a>(frame: &Outgoing<'a>, check: u32) -> Outgoing<'a> {
    let mut sealed = *frame;
    sealed.header.flags |= flags::BODY_CHECKED;
    sealed.header.body_check = check;
    sealed
}
