//! The sending half of a stream link.

use std::io::IoSlice;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use super::heard::Heard;
use super::rest::Rest;
use crate::deadline::Waiting;
use crate::error::Result;
use crate::frame::{Header, Kind, Outgoing, flags};
use crate::transport::Sent;
use crate::transport::stream::Stream;
use crate::value::Timestamp;

/// Frames up to so many bytes are put together before they are written.
const SMALL: usize = 1280;

/// Frames of a batch that are written at once take at most so many bytes together, and each of them at most so many: to copy
/// longer ones costs more than a system call.
const BATCH: usize = 64 << 10;
const SHORT: usize = 4 << 10;

/// The sending half.
pub struct StreamTx {
    stream: Stream,
    /// Whether each body goes with its check sum: where bytes leave this machine's memory.
    checked: bool,
    /// The check sum of the body under way: a long one goes in many pieces.
    check: u32,
    /// Bytes of the frame under way that the kernel has.
    progress: usize,
    /// The rest of a frame that was adopted.
    rest: Option<Rest>,
    /// When the other side was heard last; none where nobody listens to it.
    heard: Option<Arc<Heard>>,
}

impl StreamTx {
    /// Sends over this stream; `checked`: with a check sum of each body.
    pub fn new(stream: Stream, checked: bool) -> StreamTx {
        StreamTx { stream, checked, check: 0, progress: 0, rest: None, heard: None }
    }

    /// The same beside a receiving half, which tells when the other side was heard last.
    pub fn beside(self, heard: Arc<Heard>) -> StreamTx {
        StreamTx { heard: Some(heard), ..self }
    }

    /// See the transport contract.
    pub fn try_send(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
        if !self.flush()? {
            return Ok(Sent::Blocked);
        }
        if self.progress == 0 && !self.is_surely_there(&frame.header) {
            self.stream.check_peer()?;
        }
        let sealed;
        let frame = if self.checked {
            if self.progress == 0 {
                self.check = crc32c::crc32c(frame.body);
            }
            sealed = seal(frame, self.check);
            &sealed
        } else {
            frame
        };
        let head = frame.header.to_bytes();
        let longer;
        let head: &[u8] = if frame.extension.is_empty() {
            &head
        } else {
            longer = frame.head();
            &longer
        };
        let whole = head.len() + frame.body.len();
        if self.progress == 0 && whole <= SMALL {
            // To copy a few bytes costs less than to have the kernel read a list of pieces.
            let mut bytes = [0; SMALL];
            bytes[..head.len()].copy_from_slice(head);
            bytes[head.len()..whole].copy_from_slice(frame.body);
            match self.stream.write_bytes(&bytes[..whole])? {
                Some(n) => self.progress = n,
                None => return Ok(Sent::Blocked),
            }
        }
        while self.progress < whole {
            let parts = [
                IoSlice::new(&head[self.progress.min(head.len())..]),
                IoSlice::new(&frame.body[self.progress.saturating_sub(head.len())..]),
            ];
            match self.stream.write(&parts)? {
                Some(n) => self.progress += n,
                None if self.progress == 0 => return Ok(Sent::Blocked),
                None => return Ok(Sent::Part),
            }
        }
        // What waits on our side is nobody's yet: the frame stays the one under way.
        if !self.stream.flush()? {
            return Ok(Sent::Part);
        }
        self.progress = 0;
        Ok(Sent::Whole)
    }

    /// See [`Tx::try_send_many`](crate::transport::Tx::try_send_many).
    pub fn try_send_many<'f>(&mut self, frames: impl Iterator<Item = Outgoing<'f>>) -> Result<usize> {
        // What TLS has taken is with nobody yet.
        if self.progress > 0 || !self.stream.takes_for_good() || !self.flush()? {
            return Ok(0);
        }
        let mut frames = frames.peekable();
        let Some(first) = frames.peek() else { return Ok(0) };
        if !self.is_surely_there(&first.header) {
            self.stream.check_peer()?;
        }
        let mut bytes = Vec::new();
        let mut ends = Vec::new();
        for frame in frames {
            let whole = frame.header.body_offset() + frame.body.len();
            if whole > SHORT || bytes.len() + whole > BATCH {
                break;
            }
            let frame = if self.checked { seal(&frame, crc32c::crc32c(frame.body)) } else { frame };
            frame.append_head(&mut bytes);
            bytes.extend_from_slice(frame.body);
            ends.push(bytes.len());
        }
        // One alone goes its usual way.
        if ends.len() < 2 {
            return Ok(0);
        }
        let Some(written) = self.stream.write_bytes(&bytes)? else { return Ok(0) };
        let whole = ends.partition_point(|end| *end <= written);
        let begun = whole.checked_sub(1).map_or(0, |last| ends[last]) < written;
        if begun && let Some(end) = ends.get(whole) {
            self.rest = Some(Rest::new(bytes[written..*end].to_vec()));
            return Ok(whole + 1);
        }
        Ok(whole)
    }

    /// Whether the other side need not be asked for before this frame, because it was heard lately. One that has gone since
    /// is then noticed by the next frame, and this one is sent again with what was not acknowledged, or was for nobody. A
    /// request that may be carried out once only is not sent again: before that one it is always asked.
    fn is_surely_there(&self, header: &Header) -> bool {
        let once_only = header.kind == Kind::Request && header.flags & flags::IDEMPOTENT == 0;
        // Frames that are no messages do not say when they were sent.
        let now = || if header.sent == 0 { Timestamp::now() } else { Timestamp(header.sent) };
        !once_only && self.heard.as_ref().is_some_and(|heard| heard.lately(now()))
    }

    /// See the transport contract.
    pub fn adopt(&mut self, frame: &Outgoing<'_>) {
        let head = if self.checked { seal(frame, self.check).head() } else { frame.head() };
        let mut rest = head[self.progress.min(head.len())..].to_vec();
        rest.extend_from_slice(&frame.body[self.progress.saturating_sub(head.len())..]);
        self.rest = Some(Rest::new(rest));
        self.progress = 0;
    }

    /// See the transport contract.
    pub fn flush(&mut self) -> Result<bool> {
        if let Some(rest) = &self.rest {
            if !rest.write(&self.stream)? {
                return Ok(false);
            }
            self.rest = None;
        }
        Ok(true)
    }

    /// Whether the rest of a frame waits to be brought away.
    pub fn has_rest(&self) -> bool {
        self.rest.is_some()
    }

    /// See the transport contract.
    pub fn see_off(&mut self) {
        if let Some(rest) = &mut self.rest {
            rest.see_off(&self.stream);
        }
    }

    /// See the transport contract.
    pub fn wait_room(&mut self, waiting: &mut Waiting<'_>) -> Result<()> {
        self.stream.wait_room(waiting)
    }

    /// What is ready for writing once there is room.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.stream.writable().0
    }
}

/// The frame with the check sum of its body.
fn seal<'a>(frame: &Outgoing<'a>, check: u32) -> Outgoing<'a> {
    let mut sealed = *frame;
    sealed.header.flags |= flags::BODY_CHECKED;
    sealed.header.body_check = check;
    sealed
}
