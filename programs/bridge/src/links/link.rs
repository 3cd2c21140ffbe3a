//! One link: the local program, and the units exchanged with the other machine's bridge.
//!
//! The connecting program's side begins as `Caller`, the other as `BeingCalled`:
//!
//! | side | unit | effect |
//! |---|---|---|
//! | called | call | a thread connects to the program; later units wait |
//! | caller | answer | the program gets the answer; if it is admitted, the link is open |
//! | both, open | piece, frame | a frame is assembled and written to the program |
//! | both | end | nothing more arrives; the program is disconnected after the earlier frames |
//!
//! A unit that does not fit the state ends the link, because the other bridge may be faulty or hostile.
//!
//! Nothing here waits. While a program is full, its units stay in `order`, whose window stops the other side. If the
//! window has no room, the program is not read.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use bytes::Bytes;
use linkspan::{Error, ErrorKind, Result};
use linkspan_relay::{RelayCaller, RelayLink};

use super::order::Order;
use crate::engine::{self, Bridge};

/// The first unit of a link: the name that the program connects to, and its hello.
pub const CALL: u8 = 0;
/// The answer to a hello: one byte (1 if admitted), then the answering frame. Without a frame, the caller's
/// connection closes.
const ANSWER: u8 = 1;
/// A frame, or its last piece.
const FRAME: u8 = 2;
/// The end of the link: the program has disconnected. Sent after its last frame.
const END: u8 = 3;

/// A piece of a frame, except the last. An engine that drops messages drops long ones most often.
const PIECE: u8 = 4;
const PIECE_SIZE: usize = 48 << 10;

/// The first unit of a stream: its name.
pub const STREAM: u8 = 5;
/// The most assembled bytes of a stream's message: the longest message with its map.
const LONGEST: usize = engine::LONGEST as usize + (1 << 16);

const IN_TURN: usize = 128;

pub enum Received {
    Message(Bytes),
    Nothing,
    End,
}

pub enum CallOutcome {
    NoProgram,
    /// The answering frame, and the link if the caller was admitted.
    Answered(Vec<u8>, Option<Box<RelayLink>>),
}

enum LocalEnd {
    /// It has connected, and waits for the answer of this machine.
    Caller(Box<RelayCaller>, String),
    BeingCalled,
    Open(Box<RelayLink>, OwnedFd),
    /// No program: the bridges exchange messages themselves.
    Stream,
    Gone,
}

pub struct Link {
    pub peer: Bridge,
    pub order: Order,
    local_end: LocalEnd,
    /// Whether the other side has ended the link: nothing more is sent to it.
    ends: bool,
    /// Whether the program has closed its receiving side; its earlier frames are still read.
    discards: bool,
    /// The received pieces of an incomplete frame.
    pieces: Vec<u8>,
}

impl Link {
    /// Creates a link for a local program that has connected.
    pub fn calling(peer: Bridge, caller: RelayCaller) -> Link {
        Link {
            order: Order::new(),
            local_end: LocalEnd::Caller(Box::new(caller), peer.machine.clone()),
            peer,
            ends: false,
            discards: false,
            pieces: Vec::new(),
        }
    }

    /// Creates a link for a program of another machine.
    pub fn called(peer: Bridge) -> Link {
        Link {
            peer,
            order: Order::new(),
            local_end: LocalEnd::BeingCalled,
            ends: false,
            discards: false,
            pieces: Vec::new(),
        }
    }

    pub fn stream(peer: Bridge) -> Link {
        Link { local_end: LocalEnd::Stream, ..Link::called(peer) }
    }

    pub fn is_open(&self) -> bool {
        matches!(self.local_end, LocalEnd::Open(..))
    }

    /// Returns whether its program has gone, and the other side ended the link or received everything.
    pub fn is_over(&self) -> bool {
        matches!(self.local_end, LocalEnd::Gone) && (self.ends || self.order.is_received())
    }

    pub fn descriptor(&self) -> Option<&OwnedFd> {
        match &self.local_end {
            LocalEnd::Open(_, descriptor) => Some(descriptor),
            _ => None,
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.order.deadline()
    }

    /// Ends the link because the other bridge has gone or lacks the link. Received units are still delivered.
    pub fn end(&mut self) {
        if !self.ends {
            self.order.end((END, Bytes::new()));
        }
    }

    /// Takes the outcome of connecting to the local program and answers the other bridge.
    ///
    /// Does nothing if the link has already ended.
    pub fn was_called(&mut self, called: CallOutcome) {
        if !matches!(self.local_end, LocalEnd::BeingCalled) {
            return;
        }
        let (answer, link) = match called {
            CallOutcome::NoProgram => (Vec::new(), None),
            CallOutcome::Answered(answer, link) => (answer, link),
        };
        self.order.send((ANSWER, [&[u8::from(link.is_some())][..], &answer].concat().into()));
        if self.open(link).is_err() {
            self.gone();
        }
    }

    /// Opens the link to an admitted program; without a program, the local end is gone.
    fn open(&mut self, link: Option<Box<RelayLink>>) -> Result<()> {
        self.local_end = match link {
            None => LocalEnd::Gone,
            Some(link) => {
                let descriptor = link.as_fd().try_clone_to_owned();
                let error = |e: std::io::Error| {
                    Error::os("duplicating a link's descriptor", e.raw_os_error().unwrap_or(0))
                };
                LocalEnd::Open(link, descriptor.map_err(error)?)
            }
        };
        Ok(())
    }

    fn gone(&mut self) {
        self.local_end = LocalEnd::Gone;
        if !self.ends {
            self.order.send((END, Bytes::new()));
        }
    }

    /// Delivers received units to the program and reads its frames. Returns true if more work is possible at once.
    pub fn work(&mut self, now: Instant) -> bool {
        let mut left = IN_TURN;
        if matches!(self.local_end, LocalEnd::Stream) {
            return false;
        }
        loop {
            let blocked = self.give(&mut left, now);
            self.take(&mut left);
            let LocalEnd::Open(link, _) = &mut self.local_end else {
                return self.order.front().is_some() && left == 0;
            };
            // A readable descriptor that cannot be read now would wake the loop repeatedly.
            let reads = self.order.has_room() && !self.ends;
            // A failed flush means that the program has disconnected, and the rest of the frame is useless.
            let blocked = blocked || !link.flush().unwrap_or(true);
            match link.arm(reads, blocked) {
                Ok(false) if left > 0 || !blocked => return left == 0,
                Ok(_) if left == 0 => return true,
                Ok(_) => {}
                Err(_) => {
                    // Its earlier frames can still be read.
                    self.take(&mut left);
                    self.gone();
                }
            }
        }
    }

    /// Delivers up to `left` received units to the program.
    ///
    /// Returns true if the program is full; the unit then stays first.
    fn give(&mut self, left: &mut usize, now: Instant) -> bool {
        while *left > 0
            && let Some((kind, body)) = self.order.front().cloned()
        {
            let is_given = match (&mut self.local_end, kind) {
                // Later units wait until the program is connected.
                (LocalEnd::BeingCalled, CALL) => Ok(true),
                (LocalEnd::BeingCalled, END) => {
                    self.local_end = LocalEnd::Gone;
                    continue;
                }
                (LocalEnd::BeingCalled | LocalEnd::Stream, _) => return false,
                (LocalEnd::Caller(..), ANSWER) => self.answer(&body),
                (LocalEnd::Open(..), FRAME | PIECE) if self.discards => Ok(true),
                (LocalEnd::Open(..), PIECE) => {
                    self.pieces.extend_from_slice(&body);
                    Ok(true)
                }
                (LocalEnd::Open(link, _), FRAME) if self.pieces.is_empty() => link.try_send(&body),
                (LocalEnd::Open(link, _), FRAME) => {
                    // Without room at the program, the last piece is removed again.
                    let before = self.pieces.len();
                    self.pieces.extend_from_slice(&body);
                    let sent = link.try_send(&self.pieces);
                    match sent {
                        Ok(true) => self.pieces = Vec::new(),
                        _ => self.pieces.truncate(before),
                    }
                    sent
                }
                // The program has closed its receiving side, so there is nothing to flush.
                (LocalEnd::Open(..), END) if self.discards => {
                    self.ends = true;
                    Ok(true)
                }
                // The program is disconnected only after it got everything.
                (LocalEnd::Open(link, _), END) => link.flush().inspect(|flushed| self.ends |= flushed),
                (LocalEnd::Caller(..) | LocalEnd::Gone, END) => {
                    (self.ends, self.local_end) = (true, LocalEnd::Gone);
                    Ok(true)
                }
                (LocalEnd::Gone, _) => Ok(true),
                // The protocol has no such unit in this state.
                (LocalEnd::Caller(..) | LocalEnd::Open(..), _) => {
                    self.gone();
                    Ok(true)
                }
            };
            match is_given {
                Ok(true) => {
                    self.order.pop(now);
                    *left = left.saturating_sub(1);
                    if self.ends {
                        self.order.ack_now(now);
                        self.local_end = LocalEnd::Gone;
                    }
                }
                Ok(false) => return true,
                // The program's earlier frames can still be read.
                Err(e) if e.kind() == ErrorKind::Disconnected => self.discards = true,
                Err(_) => self.gone(),
            }
        }
        false
    }

    /// Passes the other machine's answer to the connecting program. Always returns true: the unit is handled.
    fn answer(&mut self, unit: &Bytes) -> Result<bool> {
        let LocalEnd::Caller(caller, machine) = std::mem::replace(&mut self.local_end, LocalEnd::Gone) else {
            return Ok(true);
        };
        let link = match unit.split_first() {
            Some((joined, answer)) if !answer.is_empty() => caller.answer(answer, *joined == 1, &machine)?,
            _ => None,
        };
        if link.is_none() {
            self.order.send((END, Bytes::new()));
        }
        self.open(link.map(Box::new)).map(|()| true)
    }

    /// Reads up to `left` frames of the program, while the window has room.
    fn take(&mut self, left: &mut usize) {
        while *left > 0
            && !self.ends
            && self.order.has_room()
            && let LocalEnd::Open(link, _) = &mut self.local_end
        {
            match link.try_recv() {
                Ok(Some(frame)) => {
                    self.send_message(frame.into());
                    *left = left.saturating_sub(1);
                }
                Ok(None) => return,
                Err(_) => self.gone(),
            }
        }
    }

    /// Queues a frame, or a stream's message, in pieces.
    pub fn send_message(&mut self, mut rest: Bytes) {
        while rest.len() > PIECE_SIZE {
            self.order.send((PIECE, rest.split_to(PIECE_SIZE)));
        }
        self.order.send((FRAME, rest));
    }

    /// Returns the next assembled message of a stream. An invalid unit ends the stream.
    pub fn receive(&mut self, now: Instant) -> Received {
        while let LocalEnd::Stream = self.local_end {
            let Some((kind, body)) = self.order.pop(now) else { return Received::Nothing };
            match kind {
                STREAM => {}
                PIECE if self.pieces.len() < LONGEST => self.pieces.extend_from_slice(&body),
                FRAME if self.pieces.is_empty() => return Received::Message(body),
                FRAME => {
                    self.pieces.extend_from_slice(&body);
                    return Received::Message(std::mem::take(&mut self.pieces).into());
                }
                // The end, or an invalid unit.
                _ => {
                    self.ends |= kind == END;
                    self.order.ack_now(now);
                    self.gone();
                }
            }
        }
        Received::End
    }

    pub fn close(&mut self) {
        if let LocalEnd::Stream = self.local_end {
            self.gone();
        }
    }
}
