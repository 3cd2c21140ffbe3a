//! A short request that takes no wait: written into shared memory under the lock of the session, which a call takes once
//! for it. The same lock gives the call its turn among callers and the receiving direction, which it holds until the reply
//! is there (`sys::claim`); the lock that it takes to record the reply gives both back.
//!
//! As for messages (`in_place`), for any obstacle nothing has changed, and the general way determines it.

use std::sync::atomic::Ordering;

use super::Channel;
use super::call::PendingReply;
use crate::channel::direction::{Entered, Held};
use crate::channel::receiving::{Receiving, Taken};
use crate::channel::sending::Sending;
use crate::channel::session::RetransmitClass;
use crate::deadline::Waiting;
use crate::error::Result;
use crate::frame::Kind;
use crate::message::{Message, Payload, StoredMessage};
use crate::sys::clock;

/// The receiving direction of a call whose reply has not come, and another message that has.
pub(super) struct Awaiting<'a> {
    pub turn: Option<Held<'a, ()>>,
    pub receiving: Held<'a, Receiving>,
    pub taken: Option<Taken>,
}

impl Channel {
    /// Takes the turn among callers and the receiving direction, and sends the request if that is possible at once. None
    /// if another thread has or awaits any of them, and for a channel that cannot be used.
    #[inline]
    pub(super) fn begin_call(&self, payload: &Payload) -> Option<(Awaiting<'_>, Option<PendingReply>)> {
        let (calls, receiving) = (self.calls.cell(), self.receiving.cell());
        let (held, sent) =
            self.request_in_place(payload, |entered| entered.try_hold_both(calls, receiving))?;
        Some((Awaiting { turn: Some(held.0), receiving: held.1, taken: None }, sent))
    }

    /// The same for a caller that has its turn.
    pub(super) fn begin_in_turn(&self, payload: &Payload) -> Option<(Awaiting<'_>, Option<PendingReply>)> {
        let hold = |entered: &Entered<'_, Sending>| entered.try_hold(self.receiving.cell());
        let (receiving, sent) = self.request_in_place(payload, hold)?;
        Some((Awaiting { turn: None, receiving, taken: None }, sent))
    }

    /// Sends the request at once, if that is possible and no other thread receives.
    pub(super) fn send_request_in_place(&self, payload: &Payload) -> Option<PendingReply> {
        let is_free = |entered: &Entered<'_, Sending>| entered.is_free(self.receiving.cell()).then_some(());
        self.request_in_place(payload, is_free)?.1
    }

    /// Takes by `hold` what the reply is received with, and sends the request if that is possible at once.
    #[inline(always)]
    fn request_in_place<H>(
        &self,
        payload: &Payload,
        hold: impl FnOnce(&Entered<'_, Sending>) -> Option<H>,
    ) -> Option<(H, Option<PendingReply>)> {
        if self.options.idempotent || !self.receives {
            return None;
        }
        // Declared first, so that it is dropped last, also by a panic: its drop enters the gate, see `try_hold`.
        let held;
        let mut entered = self.enter_to_send()?;
        // A thread that waits until the library releases the direction has it claimed.
        held = hold(&entered)?;
        let sent = self.write_request(&mut entered, payload);
        drop(entered);
        self.reconnector.clear_interrupt();
        Some((held, sent))
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

    /// Returns the reply to a request that was sent at most once, if it comes within about a microsecond and spinning is
    /// known to succeed; then the call has ended. Else what the call goes on with.
    #[inline]
    pub(super) fn reply_soon<'a>(
        &'a self,
        pending: PendingReply,
        mut awaiting: Awaiting<'a>,
    ) -> std::result::Result<Message, Awaiting<'a>> {
        if awaiting.receiving.generation != pending.generation || !awaiting.receiving.comes_soon() {
            return Err(awaiting);
        }
        let Awaiting { turn, receiving, .. } = awaiting;
        let mut ending = receiving.enter();
        let (receiving, halves) = ending.parts();
        let taken = receiving.take_for_caller(pending.number, halves, &self.event_log);
        match taken {
            Some(taken) if receiving.awaited == 0 => {
                ending.end(turn);
                Ok(taken.finish(&self.ack_sender()))
            }
            taken => Err(Awaiting { turn, receiving: ending.go_on(), taken }),
        }
    }

    /// Returns the reply that lies ready, for a call in two steps; else the receiving direction, which it needs to wait.
    /// None if another thread has it or awaits it.
    pub(super) fn finish_in_place(
        &self,
        pending: PendingReply,
        waiting: &mut Waiting<'_>,
    ) -> Option<Result<Message>> {
        if self.options.idempotent {
            return None;
        }
        let mut entered = self.enter_receiving()?;
        let (receiving, halves) = entered.parts();
        let taken = if receiving.generation == pending.generation && receiving.is_reply_ready() {
            receiving.take_for_caller(pending.number, halves, &self.event_log)
        } else {
            None
        };
        match taken {
            Some(taken) if receiving.awaited == 0 => {
                drop(entered);
                Some(Ok(taken.finish(&self.ack_sender())))
            }
            taken => {
                let mut awaiting = Awaiting { turn: None, receiving: entered.hold(), taken };
                if awaiting.taken.is_none() && !waiting.is_none() {
                    match self.reply_soon(pending, awaiting) {
                        Ok(reply) => return Some(Ok(reply)),
                        Err(later) => awaiting = later,
                    }
                }
                let Awaiting { mut receiving, taken, .. } = awaiting;
                Some(self.await_answer(pending, taken, &mut receiving, waiting))
            }
        }
    }
}
