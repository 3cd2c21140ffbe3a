//! The sending direction of a channel: new messages over a link that may break.
//!
//! For the session, a frame goes over a link whole or not at all. After the link has taken a part, the half of the
//! link owns the rest. The next user of the half or a thread (`ends/rest`) writes it, even if this call times out. A
//! frame that the link has not begun stays with the caller, and goes over the next link.
//!
//! A message is *admitted* (`session_state::admission`), put to the link, and recorded as sent. If a link in memory
//! takes it whole, [`Sending::send_step`] does all three under one lock. Otherwise [`Sending::put`] passes the
//! admitted message without the lock and waits for room, and [`Sending::record`] takes the lock again. `ends/send`
//! clears obstacles.
//!
//! One thread at a time holds the direction (`direction`). A receiving thread borrows it to send an acknowledgement,
//! or leaves that to the thread that holds it (`conn`).

mod content;
mod control;
mod draft;
mod links;
mod push;
mod room;
mod run;

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::deadline::{Deadline, Waiting};
use crate::drive;
use crate::error::{Error, Result};
use crate::frame::{Header, Kind, Outgoing, flags};
use crate::message::{Payload, StoredMessage};
use crate::sys::clock;
use crate::transport::{Sent, Tx};

use self::push::{push_with, with_until};
use super::direction::{Lease, SeatGuard};
use super::event_log::EventLog;
use super::link::TxPart;
use super::session_state::admission::{Obstacle, Terms, Ticket, Unless, content};
use super::session_state::{SessionHalves, SessionState};

pub use self::content::DraftContent;
pub use self::draft::{Draft, Until};
pub use self::links::Links;
pub use self::push::MAY_BE_STOPPED;

pub struct Sending {
    /// The sending half; none before the first link and after a link broke.
    pub part: Option<TxPart>,
    /// The link's generation. The session compares it with the newest link.
    pub generation: u64,
    pub sent: Arc<AtomicU64>,
}

pub enum Put {
    Sent(u64),
    /// Admitted; [`Sending::put`] passes the message to the link without the lock.
    Admitted(Ticket),
    /// Not admitted; [`Sending::put`] returns the obstacle.
    Blocked,
}

pub type Admitted<'a> = (Lease<'a, Sending>, Ticket);

/// An admitted message, and its time of sending.
pub type Passed = (Ticket, i64);

impl Put {
    /// Leaves the session's lock. Returns the number of a sent message, or the admission.
    #[inline(always)]
    pub fn leave(self, entered: SeatGuard<'_, Sending>) -> std::result::Result<u64, Option<Admitted<'_>>> {
        match self {
            Put::Sent(number) => Ok(number),
            Put::Admitted(ticket) => Err(Some((entered.hold(), ticket))),
            Put::Blocked => Err(None),
        }
    }
}

impl Sending {
    pub fn new(event_log: &EventLog) -> Sending {
        Sending { part: None, generation: 0, sent: event_log.add_sender() }
    }

    /// Only the thread that uses this state writes the counter.
    fn count(&self, messages: u64) {
        self.sent.store(self.sent.load(Ordering::Relaxed).wrapping_add(messages), Ordering::Relaxed);
    }

    /// Admits a message for the link; with `in_session`, only for a peer with a session.
    ///
    /// A request whose answer is kept is recorded here, because the answer may precede the record of sending.
    fn admit<'s>(
        &'s mut self,
        draft: &Draft<'_>,
        looked: bool,
        in_session: bool,
        halves: &mut SessionHalves,
        event_log: &EventLog,
    ) -> Unless<(&'s mut TxPart, Ticket)> {
        let (part, terms, limit) = self.terms(looked)?;
        let kind = draft.kind;
        if in_session && terms.session == 0 {
            return Err(Obstacle::NoLink);
        }
        if kind.is_answer() && draft.to != 0 && draft.to != terms.session {
            return Err(if halves.is_newer(terms.link) { Obstacle::NoLink } else { Obstacle::Another });
        }
        let ticket = halves.admit(&terms, &content(limit, kind, draft.flags, draft.content.len()))?;
        if kind == Kind::Request && draft.is_filed && halves.calls.begin(ticket.number).is_some() {
            event_log.count(&event_log.dropped);
        }
        Ok((part, ticket))
    }

    /// Returns the half of the link, its terms, and the maximum message size in bytes of both sides.
    fn terms(&mut self, looked: bool) -> Unless<(&mut TxPart, Terms, u64)> {
        let link = self.generation;
        let part = self.part.as_mut().ok_or(Obstacle::NoLink)?;
        let (session, limit) = (part.session(), part.peer.max_message_size);
        Ok((part, Terms { link, session, looked }, limit))
    }

    /// Admits a message, and sends it whole if the link is in memory.
    pub fn send_step(&mut self, draft: &Draft<'_>, halves: &mut SessionHalves, event_log: &EventLog) -> Put {
        let mut refused = None;
        match (self.put_at_once(draft, halves, event_log, &mut refused), refused) {
            (Some(number), _) => Put::Sent(number),
            (None, Some(ticket)) => Put::Admitted(ticket),
            (None, None) => self.admit_outside(draft.copied(), halves, event_log),
        }
    }

    /// Does [`Sending::send_step`] for other links, and for data whose long arrays are in the peer's slots.
    #[inline(always)]
    fn admit_outside(&mut self, draft: Draft<'_>, halves: &mut SessionHalves, event_log: &EventLog) -> Put {
        if let DraftContent::Payload(payload) = draft.content
            && (draft.kind, draft.flags) == (Kind::Data, 0)
            && payload.memory().split().is_some()
        {
            match self.send_owned(payload.clone(), halves, event_log) {
                Ok(number) => return Put::Sent(number),
                Err(Some(ticket)) => return Put::Admitted(ticket),
                Err(None) => {}
            }
        }
        let admitted = self.admit(&draft, false, false, halves, event_log);
        admitted.map_or(Put::Blocked, |(_, ticket)| Put::Admitted(ticket))
    }

    /// Sends a message of one block whole into a link in memory, and keeps it.
    ///
    /// `None` for others and at an obstacle, with a ticket in `refused` if the message was admitted.
    fn put_at_once(
        &mut self,
        draft: &Draft<'_>,
        halves: &mut SessionHalves,
        event_log: &EventLog,
        refused: &mut Option<Ticket>,
    ) -> Option<u64> {
        let kind = draft.kind;
        let body = draft.content.block()?;
        self.part.as_ref().filter(|part| part.tx.is_in_memory())?;
        let (part, ticket) = self.admit(draft, false, true, halves, event_log).ok()?;
        let asks_until = kind == Kind::Request && part.peer.deadlines && draft.until != Until::Never;
        if asks_until {
            *refused = Some(ticket);
            return None;
        }
        let sent = clock::now();
        let correlation = if kind == Kind::Data { 0 } else { draft.correlation };
        let is_short = match kind {
            Kind::Data => true,
            Kind::Request | Kind::Reply => draft.flags == 0,
            _ => false,
        };
        // The fence of such a reply also covers the consumption of its request. A reply that fails here is sent next.
        let is_only_reply = kind == Kind::Reply && is_short;
        if is_only_reply {
            halves.inbox.finished(draft.to, draft.correlation);
            halves.publish_before_fence();
        }
        let is_put = if is_short && ticket.acked == 0 {
            part.tx.try_send_fast(kind, ticket.number, correlation, sent, draft.content.encoding(), body)
        } else {
            put_whole(&mut part.tx, draft.copied(), ticket, sent)
        };
        if !is_put {
            if is_only_reply {
                halves.publish_again();
            }
            *refused = Some(ticket);
            return None;
        }
        if !is_only_reply {
            draft.finish(halves);
        }
        let (number, place) = halves.sent(&ticket);
        match place {
            Some(place) if kind == Kind::Data => draft.content.keep(body, place, sent),
            Some(place) => *place = draft.copied().stored(sent, None),
            None => {}
        }
        self.count(1);
        Some(number)
    }

    /// Sends data whose long arrays are in slots that the peer has mapped.
    ///
    /// Keeps the payload without counting another owner of its body. On failure, returns the ticket if the message
    /// was admitted.
    #[inline(never)]
    pub fn send_owned(
        &mut self,
        payload: Payload,
        halves: &mut SessionHalves,
        event_log: &EventLog,
    ) -> std::result::Result<u64, Option<Ticket>> {
        let draft = Draft::data(&payload);
        let Ok((part, ticket)) = self.admit(&draft, false, true, halves, event_log) else { return Err(None) };
        let sent = clock::now();
        let header = Header { body: payload.len() as u64, ..draft.header(&ticket, sent) };
        let split = payload.memory().split().filter(|_| ticket.acked == 0);
        if !split.is_some_and(|split| part.tx.try_send_in_slots(&header, split)) {
            return Err(Some(ticket));
        }
        let (number, place) = halves.sent(&ticket);
        if let Some(place) = place {
            *place = StoredMessage::long_data(payload, sent);
        }
        self.count(1);
        Ok(number)
    }

    /// Passes a message to the link and waits for room, without the session's lock.
    ///
    /// Admits the message first if it has no ticket. `looked`: the caller has received the available
    /// acknowledgements.
    ///
    /// # Errors
    /// The obstacle; the caller then still owns the message.
    #[inline(always)]
    pub fn put(
        &mut self,
        draft: &Draft<'_>,
        ticket: Option<Ticket>,
        looked: bool,
        links: &impl Links,
        event_log: &EventLog,
        waiting: &mut Waiting<'_>,
    ) -> Unless<Passed> {
        let ticket = match ticket {
            Some(ticket) => ticket,
            None => {
                let mut halves = links.session_state().halves();
                self.admit(draft, looked, false, &mut halves, event_log)?.1
            }
        };
        let part = self.part.as_mut().ok_or(Obstacle::NoLink)?;
        let recorded = draft.content.recorded();
        let sent = recorded.map_or_else(clock::now, |recorded| recorded.sent);
        let until = if part.peer.deadlines { draft.until(Some(waiting)) } else { None };
        let extension = match recorded {
            Some(recorded) => Cow::Borrowed(&recorded.extension[..]),
            None => Cow::Owned(with_until(until).map_err(Obstacle::Failed)?),
        };
        push_with(part, draft.header(&ticket, sent), draft.content, &extension, links, waiting)
            .map_err(Obstacle::Failed)?;
        Ok((ticket, sent))
    }

    #[inline(always)]
    pub fn record(
        &mut self,
        draft: &Draft<'_>,
        (ticket, sent): Passed,
        halves: &mut SessionHalves,
        event_log: &EventLog,
        waiting: &Waiting<'_>,
    ) -> u64 {
        draft.finish(halves);
        let (number, place) = halves.sent(&ticket);
        if let Some(place) = place {
            draft.keep(place, sent, Some(waiting));
        }
        if let Some(part) = &mut self.part {
            event_log.count_bodies(part.tx.take_long_bodies());
        }
        if self.part.as_mut().is_some_and(|part| part.tx.take_lost() > 0) {
            event_log.count(&event_log.dropped)
        } else {
            self.count(1)
        }
        number
    }

    /// Keeps an answer for the newest link of the session, if its class requires that. Returns whether it is kept.
    pub fn keep(
        draft: &Draft<'_>,
        (session, limit): (u64, u64),
        session_state: &SessionState,
    ) -> Unless<bool> {
        let mut halves = session_state.halves();
        let content = content(limit, draft.kind, draft.flags, draft.content.len());
        let place = halves.keep_unsent(session, &content)?;
        let is_kept = place.is_some();
        if let Some(place) = place {
            draft.keep(place, clock::now(), None);
        }
        draft.finish(&mut halves);
        Ok(is_kept)
    }

    /// Releases a broken link. Returns whether the message must not go over another link.
    ///
    /// An answer is bound to the client of its link, except if the request is idempotent: the client repeats it.
    pub fn lose_link(&mut self, draft: &Draft<'_>) -> bool {
        let part = self.part.take();
        let is_once =
            draft.flags & flags::IDEMPOTENT == 0 || part.is_none_or(|part| part.negotiated.is_none());
        is_once && draft.kind.is_answer()
    }

    /// Ends the link with the peer's violation of the protocol, if any.
    pub fn end_violated(&mut self, session_state: &SessionState) -> Result<()> {
        let Some(violation) = session_state.halves().violation() else { return Ok(()) };
        if let Some(part) = &mut self.part {
            part.tx.end_link(&violation);
        }
        Err(violation)
    }

    pub fn too_long(&self, draft: &Draft<'_>) -> Error {
        draft.content.too_long(self.part.as_ref().map_or(u64::MAX, |part| part.peer.max_message_size))
    }

    pub fn finish(&mut self, until: Deadline) {
        if let Some(mut part) = self.part.take() {
            drive::ended(&mut part.tx, until);
        }
    }

    /// Releases a defective link. If only the peer has gone, the next attempt to send releases the link.
    pub fn drop_defect(&mut self) {
        if self.part.as_ref().is_some_and(|part| part.tx.has_defect()) {
            self.drop_part();
        }
    }

    pub fn drop_part(&mut self) {
        self.part = None;
    }
}

/// Writes a message with a flag or an acknowledgement into a link in memory, whole or not at all.
#[inline(never)]
fn put_whole(tx: &mut Tx, draft: Draft<'_>, ticket: Ticket, sent: i64) -> bool {
    let Some(body) = draft.content.block() else { return false };
    tx.is_one_record(body.len())
        && matches!(tx.try_send(&Outgoing::new(draft.header(&ticket, sent), body)), Ok(Sent::Whole))
}
