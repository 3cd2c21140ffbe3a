//! The sending direction of a channel: new messages over a link that may break. What the library itself has to say is
//! in `control`, and what waits for room in `room`.
//!
//! A frame goes over a link whole or not at all, as far as the session is concerned: once a part of it is on its way,
//! the half of the link owns the rest, and the next user of the half writes it, even if this call ends with a time-out:
//! a thread (`ends/rest`) where the program does not call again. A frame of which nothing was taken stays the caller's.
//! When the link breaks, the message goes over the next one.
//!
//! A message is *admitted* (`session_state::admission`), put to the link, and recorded as sent. [`Sending::send_step`]
//! does all three under one lock in a link that takes the message whole in memory. Otherwise it returns the ticket of
//! the admission; [`Sending::put`] passes the message to the link without the lock, and waits for room;
//! [`Sending::record`] comes under a second one.
//!
//! [`Sending::put`] returns the obstacle that prevents it. `ends/send` clears it and tries again.
//!
//! The direction is held by one thread at a time (`direction`). A thread that receives and has an
//! acknowledgement to send borrows it; if another thread holds it, that thread sends the
//! acknowledgement when it gives the direction back (`conn`).

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

/// The state of the sending direction. Its [`Direction`] makes sure that one thread uses it.
pub struct Sending {
    /// The sending half of the link; none before the first and after one broke.
    pub part: Option<TxPart>,
    /// The generation of that link, by which the session knows whether there is a newer one.
    pub generation: u64,
    /// How many messages were sent.
    pub sent: Arc<AtomicU64>,
}

/// What became of a message under the session's lock.
pub enum Put {
    /// The link has it, under this number.
    Sent(u64),
    /// It is admitted, and the link takes it without the lock: see [`Sending::put`].
    Admitted(Ticket),
    /// It is not admitted: [`Sending::put`] returns the obstacle.
    Blocked,
}

/// An admitted message, and the direction with which its call goes on.
pub type Admitted<'a> = (Lease<'a, Sending>, Ticket);

/// An admitted message that the link has since this time.
pub type Passed = (Ticket, i64);

impl Put {
    /// Leaves the session's lock. Returns the number if the link has the message, otherwise what the call goes on with;
    /// none at an obstacle.
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
    /// Returns the state without a link, of an object with this log.
    pub fn new(event_log: &EventLog) -> Sending {
        Sending { part: None, generation: 0, sent: event_log.add_sender() }
    }

    /// Counts messages that were sent. Only the thread that uses this state writes the counter.
    fn count(&self, messages: u64) {
        self.sent.store(self.sent.load(Ordering::Relaxed).wrapping_add(messages), Ordering::Relaxed);
    }

    /// Admits a message for the link. With `in_session`, only to a peer with a session, which is known where this is
    /// inlined. Of a request whose answer is kept this is recorded now, because the answer may come before the request
    /// is recorded as sent; the answer to the oldest one may be dropped for it.
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

    /// Returns the half of the link, its number and its peer, and the bytes of the longest message that both sides
    /// accept.
    fn terms(&mut self, looked: bool) -> Unless<(&mut TxPart, Terms, u64)> {
        let link = self.generation;
        let part = self.part.as_mut().ok_or(Obstacle::NoLink)?;
        let (session, limit) = (part.session(), part.peer.max_message_size);
        Ok((part, Terms { link, session, looked }, limit))
    }

    /// Admits a message, which a link in memory takes here, whole; then it is recorded and kept. For every other link,
    /// and where that one has no room for all of it, [`Sending::put`] goes on with the ticket.
    pub fn send_step(&mut self, draft: &Draft<'_>, halves: &mut SessionHalves, event_log: &EventLog) -> Put {
        let mut refused = None;
        match (self.put_at_once(draft, halves, event_log, &mut refused), refused) {
            (Some(number), _) => Put::Sent(number),
            (None, Some(ticket)) => Put::Admitted(ticket),
            (None, None) => self.admit_outside(draft.copied(), halves, event_log),
        }
    }

    /// [`Sending::send_step`] for every other link, and for data whose long arrays the peer finds in slots.
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

    /// Admits a message in one block, writes it whole into a link in memory, and keeps it. `None` for every other link
    /// and message, and at an obstacle; with the ticket in `refused`, if it was admitted.
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
        // The fence of such a reply covers that its request is consumed, too. If the reply is not sent here, it is sent
        // next.
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

    /// Sends data whose long arrays are in slots of which the peer has the files. The payload is
    /// kept without counting another owner of its body. Otherwise returns the ticket, if it was admitted.
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

    /// Passes a message to the link, and waits until the link takes it. The lock is free meanwhile. Admits it first
    /// where there is no ticket of an earlier step; `looked` is whether the caller has received the available
    /// acknowledgements.
    ///
    /// # Errors
    /// The obstacle; the message is then still the caller's.
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

    /// Records that the link has the message, and keeps it. Returns its number.
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

    /// Keeps an answer for the newest link of the peer's session, if its class requires that. Returns whether it is
    /// kept.
    ///
    /// # Errors
    /// The obstacle.
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

    /// Releases a link that has broken. Returns whether a message has no other one to go over: an answer belongs to the
    /// client that sent the request, which ended with the link, unless the request is idempotent: then the client sends
    /// it again.
    pub fn lose_link(&mut self, draft: &Draft<'_>) -> bool {
        let part = self.part.take();
        let is_once =
            draft.flags & flags::IDEMPOTENT == 0 || part.is_none_or(|part| part.negotiated.is_none());
        is_once && draft.kind.is_answer()
    }

    /// Ends the link if the peer has violated the protocol; the transport closes it with that error.
    ///
    /// # Errors
    /// The violation.
    pub fn end_violated(&mut self, session_state: &SessionState) -> Result<()> {
        let Some(violation) = session_state.halves().violation() else { return Ok(()) };
        if let Some(part) = &mut self.part {
            part.tx.end_link(&violation);
        }
        Err(violation)
    }

    /// Returns the error of a message that is longer than both sides take.
    pub fn too_long(&self, draft: &Draft<'_>) -> Error {
        draft.content.too_long(self.part.as_ref().map_or(u64::MAX, |part| part.peer.max_message_size))
    }

    /// Releases the link at the end of the channel, once the peer's side has what was sent.
    pub fn finish(&mut self, until: Deadline) {
        if let Some(mut part) = self.part.take() {
            drive::ended(&mut part.tx, until);
        }
    }

    /// Releases the link if it has ended by a defect. A link of which the peer has only gone is released by the attempt
    /// to send.
    pub fn drop_defect(&mut self) {
        if self.part.as_ref().is_some_and(|part| part.tx.has_defect()) {
            self.drop_part();
        }
    }

    /// Releases the link.
    pub fn drop_part(&mut self) {
        self.part = None;
    }
}

/// Writes a message with a flag or with an acknowledgement into a link in memory, whole or not at all.
#[inline(never)]
fn put_whole(tx: &mut Tx, draft: Draft<'_>, ticket: Ticket, sent: i64) -> bool {
    let Some(body) = draft.content.block() else { return false };
    tx.is_one_record(body.len())
        && matches!(tx.try_send(&Outgoing::new(draft.header(&ticket, sent), body)), Ok(Sent::Whole))
}
