//! A message before it has a number: what a channel or a server is to send, and until when.

use std::time::Duration;

use super::DraftContent;
use crate::channel::session_state::SessionHalves;
use crate::channel::session_state::admission::Ticket;
use crate::deadline::{Deadline, Waiting};
use crate::frame::{Header, Kind, flags};
use crate::message::{Message, Payload, StoredMessage};
use crate::sys::clock::since_boot;

/// A message before it has a number. A function that is not inlined gets it by value, so that it stays in registers in
/// those that are.
#[derive(Clone, Copy)]
pub struct Draft<'a> {
    pub kind: Kind,
    /// The number of the request that it answers; 0 otherwise.
    pub correlation: u64,
    pub flags: u16,
    /// The peer's session that an answer is for: in another session the number of the request means
    /// another request. 0 for any.
    pub to: u64,
    pub content: DraftContent<'a>,
    /// The time until which its outcome is needed, if known: the bridge to the server of another machine gets
    /// it.
    pub until: Until,
    /// Whether the answer is kept for a call that asks for it, whichever call receives it.
    pub is_filed: bool,
}

/// The time until which the outcome of a message is needed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Without end, as far as is known.
    Never,
    /// Until the end of the wait in which it is sent. The clock is read only where the time is needed.
    Wait,
    /// Until this time.
    At(Deadline),
}

impl<'a> Draft<'a> {
    /// Returns data.
    pub fn data(content: impl Into<DraftContent<'a>>) -> Draft<'a> {
        Draft {
            kind: Kind::Data,
            correlation: 0,
            flags: 0,
            to: 0,
            content: content.into(),
            until: Until::Never,
            is_filed: false,
        }
    }

    /// Returns the answer of this kind to a request.
    #[inline]
    pub fn answer(kind: Kind, request: &Message, payload: &'a Payload) -> Draft<'a> {
        let flags = request.header().flags & flags::IDEMPOTENT;
        let (correlation, to) = (request.number(), request.session());
        Draft { kind, correlation, flags, to, ..Draft::data(payload) }
    }

    /// Records that the request which it answers is consumed, now that the link has it.
    pub(super) fn finish(&self, halves: &mut SessionHalves) {
        if self.kind.is_answer() {
            halves.finished(self.to, self.correlation);
        }
    }

    /// Returns a copy, made field by field, for a function that is not inlined. A copy of the whole would put the draft
    /// into memory on the short path, too.
    pub fn copied(&self) -> Draft<'a> {
        let Draft { kind, correlation, flags, to, content, until, is_filed } = *self;
        Draft { kind, correlation, flags, to, content, until, is_filed }
    }

    /// Returns its header as an admitted message that is sent at this time.
    pub(super) fn header(&self, ticket: &Ticket, sent: i64) -> Header {
        Header {
            sequence: ticket.number,
            correlation: if ticket.acked > 0 { ticket.acked } else { self.correlation },
            flags: self.flags,
            sent,
            ..Header::new(self.kind, self.content.encoding())
        }
    }

    /// Returns the part that is kept to be sent again.
    #[inline(never)]
    pub(super) fn stored(self, sent: i64, waiting: Option<&Waiting<'_>>) -> StoredMessage {
        if let Some(recorded) = self.content.recorded() {
            return StoredMessage::recorded(recorded);
        }
        let (correlation, flags) = (self.correlation, self.flags);
        let header = Header { correlation, flags, sent, ..Header::new(self.kind, self.content.encoding()) };
        StoredMessage::new(&header, &self.content.payload()).with_until(self.until(waiting))
    }

    /// Writes the part that is kept to be sent again into this place.
    pub(super) fn keep(&self, place: &mut StoredMessage, sent: i64, waiting: Option<&Waiting<'_>>) {
        match self.content.block() {
            Some(body) if self.kind == Kind::Data => self.content.keep(body, place, sent),
            _ => *place = self.stored(sent, waiting),
        }
    }

    /// Returns the time since boot until which the outcome is needed, if there is one.
    pub(super) fn until(&self, waiting: Option<&Waiting<'_>>) -> Option<Duration> {
        let until = match self.until {
            Until::Never => Deadline::NEVER,
            Until::Wait => waiting.map_or(Deadline::NEVER, Waiting::deadline),
            Until::At(deadline) => deadline,
        };
        until.remaining().map(|left| since_boot() + left)
    }
}
