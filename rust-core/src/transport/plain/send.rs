//! The sending half of a plain link.

use std::os::fd::BorrowedFd;

use super::Division;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Kind, Outgoing};
use crate::sys::fifo::WHOLE;
use crate::transport::Sent;
use crate::transport::socket::Rest;
use crate::transport::stream::Stream;

/// The sending half.
pub struct PlainTx {
    stream: Stream,
    division: Division,
    /// The line under way, with its end; empty where none is. Raw bytes are not copied.
    line: Vec<u8>,
    /// Bytes of what is under way that the kernel has.
    progress: usize,
    /// The rest of what was adopted.
    rest: Option<Rest>,
    /// Whether it is a named pipe: one that others may write to at the same time, and that may have no reader.
    is_pipe: bool,
    /// Answers that found no room and were dropped.
    lost: u64,
    /// Whether we called, and the other side is to answer.
    dialled: bool,
}

impl PlainTx {
    pub(super) fn new(stream: Stream, division: Division, dialled: bool) -> PlainTx {
        let is_pipe = matches!(stream, Stream::Pipes(_));
        PlainTx { stream, division, line: Vec::new(), progress: 0, rest: None, is_pipe, lost: 0, dialled }
    }

    /// See the transport contract.
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
            let left = match &self.division {
                Division::Lines(_) => &self.line[self.progress..],
                Division::Raw => &frame.body[self.progress..],
            };
            if left.is_empty() {
                break;
            }
            match self.stream.write_bytes(left)? {
                Some(n) => {
                    if self.progress == 0 {
                        self.has_gone(frame);
                    }
                    self.progress += n;
                }
                None if self.progress == 0 && self.is_dispensable(frame) => {
                    self.has_gone(frame);
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

    /// The line to be written, empty for raw bytes; none where nothing is.
    fn begin(&mut self, frame: &Outgoing<'_>) -> Result<Option<Vec<u8>>> {
        match frame.header.kind {
            // Nobody will answer who has stopped writing; where we called, nobody will read either.
            Kind::Request => self.stream.check_peer()?,
            Kind::Data if self.dialled => self.stream.check_peer()?,
            Kind::Data | Kind::Reply | Kind::Error => {}
            Kind::Bye => {
                self.stream.end_writing();
                return Ok(None);
            }
            // There is nobody who would understand.
            Kind::Ack | Kind::Hello | Kind::Command | Kind::Event => return Ok(None),
        }
        match &self.division {
            Division::Raw if frame.header.kind != Kind::Data => Err(no_requests()),
            Division::Raw => Ok(Some(Vec::new())),
            Division::Lines(dialect) => {
                let Some(mut line) = dialect.say(frame)? else {
                    dialect.said(frame);
                    return Ok(None);
                };
                line.push(b'\n');
                if self.is_pipe && line.len() > WHOLE {
                    return Err(self.too_large(line.len()));
                }
                Ok(Some(line))
            }
        }
    }

    /// Whether a frame is dropped where there is no room: an answer in a pipe that nobody may ever read.
    fn is_dispensable(&self, frame: &Outgoing<'_>) -> bool {
        self.is_pipe && !self.dialled && matches!(frame.header.kind, Kind::Reply | Kind::Error)
    }

    /// How many answers were dropped since this was asked last.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    fn has_gone(&self, frame: &Outgoing<'_>) {
        if let Division::Lines(dialect) = &self.division {
            dialect.said(frame);
        }
    }

    fn too_large(&self, asked: usize) -> Error {
        let text = format!(
            "over the limit of a line in a named pipe, where longer ones of several writers would mix: {asked} bytes asked, {} allowed; send less, or use unix:",
            WHOLE
        );
        Error::new(ErrorKind::TooLarge, text)
    }

    /// See the transport contract.
    pub fn adopt(&mut self, frame: &Outgoing<'_>) {
        let left = match &self.division {
            Division::Lines(_) => &self.line[self.progress..],
            Division::Raw => &frame.body[self.progress..],
        };
        self.rest = Some(Rest::new(left.to_vec()));
        self.line = Vec::new();
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

fn no_requests() -> Error {
    let text = "framing=\"raw\" carries bytes without an end or a number, so nothing can be called or answered; use framing=\"lines\", or Linkspan's own framing";
    Error::new(ErrorKind::Unsupported, text)
}
