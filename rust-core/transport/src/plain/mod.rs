//! Plain framing, for programs without Linkspan: one JSON text per line, or raw bytes; the two halves
//! of a link with it.
//!
//! There is no header, no hello and no session. A [`Dialect`], which the layer above provides,
//! translates between lines and frames, so that the layers above see the same frames as on every
//! other link, and this module never parses a line. The dialect, and the division of bytes into
//! lines, are in `lines`.
//!
//! **Sending.** Requests and messages to a peer that has closed its side are refused, because no
//! reply could arrive. In a named pipe, which many programs may write at the same time, a line is
//! sent in one write or refused, and a reply that finds no room is dropped and counted, since there
//! may be no reader.
//!
//! **Receiving.** Errors of one line are returned, and the next call continues with the next line;
//! the end of the stream, or a program that begins in Linkspan's own framing, ends the link.

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

/// Makes the two halves of a plain link over a stream, for messages of at most `limit` bytes. One
/// that this side `dialled` ends once the peer has stopped writing; at one that was accepted the
/// peer may still read.
pub fn link(stream: Stream, division: Division, limit: u64, dialled: bool) -> (PlainTx, PlainRx) {
    (PlainTx::new(stream.clone(), division.clone(), dialled), PlainRx::new(stream, division, limit))
}

/// The sending half; used by one thread at a time.
pub struct PlainTx {
    /// The connection, shared with the receiving half.
    stream: Stream,
    /// Lines with their dialect, or raw bytes.
    division: Division,
    /// The rest of what was begun last.
    tail: Option<Tail>,
    /// For a named pipe, the largest write that is not mixed with those of other writers.
    atomic_write_size: Option<usize>,
    /// Replies that found no room and were dropped, since the last [`PlainTx::take_lost`].
    lost: u64,
    /// Whether this side connected, and the peer has to reply.
    dialled: bool,
}

impl PlainTx {
    fn new(stream: Stream, division: Division, dialled: bool) -> PlainTx {
        let atomic_write_size = stream.atomic_write_size();
        PlainTx { stream, division, tail: None, atomic_write_size, lost: 0, dialled }
    }

    /// Sends a frame as a line, as far as there is room; see the transport contract.
    ///
    /// # Errors
    /// `Disconnected` where the peer has closed its side; `TooLarge` for a line that a pipe cannot
    /// take in one write; `Unsupported` for a request over raw bytes.
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

    /// Returns the line to be written, empty for raw bytes; `None` where there is nothing to write.
    fn begin(&mut self, frame: &Outgoing<'_>) -> Result<Option<Vec<u8>>> {
        match frame.header.kind {
            // A peer that has stopped writing sends no reply; where this side connected, it reads
            // nothing either.
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

    /// Returns whether a frame is dropped where there is no room: a reply in a pipe that may have
    /// no reader.
    fn is_dispensable(&self, frame: &Outgoing<'_>) -> bool {
        self.atomic_write_size.is_some()
            && !self.dialled
            && matches!(frame.header.kind, Kind::Reply | Kind::Error)
    }

    /// Returns how many replies were dropped since the last call.
    pub(crate) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// Notes to the dialect that the frame was sent.
    fn note_sent(&self, frame: &Outgoing<'_>) {
        if let Division::Lines(dialect) = &self.division {
            dialect.frame_sent(frame);
        }
    }

    /// Explains that a line does not fit into one write to a pipe.
    fn too_large(&self, asked: usize) -> Error {
        let text = format!(
            "over the limit of a line in a named pipe, where longer ones of several writers would mix: {asked} bytes asked, {} allowed; send less, or use unix:",
            self.atomic_write_size.unwrap_or(usize::MAX)
        );
        Error::new(ErrorKind::TooLarge, text)
    }

    /// Writes the rest of what was begun last; returns true once nothing is left.
    pub(crate) fn flush(&mut self) -> Result<bool> {
        Tail::flush(&mut self.tail, &self.stream)
    }

    /// Returns the rest of a line that is still to be written.
    pub(crate) fn tail(&self) -> Option<&Tail> {
        self.tail.as_ref()
    }

    /// Sleeps until there is room, or the peer has ended.
    pub(crate) fn wait_room(&mut self, waiting: &mut Waiting<'_>) -> Result<()> {
        self.stream.wait_room(waiting)
    }

    /// Returns the descriptor that is writable once there is room.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.stream.writable().0
    }
}

/// Explains that raw bytes carry no requests.
fn no_requests() -> Error {
    let text = "framing=\"raw\" carries bytes without an end or a number, so nothing can be called or answered; use framing=\"lines\", or Linkspan's own framing";
    Error::new(ErrorKind::Unsupported, text)
}

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
    /// `Malformed` and `TooLarge` concern one line, and the next call continues behind it.
    /// `Disconnected` and `VersionMismatch` end the link.
    pub(crate) fn try_recv(&mut self) -> Result<Option<Incoming>> {
        /// Reads and lines in one call, after which the caller's other duties come first: a peer may send lines without
        /// a message as fast as this side reads.
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
    pub(crate) fn park(&mut self) -> bool {
        let is_ready = match &mut self.mode {
            Mode::Lines { lines, ready, .. } => !ready.is_empty() || lines.has_line(),
            Mode::Raw { .. } => false,
        };
        is_ready || self.over.is_some() || self.stream.holds_bytes()
    }

    /// Returns the descriptor to sleep on.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.stream.readable().0
    }
}
