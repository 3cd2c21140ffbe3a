//! One link: a program of this machine, and what goes between it and the one on the other machine.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use bytes::Bytes;
use linkspan::{Error, ErrorKind, RelayCaller, RelayLink, Result};

use super::CALL;
use super::order::Order;

/// The answer to a hello: whether it was let in, and the frame; without a frame the caller is hung up on.
const ANSWER: u8 = 1;
/// A frame of a program, or the last piece of one.
const FRAME: u8 = 2;
/// The program has gone, and has consumed what it said before.
const END: u8 = 3;

/// A piece of a frame, of which more follow: what is longer than the engine's own batches is likely to be lost.
const PIECE: u8 = 4;
const PIECE_SIZE: usize = 48 << 10;

/// Units of one link before the others have their turn.
const IN_TURN: usize = 128;

/// What came of a call to a program of this machine.
pub enum CallOutcome {
    /// Nobody answered.
    Nobody,
    /// The answer, and the link where the caller was let in.
    Answered(Vec<u8>, Option<Box<RelayLink>>),
}

/// The program of this machine.
enum LocalEnd {
    /// It has called, and waits for the answer of this machine's program.
    Caller(Box<RelayCaller>, String),
    /// It is being called.
    BeingCalled,
    /// Frames go to it and come from it.
    Open(Box<RelayLink>, OwnedFd),
    /// It has gone.
    Gone,
}

/// A link.
pub struct Link {
    /// The bridge of the other machine.
    pub peer: u64,
    /// What goes between the two bridges.
    pub order: Order,
    local_end: LocalEnd,
    /// Whether the other side ends: nothing more goes there.
    ends: bool,
    /// Whether the program takes nothing any more; what it has said is still read.
    discards: bool,
    /// The pieces of a frame that have come.
    pieces: Vec<u8>,
}

impl Link {
    /// One that a program of this machine asks for.
    pub fn calling(peer: u64, machine: &str, caller: RelayCaller) -> Link {
        Link {
            peer,
            order: Order::new(),
            local_end: LocalEnd::Caller(Box::new(caller), machine.to_owned()),
            ends: false,
            discards: false,
            pieces: Vec::new(),
        }
    }

    /// One that a program of another machine asks for.
    pub fn called(peer: u64) -> Link {
        Link {
            peer,
            order: Order::new(),
            local_end: LocalEnd::BeingCalled,
            ends: false,
            discards: false,
            pieces: Vec::new(),
        }
    }

    /// Whether frames go over it.
    pub fn is_open(&self) -> bool {
        matches!(self.local_end, LocalEnd::Open(..))
    }

    /// Whether nothing is left to be done.
    pub fn is_over(&self) -> bool {
        matches!(self.local_end, LocalEnd::Gone) && (self.ends || self.order.is_received())
    }

    /// What is to be waited for.
    pub fn descriptor(&self) -> Option<&OwnedFd> {
        match &self.local_end {
            LocalEnd::Open(_, descriptor) => Some(descriptor),
            _ => None,
        }
    }

    /// When something is to be done without anything having happened.
    pub fn deadline(&self) -> Option<Instant> {
        self.order.deadline()
    }

    /// The other bridge has gone, or does not know it: what has come is still given.
    pub fn end(&mut self) {
        if !self.ends {
            self.order.end((END, Bytes::new()));
        }
    }

    /// What came of the call to the program of this machine.
    pub fn was_called(&mut self, called: CallOutcome) {
        if !matches!(self.local_end, LocalEnd::BeingCalled) {
            return;
        }
        let (answer, link) = match called {
            CallOutcome::Nobody => (Vec::new(), None),
            CallOutcome::Answered(answer, link) => (answer, link),
        };
        self.order.send((ANSWER, [&[u8::from(link.is_some())][..], &answer].concat().into()));
        if self.open(link).is_err() {
            self.gone();
        }
    }

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

    /// The program of this machine has gone.
    fn gone(&mut self) {
        self.local_end = LocalEnd::Gone;
        if !self.ends {
            self.order.send((END, Bytes::new()));
        }
    }

    /// Brings away what has come, and takes what the program has said. True where there is more at once.
    pub fn work(&mut self, now: Instant) -> bool {
        let mut left = IN_TURN;
        loop {
            let blocked = self.give(&mut left, now);
            self.take(&mut left);
            let LocalEnd::Open(link, _) = &mut self.local_end else {
                return self.order.front().is_some() && left == 0;
            };
            let reads = self.order.has_room() && !self.ends;
            // One that has gone has no need of the rest of a frame.
            let blocked = blocked || !link.flush().unwrap_or(true);
            match link.arm(reads, blocked) {
                Ok(false) if left > 0 || !blocked => return left == 0,
                Ok(_) if left == 0 => return true,
                Ok(_) => {}
                Err(_) => {
                    // What it has said before is still there.
                    self.take(&mut left);
                    self.gone();
                }
            }
        }
    }

    /// Gives the program what has come. True where it has no room.
    fn give(&mut self, left: &mut usize, now: Instant) -> bool {
        while *left > 0
            && let Some((kind, body)) = self.order.front().cloned()
        {
            let is_given = match (&mut self.local_end, kind) {
                // It has not been called yet, and what is behind the call waits.
                (LocalEnd::BeingCalled, CALL) => Ok(true),
                (LocalEnd::BeingCalled, END) => {
                    self.local_end = LocalEnd::Gone;
                    continue;
                }
                (LocalEnd::BeingCalled, _) => return false,
                (LocalEnd::Caller(..), ANSWER) => self.answer(&body),
                (LocalEnd::Open(..), FRAME | PIECE) if self.discards => Ok(true),
                (LocalEnd::Open(..), PIECE) => {
                    self.pieces.extend_from_slice(&body);
                    Ok(true)
                }
                (LocalEnd::Open(link, _), FRAME) if self.pieces.is_empty() => link.try_send(&body),
                (LocalEnd::Open(link, _), FRAME) => {
                    // Whether it goes or not, its last piece is with the others only while this is tried.
                    let before = self.pieces.len();
                    self.pieces.extend_from_slice(&body);
                    let sent = link.try_send(&self.pieces);
                    match sent {
                        Ok(true) => self.pieces = Vec::new(),
                        _ => self.pieces.truncate(before),
                    }
                    sent
                }
                (LocalEnd::Open(..), END) if self.discards => {
                    self.ends = true;
                    Ok(true)
                }
                (LocalEnd::Open(link, _), END) => link.flush().inspect(|flushed| self.ends |= flushed),
                (LocalEnd::Caller(..) | LocalEnd::Gone, END) => {
                    (self.ends, self.local_end) = (true, LocalEnd::Gone);
                    Ok(true)
                }
                (LocalEnd::Gone, _) => Ok(true),
                // Nobody says that.
                (LocalEnd::Caller(..) | LocalEnd::Open(..), _) => {
                    self.gone();
                    Ok(true)
                }
            };
            match is_given {
                Ok(true) => {
                    self.order.pop(now);
                    *left -= 1;
                    if self.ends {
                        self.order.tell_now(now);
                        self.local_end = LocalEnd::Gone;
                    }
                }
                Ok(false) => return true,
                Err(e) if e.kind() == ErrorKind::Disconnected => self.discards = true,
                Err(_) => self.gone(),
            }
        }
        false
    }

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

    /// Takes what the program has said, as far as the window has room.
    fn take(&mut self, left: &mut usize) {
        while *left > 0
            && !self.ends
            && self.order.has_room()
            && let LocalEnd::Open(link, _) = &mut self.local_end
        {
            match link.try_recv() {
                Ok(Some(frame)) => {
                    let mut rest = Bytes::from(frame);
                    while rest.len() > PIECE_SIZE {
                        self.order.send((PIECE, rest.split_to(PIECE_SIZE)));
                    }
                    self.order.send((FRAME, rest));
                    *left -= 1;
                }
                Ok(None) => return,
                Err(_) => self.gone(),
            }
        }
    }
}
