//! One peer of the server: its channel and its queue of outgoing messages.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use linkspan::frame::Kind;
use linkspan::service::server_side::{
    Epoll, Interest, Pattern, PeerLink, RequestInfo, failure_of, failure_payload,
};
use linkspan::{Error, ErrorKind, Payload, Result, Wait};

/// An outgoing message.
pub struct Outgoing {
    kind: Kind,
    /// The request that it answers, for replies.
    to: Option<RequestInfo>,
    payload: Payload,
}

impl Outgoing {
    /// Creates a command or an event.
    pub fn word(kind: Kind, payload: Payload) -> Outgoing {
        Outgoing { kind, to: None, payload }
    }

    /// Creates a reply to a request.
    pub fn answer(to: RequestInfo, payload: Payload) -> Outgoing {
        Outgoing { kind: Kind::Reply, to: Some(to), payload }
    }

    /// Creates an error reply to a request.
    pub fn refusal(to: RequestInfo, error: &Error) -> Result<Outgoing> {
        let payload = failure_payload(&failure_of(error))?;
        Ok(Outgoing { kind: Kind::Error, to: Some(to), payload })
    }

    /// Returns its size in bytes.
    pub fn size(&self) -> usize {
        self.payload.body().len()
    }
}

/// The outcome of sending a message.
#[derive(Debug)]
pub enum SendOutcome {
    /// The message was sent or queued.
    Queued,
    /// The queue is long, and the event was dropped.
    Dropped,
    /// The queue is full, and the message must not be dropped: the link has to be closed.
    Overflow,
    /// The link failed and has to be closed.
    Failed(Error),
}

/// The bytes and messages in the queue beyond which events are dropped.
const DROP_EVENTS_ABOVE: (usize, usize) = (4 << 20, 4_096);
/// The bytes and messages in the queue beyond which the link is closed.
const MAX_QUEUE: (usize, usize) = (16 << 20, 16_384);

/// The bit of an epoll token that marks a peer as writable.
pub const WRITABLE: u64 = 1 << 63;

/// A peer.
pub struct Peer {
    pub link: PeerLink,
    pub pattern: Pattern,
    /// The number that identifies its incarnation.
    pub session: u64,
    waits: VecDeque<Outgoing>,
    bytes: usize,
    /// A descriptor that becomes ready when the peer is writable; set while messages are queued.
    room: Option<OwnedFd>,
    /// Whether the peer has closed its end. Its last messages can still be read.
    write_closed: bool,
    /// The number of dropped events that were not reported to the peer.
    pub missed: u64,
}

impl Peer {
    pub fn new(link: PeerLink, pattern: Pattern, session: u64) -> Peer {
        Peer {
            link,
            pattern,
            session,
            waits: VecDeque::new(),
            bytes: 0,
            room: None,
            write_closed: false,
            missed: 0,
        }
    }

    /// Sends a message, or queues it until the peer is writable. With `may_be_missed` it is dropped if the queue is long.
    pub fn send(&mut self, out: Outgoing, may_be_missed: bool, epoll: &Epoll, token: u64) -> SendOutcome {
        if self.write_closed {
            // Replies are kept for the client's next link.
            if out.to.is_some() && self.waits.len() < DROP_EVENTS_ABOVE.1 {
                self.waits.push_back(out);
            }
            return SendOutcome::Dropped;
        }
        let over = |(bytes, count): (usize, usize)| self.bytes > bytes || self.waits.len() > count;
        // The peer has to get the report of dropped events before any later one.
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

    /// Sends queued messages to a peer that has become writable.
    pub fn on_writable(&mut self, epoll: &Epoll, token: u64) -> SendOutcome {
        if let Some(room) = self.room.take() {
            epoll.remove(room);
        }
        self.flush(epoll, token)
    }

    /// Returns whether the queue is empty.
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
            match self.link.room(blocked) {
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

    /// Marks the link as closed for writing if the peer has disconnected; messages it sent before can still be read.
    fn close_writing(&mut self, error: Error) -> SendOutcome {
        if error.kind() != ErrorKind::Disconnected {
            return SendOutcome::Failed(error);
        }
        self.write_closed = true;
        SendOutcome::Dropped
    }

    /// Sends one message. A reply that is too large for the peer is replaced by an error.
    fn try_send(&self, out: &Outgoing) -> Result<()> {
        let send = |out: &Outgoing| match out.to {
            Some(to) => self.link.respond(to, out.kind, &out.payload),
            None => self.link.send(out.kind, &out.payload, Wait::none()),
        };
        match (send(out), out.to) {
            (Err(e), Some(to)) if e.kind() == ErrorKind::TooLarge => send(&Outgoing::refusal(to, &e)?),
            // A dropped command times out, and a dropped event is contained in the service's record.
            (Err(e), None) if e.kind() == ErrorKind::TooLarge => Ok(()),
            (sent, _) => sent,
        }
    }

    /// Returns the replies that were not sent.
    pub fn take_answers(&mut self) -> impl Iterator<Item = Outgoing> {
        std::mem::take(&mut self.waits).into_iter().filter(|out| out.to.is_some())
    }

    /// Closes the link at once.
    pub fn abandon(&self, epoll: &Epoll) {
        if let Some(room) = &self.room {
            epoll.remove(room);
        }
        self.link.abandon();
    }
}
