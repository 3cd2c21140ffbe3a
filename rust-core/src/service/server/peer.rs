//! One peer of a controller: its channel, and what it has not taken yet.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use crate::channel::greeting::Pattern;
use crate::channel::{Channel, Question};
use crate::deadline::Wait;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Kind;
use crate::message::{Payload, failure};
use crate::service::command::failure_of;
use crate::sys::poll::{Epoll, Interest};

/// Something on its way to a peer.
pub struct Outgoing {
    kind: Kind,
    /// For answers.
    to: Option<Question>,
    payload: Payload,
}

impl Outgoing {
    /// A command or an event.
    pub fn word(kind: Kind, payload: Payload) -> Outgoing {
        Outgoing { kind, to: None, payload }
    }

    /// The answer to a question.
    pub fn answer(to: Question, payload: Payload) -> Outgoing {
        Outgoing { kind: Kind::Reply, to: Some(to), payload }
    }

    /// An error as the answer to a question.
    pub fn refusal(to: Question, error: &Error) -> Result<Outgoing> {
        let payload = failure::to_payload(&failure_of(error))?;
        Ok(Outgoing { kind: Kind::Error, to: Some(to), payload })
    }

    /// Its bytes.
    pub fn size(&self) -> usize {
        self.payload.body().len()
    }
}

/// What has become of something that was to be sent.
#[derive(Debug)]
pub enum SendOutcome {
    /// It is on its way, or waits for its turn.
    Queued,
    /// So much waits that this was left out.
    Dropped,
    /// So much waits, and none of it may be left out: the peer is to be let go of.
    Overflow,
    /// The link does what it may not: the peer is to be let go of.
    Failed(Error),
}

/// Bytes and messages that wait for a peer to take them: beyond these events are left out.
const DROP_EVENTS_ABOVE: (usize, usize) = (4 << 20, 4_096);
/// Beyond these a peer that does not take its answers or commands is let go of.
const MAX_QUEUE: (usize, usize) = (16 << 20, 16_384);

/// Set in the token of a peer's "there is room".
pub const WRITABLE: u64 = 1 << 63;

/// A peer.
pub struct Peer {
    pub channel: Channel,
    pub pattern: Pattern,
    /// The number of its incarnation.
    pub session: u64,
    waits: VecDeque<Outgoing>,
    bytes: usize,
    /// While something waits: becomes ready when there is room.
    room: Option<OwnedFd>,
    /// Whether it has closed its end: it takes nothing more, and what it said last is still to be heard.
    write_closed: bool,
    /// Events that were left out and that it has not been told of.
    pub missed: u64,
}

impl Peer {
    pub fn new(channel: Channel, pattern: Pattern, session: u64) -> Peer {
        Peer {
            channel,
            pattern,
            session,
            waits: VecDeque::new(),
            bytes: 0,
            room: None,
            write_closed: false,
            missed: 0,
        }
    }

    /// Sends something, or keeps it until there is room. With `may_be_missed` it is left out where much waits already.
    pub fn send(&mut self, out: Outgoing, may_be_missed: bool, epoll: &Epoll, token: u64) -> SendOutcome {
        if self.write_closed {
            // Answers are for the client, not for its link.
            if out.to.is_some() && self.waits.len() < DROP_EVENTS_ABOVE.1 {
                self.waits.push_back(out);
            }
            return SendOutcome::Dropped;
        }
        let over = |(bytes, count): (usize, usize)| self.bytes > bytes || self.waits.len() > count;
        // What was missed is told before anything that follows.
        if may_be_missed && (self.missed > 0 || over(DROP_EVENTS_ABOVE)) {
            self.missed += 1;
            return SendOutcome::Dropped;
        }
        if over(MAX_QUEUE) {
            return SendOutcome::Overflow;
        }
        self.bytes += out.size();
        self.waits.push_back(out);
        if self.room.is_some() { SendOutcome::Queued } else { self.flush(epoll, token) }
    }

    /// There may be room: brings away what waits.
    pub fn on_writable(&mut self, epoll: &Epoll, token: u64) -> SendOutcome {
        if let Some(room) = self.room.take() {
            epoll.remove(room);
        }
        self.flush(epoll, token)
    }

    /// Whether nothing waits.
    pub fn is_idle(&self) -> bool {
        self.waits.is_empty() && self.room.is_none()
    }

    fn flush(&mut self, epoll: &Epoll, token: u64) -> SendOutcome {
        loop {
            let mut blocked = false;
            while let Some(out) = self.waits.front() {
                match self.try_send(out) {
                    Ok(()) => {}
                    Err(e) if matches!(e.kind(), ErrorKind::Full | ErrorKind::Timeout) => {
                        blocked = true;
                        break;
                    }
                    Err(e) => return self.close_writing(e),
                }
                if let Some(out) = self.waits.pop_front() {
                    self.bytes -= out.size();
                }
            }
            match self.channel.room(blocked) {
                Ok(Some((fd, what))) => {
                    if let Err(e) = epoll.add(&fd, token | WRITABLE, what | Interest::ONESHOT) {
                        return SendOutcome::Failed(e);
                    }
                    self.room = Some(fd);
                    return SendOutcome::Queued;
                }
                Ok(None) if blocked => {}
                Ok(None) => return SendOutcome::Queued,
                Err(e) => return self.close_writing(e),
            }
        }
    }

    /// Nothing can be sent. One who has gone may have said something before, which is heard first.
    fn close_writing(&mut self, error: Error) -> SendOutcome {
        if error.kind() != ErrorKind::Disconnected {
            return SendOutcome::Failed(error);
        }
        self.write_closed = true;
        SendOutcome::Dropped
    }

    /// Sends one thing. What is too large for the peer is said to it in its place.
    fn try_send(&self, out: &Outgoing) -> Result<()> {
        let send = |out: &Outgoing| match out.to {
            Some(to) => self.channel.respond(to, out.kind, &out.payload),
            None => self.channel.send_as(out.kind, &out.payload, Wait::none()).map(drop),
        };
        match (send(out), out.to) {
            (Err(e), Some(to)) if e.kind() == ErrorKind::TooLarge => send(&Outgoing::refusal(to, &e)?),
            // Its watchers see it in the service's record, its sender in the time that passes.
            (Err(e), None) if e.kind() == ErrorKind::TooLarge => Ok(()),
            (sent, _) => sent,
        }
    }

    /// The answers that it has not been given.
    pub fn take_answers(&mut self) -> impl Iterator<Item = Outgoing> {
        std::mem::take(&mut self.waits).into_iter().filter(|out| out.to.is_some())
    }

    /// Ends it at once.
    pub fn abandon(&self, epoll: &Epoll) {
        if let Some(room) = &self.room {
            epoll.remove(room);
        }
        self.channel.abandon();
    }
}
