//! Sending in place: a short message goes from the caller into the ring, under one lock.
//!
//! This is the fast path of shared memory, and the counterpart of `receiving/in_place`. It handles
//! only data over a link that has nothing else to send; for everything else it returns none before
//! it has changed anything, and the general path (`Sending::send_at_once`) takes over. A message with
//! arrays in slots goes on to `in_slots`.

use std::sync::atomic::Ordering;

use super::{Sending, is_ack_check_due};
use crate::channel::event_log::EventLog;
use crate::channel::reconnector::Reconnector;
use crate::channel::session::RetransmitClass;
use crate::channel::session_state::SessionHalves;
use crate::channel::stored_message::StoredMessage;
use crate::frame::{Header, Kind};
use crate::message::Payload;
use crate::sys::clock;

impl Sending {
    /// Writes the record of a message of data into the ring, keeps the message, and returns its
    /// number. None if anything is in the way; then nothing was sent.
    #[inline]
    pub fn send_in_place(
        &mut self,
        payload: &Payload,
        halves: &mut SessionHalves,
        reconnector: &Reconnector,
        event_log: &EventLog,
    ) -> Option<u64> {
        let Some(part) = self.part.as_mut().filter(|part| part.tx.takes_at_once(payload.len())) else {
            return self.send_in_slots(payload, halves, reconnector, event_log);
        };
        // A short body lies in one block.
        let body = payload.body();
        let session = part.session();
        if reconnector.is_newer(self.generation)
            || reconnector.session_state.replays.load(Ordering::Acquire)
            || part.negotiated.is_none()
            || body.len() as u64 > part.peer.max_message_size
            || halves.has_violation()
            || halves.to_piggyback(session) != 0
            || !halves.outbox.has_room(RetransmitClass::Data, body.len())
            // With many messages kept, the general way checks for acknowledgements first.
            || is_ack_check_due(halves.outbox.kept_count())
        {
            return None;
        }
        let sent = clock::now();
        let sequence = halves.outbox.assign_number();
        let header = Header { sent, sequence, ..Header::new(Kind::Data, payload.encoding()) };
        if !part.tx.try_send_next(&header, body) {
            return None;
        }
        let number =
            halves.outbox.sent(RetransmitClass::Data, body.len(), || StoredMessage::data(payload, sent));
        halves.inbox.piggybacked(session, 0);
        event_log.count_exclusive(&event_log.sent);
        Some(number)
    }
}
