//! Plain framing, for programs without Linkspan: one JSON text per line, or raw bytes.
//!
//! A [`Dialect`] of the layer above translates between lines and frames, so this module never parses a line.
//!
//! **Sending.** Requests and messages to a peer that has closed its side are refused, because no reply could
//! arrive. Many programs may write to a named pipe, so a line is sent in one write or refused. A reply
//! without room is dropped and counted, because there may be no reader.
//!
//! **Receiving.** An error of one line does not affect the next line. The end of the stream, or a program
//! that begins in Linkspan's own framing, ends the link.

mod lines;

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use bytes::Bytes;

use self::lines::Lines;
use crate::Sent;
use crate::codec::Encoding;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, Incoming, Kind, Outgoing};
use crate::stream::Stream;
use crate::tail::Tail;
use crate::value::Timestamp;

pub use lines::{Dialect, Division};

/// Makes the two halves of a plain link over a stream, for messages of at most `limit` bytes.
///
/// A `dialled` link ends after the peer has stopped writing; the peer of an accepted link may still read.
pub fn link(stream: Stream, division: Division, limit: u64, dialled: bool) -> (PlainTx, PlainRx) {
    (PlainTx::new(stream.clone(), division.clone(), dialled), PlainRx::new(stream, division, limit))
}

/// The sending half; used by one thread at a time.
pub struct PlainTx {
    stream: Stream,
    division: Division,
    tail: Option<Tail>,
    /// For a named pipe, the largest write that the kernel does not mix with other writers' bytes.
    atomic_write_size: Option<usize>,
    /// Replies that were dropped for lack of room since the last [`PlainTx::take_lost`].
    lost: u64,
    /// Whether this side connected, and the peer must reply.
    dialled: bool,
}

impl PlainTx {
    fn new(stream: Stream, division: Division, dialled: bool) -> PlainTx {
        let atomic_write_size = stream.atomic_write_size();
        PlainTx { stream, division, tail: None, atomic_write_size, lost: 0, dialled }
    }

    /// Sends a frame as a line, or the part that there is room for; see the transport contract.
    ///
    /// # Errors
    /// `Disconnected` if the peer has closed its side; `TooLarge` for a line that a pipe cannot take in one
    /// write; `Unsupported` for a request over raw bytes.
    pub(crate) fn try_send(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
        if !self.flush()? {
            return Ok(Sent::Blocked);
        }
        let Some(mut line) = self.begin(frame)? else { return Ok(Sent::Whole) };
        let (bytes, mut written) = (if let Division::Raw = self.division { frame.body } else { &line }, 0);
        while written < bytes.len() {
            match self.stream.write_bytes(&bytes[written..])? {
                Some(n) => {
                    if written == 0 {
                        self.note_sent(frame);
                    }
                    written += n;
                }
                None if written == 0 && self.is_dispensable(frame) => {
                    self.note_sent(frame);
                    self.lost += 1;
                    break;
                }
                None if written == 0 => return Ok(Sent::Blocked),
                None => break,
            }
        }
        let is_left = written > 0 && written < bytes.len();
        if !is_left && self.stream.flush()? {
            return Ok(Sent::Whole);
        }
        self.tail = Some(match &self.division {
            Division::Lines(_) => Tail::of_bytes(frame.header.kind, line.split_off(written)),
            Division::Raw => Tail::of(&[], frame, written),
        });
        Ok(Sent::Started)
    }

    /// Returns the line of a frame, empty for raw bytes, if there is something to write.
    fn begin(&mut self, frame: &Outgoing<'_>) -> Result<Option<Vec<u8>>> {
        match frame.header.kind {
            // A peer that has stopped writing sends no reply. If this side connected, the peer also reads
            // nothing.
            Kind::Request => self.stream.check_peer()?,
            Kind::Data if self.dialled => self.stream.check_peer()?,
            Kind::Data | Kind::Reply | Kind::Error => {}
            Kind::Bye => {
                self.stream.end_writing();
                return Ok(None);
            }
            // A peer without Linkspan does not support these.
            Kind::Ack | Kind::Hello | Kind::Command | Kind::Event => return Ok(None),
        }
        match &self.division {
            Division::Raw if frame.header.kind != Kind::Data => Err(no_requests()),
            Division::Raw => Ok(Some(Vec::new())),
            Division::Lines(dialect) => {
                let Some(mut line) = dialect.encode_frame(frame)? else {
                    dialect.frame_sent(frame);
                    return Ok(None);
                };
                line.push(b'\n');
                if self.atomic_write_size.is_some_and(|whole| line.len() > whole) {
                    return Err(self.too_large(line.len()));
                }
                Ok(Some(line))
            }
        }
    }

    /// A reply in a pipe that may have no reader is dropped without room.
    fn is_dispensable(&self, frame: &Outgoing<'_>) -> bool {
        self.atomic_write_size.is_some()
            && !self.dialled
            && matches!(frame.header.kind, Kind::Reply | Kind::Error)
    }

    pub(crate) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    fn note_sent(&self, frame: &Outgoing<'_>) {
        if let Division::Lines(dialect) = &self.division {
            dialect.frame_sent(frame);
        }
    }

    fn too_large(&self, asked: usize) -> Error {
        let text = format!(
            "over the limit of a line in a named pipe, where longer ones of several writers would mix: {asked} bytes asked, {} allowed; send less, or use unix:",
            self.atomic_write_size.unwrap_or(usize::MAX)
        );
        Error::new(ErrorKind::TooLarge, text)
    }

    pub(crate) fn flush(&mut self) -> Result<bool> {
        Tail::flush(&mut self.tail, &self.stream)
    }

    pub(crate) fn tail(&self) -> Option<&Tail> {
        self.tail.as_ref()
    }

    pub(crate) fn wait_room(&mut self, waiting: &mut Waiting<'_>) -> Result<()> {
        self.stream.wait_room(waiting)
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.stream.writable().0
    }
}

fn no_requests() -> Error {
    let text = "framing=\"raw\" carries bytes without an end or a number, so nothing can be called or answered; use framing=\"lines\", or Linkspan's own framing";
    Error::new(ErrorKind::Unsupported, text)
}

/// The most bytes of one raw message.
const BUFFER: usize = 64 << 10;

/// The receiving half; used by one thread at a time.
pub struct PlainRx {
    stream: Stream,
    mode: Mode,
    /// The reason for the end of the link; every later call returns it.
    over: Option<Error>,
    /// Whether the peer itself has closed its side, so a last line without a newline is complete.
    ended: bool,
}

enum Mode {
    Lines {
        lines: Lines,
        dialect: Arc<dyn Dialect>,
        ready: VecDeque<Incoming>,
        /// Whether the first bytes were checked for Linkspan's own framing.
        begun: bool,
    },
    Raw {
        buffer: Box<[u8]>,
        sequence: u64,
    },
}

impl PlainRx {
    fn new(stream: Stream, division: Division, limit: u64) -> PlainRx {
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
    /// `Malformed` and `TooLarge` concern one line, and the next call continues after it. `Disconnected` and
    /// `VersionMismatch` end the link.
    pub(crate) fn try_recv(&mut self) -> Result<Option<Incoming>> {
        /// A peer may send lines without messages as fast as this side reads, and the caller has other work.
        const STEPS: u32 = 4096;
        for _ in 0..STEPS {
            if let Mode::Lines { lines, dialect, ready, .. } = &mut self.mode {
                if let Some(frame) = ready.pop_front() {
                    return Ok(Some(frame));
                }
                // A last line without a newline counts only if the peer closed its side: a connection may
                // break within a line.
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
            // The peer reads one answer and closes.
            let _ = self.stream.write_bytes(&dialect.refuse_hello());
            let text = "the peer begins in Linkspan's own framing and this side has framing=\"lines\"; give both the same";
            self.over = Some(Error::new(ErrorKind::VersionMismatch, text));
        }
    }

    pub(crate) fn park(&mut self) -> bool {
        let is_ready = match &mut self.mode {
            Mode::Lines { lines, ready, .. } => !ready.is_empty() || lines.has_line(),
            Mode::Raw { .. } => false,
        };
        is_ready || self.over.is_some() || self.stream.holds_bytes()
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.stream.readable().0
    }
}
