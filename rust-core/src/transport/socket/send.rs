//! The sending half of a stream link.

use std::io::IoSlice;
use std::os::fd::BorrowedFd;

use crate::deadline::Waiting;
use crate::error::Result;
use crate::frame::{Outgoing, flags};
use crate::sys::poll::wait_any;
use crate::transport::Sent;
use crate::transport::stream::Stream;

/// Frames up to so many bytes are put together before they are written.
const SMALL: usize = 1280;

/// The sending half.
pub struct StreamTx {
    stream: Stream,
    /// Whether each body goes with its check sum: where bytes leave this machine's memory.
    checked: bool,
    /// Bytes of the frame under way that the kernel has.
    progress: usize,
    /// The rest of a frame that was adopted.
    rest: Vec<u8>,
    /// Bytes of `rest` that the kernel has.
    rest_progress: usize,
}

impl StreamTx {
    /// Sends over this stream; `checked`: with a check sum of each body.
    pub fn new(stream: Stream, checked: bool) -> StreamTx {
        StreamTx { stream, checked, progress: 0, rest: Vec::new(), rest_progress: 0 }
    }

    /// See the transport contract.
    pub fn try_send(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
        if !self.flush()? {
            return Ok(Sent::Blocked);
        }
        let sealed;
        let frame = if self.checked {
            sealed = seal(frame);
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
        self.progress = 0;
        Ok(Sent::Whole)
    }

    /// See the transport contract.
    pub fn adopt(&mut self, frame: &Outgoing<'_>) {
        let head = if self.checked { seal(frame).head() } else { frame.head() };
        self.rest.clear();
        self.rest.extend_from_slice(&head[self.progress.min(head.len())..]);
        self.rest.extend_from_slice(&frame.body[self.progress.saturating_sub(head.len())..]);
        self.rest_progress = 0;
        self.progress = 0;
    }

    /// See the transport contract.
    pub fn flush(&mut self) -> Result<bool> {
        while self.rest_progress < self.rest.len() {
            match self.stream.write_bytes(&self.rest[self.rest_progress..])? {
                Some(n) => self.rest_progress += n,
                None => return Ok(false),
            }
        }
        if !self.rest.is_empty() {
            self.rest = Vec::new();
            self.rest_progress = 0;
        }
        Ok(true)
    }

    /// See the transport contract.
    pub fn wait_room(&mut self, waiting: &mut Waiting<'_>) -> Result<()> {
        wait_any(waiting, [self.stream.writable()]).map(drop)
    }

    /// What is ready for writing once there is room.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.stream.writable().0
    }
}

/// The frame with the check sum of its body.
fn seal<'a>(frame: &Outgoing<'a>) -> Outgoing<'a> {
    let mut sealed = *frame;
    sealed.header.flags |= flags::BODY_CHECKED;
    sealed.header.body_check = crc32c::crc32c(frame.body);
    sealed
}
