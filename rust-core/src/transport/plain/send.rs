//! The sending half of a plain link: lets the dialect encode a frame as a line, and writes it.
//!
//! Requests and messages to a peer that has closed its side are refused, because no reply could
//! arrive. In a named pipe, which many programs may write at the same time, a line is sent in one
//! write or refused, and a reply that finds no room is dropped and counted, since there may be no
//! reader.

use std::os::fd::BorrowedFd;

use super::dialect::Division;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Kind, Outgoing};
use crate::transport::Sent;
use crate::transport::socket::Rest;
use crate::transport::stream::Stream;

/// The sending half; used by one thread at a time.
pub struct PlainTx {
    /// The connection, shared with the receiving half.
    stream: Stream,
    /// Lines with their dialect, or raw bytes.
    division: Division,
    /// The line under way, with its end; empty where none is. Raw bytes are not copied.
    line: Vec<u8>,
    /// Bytes under way that the kernel has; 0 between frames.
    progress: usize,
    /// The rest of an adopted line.
    rest: Option<Rest>,
    /// For a named pipe, the largest write that is not mixed with those of other writers.
    atomic_write_size: Option<usize>,
    /// Replies that found no room and were dropped, since the last [`PlainTx::take_lost`].
    lost: u64,
    /// Whether this side connected, and the peer has to reply.
    dialled: bool,
}

impl PlainTx {
    pub(super) fn new(stream: Stream, division: Division, dialled: bool) -> PlainTx {
        let atomic_write_size = stream.atomic_write_size();
        PlainTx {
            stream,
            division,
            line: Vec::new(),
            progress: 0,
            rest: None,
            atomic_write_size,
            lost: 0,
            dialled,
        }
    }

    /// Sends a frame as a line, as far as there is room; see the transport contract.
    ///
    /// # Errors
    /// `Disconnected` where the peer has closed its side; `TooLarge` for a line that a pipe cannot
    /// take in one write; `Unsupported` for a request over raw bytes.
    pub fn try_send(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
        if self.progress == 0 {
            if !self.flush()? {
                return Ok(Sent::Blocked);
            }
            self.line = match self.begin(frame)? {
                Some(line) => line,
                None => return Ok(Sent::Whole),
            };
        }
        loop {
            let unwritten = match &self.division {
                Division::Lines(_) => &self.line[self.progress..],
                Division::Raw => &frame.body[self.progress..],
            };
            if unwritten.is_empty() {
                break;
            }
            match self.stream.write_bytes(unwritten)? {
                Some(n) => {
                    if self.progress == 0 {
                        self.note_sent(frame);
                    }
                    self.progress += n;
                }
                None if self.progress == 0 && self.is_dispensable(frame) => {
                    self.note_sent(frame);
                    self.lost += 1;
                    break;
                }
                None if self.progress == 0 => return Ok(Sent::Blocked),
                None => return Ok(Sent::Part),
            }
        }
        if !self.stream.flush()? {
            return Ok(Sent::Part);
        }
        self.progress = 0;
        self.line = Vec::new();
        Ok(Sent::Whole)
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
    pub fn take_lost(&mut self) -> u64 {
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

    /// Copies the rest of a line that was written in part.
    pub fn adopt(&mut self, frame: &Outgoing<'_>) {
        let unwritten = match &self.division {
            Division::Lines(_) => &self.line[self.progress..],
            Division::Raw => &frame.body[self.progress..],
        };
        self.rest = Some(Rest::new(unwritten.to_vec()));
        self.line = Vec::new();
        self.progress = 0;
    }

    /// Writes the rest of an adopted line; returns true once nothing is left.
    pub fn flush(&mut self) -> Result<bool> {
        if let Some(rest) = &self.rest {
            if !rest.write(&self.stream)? {
                return Ok(false);
            }
            self.rest = None;
        }
        Ok(true)
    }

    /// Starts a thread that writes the rest, if there is one.
    pub fn flush_in_background(&mut self) {
        if let Some(rest) = &mut self.rest {
            rest.flush_in_background(&self.stream);
        }
    }

    /// Sleeps until there is room, or the peer has ended.
    pub fn wait_room(&mut self, waiting: &mut Waiting<'_>) -> Result<()> {
        self.stream.wait_room(waiting)
    }

    /// Returns the descriptor that is writable once there is room.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.stream.writable().0
    }
}

/// Explains that raw bytes carry no requests.
fn no_requests() -> Error {
    let text = "framing=\"raw\" carries bytes without an end or a number, so nothing can be called or answered; use framing=\"lines\", or Linkspan's own framing";
    Error::new(ErrorKind::Unsupported, text)
}
