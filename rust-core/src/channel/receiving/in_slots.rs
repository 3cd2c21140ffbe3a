//! Receiving in place a message whose long arrays lie in slots: its arrays are viewed there, under one lock.
//!
//! As for short messages (`in_place`), it handles only frames that need no further checks, and slots whose files
//! are mapped; for everything else it returns none before it has changed anything.

use std::ops::DerefMut;

use super::Receiving;
use super::in_place::{Taken, record_received};
use crate::channel::event_log::EventLog;
use crate::channel::session::inbox::AckTrigger;
use crate::channel::session_state::{SessionHalves, urgency};
use crate::frame::Kind;
use crate::message::Message;

impl Receiving {
    /// Returns the message that is ready in the ring and refers to slots, if its kind is `wanted`; as
    /// [`Receiving::take_in_place`], which calls this.
    #[inline(never)]
    pub(super) fn take_in_slots<H: DerefMut<Target = SessionHalves>>(
        &mut self,
        halves: impl FnOnce() -> H,
        event_log: &EventLog,
        wanted: impl FnOnce(Kind) -> bool,
        consume: Option<AckTrigger>,
        delivers: bool,
    ) -> Option<Taken> {
        let part = self.part.as_mut()?;
        let half = part.rx.in_place()?;
        let found = half.peek_in_slots()?;
        let (kind, flags, number) = (found.header().kind, found.header().flags, found.header().sequence);
        // The general path handles acknowledgements in the header, requests, replies and schemas.
        let is_plain = kind == Kind::Data && found.header().correlation == 0 && self.schema.is_none();
        if !is_plain || !wanted(kind) || part.peer.source.is_empty() {
            return None;
        }
        let mut halves = halves();
        if !halves.inbox.is_new(number) {
            return None;
        }
        let frame = half.take_in_slots(found);
        let (session, bytes) = (halves.inbox.session(), frame.body.len());
        let message = Message::new(frame, &part.peer.source, self.limits, session);
        let (is_ack_due, missed) = record_received(
            &mut halves,
            &mut part.rx,
            consume,
            delivers,
            (number, bytes, urgency(kind, flags)),
        );
        event_log.count_exclusive(&event_log.received);
        Some(Taken { message, is_ack_due, missed, acknowledges: false })
    }
}
