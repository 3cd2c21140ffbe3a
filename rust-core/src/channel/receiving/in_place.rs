//! Receiving in place: a short record of the ring becomes a message in one copy, under one lock.
//!
//! This is the fast path of shared memory. It handles only frames that need no further checks: data,
//! requests and replies without a schema to check and without an acknowledgement in their header, on
//! a link with a session. For everything else it returns none before it has changed anything, and
//! the general path ([`Receiving::link_next`]) takes over.

use std::ops::DerefMut;

use super::Receiving;
use crate::channel::event_log::EventLog;
use crate::channel::pattern::Pattern;
use crate::channel::sending::AckSender;
use crate::channel::session::inbox::{AckTrigger, AckUrgency, Verdict};
use crate::channel::session_state::{SessionHalves, SessionState, urgency};
use crate::frame::Kind;
use crate::message::{Dropped, Message, Rewritten};
use crate::transport::Rx;

/// A message that was taken in place, and what is left to do once the session's lock is released.
pub struct Taken {
    pub(super) message: Message,
    /// The occasion of an acknowledgement frame that is due.
    pub(super) is_ack_due: Option<AckTrigger>,
    /// How many messages before it were lost.
    pub(super) missed: u64,
    /// Whether it acknowledges messages of this side.
    pub(super) acknowledges: bool,
}

/// A plain message that was taken, and what is left to do once the session's lock is released: nearly always nothing.
pub struct TakenPlain {
    message: Message,
    /// Whether an acknowledgement frame is due.
    is_ack_due: bool,
    /// How many messages before it were lost.
    missed: u64,
}

/// What is left to do for several plain messages that were taken.
pub struct TakenRun {
    /// Whether an acknowledgement frame is due.
    pub is_ack_due: bool,
    /// How many messages before and between them were lost.
    pub missed: u64,
}

impl TakenPlain {
    /// Returns the message if nothing is left to do.
    #[inline(always)]
    pub fn done(self) -> Result<Message, Taken> {
        let TakenPlain { message, is_ack_due, missed } = self;
        if !is_ack_due && missed == 0 {
            return Ok(message);
        }
        let is_ack_due = is_ack_due.then_some(AckTrigger::Receive);
        Err(Taken { message, is_ack_due, missed, acknowledges: false })
    }
}

impl Taken {
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
    /// Returns the short data message that lies ready in the ring, for a call of the program that
    /// has nothing else to do: one step for [`Receiving::program_receives`] and [`Receiving::next`].
    /// None if anything else is due.
    #[inline(never)]
    pub fn take_ready(&mut self, halves: &mut SessionHalves, event_log: &EventLog) -> Option<Taken> {
        if self.is_general_due() {
            return None;
        }
        if self.part.as_ref().is_none_or(|part| part.peer.pattern == Pattern::Request) {
            return None;
        }
        let consume = Some(AckTrigger::Receive);
        let taken = self.take_in_place(|| halves, event_log, |kind| kind == Kind::Data, consume, true)?;
        self.empty_polls = 0;
        Some(taken)
    }

    /// [`Receiving::take_ready`] for what comes nearly always: a plain data message of the same length as the last one,
    /// whose memory it gets, for a program that has consumed that. None for all else; then nothing has changed.
    #[inline(always)]
    pub fn take_plain(&mut self, halves: &mut SessionHalves, event_log: &EventLog) -> Option<TakenPlain> {
        self.take_next(halves, event_log, true)
    }

    /// The same for a program whose consumed messages [`Receiving::begin_short_wait`] has recorded.
    #[inline(always)]
    pub fn take_awaited(&mut self, halves: &mut SessionHalves, event_log: &EventLog) -> Option<TakenPlain> {
        self.take_next(halves, event_log, false)
    }

    #[inline(always)]
    fn take_next(
        &mut self,
        halves: &mut SessionHalves,
        event_log: &EventLog,
        consumes: bool,
    ) -> Option<TakenPlain> {
        if self.is_general_due() || self.watched || self.schema.is_some() {
            return None;
        }
        let part = self.part.as_mut()?;
        let half = part.rx.in_place()?;
        let plain = half.peek_plain(Kind::Data)?;
        let number = half.next_sequence();
        if part.negotiated.is_none()
            || part.peer.pattern == Pattern::Request
            || part.peer.source.is_empty()
            || !halves.inbox.is_new(number)
        {
            return None;
        }
        let mut place = Rewritten::take(plain.length())?;
        let sent = half.take_plain(&plain, place.body());
        let session = halves.inbox.session();
        let what = (number, plain.encoding(), sent);
        let message = place.finish((Kind::Data, 0), what, &part.peer.source, &self.limits, session);
        let (bytes, urgency) = (plain.length(), AckUrgency::Prompt);
        let (verdict, is_ack_due) = if consumes {
            let verdict = halves.inbox.consume_and_deliver(number, bytes, urgency);
            (verdict, halves.publish_consumed_by(|| half.consumed_with_fence(), AckTrigger::Receive))
        } else {
            (halves.inbox.receive_and_deliver(number, bytes, urgency), false)
        };
        event_log.count_exclusive(&event_log.received);
        self.empty_polls = 0;
        Some(TakenPlain { message, is_ack_due, missed: Verdict::missed(&verdict) })
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
        !halves.publish_consumed_by(|| half.consumed_with_fence(), AckTrigger::Receive)
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
    ) -> Option<TakenPlain> {
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
        let urgency = urgency(Kind::Reply, 0);
        let (verdict, is_ack_due) = halves.answer_received(reply.sequence, reply.length(), urgency);
        event_log.count_exclusive(&event_log.received);
        (self.awaited, self.empty_polls) = (0, 0);
        Some(TakenPlain { message, is_ack_due, missed: Verdict::missed(&verdict) })
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
        let taken = self.take_in_place(|| halves, event_log, |_| true, None, false)?;
        self.empty_polls = 0;
        Some(taken)
    }

    /// Returns whether anything else than the next messages of the link is due to a program that receives several.
    pub fn is_program_kept_waiting(&self) -> bool {
        self.is_general_due() || self.part.as_ref().is_none_or(|part| part.peer.pattern == Pattern::Request)
    }

    /// Adds the plain data messages that lie ready in the ring, until there are `max` messages. Stops at anything else, and
    /// where a dropped message has another length. With `consumes`, what the program got before is recorded as consumed,
    /// if there is a message.
    pub fn take_plain_run(
        &mut self,
        halves: &mut SessionHalves,
        event_log: &EventLog,
        max: usize,
        consumes: bool,
        messages: &mut Vec<Message>,
    ) -> TakenRun {
        let mut run = TakenRun { is_ack_due: false, missed: 0 };
        if self.watched || self.schema.is_some() {
            return run;
        }
        let Some(part) = self.part.as_mut().filter(|part| part.negotiated.is_some()) else { return run };
        let Some(half) = part.rx.in_place().filter(|_| !part.peer.source.is_empty()) else { return run };
        let (session, before) = (halves.inbox.session(), messages.len());
        let mut dropped = Dropped::take();
        while messages.len() < max {
            let Some(plain) = half.peek_plain(Kind::Data) else { break };
            let number = half.next_sequence();
            if !halves.inbox.is_new(number) {
                break;
            }
            let Some(mut place) = dropped.next(plain.length()) else { break };
            if messages.len() == before {
                messages.reserve(max - before);
                if consumes {
                    halves.inbox.consumed();
                }
            }
            let sent = half.take_plain(&plain, place.body());
            let what = (number, plain.encoding(), sent);
            let message = place.finish((Kind::Data, 0), what, &part.peer.source, &self.limits, session);
            messages.push(message);
            let verdict = halves.inbox.receive_and_deliver(number, plain.length(), AckUrgency::Prompt);
            run.missed += Verdict::missed(&verdict);
        }
        let count = messages.len() - before;
        if count > 0 {
            if consumes {
                run.is_ack_due =
                    halves.publish_consumed_by(|| half.consumed_with_fence(), AckTrigger::Receive);
            }
            event_log.add_exclusive(&event_log.received, count as u64);
            self.empty_polls = 0;
        }
        run
    }

    /// Adds the short data messages that lie ready in the ring behind one that the program has just got, until
    /// there are `max`: for a call that returns several, under one lock. Stops at anything else. None of them is
    /// consumed before the next call.
    pub fn take_ready_run(
        &mut self,
        session_state: &SessionState,
        event_log: &EventLog,
        max: usize,
        messages: &mut Vec<Message>,
    ) {
        if !self.inbox.is_empty() || self.deferred_error.is_some() || self.pending_consume.is_some() {
            return;
        }
        let (mut missed, mut acknowledges) = (0, false);
        let mut halves = session_state.halves();
        loop {
            missed += self.take_plain_run(&mut halves, event_log, max, false, messages).missed;
            // Others, and where the lap of the ring ends.
            if messages.len() < max
                && let Some(taken) =
                    self.take_in_place(|| &mut *halves, event_log, |kind| kind == Kind::Data, None, true)
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

    /// Returns the short message that is ready in the ring if its kind is `wanted`: the body is copied from
    /// the ring into the message, and the inbox records it. None in all other cases, in which nothing has
    /// changed. `halves` locks the session, unless the caller has. With `consume`, the messages that were
    /// delivered before are recorded as consumed on this occasion; with `delivers`, the message is delivered in
    /// the same step.
    #[inline]
    pub(super) fn take_in_place<H: DerefMut<Target = SessionHalves>>(
        &mut self,
        halves: impl FnOnce() -> H,
        event_log: &EventLog,
        wanted: impl Fn(Kind) -> bool,
        consume: Option<AckTrigger>,
        delivers: bool,
    ) -> Option<Taken> {
        if self.watched {
            return None;
        }
        let part = self.part.as_mut().filter(|part| part.negotiated.is_some())?;
        let Some(half) = part.rx.in_place() else {
            return self.take_in_stream(halves, event_log, wanted, consume, delivers);
        };
        if delivers
            && self.schema.is_none()
            && let Some(plain) = half.peek_plain(Kind::Data)
            && wanted(Kind::Data)
            && !part.peer.source.is_empty()
            && let Some(mut place) = Rewritten::take(plain.length())
        {
            // As in `take_plain`, for a program that has waited.
            let number = half.next_sequence();
            let mut halves = halves();
            if !halves.inbox.is_new(number) {
                return None;
            }
            let sent = half.take_plain(&plain, place.body());
            let session = halves.inbox.session();
            let what = (number, plain.encoding(), sent);
            let message = place.finish((Kind::Data, 0), what, &part.peer.source, &self.limits, session);
            let received = (number, plain.length(), AckUrgency::Prompt);
            let (is_ack_due, missed) =
                record_received(&mut halves, &mut part.rx, consume, delivers, received);
            event_log.count_exclusive(&event_log.received);
            drop(halves);
            return Some(Taken { message, is_ack_due, missed, acknowledges: false });
        }
        let Some(small) = half.peek_small() else {
            return if half.is_ready() {
                self.take_in_slots(halves, event_log, wanted, consume, delivers)
            } else {
                None
            };
        };
        let is_plain = match small.kind {
            // The general path handles acknowledgements in the header, and schemas.
            Kind::Data | Kind::Request => small.correlation == 0 && self.schema.is_none(),
            Kind::Reply => self.reply_schema.is_none(),
            _ => false,
        };
        if !is_plain || !wanted(small.kind) || part.peer.source.is_empty() {
            return None;
        }
        let (header, number, bytes) = (small.header(), small.sequence, small.length());
        let urgency = urgency(small.kind, header.flags);
        let mut halves = halves();
        if !halves.inbox.is_new(number) {
            return None;
        }
        let session = halves.inbox.session();
        let is_answer = small.kind == Kind::Reply && small.correlation == self.awaited && consume.is_none();
        let fill = |body: &mut [u8]| half.take_small(&small, body);
        let message = Message::filled(header, &part.peer.source, &self.limits, session, fill);
        let (is_ack_due, missed) = if is_answer {
            self.awaited = 0;
            let (verdict, is_ack_due) = halves.answer_received(number, bytes, urgency);
            (is_ack_due.then_some(AckTrigger::Receive), Verdict::missed(&verdict))
        } else {
            record_received(&mut halves, &mut part.rx, consume, delivers, (number, bytes, urgency))
        };
        event_log.count_exclusive(&event_log.received);
        drop(halves);
        Some(Taken { message, is_ack_due, missed, acknowledges: false })
    }
}

/// Records a new message of this number, length and urgency in the session, and what the program has consumed before
/// it. Returns the occasion of an acknowledgement frame that is due, and how many messages were lost before this one.
#[inline(always)]
pub(super) fn record_received(
    halves: &mut SessionHalves,
    rx: &mut Rx,
    pending: Option<AckTrigger>,
    delivers: bool,
    (number, bytes, urgency): (u64, usize, AckUrgency),
) -> (Option<AckTrigger>, u64) {
    let (is_ack_due, verdict) = match (pending, delivers) {
        (Some(trigger), true) => {
            let verdict = halves.inbox.consume_and_deliver(number, bytes, urgency);
            (halves.publish_consumed(rx, trigger).then_some(trigger), verdict)
        }
        (Some(trigger), false) => {
            let is_ack_due = halves.consumed(rx, trigger);
            (is_ack_due.then_some(trigger), halves.inbox.receive(number, bytes, urgency))
        }
        (None, true) => (None, halves.inbox.receive_and_deliver(number, bytes, urgency)),
        (None, false) => (None, halves.inbox.receive(number, bytes, urgency)),
    };
    (is_ack_due, Verdict::missed(&verdict))
}
