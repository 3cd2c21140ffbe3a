//! Admission of this side's messages: decides whether a message may be sent now, with which number.
//!
//! A call admits a message ([`Connection::admit`]), gives it to the link under the ticket's number, and records it as
//! sent ([`Connection::sent`]). The number of a message that the link refuses is used again.
//!
//! Every message passes here. A publisher's session has neither peer nor link, and keeps nothing.

use super::{Connection, Page};
use crate::RetransmitClass;
use crate::error::{Error, ErrorKind};
use crate::places::Reuse;
use crate::planted::{self, Bug};

/// The unacknowledged messages at which a program that only sends checks for acknowledgements.
const ACK_CHECK_INTERVAL: usize = 64;

/// Bytes sent since the last check after which such a program checks.
///
/// This many bytes fit the processor's caches, and the check costs little compared with their copy.
const ACK_CHECK_BYTES: usize = 64 << 10;

fn is_ack_check_due(kept: usize) -> bool {
    kept > 0 && kept.is_multiple_of(ACK_CHECK_INTERVAL)
}

/// Returns whether a check is due within `more` messages after the `kept` messages.
pub fn crosses_ack_check(kept: usize, more: usize) -> bool {
    kept.saturating_add(more) / ACK_CHECK_INTERVAL > kept / ACK_CHECK_INTERVAL
}

/// Why a message cannot be sent now. The caller keeps it.
#[derive(Debug)]
pub enum Obstacle {
    /// There is no link, or a newer link exists.
    NoLink,
    /// Earlier messages are lost, and the program has not been told.
    Losses,
    /// The message answers a request of another session than the link's.
    Another,
    /// The message is longer than both sides accept.
    TooLong,
    /// The peer has violated the protocol.
    Violation,
    /// Earlier messages must be sent again over this link first.
    Replay,
    /// Many messages are kept, so available acknowledgements must be received first.
    Acknowledgements,
    /// The kept messages have reached the replay limits.
    NoRoom,
    /// The link refused the message.
    Failed(Error),
}

/// A result, or the obstacle that prevents it.
pub type Unless<T> = Result<T, Obstacle>;

/// The link for the next message.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Its number.
    pub link: u64,
    /// The peer's session; 0 for a peer without a session, which acknowledges nothing.
    pub session: u64,
    /// Whether the caller has received the available acknowledgements.
    pub looked: bool,
}

/// The properties of a message that the session needs.
#[derive(Clone, Copy, Debug)]
pub struct Content {
    /// Its class, over a link with a session.
    pub class: RetransmitClass,
    /// Bytes of its body.
    pub length: usize,
    /// Whether both sides accept a message of this length.
    pub is_allowed: bool,
    /// Whether its header has room for an acknowledgement. An answer has its request's number there.
    pub carries_ack: bool,
    /// Whether its call reports earlier losses first.
    pub reports_losses: bool,
}

/// An admitted message. Without [`Connection::sent`] its number is used again.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    /// Its number.
    pub number: u64,
    /// The number that it acknowledges; 0 for none.
    pub acked: u64,
    length: usize,
    class: RetransmitClass,
    link: u64,
    /// The peer's session, if the acknowledgement that the message carries is recorded; else 0.
    noted: u64,
}

impl<M: Reuse, P: Page> Connection<M, P> {
    /// Admits a message for this link, or returns the first obstacle.
    #[inline(always)]
    pub fn admit(&mut self, terms: &Terms, content: &Content) -> Unless<Ticket> {
        if self.is_newer(terms.link) {
            return Err(Obstacle::NoLink);
        }
        if !content.is_allowed {
            return Err(Obstacle::TooLong);
        }
        if content.reports_losses && self.has_losses() {
            return Err(Obstacle::Losses);
        }
        if self.has_violation() {
            return Err(Obstacle::Violation);
        }
        if self.replays {
            return Err(Obstacle::Replay);
        }
        // Nothing is kept for a peer without a session. A request is kept only if the peer's page shows whether it was
        // taken.
        let class = match content.class {
            _ if terms.session == 0 => RetransmitClass::Answer,
            RetransmitClass::Request if self.peer_page.is_none() => RetransmitClass::Answer,
            class => class,
        };
        // A request is sent in any case, and kept only if there is room.
        if class == RetransmitClass::Request && self.outbox.has_many_requests(content.length) {
            self.read_peer_page();
        }
        if matches!(class, RetransmitClass::Data | RetransmitClass::Idempotent)
            && (is_ack_check_due(self.outbox.kept_count())
                || self.outbox.unlooked().saturating_add(content.length) >= ACK_CHECK_BYTES)
        {
            self.look(terms.looked)?;
        }
        if class == RetransmitClass::IdempotentAnswer {
            // The answer is sent in any case, and kept only if there is room.
            self.has_room(RetransmitClass::Data, content.length);
        }
        if !self.has_room(class, content.length) {
            return Err(Obstacle::NoRoom);
        }
        if self.outbox.numbers_left() == 0 {
            return Err(no_number());
        }
        // A peer that reads the page gets no acknowledgement in messages, so none is recorded.
        let noted = if content.carries_ack && !self.has_page() { terms.session } else { 0 };
        let acked = if noted != 0 { self.to_piggyback(noted) } else { 0 };
        let number = self.outbox.assign_number();
        Ok(Ticket { number, acked, length: content.length, class, link: terms.link, noted })
    }

    /// Reads the peer's page if many messages or bytes are kept, and before a long message.
    ///
    /// A long message may need the slot of a consumed message.
    #[cold]
    fn look(&mut self, looked: bool) -> Unless<()> {
        self.outbox.looked();
        self.read_peer_page();
        match () {
            () if self.has_violation() => Err(Obstacle::Violation),
            // The page shows nothing new. Acknowledgements may also be in frames.
            () if !looked && is_ack_check_due(self.outbox.kept_count()) => Err(Obstacle::Acknowledgements),
            () => Ok(()),
        }
    }

    /// Admits the first 1 to `most` messages of a batch. Returns the first ticket and the count.
    ///
    /// All messages have the properties of `content`, except their `lengths`. The later messages have the next numbers.
    pub fn admit_run(
        &mut self,
        terms: &Terms,
        content: &Content,
        most: usize,
        lengths: impl Iterator<Item = usize>,
    ) -> Unless<(Ticket, usize)> {
        let before = self.outbox.kept_count();
        if crosses_ack_check(before, most) {
            self.read_peer_page();
            if !terms.looked && before > 0 && self.outbox.kept_count() == before {
                return Err(Obstacle::Acknowledgements);
            }
        }
        let first = self.admit(&Terms { looked: true, ..*terms }, content)?;
        let count = if terms.session != 0 { self.outbox.room_for(lengths) } else { lengths.count() };
        let count = count.min(usize::try_from(self.outbox.numbers_left()).unwrap_or(usize::MAX));
        self.outbox.assign_numbers(count);
        Ok((first, count))
    }

    /// Records that the link has the message. Returns its number and, if it is kept, the place for it.
    ///
    /// If a newer link has replaced the ticket's link, the message is sent again over the newest link.
    #[inline(always)]
    pub fn sent(&mut self, ticket: &Ticket) -> (u64, Option<&mut M>) {
        if self.is_newer(ticket.link) {
            return self.sent_before_the_newest(ticket);
        }
        if ticket.noted != 0 {
            self.inbox.piggybacked(ticket.noted, ticket.acked);
        }
        self.outbox.sent_to_place(ticket.class, ticket.length)
    }

    #[cold]
    fn sent_before_the_newest(&mut self, ticket: &Ticket) -> (u64, Option<&mut M>) {
        let (is_reported, is_sent_over) = (self.outbox.is_next_reported(), self.sent_over == self.newest);
        let mut class = ticket.class;
        // An answer is for the incarnation that sent the request, and data for one peer.
        if class == RetransmitClass::IdempotentAnswer && ticket.link < self.incarnation_since {
            class = RetransmitClass::Answer;
        } else if matches!(class, RetransmitClass::Data | RetransmitClass::Idempotent)
            && ticket.link < self.peer_since
        {
            let is_loss = class == RetransmitClass::Data && self.outbox.keeps_next();
            self.losses = self.losses.saturating_add(is_loss.into());
            class = RetransmitClass::Answer;
        } else if class == RetransmitClass::Request
            && is_sent_over
            && (ticket.link < self.peer_since || ticket.link >= self.incarnation_since)
        {
            // The incarnation at the newest link may have taken the request over the last link. Another peer must not
            // get it.
            class = RetransmitClass::Answer;
        }
        let (number, place) = self.outbox.sent_to_place(class, ticket.length);
        if place.is_none() {
            return (number, None);
        }
        if !is_reported {
            self.unsent(number);
        }
        (number, self.outbox.last_kept())
    }

    /// Keeps an answer whose link has ended, to replay it over the session's next or newest link.
    ///
    /// Returns the place for its stored part. `None` if it is not kept: only an idempotent answer is kept, for the
    /// incarnation that sent the request.
    ///
    /// # Errors
    ///
    /// `TooLong`.
    pub fn keep_unsent(&mut self, session: u64, content: &Content) -> Unless<Option<&mut M>> {
        if !content.is_allowed {
            return Err(Obstacle::TooLong);
        }
        let is_there = self.outbox.peer().is_some_and(|(_, newest)| newest == session);
        if session == 0 || !is_there || content.class != RetransmitClass::IdempotentAnswer {
            return Ok(None);
        }
        self.has_room(RetransmitClass::Data, content.length);
        if !self.outbox.keeps_answer(content.length) {
            return Ok(None);
        }
        let (number, _) = self.outbox.sent_to_place(content.class, content.length);
        self.unsent(number);
        Ok(self.outbox.last_kept())
    }

    /// Records that the last message, with this number, goes over the newest link as a replay.
    fn unsent(&mut self, number: u64) {
        if planted::is(Bug::UnsentIsLost) {
            return;
        }
        self.outbox.unsent(number);
        self.replays = true;
    }
}

#[cold]
fn no_number() -> Obstacle {
    let text = "the numbers of this session have run out; end it, and start another one";
    Obstacle::Failed(Error::new(ErrorKind::InvalidState, text))
}

impl Ticket {
    /// Returns this ticket with the length of its message in a run.
    pub fn with_length(self, length: usize) -> Ticket {
        Ticket { length, ..self }
    }

    /// Returns the ticket of the next message of a run. Only the first message carries the acknowledgement.
    pub fn next(self) -> Ticket {
        Ticket { number: self.number.saturating_add(1), acked: 0, noted: 0, ..self }
    }
}
