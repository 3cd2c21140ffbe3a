//! The receiving half of a plain link.

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use bytes::Bytes;

use super::lines::Lines;
use super::{Dialect, Division};
use crate::codec::Encoding;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, Incoming, Kind};
use crate::transport::stream::Stream;
use crate::value::Timestamp;

/// One read takes at most this much.
const BUFFER: usize = 64 << 10;

/// The receiving half.
pub struct PlainRx {
    stream: Stream,
    way: Way,
    /// Why nothing more will come.
    over: Option<Error>,
    /// Whether the other side said itself that it has nothing more to say.
    ended: bool,
}

enum Way {
    Lines {
        lines: Lines,
        dialect: Arc<dyn Dialect>,
        /// The frames of a line that are not given yet.
        ready: VecDeque<Incoming>,
        /// Whether the first bytes have been looked at.
        begun: bool,
    },
    Raw {
        buffer: Box<[u8]>,
        /// The number of the last piece.
        sequence: u64,
    },
}

impl PlainRx {
    pub(super) fn new(stream: Stream, division: Division, limit: u64) -> PlainRx {
        let way = match division {
            Division::Lines(dialect) => {
                Way::Lines { lines: Lines::new(limit), dialect, ready: VecDeque::new(), begun: false }
            }
            Division::Raw => {
                let size = usize::try_from(limit).unwrap_or(BUFFER).min(BUFFER);
                Way::Raw { buffer: vec![0; size].into_boxed_slice(), sequence: 0 }
            }
        };
        PlainRx { stream, way, over: None, ended: false }
    }

    /// See the transport contract. `Malformed` and `TooLarge` are about one line; the next call goes on behind it.
    pub fn try_recv(&mut self) -> Result<Option<Incoming>> {
        loop {
            if let Way::Lines { lines, dialect, ready, .. } = &mut self.way {
                if let Some(frame) = ready.pop_front() {
                    return Ok(Some(frame));
                }
                // A connection that was cut may have been cut within a line.
                let last = |lines: &mut Lines| if self.ended { lines.last() } else { None };
                match lines.next(&|| self.stream.sender()).or_else(|| last(lines)) {
                    Some(Err(e)) if e.kind() == ErrorKind::Disconnected => self.over = Some(e),
                    Some(line) => {
                        dialect.hear(line, ready)?;
                        continue;
                    }
                    None => {}
                }
            }
            if let Some(over) = &self.over {
                return Err(over.clone());
            }
            let into = match &mut self.way {
                Way::Lines { lines, .. } => lines.room(),
                Way::Raw { buffer, .. } => buffer,
            };
            match self.stream.read(into) {
                Ok(None) => return Ok(None),
                Ok(Some(0)) => {
                    self.ended = true;
                    self.over = Some(Error::new(ErrorKind::Disconnected, "the other side went away"));
                }
                Ok(Some(n)) => match &mut self.way {
                    Way::Raw { buffer, sequence } => {
                        *sequence += 1;
                        let body = Bytes::copy_from_slice(&buffer[..n]);
                        let header = Header {
                            sequence: *sequence,
                            sent: Timestamp::now().0,
                            body: n as u64,
                            ..Header::new(Kind::Data, Encoding::Raw)
                        };
                        return Ok(Some(Incoming { header, extension: Bytes::new(), body }));
                    }
                    Way::Lines { lines, .. } => {
                        lines.came(n);
                        self.look_for_greeting();
                    }
                },
                Err(e) => self.over = Some(e),
            }
        }
    }

    /// A program that begins in Linkspan's own framing is told that this is another one.
    fn look_for_greeting(&mut self) {
        const MAGIC: &[u8] = b"LKSP";
        let Way::Lines { lines, dialect, begun, .. } = &mut self.way else { return };
        let count = lines.waiting().len();
        let looked = count.min(MAGIC.len());
        if *begun || lines.waiting()[..looked] != MAGIC[..looked] {
            *begun = true;
            return;
        }
        if looked == MAGIC.len() {
            lines.forget(count);
            // It reads one answer and hangs up; should there be no room for that, our hanging up says enough.
            let _ = self.stream.write_bytes(&dialect.refuse_greeting());
            let text = "the other side begins in Linkspan's own framing and this side has framing=\"lines\"; give both the same";
            self.over = Some(Error::new(ErrorKind::VersionMismatch, text));
        }
    }

    /// See the contract: what has been read waits on our side, and the descriptor does not tell of it.
    pub fn park(&mut self) -> bool {
        let there = match &mut self.way {
            Way::Lines { lines, ready, .. } => !ready.is_empty() || lines.has_line(),
            Way::Raw { .. } => false,
        };
        there || self.over.is_some() || self.stream.holds_bytes()
    }

    /// What to sleep on.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.stream.readable().0
    }
}
