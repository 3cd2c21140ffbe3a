//! Several messages that the link takes at once.

use std::sync::atomic::Ordering;

use super::push::flush_rest;
use super::{Sending, is_ack_check_due};
use crate::channel::event_log::EventLog;
use crate::channel::reconnector::Reconnector;
use crate::channel::session::RetransmitClass;
use crate::channel::session_state::SessionHalves;
use crate::deadline::Waiting;
use crate::frame::{Header, Kind, Outgoing};
use crate::message::{Payload, StoredMessage};
use crate::sys::clock;

impl Sending {
    /// Writes as many of these data messages into shared memory as are short and go at once, with one fence and one wake-up,
    /// and keeps them. Returns how many: 0 for any obstacle, which the general path determines; then nothing was sent.
    pub fn send_run_in_place(
        &mut self,
        payloads: &[Payload],
        halves: &mut SessionHalves,
        reconnector: &Reconnector,
        event_log: &EventLog,
    ) -> usize {
        let Some(part) = self.part.as_mut() else { return 0 };
        let (session, limit) = (part.session(), part.peer.max_message_size);
        let Some(half) = part.tx.in_place() else { return 0 };
        if reconnector.is_newer(self.generation)
            || reconnector.session_state.replays.load(Ordering::Acquire)
            || part.negotiated.is_none()
            // Beside the page nothing is carried, and so nothing is noted below.
            || !halves.has_page() && halves.to_piggyback(session) != 0
        {
            return 0;
        }
        let before = halves.outbox.kept_count();
        if (before + 1..=before + payloads.len()).any(is_ack_check_due) {
            halves.read_peer_page();
            // The peer has consumed nothing: the general way looks for acknowledgements in frames, too.
            if before > 0 && halves.outbox.kept_count() == before {
                return 0;
            }
        }
        if halves.has_violation() {
            return 0;
        }
        let sent = clock::now();
        let Some(mut batch) = half.begin_batch(sent) else { return 0 };
        let mut count = 0;
        for payload in payloads {
            let Some(body) = payload.memory().block() else { break };
            if body.len() as u64 > limit || !halves.outbox.has_room(RetransmitClass::Data, body.len()) {
                break;
            }
            if !batch.put(halves.outbox.assign_number(), payload.encoding(), body) {
                break;
            }
            if let (_, Some(place)) = halves.outbox.sent_to_place(RetransmitClass::Data, body.len()) {
                place.become_data(payload, body, sent);
            }
            count += 1;
        }
        drop(batch);
        halves.outbox.release_numbers();
        if count > 0 && !halves.has_page() {
            halves.inbox.piggybacked(session, 0);
        }
        event_log.add_exclusive(&event_log.sent, count as u64);
        count
    }

    /// Sends as many of these data messages as the link takes now, with one fence and one wake-up,
    /// or one system call. Returns how many; 0 if anything is in the way. A last message that was
    /// taken in part is completed within `waiting`.
    pub fn send_many_at_once(
        &mut self,
        payloads: &[Payload],
        reconnector: &Reconnector,
        event_log: &EventLog,
        waiting: &mut Waiting<'_>,
    ) -> usize {
        let Some(part) = self.part.as_mut() else { return 0 };
        let (session, limit) = (part.session(), part.peer.max_message_size);
        if reconnector.is_newer(self.generation)
            || reconnector.session_state.replays.load(Ordering::Acquire)
            || part.negotiated.is_none()
        {
            return 0;
        }
        let mut halves = reconnector.session_state.halves();
        if is_ack_check_due(halves.outbox.kept_count()) {
            halves.read_peer_page();
        }
        let fits = |payload: &&Payload| payload.check(limit).is_ok() && payload.memory().split().is_none();
        let lengths = payloads.iter().take_while(fits).map(Payload::len);
        let Some(first_length) = lengths.clone().next() else { return 0 };
        // Reads the peer's page if there seems to be no room.
        if !halves.has_room(RetransmitClass::Data, first_length) || halves.has_violation() {
            return 0;
        }
        let count = halves.outbox.room_for(lengths);
        let payloads = &payloads[..count];
        let first = halves.outbox.assign_numbers(count);
        let acked = halves.to_piggyback(session);
        drop(halves);
        let sent = clock::now();
        let headers = (first..).zip(payloads).map(|(sequence, payload)| Header {
            sequence,
            sent,
            // One message of the batch carries the acknowledgement.
            correlation: if sequence == first { acked } else { 0 },
            ..Header::new(Kind::Data, payload.encoding())
        });
        let frames = headers.zip(payloads).map(|(header, payload)| Outgoing::new(header, payload.body()));
        // The next frame meets the same error and reports it.
        let sent_count = part.tx.try_send_many(frames).unwrap_or(0);
        let mut halves = reconnector.session_state.halves();
        for payload in &payloads[..sent_count] {
            let keep = || StoredMessage::data(payload, sent);
            halves.outbox.sent(RetransmitClass::Data, payload.len(), keep);
        }
        halves.outbox.release_numbers();
        if sent_count > 0 {
            halves.inbox.piggybacked(session, acked);
        }
        drop(halves);
        event_log.add_exclusive(&event_log.sent, sent_count as u64);
        if part.tx.has_rest() {
            flush_rest(part, reconnector, waiting);
        }
        sent_count
    }
}
