//! Sending in place a message whose long arrays lie in slots: its record goes into the ring, under one lock.
//!
//! The counterpart of `receiving/in_slots`; `ends/in_place` calls it. The peer has the files of the slots already; else, and where anything is
//! in the way, it returns none before it has changed anything, and the general path takes over.

use std::borrow::Cow;
use std::sync::atomic::Ordering;

use super::{Sending, is_ack_check_due};
use crate::channel::event_log::EventLog;
use crate::channel::reconnector::Reconnector;
use crate::channel::session::RetransmitClass;
use crate::channel::session_state::SessionHalves;
use crate::frame::{Header, Kind};
use crate::message::{Payload, StoredMessage};
use crate::sys::clock;

impl Sending {
    /// Writes the record of a message of data into the ring, keeps the message, and returns its number. None if the
    /// message has no arrays in slots, or anything is in the way; then nothing was sent. A payload that is owned is kept as it is, without
    /// counting another owner of its body.
    #[inline(never)]
    pub fn send_in_slots(
        &mut self,
        payload: Cow<'_, Payload>,
        halves: &mut SessionHalves,
        reconnector: &Reconnector,
        event_log: &EventLog,
    ) -> Option<u64> {
        let split = payload.memory().split()?;
        let part = self.part.as_mut()?;
        let (session, length) = (part.session(), payload.len());
        if reconnector.is_newer(self.generation)
            || reconnector.session_state.replays.load(Ordering::Acquire)
            || part.negotiated.is_none()
            || length as u64 > part.peer.max_message_size
            || halves.has_violation()
            || halves.to_piggyback(session) != 0
            || !halves.outbox.has_room(RetransmitClass::Data, length)
            // With many messages kept, the general way checks for acknowledgements first.
            || is_ack_check_due(halves.outbox.kept_count())
        {
            return None;
        }
        let sent = clock::now();
        let sequence = halves.outbox.assign_number();
        let header =
            Header { sent, sequence, body: length as u64, ..Header::new(Kind::Data, payload.encoding()) };
        if !part.tx.try_send_in_slots(&header, split) {
            return None;
        }
        let kept = || StoredMessage::long_data(payload.into_owned(), sent);
        let number = halves.outbox.sent(RetransmitClass::Data, length, kept);
        halves.inbox.piggybacked(session, 0);
        event_log.count_exclusive(&event_log.sent);
        Some(number)
    }
}
