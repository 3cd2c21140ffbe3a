//! The receiving half of a plain link: reads bytes, divides them, and lets the dialect decode
//! lines.
//!
//! Errors of one line are returned, and the next call continues with the next line; the end of the
//! stream, or a program that begins in Linkspan's own framing, ends the link.

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use bytes::Bytes;

use super::dialect::{Dialect, Division};
use super::lines::Lines;
use crate::codec::Encoding;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, Incoming, Kind};
use crate::transport::stream::Stream;
use crate::value::Timestamp;

/// The most bytes of one raw message.
const BUFFER: usize = 64 << 10;

/// The receiving half; used by one thread at a time.
pub struct PlainRx {
    stream: Stream,
    /// How bytes become frames.
    mode: Mode,
    /// The reason why the link is over; every later call returns it.
    over: Option<Error>,
    /// Whether the peer itself has closed its side, so that a last line without a newline is
    /// complete.
    ended: bool,
}

/// The state of the division.
enum Mode {
    /// Into lines.
    Lines {
        /// The lines, of which the last may be incomplete.
        lines: Lines,
        /// The meaning of the lines.
        dialect: Arc<dyn Dialect>,
        /// Frames of a line that were not returned yet.
        ready: VecDeque<Incoming>,
        /// Whether the first bytes were checked for Linkspan's own framing.
        begun: bool,
    },
    /// Each read is a message.
    Raw {
        /// Room for one read.
        buffer: Box<[u8]>,
        /// The number of the last message.
        sequence: u64,
    },
}

impl PlainRx {
    /// Receives lines or raw messages of at most `limit` bytes.
    pub(super) fn new(stream: Stream, division: Division, limit: u64) -> PlainRx {
        let mode = match division {
            Division::Lines(dialect) => {
                Mode::Lines { lines: Lines::new(limit), dialect, ready: VecDeque::new(), begun: false }
            }
            Division::Raw => {
                let size = usize::try_from(limit).unwrap_or(BUFFER).min(BUFFER);
                Mode::Raw { buffer: vec![0; size].into_boxed_slice(), sequence: 0 }
            }
        };
        PlainRx { stream, mode, over: None, ended: false }
    }

    /// Returns the next frame; see the transport contract.
    ///
    /// # Errors
    /// `Malformed` and `TooLarge` concern one line, and the next call continues behind it.
    /// `Disconnected` and `VersionMismatch` end the link.
    pub fn try_recv(&mut self) -> Result<Option<Incoming>> {
        /// Reads and lines in one call, after which the caller's other duties come first: a peer may send lines without a message as
        /// fast as this side reads.
        const STEPS: u32 = 4096;
        for _ in 0..STEPS {
            if let Mode::Lines { lines, dialect, ready, .. } = &mut self.mode {
                if let Some(frame) = ready.pop_front() {
                    return Ok(Some(frame));
                }
                // The last line counts without a newline only where the peer closed its side: a
                // connection that broke may have broken within a line.
                let last = |lines: &mut Lines| if self.ended { lines.last() } else { None };
                match lines.next(&|| self.stream.sender()).or_else(|| last(lines)) {
                    Some(Err(e)) if e.kind() == ErrorKind::Disconnected => self.over = Some(e),
                    Some(line) => {
                        dialect.decode_line(line, ready)?;
                        continue;
                    }
                    None => {}
                }
            }
            if let Some(over) = &self.over {
                return Err(over.clone());
            }
            let into = match &mut self.mode {
                Mode::Lines { lines, .. } => lines.room(),
                Mode::Raw { buffer, .. } => buffer,
            };
            match self.stream.read(into) {
                Ok(None) => return Ok(None),
                Ok(Some(0)) => {
                    self.ended = true;
                    self.over = Some(Error::new(ErrorKind::Disconnected, "the peer disconnected"));
                }
                Ok(Some(n)) => match &mut self.mode {
                    Mode::Raw { buffer, sequence } => {
                        *sequence += 1;
                        let body = Bytes::copy_from_slice(&buffer[..n]);
                        let header = Header {
                            sequence: *sequence,
                            sent: Timestamp::now().0,
                            body: n as u64,
                            ..Header::new(Kind::Data, Encoding::Raw)
                        };
                        return Ok(Some(Incoming { header, extension: Bytes::new(), body: body.into() }));
                    }
                    Mode::Lines { lines, .. } => {
                        lines.filled(n);
                        self.detect_hello();
                    }
                },
                Err(e) => self.over = Some(e),
            }
        }
        Ok(None)
    }

    /// Refuses a program that begins in Linkspan's own framing, with an answer in that framing.
    fn detect_hello(&mut self) {
        const MAGIC: &[u8] = b"LKSP";
        let Mode::Lines { lines, dialect, begun, .. } = &mut self.mode else { return };
        let count = lines.waiting().len();
        let looked = count.min(MAGIC.len());
        if *begun || lines.waiting()[..looked] != MAGIC[..looked] {
            *begun = true;
            return;
        }
        if looked == MAGIC.len() {
            lines.discard(count);
            // It reads one answer and closes. Where there is no room for the answer, closing the
            // connection is enough.
            let _ = self.stream.write_bytes(&dialect.refuse_hello());
            let text = "the peer begins in Linkspan's own framing and this side has framing=\"lines\"; give both the same";
            self.over = Some(Error::new(ErrorKind::VersionMismatch, text));
        }
    }

    /// Returns whether a frame or an error is buffered, which the descriptor does not show.
    pub fn park(&mut self) -> bool {
        let is_ready = match &mut self.mode {
            Mode::Lines { lines, ready, .. } => !ready.is_empty() || lines.has_line(),
            Mode::Raw { .. } => false,
        };
        is_ready || self.over.is_some() || self.stream.holds_bytes()
    }

    /// Returns the descriptor to sleep on.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.stream.readable().0
    }
}
