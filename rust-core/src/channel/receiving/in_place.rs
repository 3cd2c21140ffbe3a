//! Receiving in place: a short record of the ring becomes a message where the program reads it, under one lock.

use super::Receiving;
use crate::channel::greeting::Pattern;
use crate::channel::sending::AckSender;
use crate::channel::session::inbox::{AckTrigger, Verdict};
use crate::channel::session_state::urgency;
use crate::frame::Kind;
use crate::message::Message;

impl Receiving {
    /// The short message of data that lies ready in the ring, for a call of the program that meets nothing else: the shortest way, which
    /// does in one step what [`Receiving::program_calls`] and [`Receiving::next`] do. None where anything else is due, and then
    /// nothing has changed.
    #[inline]
    pub fn take_ready(&mut self, ack_sender: &AckSender<'_>) -> Option<Message> {
        if !self.inbox.is_empty() || self.behind.is_some() || self.parked || self.asked || self.leaving {
            return None;
        }
        if self.part.as_ref().is_none_or(|part| part.peer.pattern == Pattern::Request) {
            return None;
        }
        (self.gives, self.took_kept, self.consumes) = (true, false, Some(AckTrigger::Passing));
        let message = self.take_small(ack_sender, |kind| kind == Kind::Data);
        (self.gives, self.consumes) = (false, None);
        if message.is_some() {
            self.empty_polls = 0;
        }
        message
    }

    /// The short message that lies ready in the ring, if it is one that is `wanted`: it is copied to where the program reads it, and
    /// noted under one lock. None for all else, and then nothing has changed: [`Receiving::sort`] knows what it is.
    #[inline]
    pub(super) fn take_small(
        &mut self,
        ack_sender: &AckSender<'_>,
        wanted: impl FnOnce(Kind) -> bool,
    ) -> Option<Message> {
        let AckSender { reconnector, record, .. } = *ack_sender;
        if self.watched {
            return None;
        }
        let part = self.part.as_mut().filter(|part| part.negotiated.is_some())?;
        let half = part.rx.in_place()?;
        let small = half.peek_small()?;
        let is_plain = match small.kind {
            // What it acknowledges in passing, and a schema, are looked at elsewhere.
            Kind::Data | Kind::Request => small.correlation == 0 && self.schema.is_none(),
            Kind::Reply => self.reply_schema.is_none(),
            _ => false,
        };
        if !is_plain || !wanted(small.kind) || part.peer.source.is_empty() {
            return None;
        }
        let (header, number, bytes) = (small.header(), small.sequence, small.length());
        let urgency = urgency(small.kind, header.flags);
        let mut halves = reconnector.session_state.halves();
        if !halves.inbox.is_new(number) {
            return None;
        }
        let session = halves.inbox.session();
        let fill = |body: &mut [u8]| half.take_small(&small, body);
        let message = Message::filled(header, &part.peer.source, &self.limits, session, fill);
        let (due, verdict) = match (self.consumes.take(), self.gives) {
            (Some(trigger), true) => {
                let (owes, verdict) =
                    halves.consumed_and_given(&mut part.rx, trigger, number, bytes, urgency);
                (owes.then_some(trigger), verdict)
            }
            (Some(trigger), false) => {
                let owes = halves.consumed(&mut part.rx, trigger);
                (owes.then_some(trigger), halves.inbox.take(number, bytes, urgency))
            }
            (None, true) => (None, halves.inbox.take_and_give(number, bytes, urgency)),
            (None, false) => (None, halves.inbox.take(number, bytes, urgency)),
        };
        drop(halves);
        record.count_alone(&record.received);
        if let Some(trigger) = due {
            ack_sender.send_ack_now(trigger);
        }
        // Its number is new, so it is no duplicate, and not 0.
        if let Ok(Verdict::New { missed: missed @ 1.. }) = verdict {
            record.lagged(missed);
        }
        Some(message)
    }
}
