//! The one place where a message of this side is admitted: whether it may be sent now, under which number, and what is
//! recorded once the link has it.
//!
//! Every message passes here, whatever its kind, and whatever its link: data, requests and replies of channels and
//! servers, alone and in batches. A rule of sending is a line in [`SessionHalves::allows`] or in [`SessionHalves::admit`].
//! The transports' own obstacles (no room in the ring, a rest that is not written yet) come after it.

use super::{SessionHalves, class};
use crate::error::Error;
use crate::frame::Kind;
use crate::message::StoredMessage;
use crate::session::RetransmitClass;

/// After this many unacknowledged messages a program that only sends checks for acknowledgements.
const ACK_CHECK_INTERVAL: usize = 64;

/// So does one that has sent so many bytes since the last check: what is kept then lies in memory that the processor's caches still hold,
/// and looking takes nothing beside copying them.
const ACK_CHECK_BYTES: usize = 64 << 10;

/// Returns whether to check for acknowledgements while `kept` messages are kept.
pub fn is_ack_check_due(kept: usize) -> bool {
    kept > 0 && kept.is_multiple_of(ACK_CHECK_INTERVAL)
}

/// Returns whether one of `more` messages behind the `kept` ones makes a check due.
pub fn crosses_ack_check(kept: usize, more: usize) -> bool {
    (kept + more) / ACK_CHECK_INTERVAL > kept / ACK_CHECK_INTERVAL
}

/// Why a message cannot be sent now. The caller keeps it.
#[derive(Debug)]
pub enum Obstacle {
    /// There is no link, or a newer one.
    NoLink,
    /// The message answers a request of another session than that of the link.
    Another,
    /// The message is longer than both sides accept.
    TooLong,
    /// The peer has violated the protocol.
    Violation,
    /// Earlier messages have to be sent again over this link first.
    Replay,
    /// Many messages are kept: available acknowledgements have to be received first.
    Acknowledgements,
    /// The kept messages have reached the replay limits.
    NoRoom,
    /// The link has refused the message.
    Failed(Error),
}

/// A result, or the obstacle that prevents it.
pub type Unless<T> = std::result::Result<T, Obstacle>;

/// The requirements of a link on messages.
#[derive(Clone, Copy)]
pub struct Terms {
    /// The peer's session; 0 without one: such a peer acknowledges nothing.
    pub session: u64,
    /// Bytes of the longest message that both sides accept.
    pub limit: u64,
    /// Whether earlier messages may have to be sent again first.
    pub replays: bool,
    /// Whether the caller has received the available acknowledgements.
    pub looked: bool,
}

/// A message that is admitted. The link gets it under this number, and then it is recorded as sent; without that, the
/// number is used again.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    pub number: u64,
    /// The number that it acknowledges; 0 for none.
    pub acked: u64,
    length: usize,
    class: RetransmitClass,
    /// The peer's session, if the acknowledgement that the message carries is recorded; else 0.
    noted: u64,
}

#[cfg(test)]
thread_local! {
    /// The rule that the test `planted_rule` adds: messages of this length are too long.
    pub static REFUSED_LENGTH: std::cell::Cell<Option<usize>> = const { std::cell::Cell::new(None) };
}

impl SessionHalves {
    /// Returns whether the link may get a message of this length.
    #[inline(always)]
    fn allows(terms: &Terms, length: usize) -> bool {
        #[cfg(test)]
        if REFUSED_LENGTH.get() == Some(length) {
            return false;
        }
        length as u64 <= terms.limit
    }

    /// Returns the class of a message. Nothing is kept for a peer without a session.
    #[inline(always)]
    fn class(terms: &Terms, kind: Kind, flags: u16) -> RetransmitClass {
        if terms.session != 0 { class(kind, flags) } else { RetransmitClass::Answer }
    }

    /// Admits a message of this kind and length.
    #[inline(always)]
    pub fn admit(&mut self, terms: &Terms, kind: Kind, flags: u16, length: usize) -> Unless<Ticket> {
        if !SessionHalves::allows(terms, length) {
            return Err(Obstacle::TooLong);
        }
        if self.has_violation() {
            return Err(Obstacle::Violation);
        }
        if terms.replays {
            return Err(Obstacle::Replay);
        }
        let class = SessionHalves::class(terms, kind, flags);
        if matches!(class, RetransmitClass::Data | RetransmitClass::Idempotent)
            && (is_ack_check_due(self.outbox.kept_count())
                || self.outbox.unlooked() + length >= ACK_CHECK_BYTES)
        {
            self.look(terms.looked)?;
        }
        if class == RetransmitClass::IdempotentAnswer {
            // It is sent in any case, and kept only if there is room.
            self.has_room(RetransmitClass::Data, length);
        }
        if !self.has_room(class, length) {
            return Err(Obstacle::NoRoom);
        }
        Ok(self.ticket(terms, kind, class, length))
    }

    /// Reads the peer's page where many messages or bytes are kept, and before a long message, which may need the slot of a
    /// consumed one.
    #[cold]
    fn look(&mut self, looked: bool) -> Unless<()> {
        self.outbox.looked();
        self.read_peer_page();
        match () {
            () if self.has_violation() => Err(Obstacle::Violation),
            // The page shows nothing new: acknowledgements may be in frames, too.
            () if !looked && is_ack_check_due(self.outbox.kept_count()) => Err(Obstacle::Acknowledgements),
            () => Ok(()),
        }
    }

    /// Admits the first ones of several data messages with these lengths, at least one and at most `most`. Returns the
    /// ticket of the first one and their number. The messages behind it have the next numbers.
    pub fn admit_run(
        &mut self,
        terms: &Terms,
        most: usize,
        lengths: impl Iterator<Item = usize> + Clone,
    ) -> Unless<(Ticket, usize)> {
        let before = self.outbox.kept_count();
        if crosses_ack_check(before, most) {
            self.read_peer_page();
            if !terms.looked && before > 0 && self.outbox.kept_count() == before {
                return Err(Obstacle::Acknowledgements);
            }
        }
        let terms = Terms { looked: true, ..*terms };
        let allowed = lengths.take_while(|length| SessionHalves::allows(&terms, *length));
        let first = self.admit(&terms, Kind::Data, 0, allowed.clone().next().unwrap_or(usize::MAX))?;
        let count = if terms.session != 0 { self.outbox.room_for(allowed) } else { allowed.count() };
        self.outbox.assign_numbers(count);
        Ok((first, count))
    }

    #[inline(always)]
    fn ticket(&mut self, terms: &Terms, kind: Kind, class: RetransmitClass, length: usize) -> Ticket {
        // A peer that reads the page gets no acknowledgement in messages, so none is recorded.
        let noted = if carries_ack(kind) && !self.has_page() { terms.session } else { 0 };
        let acked = if noted != 0 { self.to_piggyback(noted) } else { 0 };
        Ticket { number: self.outbox.assign_number(), acked, length, class, noted }
    }

    /// Records that the link has the message. Returns its number, and the place for the stored part, if the message is
    /// kept.
    #[inline(always)]
    pub fn sent(&mut self, ticket: &Ticket) -> (u64, Option<&mut StoredMessage>) {
        if ticket.noted != 0 {
            self.inbox.piggybacked(ticket.noted, ticket.acked);
        }
        self.outbox.sent_to_place(ticket.class, ticket.length)
    }
}

impl Ticket {
    /// Returns the ticket of this message of a run, with its length.
    #[inline]
    pub fn with_length(self, length: usize) -> Ticket {
        Ticket { length, ..self }
    }

    /// Returns the ticket of the next message. Only the first one carries the acknowledgement.
    #[inline]
    pub fn next(self) -> Ticket {
        Ticket { number: self.number + 1, acked: 0, noted: 0, ..self }
    }
}

/// Returns whether a message of this kind carries an acknowledgement: answers use that field for the number of their
/// request.
#[inline(always)]
pub fn carries_ack(kind: Kind) -> bool {
    matches!(kind, Kind::Data | Kind::Request)
}
