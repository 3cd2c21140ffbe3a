//! A publisher's session: admits messages by the rules of channels, and numbers them.
//!
//! It has neither peer nor link, and keeps nothing to send again. Subscribers miss what they do not receive.

use crate::channel::session_state::admission::{self, Obstacle, Terms, Ticket, content};
use crate::error::{Error, ErrorKind, Result, over_message_limit};
use crate::frame::Kind;
use crate::message::Payload;
use crate::session::connection::NoPage;
use crate::session::{Acknowledge, Connection};

pub struct PublisherSession {
    connection: Connection<u64, NoPage>,
    has_newest: bool,
    limit: u64,
}

/// Admitted messages go over no link of the session.
const TERMS: Terms = Terms { link: 0, session: 0, looked: true };

impl PublisherSession {
    pub fn new((session, first): (u64, u64), limit: u64) -> PublisherSession {
        let mut connection = Connection::new(session, None, Acknowledge::Auto);
        connection.outbox.continue_behind(first.saturating_sub(1));
        PublisherSession { connection, has_newest: false, limit }
    }

    /// Returns the number of the last message, or before the first message the number before it.
    pub fn last(&self) -> u64 {
        self.connection.outbox.last()
    }

    /// Returns the number of the newest message; 0 before the first message of this publisher.
    pub fn newest(&self) -> u64 {
        if self.has_newest { self.last() } else { 0 }
    }

    #[inline]
    pub fn admit(&mut self, length: usize) -> Result<Ticket> {
        let admitted = self.connection.admit(&TERMS, &content(self.limit, Kind::Data, 0, length));
        admitted.map_err(|obstacle| refused(obstacle, length, self.limit))
    }

    /// Admits the first of several messages, at least one. Returns the first ticket and their count, or the first
    /// message's error.
    pub fn admit_run(&mut self, payloads: &[Payload]) -> Result<(Ticket, usize)> {
        let lengths = payloads.iter().map(Payload::len);
        let first = lengths.clone().next().unwrap_or(0);
        let admitted =
            admission::admit_data(&mut self.connection, (&TERMS, self.limit), payloads.len(), lengths);
        admitted.map_err(|obstacle| refused(obstacle, first, self.limit))
    }

    /// Skips the numbers up to this one. Goes back if that message was not sent.
    pub fn continue_behind(&mut self, last: u64) {
        self.connection.outbox.continue_behind(last);
    }

    /// Records that subscribers got an admitted message or can read it. Returns its number.
    #[inline]
    pub fn sent(&mut self, ticket: &Ticket) -> u64 {
        self.has_newest = true;
        self.connection.sent(ticket).0
    }

    /// Records this for the first `count` messages of a run, and takes back the numbers of the others.
    pub fn sent_run(&mut self, first: &Ticket, count: usize) {
        (0..count).for_each(|_| {
            self.sent(first);
        });
        self.connection.outbox.release_numbers();
    }
}

#[cold]
fn refused(obstacle: Obstacle, length: usize, limit: u64) -> Error {
    match obstacle {
        Obstacle::TooLong => over_message_limit(length as u64, limit),
        Obstacle::Failed(error) => error,
        other => Error::new(ErrorKind::Internal, format!("a publisher has no peer, and met {other:?}")),
    }
}
