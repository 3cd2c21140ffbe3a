//! A message before it has a number.

use std::time::Duration;

use super::DraftContent;
use crate::channel::session_state::SessionHalves;
use crate::channel::session_state::admission::Ticket;
use crate::deadline::{Deadline, Waiting};
use crate::frame::{Header, Kind, flags};
use crate::message::{Message, Payload, StoredMessage};
use crate::sys::clock::since_boot;

/// A message before it has a number. Functions that are not inlined take the draft by value.
///
/// Inlined callers can then keep the draft in registers.
#[derive(Clone, Copy)]
pub struct Draft<'a> {
    pub kind: Kind,
    /// The number of the answered request; 0 otherwise.
    pub correlation: u64,
    pub flags: u16,
    /// The peer's session that an answer is for; 0 for any. The request's number is unique only within it.
    pub to: u64,
    pub content: DraftContent<'a>,
    /// When the outcome is needed. A bridge passes this time to the other machine's server.
    pub until: Until,
    /// Whether the answer is kept for its call if another call receives it.
    pub is_filed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Until {
    Never,
    /// The end of the sending wait. The clock is read only if the time is needed.
    Wait,
    At(Deadline),
}

impl<'a> Draft<'a> {
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

    #[inline]
    pub fn answer(kind: Kind, request: &Message, payload: &'a Payload) -> Draft<'a> {
        let flags = request.header().flags & flags::IDEMPOTENT;
        let (correlation, to) = (request.number(), request.session());
        Draft { kind, correlation, flags, to, ..Draft::data(payload) }
    }

    pub(super) fn finish(&self, halves: &mut SessionHalves) {
        if self.kind.is_answer() {
            halves.finished(self.to, self.correlation);
        }
    }

    /// Copies field by field. A whole copy would put the draft into memory on the short path also.
    pub fn copied(&self) -> Draft<'a> {
        let Draft { kind, correlation, flags, to, content, until, is_filed } = *self;
        Draft { kind, correlation, flags, to, content, until, is_filed }
    }

    pub(super) fn header(&self, ticket: &Ticket, sent: i64) -> Header {
        Header {
            sequence: ticket.number,
            correlation: if ticket.acked > 0 { ticket.acked } else { self.correlation },
            flags: self.flags,
            sent,
            ..Header::new(self.kind, self.content.encoding())
        }
    }

    #[inline(never)]
    pub(super) fn stored(self, sent: i64, waiting: Option<&Waiting<'_>>) -> StoredMessage {
        if let Some(recorded) = self.content.recorded() {
            return StoredMessage::recorded(recorded);
        }
        let (correlation, flags) = (self.correlation, self.flags);
        let header = Header { correlation, flags, sent, ..Header::new(self.kind, self.content.encoding()) };
        StoredMessage::new(&header, &self.content.payload()).with_until(self.until(waiting))
    }

    pub(super) fn keep(&self, place: &mut StoredMessage, sent: i64, waiting: Option<&Waiting<'_>>) {
        match self.content.block() {
            Some(body) if self.kind == Kind::Data => self.content.keep(body, place, sent),
            _ => *place = self.stored(sent, waiting),
        }
    }

    /// Returns when the outcome is needed, as time since boot.
    pub(super) fn until(&self, waiting: Option<&Waiting<'_>>) -> Option<Duration> {
        let until = match self.until {
            Until::Never => Deadline::NEVER,
            Until::Wait => waiting.map_or(Deadline::NEVER, Waiting::deadline),
            Until::At(deadline) => deadline,
        };
        until.remaining().map(|left| since_boot() + left)
    }
}
