//! Takes a message from the link under one lock (`link/take`).
//!
//! Kept messages, an error or a close come first. If nothing is taken, the loop (`pump`) finds the reason.

use super::{Copied, Reads, Receiving, Step};
use crate::channel::event_log::EventLog;
use crate::channel::link::{RxPart, Taken, Want, is_answer_to};
use crate::channel::pattern::Pattern;
use crate::channel::session_state::{SessionHalves, SessionState};
use crate::frame::Kind;
use crate::message::{BodyMemory, Dropped, Message, ReusedMessage};
use crate::session::inbox::{AckTrigger, Fate};
use crate::transport::BodyViews;

/// For a program whose call has already recorded that it receives again.
const MORE: Want = Want { requests: false, replies: false, fate: Fate::Delivered, ..Want::ANY };

impl Receiving {
    /// Returns the usual result: data in memory that `place` gives for its length.
    ///
    /// None for everything else, and if anything else is pending; then nothing has changed. `consume` is as in
    /// [`Want`].
    #[inline]
    pub fn take_next<P: BodyMemory>(
        &mut self,
        halves: &mut SessionHalves,
        event_log: &EventLog,
        place: impl FnOnce(usize) -> Option<P>,
        consume: Option<AckTrigger>,
    ) -> Option<Taken<P::Output>> {
        if self.is_program_kept_waiting() || self.watched {
            return None;
        }
        self.take_data(halves, event_log, place, consume)
    }

    /// Delivers data without flags and acknowledgement from the link's memory into memory of `place`.
    ///
    /// None for everything else, and if `place` gives none; then nothing has changed.
    fn take_data<P: BodyMemory>(
        &mut self,
        halves: &mut SessionHalves,
        event_log: &EventLog,
        place: impl FnOnce(usize) -> Option<P>,
        consume: Option<AckTrigger>,
    ) -> Option<Taken<P::Output>> {
        let part = self.part.as_mut().filter(|_| self.schema.is_none())?;
        let taken = part.take_fast(place, halves, &self.limits, consume)?;
        self.note_taken(event_log);
        self.empty_polls = 0;
        Some(taken)
    }

    fn note_taken(&mut self, event_log: &EventLog) {
        event_log.count_exclusive(&event_log.received);
    }

    /// Records that the program receives again, after a look that found no message.
    ///
    /// False if something must be sent before a wait. [Nothing](Receiving::is_program_kept_waiting) else is pending.
    #[inline(always)]
    pub fn begin_wait(&mut self, halves: &mut SessionHalves) -> bool {
        let may_wait = |part: &&mut RxPart| part.read_ahead.is_empty() && !part.rx.may_take_at_once();
        let Some(part) = self.readable_part().filter(may_wait) else { return false };
        let is_due = halves.consumed_with_room(|| part.rx.consumed_with_fence(), AckTrigger::Receive);
        !is_due && !halves.has_to_say(AckTrigger::Pause)
    }

    /// Takes the complete message for a call of the program. Data ends the call, except in lockstep.
    #[inline(always)]
    pub fn take_for_program(
        &mut self,
        halves: &mut SessionHalves,
        event_log: &EventLog,
        reads: &Reads,
    ) -> Step<Message> {
        match self.take_complete(halves, event_log, reads.want()) {
            Some(taken) if taken.message.header().kind == Kind::Data && !self.lockstep => {
                self.empty_polls = 0;
                Step::Done(taken)
            }
            taken => taken.map_or(Step::Nothing, Step::Other),
        }
    }

    /// Takes the complete message for a call that copies it, once [`Receiving::view_bodies`] was called.
    pub fn take_copied<T>(
        &mut self,
        halves: &mut SessionHalves,
        event_log: &EventLog,
        reads: &Reads,
    ) -> Step<T> {
        let taken = if self.takes_whole { self.take_complete(halves, event_log, reads.want()) } else { None };
        taken.map_or(Step::Nothing, Step::Other)
    }

    /// Leaves bodies in slots from now on, if the call copies bodies of their kind at once.
    ///
    /// Otherwise the options decide. Bodies that are checked against a schema during decoding are copied.
    pub fn view_bodies(&mut self, copied: Copied) {
        let views = |of, is_unchecked: bool| match (is_unchecked, copied == of) {
            (false, _) => BodyViews::None,
            (true, true) => BodyViews::Whole,
            (true, false) => self.body_views,
        };
        let data = views(Copied::Data, self.schema.is_none());
        self.takes_whole = data == BodyViews::Whole;
        let replies = views(Copied::Replies, self.reply_schema.is_none());
        if let Some(part) = &mut self.part {
            part.view_bodies(data, replies);
        }
    }

    /// Takes the complete message for the caller of request `number`. The answer's receipt consumes it.
    #[inline(never)]
    pub fn take_for_caller(
        &mut self,
        number: u64,
        halves: &mut SessionHalves,
        event_log: &EventLog,
    ) -> Step<Message> {
        match self.take_complete(halves, event_log, Want { answer_to: number, ..Want::ANY }) {
            Some(taken) if is_answer_to(taken.message.header(), number) => Step::Done(taken),
            taken => taken.map_or(Step::Nothing, Step::Other),
        }
    }

    /// Returns the fast-path reply in the link's memory to request `number`. Its receipt consumes it.
    ///
    /// None for everything else. Then only the room of earlier messages was freed.
    #[inline]
    pub fn take_reply<P: BodyMemory>(
        &mut self,
        number: u64,
        place: impl FnOnce(usize) -> Option<P>,
        halves: &mut SessionHalves,
        event_log: &EventLog,
    ) -> Option<Taken<P::Output>> {
        if self.watched || self.reply_schema.is_some() {
            return None;
        }
        let part = self.part.as_mut().filter(|part| !part.parked)?;
        let taken = part.take_reply(number, place, halves, &self.limits)?;
        self.note_taken(event_log);
        Some(taken)
    }

    pub fn is_program_kept_waiting(&self) -> bool {
        // One expression without early returns: nearly always each condition is false.
        !self.inbox.is_empty()
            | self.deferred_error.is_some()
            | self.lockstep
            | self.closing
            | self
                .part
                .as_ref()
                .is_none_or(|part| part.parked | part.bye_received | (part.peer.pattern == Pattern::Request))
    }

    /// Delivers up to `max` data messages of the link's memory, as [`Receiving::take_next`] does.
    ///
    /// Stops at anything else, and if a dropped message has another length.
    pub fn take_run(
        &mut self,
        halves: &mut SessionHalves,
        event_log: &EventLog,
        max: usize,
        messages: &mut Vec<Message>,
    ) -> Option<Taken<()>> {
        if self.is_program_kept_waiting() || self.watched {
            return None;
        }
        // If the link has no message, the next call records this once more.
        halves.inbox.consumed();
        let missed = self.take_more(halves, event_log, max, messages);
        let part = self.part.as_mut().filter(|part| !messages.is_empty() && part.rx.is_in_memory())?;
        let trigger = AckTrigger::Receive;
        let is_ack_due =
            halves.publish_consumed(|| part.rx.consumed_with_fence(), trigger).then_some(trigger);
        Some(Taken { message: (), is_ack_due, missed, acknowledges: false })
    }

    /// Adds the data messages in the link's memory. Returns how many were lost before and between them.
    fn take_more(
        &mut self,
        halves: &mut SessionHalves,
        event_log: &EventLog,
        max: usize,
        messages: &mut Vec<Message>,
    ) -> u64 {
        let (mut dropped, before, mut missed) = (Dropped::take(), messages.len(), 0);
        while messages.len() < max
            && let Some(taken) = self.take_data(halves, event_log, |bytes| dropped.next(bytes), None)
        {
            if messages.len() == before {
                messages.reserve(max - before);
            }
            messages.push(taken.message);
            missed = u64::saturating_add(missed, taken.missed);
        }
        missed
    }

    /// Adds the complete data messages that follow, up to `max`, under one lock.
    ///
    /// Stops at anything else. Only the next call consumes them.
    pub fn take_ready_run(
        &mut self,
        session_state: &SessionState,
        event_log: &EventLog,
        max: usize,
        messages: &mut Vec<Message>,
    ) {
        if !self.inbox.is_empty() || self.deferred_error.is_some() || self.watched {
            return;
        }
        let (mut missed, mut acknowledges) = (0, false);
        let mut halves = session_state.halves();
        loop {
            missed = u64::saturating_add(missed, self.take_more(&mut halves, event_log, max, messages));
            // Other records, for example after the end of the link's memory.
            if messages.len() < max
                && let Some(taken) = self.take_complete(&mut halves, event_log, MORE)
            {
                messages.push(taken.message);
                missed = missed.saturating_add(taken.missed);
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

    pub(super) fn may_take(&mut self) -> bool {
        self.readable_part().is_some_and(|part| part.rx.may_take_at_once())
    }

    /// Returns none for a watched link, because an event loop's looks begin with the descriptors.
    pub(super) fn readable_part(&mut self) -> Option<&mut RxPart> {
        self.part.as_mut().filter(|part| part.negotiated.is_some() && !self.watched)
    }

    /// Returns a copy of the complete message if the call wants it, and records it in the session.
    ///
    /// In all other cases nothing has changed.
    #[inline(always)]
    pub(super) fn take_complete(
        &mut self,
        halves: &mut SessionHalves,
        event_log: &EventLog,
        want: Want,
    ) -> Option<Taken> {
        if self.watched {
            return None;
        }
        if want.fate == Fate::Delivered
            && let Some(taken) = self.take_data(halves, event_log, ReusedMessage::take, want.consume)
        {
            return Some(taken);
        }
        let want = self.without_checked(want);
        let taken = self.part.as_mut()?.take(halves, &self.limits, want)?;
        self.set.note_message();
        self.note_taken(event_log);
        Some(taken)
    }

    fn without_checked(&self, want: Want) -> Want {
        let is_unchecked = self.schema.is_none();
        Want {
            data: want.data & is_unchecked,
            requests: want.requests & is_unchecked,
            replies: want.replies & self.reply_schema.is_none(),
            ..want
        }
    }
}
