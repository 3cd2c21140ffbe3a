//! A short request that takes no wait: written into shared memory under the lock of the session, which a call takes once
//! for it. The reply is received as any message that comes soon (`receiving/in_place`), which takes the lock once more.
//!
//! As for messages (`in_place`), for any obstacle nothing has changed, and the general way determines it.

use std::sync::atomic::Ordering;

use super::Channel;
use super::call::PendingReply;
use crate::channel::direction::{DirectionGuard, Entered};
use crate::channel::receiving::Receiving;
use crate::channel::sending::Sending;
use crate::channel::session::RetransmitClass;
use crate::frame::Kind;
use crate::message::{Payload, StoredMessage};
use crate::sys::clock;

impl Channel {
    /// Takes the receiving direction for the reply, and sends the request if that is possible at once. None if another
    /// thread has or awaits a direction, and for a channel that cannot be used.
    #[inline]
    pub(super) fn request_in_place(
        &self,
        payload: &Payload,
    ) -> Option<(DirectionGuard<'_, Receiving>, Option<PendingReply>)> {
        if self.options.idempotent || !self.receives {
            return None;
        }
        let mut entered = self.enter_to_send()?;
        // A thread that waits until the library releases the direction has it claimed.
        let receiving = self.receiving.take_from(&entered)?;
        let sent = self.write_request(&mut entered, payload);
        // Before the other guard can be dropped, see `Entered::try_take`.
        drop(entered);
        self.reconnector.clear_interrupt();
        Some((receiving, sent))
    }

    /// Writes a request that is sent at most once into the ring, and numbers it.
    #[inline]
    fn write_request(&self, entered: &mut Entered<'_, Sending>, payload: &Payload) -> Option<PendingReply> {
        let (sending, halves) = entered.parts();
        let generation = sending.generation;
        let part = sending.part.as_mut()?;
        let session = part.session();
        let half = part.tx.in_place().filter(|half| half.takes_at_once(payload.len()))?;
        if self.reconnector.is_newer(generation)
            || self.reconnector.session_state.replays.load(Ordering::Acquire)
            || part.negotiated.is_none()
            || part.peer.deadlines
            || payload.len() as u64 > part.peer.max_message_size
            || payload.memory().split().is_some()
            || halves.to_piggyback(session) != 0
            || halves.has_violation()
        {
            return None;
        }
        let (body, sent) = (payload.body(), clock::now());
        let sequence = halves.outbox.assign_number();
        if !half.try_send_next(Kind::Request, sequence, sent, payload.encoding(), body) {
            return None;
        }
        let keep = || StoredMessage::data(payload, sent);
        let number = halves.outbox.sent(RetransmitClass::Request, body.len(), keep);
        halves.inbox.piggybacked(session, 0);
        self.event_log.count_exclusive(&self.event_log.sent);
        Some(PendingReply::new(number, generation))
    }
}
