//! Receiving in place a message whose long arrays lie in slots: its arrays are viewed there, under one lock.
//!
//! As for short messages (`in_place`), it handles only frames that need no further checks, and slots whose files
//! are mapped; for everything else it returns none before it has changed anything.

use super::Receiving;
use super::in_place::{Taken, Want};
use crate::channel::event_log::EventLog;
use crate::channel::session_state::{SessionHalves, urgency};
use crate::frame::Kind;
use crate::message::Message;

impl Receiving {
    /// Returns the message that is in the ring and refers to slots, if the call wants it; for [`Receiving::take_in_place`].
    #[inline(never)]
    pub(super) fn take_in_slots(
        &mut self,
        halves: &mut SessionHalves,
        event_log: &EventLog,
        want: Want,
    ) -> Option<Taken> {
        let part = self.part.as_mut()?;
        let half = part.rx.in_place()?;
        let found = half.peek_in_slots()?;
        let (kind, flags, number) = (found.header().kind, found.header().flags, found.header().sequence);
        // The general path handles acknowledgements in the header, requests, replies and schemas.
        let is_simple = kind == Kind::Data && found.header().correlation == 0 && self.schema.is_none();
        if !is_simple || !halves.inbox.is_new(number) {
            return None;
        }
        let frame = half.take_in_slots(found);
        let received = (number, frame.body.len(), urgency(kind, flags));
        let message = Message::new(frame, &part.peer.source, self.limits, halves.inbox.session());
        let (is_ack_due, missed) =
            halves.received(received, want.fate(), want.consume, || half.consumed_with_fence());
        event_log.count_exclusive(&event_log.received);
        self.empty_polls = 0;
        Some(Taken { message, is_ack_due, missed, acknowledges: false })
    }
}
