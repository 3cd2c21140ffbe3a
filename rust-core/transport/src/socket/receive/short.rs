//! The short path of an ordinary message: copies it from the place of its read into the program's message.
//!
//! [`StreamRx::try_recv`] finds all other messages unchanged: with an extension, with a longer frame, or with
//! an error.

use std::os::fd::BorrowedFd;

use super::{EMPTY_POLLS, StreamRx};
use crate::frame::{HEADER, Header, Incoming, flags};
use crate::sys::crc;

/// The longest body that takes this path, in bytes.
const LONGEST: u64 = 1280;

impl StreamRx {
    /// Returns the descriptor of the connection.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.stream.readable().0
    }

    /// Returns the descriptor that suffices for a sleep between two messages.
    pub fn sole_descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.stream.polled()
    }

    /// Returns whether there are untaken bytes.
    pub fn holds_bytes(&self) -> bool {
        self.end > self.start || self.direct.is_ready()
    }

    /// Returns whether the last polls found nothing, so a sleep is likely, and there is nothing to report.
    pub fn last_polls_were_empty(&self) -> bool {
        self.empty_polls >= EMPTY_POLLS && !self.holds_bytes() && self.long.is_none() && self.over.is_none()
    }

    /// Reads once before any sleep; false if the next poll would also find nothing.
    pub fn poll(&mut self) -> bool {
        if self.long.is_some() {
            return false;
        }
        if !self.fill() {
            self.has_polled = !self.probe_due;
            self.empty_polls = self.empty_polls.saturating_add(1);
            return false;
        }
        if !std::mem::take(&mut self.probe_due) {
            self.empty_polls = 0;
        }
        true
    }

    /// Reads once without waiting; false if nothing has arrived. [`StreamRx::try_recv`] reports an error.
    pub fn fill(&mut self) -> bool {
        if self.over.is_some() || self.direct.is_ready() || self.long.is_some() || self.start < self.end {
            return true;
        }
        (self.start, self.end) = (0, 0);
        let read = if self.expects_whole() {
            let (bytes, most) = self.direct.memory();
            self.stream.read_behind(bytes, most)
        } else {
            self.stream.read(&mut self.buffer)
        };
        match read {
            Ok(None) => return false,
            Ok(Some(0)) => self.over = Some(self.ended()),
            Ok(Some(came)) => {
                self.note_activity();
                self.emptied_briefly = self.took_all(came) && self.stream.short_read_is_last();
            }
            Err(error) => self.over = Some(error),
        }
        true
    }

    /// Returns the header of a complete fast-path data message in the buffer. Changes nothing.
    ///
    /// [`StreamRx::peek`] decides about any other message.
    #[inline]
    pub fn peek_fast(&self) -> Option<Header> {
        if self.skip > 0 || self.long.is_some() || self.direct.is_ready() {
            return None;
        }
        let (first, behind) = self.buffer.get(self.start..self.end)?.split_first_chunk::<HEADER>()?;
        let header = Header::of_fast_frame(first, crc::of_words)?;
        if header.body > LONGEST.min(self.limit) {
            return None;
        }
        let body = behind.get(..header.body as usize)?;
        if has_its_check_sum(&header, body) { Some(header) } else { None }
    }

    /// Returns the header of a complete ordinary message. Changes nothing.
    pub fn peek(&self) -> Option<Header> {
        if let Some((header, bytes)) = self.direct.peek() {
            return is_ordinary(header, &bytes[HEADER..]).then_some(*header);
        }
        if self.skip > 0 || self.long.is_some() {
            return None;
        }
        let available = self.buffer.get(self.start..self.end)?;
        let first = available.first_chunk::<HEADER>()?;
        let header = Header::from_bytes_with(first, crc::of_words).ok()?;
        if header.body > LONGEST.min(self.limit) || header.extension > 0 {
            return None;
        }
        let body = available.get(HEADER..HEADER + header.body as usize)?;
        is_ordinary(&header, body).then_some(header)
    }

    /// Returns whether the message of [`StreamRx::peek`] has its own memory.
    pub fn is_whole(&self) -> bool {
        self.direct.is_ready()
    }

    /// Returns the frame of [`StreamRx::peek`], if it has its own memory.
    pub fn take_whole(&mut self) -> Option<Incoming> {
        let frame = self.direct.take()?;
        self.note_taken();
        Some(frame)
    }

    /// Copies the body of the message of [`StreamRx::peek`] out of the buffer into memory of its length.
    #[inline]
    pub fn take_short(&mut self, into: &mut [u8]) {
        let body = self.start + HEADER;
        self.start = body + into.len();
        into.copy_from_slice(&self.buffer[body..self.start]);
        self.direct.expect(0);
        self.note_taken();
    }

    fn note_taken(&mut self) {
        self.emptied = std::mem::take(&mut self.emptied_briefly);
        self.brief_reads.note_message();
    }
}

fn is_ordinary(header: &Header, body: &[u8]) -> bool {
    header.extension == 0 && has_its_check_sum(header, body)
}

fn has_its_check_sum(header: &Header, body: &[u8]) -> bool {
    header.flags & flags::BODY_CHECKED == 0 || crc::of_bytes(body) == header.body_check
}
