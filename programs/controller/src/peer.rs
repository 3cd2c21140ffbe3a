//! One peer of the server: its channel and its queue of outgoing messages.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use linkspan::frame::Kind;
use linkspan::service::server_side::{
    Epoll, Interest, Pattern, PeerLink, RequestInfo, failure_of, failure_payload,
};
use linkspan::{Error, ErrorKind, Payload, Result, Wait};

pub struct Outgoing {
    kind: Kind,
    /// The request that it answers, if it is a reply.
    to: Option<RequestInfo>,
    payload: Payload,
}

impl Outgoing {
    /// Creates a command or an event.
    pub fn message(kind: Kind, payload: Payload) -> Outgoing {
        Outgoing { kind, to: None, payload }
    }

    pub fn reply(to: RequestInfo, payload: Payload) -> Outgoing {
        Outgoing { kind: Kind::Reply, to: Some(to), payload }
    }

    pub fn error(to: RequestInfo, error: &Error) -> Result<Outgoing> {
        let payload = failure_payload(&failure_of(error))?;
        Ok(Outgoing { kind: Kind::Error, to: Some(to), payload })
    }

    pub fn size(&self) -> usize {
        self.payload.body().len()
    }
}

#[derive(Debug)]
pub enum SendOutcome {
    Queued,
    /// The queue is long, and the event was dropped.
    Dropped,
    /// The queue is full, and the message must not be dropped: close the link.
    Overflow,
    /// The link failed: close it.
    Failed(Error),
}

/// The bytes and the messages in the queue beyond which events are dropped.
const DROP_EVENTS_ABOVE: (usize, usize) = (4 << 20, 4_096);
/// The bytes and the messages in the queue beyond which the link is closed.
const MAX_QUEUE: (usize, usize) = (16 << 20, 16_384);

/// The bit in an epoll token of a descriptor that reports room.
pub const WRITABLE: u64 = 1 << 63;

pub struct Peer {
    pub link: PeerLink,
    pub pattern: Pattern,
    /// The session, which identifies its incarnation.
    pub session: u64,
    queue: VecDeque<Outgoing>,
    bytes: usize,
    /// A descriptor that becomes ready when the peer has room, while messages are queued.
    room: Option<OwnedFd>,
    /// Whether the peer has closed its end. Its last messages can still be received.
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
            queue: VecDeque::new(),
            bytes: 0,
            room: None,
            write_closed: false,
            missed: 0,
        }
    }

    /// Sends a message, or queues it until the peer has room. With `may_be_missed` drops and counts it if the queue is
    /// long.
    pub fn send(&mut self, out: Outgoing, may_be_missed: bool, epoll: &Epoll, token: u64) -> SendOutcome {
        if self.write_closed {
            // Replies are kept for the client's next link.
            if out.to.is_some() && !self.exceeds(DROP_EVENTS_ABOVE) {
                self.push(out);
            }
            return SendOutcome::Dropped;
        }
        // The peer has to receive the number of dropped events before any later one.
        if may_be_missed && (self.missed > 0 || self.exceeds(DROP_EVENTS_ABOVE)) {
            self.missed = self.missed.saturating_add(1);
            return SendOutcome::Dropped;
        }
        if self.exceeds(MAX_QUEUE) {
            return SendOutcome::Overflow;
        }
        self.push(out);
        if self.room.is_some() { SendOutcome::Queued } else { self.flush(epoll, token) }
    }

    fn push(&mut self, out: Outgoing) {
        self.bytes = self.bytes.saturating_add(out.size());
        self.queue.push_back(out);
    }

    fn exceeds(&self, (bytes, count): (usize, usize)) -> bool {
        self.bytes > bytes || self.queue.len() > count
    }

    /// Sends queued messages to a peer that has room again.
    pub fn on_writable(&mut self, epoll: &Epoll, token: u64) -> SendOutcome {
        if let Some(room) = self.room.take() {
            epoll.remove(room);
        }
        self.flush(epoll, token)
    }

    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.room.is_none()
    }

    fn flush(&mut self, epoll: &Epoll, token: u64) -> SendOutcome {
        loop {
            let mut blocked = false;
            while let Some(out) = self.queue.front() {
                match self.try_send(out) {
                    Ok(()) => {}
                    Err(e) if matches!(e.kind(), ErrorKind::Full | ErrorKind::Timeout) => {
                        blocked = true;
                        break;
                    }
                    Err(e) => return self.close_writing(e),
                }
                if let Some(out) = self.queue.pop_front() {
                    self.bytes = self.bytes.saturating_sub(out.size());
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

    /// Marks the link as closed for writing if the peer has disconnected. Messages that it sent before can still be
    /// received.
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
            (Err(e), Some(to)) if e.kind() == ErrorKind::TooLarge => send(&Outgoing::error(to, &e)?),
            // A dropped command times out. A watcher that misses an event finds its content in the service's record.
            (Err(e), None) if e.kind() == ErrorKind::TooLarge => Ok(()),
            (sent, _) => sent,
        }
    }

    /// Returns the replies that were not sent.
    pub fn take_replies(&mut self) -> impl Iterator<Item = Outgoing> {
        self.bytes = 0;
        std::mem::take(&mut self.queue).into_iter().filter(|out| out.to.is_some())
    }

    pub fn abandon(&self, epoll: &Epoll) {
        if let Some(room) = &self.room {
            epoll.remove(room);
        }
        self.link.abandon();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use linkspan::service::server_side::PeerListener;
    use linkspan::{Encoding, Limits, Options, Value};

    #[test]
    fn replies_to_a_peer_that_closed_its_end_are_limited_in_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let endpoint = format!("unix:{}/c", directory.path().display());
        let listener = PeerListener::listen(&endpoint, &Options::default(), 8).unwrap();
        std::thread::scope(|scope| {
            let client = scope.spawn(|| {
                PeerLink::connect(&endpoint, Pattern::Controller, Duration::from_secs(60)).unwrap()
            });
            let (link, identity) = loop {
                match listener.accept() {
                    Err(e) if e.kind() == ErrorKind::Timeout => std::thread::yield_now(),
                    accepted => break accepted.unwrap(),
                }
            };
            let mut peer = Peer::new(link, identity.pattern, identity.session);
            let epoll = Epoll::new().unwrap();
            let _client = client.join().unwrap();
            let text = Value::from("x".repeat(1 << 20));
            let payload = Payload::new(&text, Encoding::Cbor, &Limits::default()).unwrap();
            // An answer to another session fails as one to a peer that has disconnected.
            let to = RequestInfo { session: identity.session ^ 1, number: 1, idempotent: true };
            for _ in 0..64 {
                peer.send(Outgoing::reply(to, payload.clone()), false, &epoll, 64);
            }
            assert!(peer.write_closed);
            let kept: usize = peer.take_replies().map(|reply| reply.size()).sum();
            assert!(
                (1..=DROP_EVENTS_ABOVE.0 + 2 * payload.body().len()).contains(&kept),
                "{kept} bytes are kept"
            );
        });
    }
}
