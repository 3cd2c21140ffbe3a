//! One link: the program of this machine, and the units exchanged with the bridge of the other machine.
//!
//! The side where the program connected begins as `Caller`, the other side as `BeingCalled`:
//!
//! | side | unit | effect |
//! |---|---|---|
//! | called | call | another thread connects to the program; the units after it wait |
//! | caller | answer | the program gets the answer; if it is admitted, the link is open |
//! | both, open | piece, frame | a frame is put together and written to the program |
//! | both | end | nothing more arrives; the program is disconnected after what it was sent |
//!
//! A unit that does not fit the state ends the link: the other bridge may be faulty or hostile.
//!
//! Nothing here waits. A program without room keeps the units in `order`, whose window then stops the other
//! side. A program whose frames find no room in the window is not read.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use bytes::Bytes;
use linkspan::{Error, ErrorKind, Result};
use linkspan_relay::{RelayCaller, RelayLink};

use super::order::Order;
use crate::engine::{self, Bridge};

/// The first unit of a link: the name that the program connects to, and its hello.
pub const CALL: u8 = 0;
/// The answer to a hello: one byte, 1 if the caller is admitted, then the answering frame. Without a frame the caller's
/// connection is closed.
const ANSWER: u8 = 1;
/// A frame, or the last piece of one.
const FRAME: u8 = 2;
/// The end of the link: the program has disconnected. Sent after its last frame.
const END: u8 = 3;

/// A piece of a frame, not the last. Frames are cut because an engine that drops messages drops long ones
/// most often.
const PIECE: u8 = 4;
/// The size of a piece.
const PIECE_SIZE: usize = 48 << 10;

/// The first unit of a stream: the name that it is about.
pub const STREAM: u8 = 5;
/// The most bytes of a message of a stream that are put together: the longest message, and its map in front.
const LONGEST: usize = engine::LONGEST as usize + (1 << 16);

/// The most units of one link that are handled in a row.
const IN_TURN: usize = 128;

/// The result of receiving from a stream.
pub enum Received {
    /// A message.
    Message(Bytes),
    /// Nothing more yet.
    Nothing,
    /// Nothing will arrive any more.
    End,
}

/// The outcome of connecting to a program of this machine.
pub enum CallOutcome {
    /// No program answered.
    NoProgram,
    /// The answering frame, and the link if the caller was admitted.
    Answered(Vec<u8>, Option<Box<RelayLink>>),
}

/// The program of this machine, and the state of its connection.
enum LocalEnd {
    /// It has connected, and waits for the answer from the machine of this name.
    Caller(Box<RelayCaller>, String),
    /// The bridge is connecting to it.
    BeingCalled,
    /// It is connected.
    Open(Box<RelayLink>, OwnedFd),
    /// There is none: the bridges exchange messages of their own.
    Stream,
    /// It has disconnected.
    Gone,
}

/// A link, or a stream.
pub struct Link {
    /// The bridge of the other machine.
    pub peer: Bridge,
    /// The units exchanged with the other bridge.
    pub order: Order,
    /// The program, and the state of its connection.
    local_end: LocalEnd,
    /// Whether the other side has ended the link: nothing more is sent to it.
    ends: bool,
    /// Whether the program has closed its receiving side; what it sent before is still read.
    discards: bool,
    /// The received pieces of a frame that is not complete.
    pieces: Vec<u8>,
}

impl Link {
    /// Creates a link for a program of this machine that has connected.
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

    /// Creates a link without a program at either end.
    pub fn stream(peer: Bridge) -> Link {
        Link { local_end: LocalEnd::Stream, ..Link::called(peer) }
    }

    /// Returns whether the program of this machine is connected.
    pub fn is_open(&self) -> bool {
        matches!(self.local_end, LocalEnd::Open(..))
    }

    /// Returns whether the link can be removed: its program has gone, and the other side has ended it or has
    /// received everything, the end included.
    pub fn is_over(&self) -> bool {
        matches!(self.local_end, LocalEnd::Gone) && (self.ends || self.order.is_received())
    }

    /// Returns the descriptor to wait for.
    pub fn descriptor(&self) -> Option<&OwnedFd> {
        match &self.local_end {
            LocalEnd::Open(_, descriptor) => Some(descriptor),
            _ => None,
        }
    }

    /// Returns when the next timer expires.
    pub fn deadline(&self) -> Option<Instant> {
        self.order.deadline()
    }

    /// Ends the link because the other bridge is gone or has no such link. Units received before are still delivered.
    pub fn end(&mut self) {
        if !self.ends {
            self.order.end((END, Bytes::new()));
        }
    }

    /// Takes the outcome of connecting to the program of this machine. The answer goes to the other bridge.
    /// Does nothing if the link has ended meanwhile.
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

    /// Opens the link to a program that was admitted; without a program the local end is gone.
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

    /// Ends the link because the program of this machine has disconnected.
    fn gone(&mut self) {
        self.local_end = LocalEnd::Gone;
        if !self.ends {
            self.order.send((END, Bytes::new()));
        }
    }

    /// Delivers received units to the program and reads its frames. Returns true if more can be done at once.
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
            // Only what can be handled is waited for; otherwise a readable descriptor would wake the loop
            // again and again.
            let reads = self.order.has_room() && !self.ends;
            // A failed flush means that the program has disconnected; the rest of the frame is of no use then.
            let blocked = blocked || !link.flush().unwrap_or(true);
            match link.arm(reads, blocked) {
                Ok(false) if left > 0 || !blocked => return left == 0,
                Ok(_) if left == 0 => return true,
                Ok(_) => {}
                Err(_) => {
                    // Frames that it sent before can still be read.
                    self.take(&mut left);
                    self.gone();
                }
            }
        }
    }

    /// Delivers received units to the program, at most `left`. Returns true if it has no room; the unit stays
    /// in front then.
    fn give(&mut self, left: &mut usize, now: Instant) -> bool {
        while *left > 0
            && let Some((kind, body)) = self.order.front().cloned()
        {
            let is_given = match (&mut self.local_end, kind) {
                // Units after the call wait until the program is connected.
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
                    // The last piece is removed again if the program has no room.
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
                // The program is disconnected only after it has been sent everything.
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
                // What the program sent before it disconnected can still be read.
                Err(e) if e.kind() == ErrorKind::Disconnected => self.discards = true,
                Err(_) => self.gone(),
            }
        }
        false
    }

    /// Passes the answer of the other machine to the program that connected. Always returns true: the unit
    /// has been handled.
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

    /// Reads frames of the program, at most `left`, and as far as the window has room.
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

    /// Queues a frame, or a message of a stream, in pieces.
    pub fn send_message(&mut self, mut rest: Bytes) {
        while rest.len() > PIECE_SIZE {
            self.order.send((PIECE, rest.split_to(PIECE_SIZE)));
        }
        self.order.send((FRAME, rest));
    }

    /// Takes the next message of a stream, put together from its pieces. A unit that streams do not have ends
    /// the stream.
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
                // The end, or a unit that streams do not have.
                _ => {
                    self.ends |= kind == END;
                    self.order.ack_now(now);
                    self.gone();
                }
            }
        }
        Received::End
    }

    /// Ends a stream. The end is sent after what was queued before.
    pub fn close(&mut self) {
        if let LocalEnd::Stream = self.local_end {
            self.gone();
        }
    }
}
