//! Receiving in place: a short record of the ring becomes a message in one copy, under one lock.
//!
//! This is the fast path of shared memory. It handles only frames that need no further checks: data,
//! requests and replies without a schema to check and without an acknowledgement in their header, on
//! a link with a session. For everything else it returns none before it has changed anything, and
//! the general path ([`Receiving::link_next`]) takes over.

use super::Receiving;
use crate::channel::event_log::EventLog;
use crate::channel::pattern::Pattern;
use crate::channel::sending::AckSender;
use crate::channel::session::inbox::{AckTrigger, AckUrgency, Fate};
use crate::channel::session_state::{SessionHalves, SessionState, urgency};
use crate::frame::Kind;
use crate::message::{Dropped, Message, Rewritten};

/// A message that was taken in place, and what is left to do once the session's lock is released: nearly always nothing.
pub struct Taken {
    pub(super) message: Message,
    /// The occasion of an acknowledgement frame that is due.
    pub(super) is_ack_due: Option<AckTrigger>,
    /// How many messages before it were lost.
    pub(super) missed: u64,
    /// Whether it acknowledges messages of this side.
    pub(super) acknowledges: bool,
}

/// What a call takes of the messages in the link.
#[derive(Clone, Copy)]
pub struct Want {
    /// Whether it takes nothing but data.
    pub data_alone: bool,
    /// Whether the program gets the message in the same step.
    pub delivers: bool,
    /// The occasion on which the messages that were delivered before are recorded as consumed.
    pub consume: Option<AckTrigger>,
}

impl Want {
    /// Data for a program that calls to receive.
    pub const NEXT: Want = Want { data_alone: true, delivers: true, consume: Some(AckTrigger::Receive) };
    /// Data for a program of which the call has recorded that it receives again.
    pub const MORE: Want = Want { consume: None, ..Want::NEXT };

    pub(super) fn fate(self) -> Fate {
        if self.delivers { Fate::Delivered } else { Fate::Filed }
    }
}

impl Taken {
    /// Returns the message if nothing is left to do.
    #[inline(always)]
    pub fn done(self) -> Result<Message, Taken> {
        if self.is_ack_due.is_none() && self.missed == 0 && !self.acknowledges {
            Ok(self.message)
        } else {
            Err(self)
        }
    }

    /// Sends the acknowledgement that is due, records a loss, and returns the message.
    #[inline]
    pub fn finish(self, ack_sender: &AckSender<'_>) -> Message {
        if let Some(trigger) = self.is_ack_due {
            ack_sender.send_ack_now(trigger);
        }
        if self.acknowledges {
            ack_sender.reconnector.session_state.acknowledgements.wake();
        }
        if self.missed > 0 {
            ack_sender.event_log.lagged(self.missed);
        }
        self.message
    }
}

impl Receiving {
    /// Returns the short data message that is in the link, for a call of the program that has nothing else to do: one step for
    /// [`Receiving::program_receives`] and [`Receiving::next`]. None if anything else is due.
    #[inline(never)]
    pub fn take_ready(&mut self, halves: &mut SessionHalves, event_log: &EventLog) -> Option<Taken> {
        if self.is_program_kept_waiting() {
            return None;
        }
        self.take_in_place(halves, event_log, Want::NEXT)
    }

    /// [`Receiving::take_ready`] for what comes nearly always: data of the same length as the message that this thread dropped
    /// last. None for all else; then nothing has changed. `consume` as in [`Want`].
    #[inline(always)]
    pub fn take_next(
        &mut self,
        halves: &mut SessionHalves,
        event_log: &EventLog,
        consume: Option<AckTrigger>,
    ) -> Option<Taken> {
        if self.is_program_kept_waiting() || self.watched {
            return None;
        }
        self.take_data(halves, event_log, None, consume)
    }

    /// Delivers the data message in the ring that has neither flags nor an acknowledgement, in memory of `dropped`, or else of
    /// the message that this thread dropped last. None for all else, and where that memory has another length; then nothing
    /// has changed.
    #[inline(always)]
    fn take_data(
        &mut self,
        halves: &mut SessionHalves,
        event_log: &EventLog,
        dropped: Option<&mut Dropped>,
        consume: Option<AckTrigger>,
    ) -> Option<Taken> {
        if self.schema.is_some() {
            return None;
        }
        let part = self.part.as_mut()?;
        let half = part.rx.in_place()?;
        let plain = half.peek_plain(Kind::Data)?;
        let (number, bytes) = (half.next_sequence(), plain.length());
        if part.negotiated.is_none() || part.peer.source.is_empty() || !halves.inbox.is_new(number) {
            return None;
        }
        let mut place = match dropped {
            Some(dropped) => dropped.next(bytes),
            None => Rewritten::take(bytes),
        }?;
        let sent = half.take_plain(&plain, place.body());
        let what = (number, plain.encoding(), sent);
        let session = halves.inbox.session();
        let message = place.finish((Kind::Data, 0), what, &part.peer.source, &self.limits, session);
        let received = (number, bytes, AckUrgency::Prompt);
        let (is_ack_due, missed) =
            halves.received(received, Fate::Delivered, consume, || half.consumed_with_fence());
        event_log.count_exclusive(&event_log.received);
        self.empty_polls = 0;
        Some(Taken { message, is_ack_due, missed, acknowledges: false })
    }

    /// Records what the program has consumed, for one that waits now. Returns whether polling for about a microsecond is
    /// known to succeed, and nothing else is due; then [`Receiving::poll_briefly`] comes next. Else nothing may have changed.
    #[inline(never)]
    pub fn begin_short_wait(&mut self, halves: &mut SessionHalves) -> bool {
        if self.is_general_due() || self.watched || self.schema.is_some() || !halves.has_page() {
            return false;
        }
        let Some(part) = self.part.as_mut().filter(|part| part.negotiated.is_some()) else { return false };
        let is_of_server = part.peer.pattern == Pattern::Request;
        let Some(half) = part.rx.in_place().filter(|half| half.is_spin_trusted() && !half.is_ready()) else {
            return false;
        };
        if is_of_server {
            return false;
        }
        halves.inbox.consumed();
        // The general way finds again that a frame is due, and sends it.
        !halves.publish_consumed(|| half.consumed_with_fence(), AckTrigger::Receive)
    }

    /// Returns whether a message lies in the ring, or comes within about a microsecond.
    #[inline]
    pub fn poll_briefly(&mut self) -> bool {
        self.part.as_mut().and_then(|part| part.rx.in_place()).is_some_and(|half| half.poll_briefly())
    }

    /// Returns whether a message lies in the ring, or comes within about a microsecond if spinning is known to succeed: for
    /// a caller that has just sent its request. False if anything else is due.
    #[inline]
    pub fn comes_soon(&mut self) -> bool {
        self.look_for_reply(true)
    }

    /// Returns whether a message lies in the ring for a caller. False if anything else is due.
    #[inline]
    pub fn is_reply_ready(&mut self) -> bool {
        self.look_for_reply(false)
    }

    #[inline(always)]
    fn look_for_reply(&mut self, spins: bool) -> bool {
        if self.parked || self.watched || self.pending_consume.is_some() {
            return false;
        }
        let Some(half) = self.part.as_mut().and_then(|part| part.rx.in_place()) else { return false };
        // The messages before it were copied; their room is freed while the peer works.
        half.consumed();
        if spins { half.poll_briefly() } else { half.is_ready() }
    }

    /// Returns the plain reply that lies in the ring, for the caller of the request of number `number`: it is consumed with
    /// its receipt. None for all else; then nothing has changed but the room of earlier messages, which is free.
    #[inline(always)]
    pub fn take_reply(
        &mut self,
        number: u64,
        halves: &mut SessionHalves,
        event_log: &EventLog,
    ) -> Option<Taken> {
        if self.parked || self.watched || self.pending_consume.is_some() || self.reply_schema.is_some() {
            return None;
        }
        let part = self.part.as_mut()?;
        let half = part.rx.in_place()?;
        // The messages before it were copied; their room is freed while the peer works.
        half.consumed();
        let reply = half.peek_reply()?;
        if reply.correlation != number
            || !halves.inbox.is_new(reply.sequence)
            || part.negotiated.is_none()
            || part.peer.source.is_empty()
        {
            return None;
        }
        let mut place = Rewritten::take(reply.length())?;
        half.take_reply(&reply, place.body());
        let session = halves.inbox.session();
        let what = (reply.sequence, reply.encoding(), reply.sent);
        let message = place.finish((Kind::Reply, number), what, &part.peer.source, &self.limits, session);
        let received = (reply.sequence, reply.length(), urgency(Kind::Reply, 0));
        let (is_ack_due, missed) = halves.received(received, Fate::Finished, None, || ());
        event_log.count_exclusive(&event_log.received);
        (self.awaited, self.empty_polls) = (0, 0);
        Some(Taken { message, is_ack_due, missed, acknowledges: false })
    }

    /// Returns the short message that lies in the ring, for the caller of the request of number `number`, which has looked. If it is the
    /// reply, it is consumed with its receipt, and `awaited` is 0 afterwards.
    #[inline]
    pub fn take_for_caller(
        &mut self,
        number: u64,
        halves: &mut SessionHalves,
        event_log: &EventLog,
    ) -> Option<Taken> {
        self.awaited = number;
        self.take_in_place(halves, event_log, Want { data_alone: false, delivers: false, consume: None })
    }

    /// Returns whether anything else than the next messages of the link is due to a program that receives.
    #[inline(always)]
    pub fn is_program_kept_waiting(&self) -> bool {
        self.is_general_due() || self.part.as_ref().is_none_or(|part| part.peer.pattern == Pattern::Request)
    }

    /// Delivers the data messages in the ring to a program that receives again, as [`Receiving::take_next`] does one, until
    /// there are `max`. Stops at anything else, and where a dropped message has another length. Returns whether an
    /// acknowledgement frame is due, and how many messages before and between them were lost.
    pub fn take_run(
        &mut self,
        halves: &mut SessionHalves,
        event_log: &EventLog,
        max: usize,
        messages: &mut Vec<Message>,
    ) -> (bool, u64) {
        if self.watched {
            return (false, 0);
        }
        // Without a message in the link it is recorded once more.
        halves.inbox.consumed();
        let missed = self.take_more(halves, event_log, max, messages);
        let half = self.part.as_mut().and_then(|part| part.rx.in_place()).filter(|_| !messages.is_empty());
        let is_ack_due = half
            .is_some_and(|half| halves.publish_consumed(|| half.consumed_with_fence(), AckTrigger::Receive));
        (is_ack_due, missed)
    }

    /// Adds the data messages in the ring. Returns how many were lost before and between them.
    fn take_more(
        &mut self,
        halves: &mut SessionHalves,
        event_log: &EventLog,
        max: usize,
        messages: &mut Vec<Message>,
    ) -> u64 {
        let (mut dropped, before, mut missed) = (Dropped::take(), messages.len(), 0);
        while messages.len() < max
            && let Some(taken) = self.take_data(halves, event_log, Some(&mut dropped), None)
        {
            if messages.len() == before {
                messages.reserve(max - before);
            }
            messages.push(taken.message);
            missed += taken.missed;
        }
        missed
    }

    /// Adds the short data messages that are in the link behind one that the program has just got, until there are `max`: for
    /// a call that returns several, under one lock. Stops at anything else. None of them is consumed before the next call.
    pub fn take_ready_run(
        &mut self,
        session_state: &SessionState,
        event_log: &EventLog,
        max: usize,
        messages: &mut Vec<Message>,
    ) {
        if !self.inbox.is_empty()
            || self.deferred_error.is_some()
            || self.pending_consume.is_some()
            || self.watched
        {
            return;
        }
        let (mut missed, mut acknowledges) = (0, false);
        let mut halves = session_state.halves();
        loop {
            missed += self.take_more(&mut halves, event_log, max, messages);
            // Others, and where the lap of the ring ends.
            if messages.len() < max
                && let Some(taken) = self.take_in_place(&mut halves, event_log, Want::MORE)
            {
                messages.push(taken.message);
                missed += taken.missed;
                acknowledges |= taken.acknowledges;
            } else {
                break;
            }
        }
        drop(halves);
        if acknowledges {
            session_state.acknowledgements.wake();
        }
        if missed > 0 {
            event_log.lagged(missed);
        }
    }

    /// Returns whether [`Receiving::take_in_place`] may find a message.
    #[inline]
    pub(super) fn may_take_in_place(&self) -> bool {
        let part = self.part.as_ref().filter(|part| part.negotiated.is_some() && !self.watched);
        part.is_some_and(|part| part.rx.is_ready_in_place())
    }

    /// Returns the short message that is in the link if the call wants it: it is copied from the ring, or from what a read has
    /// brought, and the session records it. None in all other cases, in which nothing has changed.
    #[inline]
    pub(super) fn take_in_place(
        &mut self,
        halves: &mut SessionHalves,
        event_log: &EventLog,
        want: Want,
    ) -> Option<Taken> {
        if self.watched {
            return None;
        }
        if want.delivers
            && let Some(taken) = self.take_data(halves, event_log, None, want.consume)
        {
            return Some(taken);
        }
        let part =
            self.part.as_mut().filter(|part| part.negotiated.is_some() && !part.peer.source.is_empty())?;
        let Some(half) = part.rx.in_place() else { return self.take_in_stream(halves, event_log, want) };
        let Some(small) = half.peek_small() else {
            return if half.is_ready() { self.take_in_slots(halves, event_log, want) } else { None };
        };
        let is_simple = match small.kind {
            // The general path handles acknowledgements in the header, and schemas.
            Kind::Data => small.correlation == 0 && self.schema.is_none(),
            Kind::Request => small.correlation == 0 && self.schema.is_none() && !want.data_alone,
            Kind::Reply => self.reply_schema.is_none() && !want.data_alone,
            _ => false,
        };
        let (header, number) = (small.header(), small.sequence);
        if !is_simple || !halves.inbox.is_new(number) {
            return None;
        }
        let session = halves.inbox.session();
        let is_answer =
            small.kind == Kind::Reply && small.correlation == self.awaited && want.consume.is_none();
        let fill = |body: &mut [u8]| half.take_small(&small, body);
        let message = Message::filled(header, &part.peer.source, &self.limits, session, fill);
        let fate = if is_answer { Fate::Finished } else { want.fate() };
        if is_answer {
            self.awaited = 0;
        }
        let received = (number, small.length(), urgency(small.kind, header.flags));
        let (is_ack_due, missed) =
            halves.received(received, fate, want.consume, || half.consumed_with_fence());
        event_log.count_exclusive(&event_log.received);
        self.empty_polls = 0;
        Some(Taken { message, is_ack_due, missed, acknowledges: false })
    }
}
