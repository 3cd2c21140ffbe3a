//! The record of receipts and consumed messages, told to the peer in a page, a message or a frame.

use super::{Connection, Page};
use crate::error::Result;
use crate::inbox::{AckTrigger, AckUrgency, Fate, Verdict};
use crate::places::Reuse;
use crate::planted::{self, Bug};

impl<M: Reuse, P: Page> Connection<M, P> {
    /// Takes over an acknowledgement from a frame.
    ///
    /// # Errors
    ///
    /// `Malformed` for an impossible number: the caller ends the link.
    pub fn acknowledged(&mut self, number: u64) -> Result<()> {
        self.outbox.acknowledged(number).map(drop)
    }

    /// Records that the program receives again. Returns whether a control message is due at this trigger.
    pub fn consumed(&mut self, trigger: AckTrigger) -> bool {
        self.inbox.consumed();
        self.publish();
        self.has_to_say(trigger)
    }

    /// As [`Connection::consumed`], for messages in a ring, whose room `free_with_fence` frees.
    #[inline]
    pub fn consumed_with_room(&mut self, free_with_fence: impl FnOnce(), trigger: AckTrigger) -> bool {
        self.inbox.consumed();
        self.publish_consumed(free_with_fence, trigger) || self.has_replays()
    }

    /// Publishes the number that [`Inbox::consumed`](crate::Inbox::consumed) has recorded.
    ///
    /// `free_with_fence` frees the room in the ring; its fence also covers the page. Returns whether a frame is
    /// pending.
    #[inline(always)]
    pub fn publish_consumed(&mut self, free_with_fence: impl FnOnce(), trigger: AckTrigger) -> bool {
        self.publish_before_fence();
        if self.own_page.is_some() {
            free_with_fence();
        }
        self.is_ack_due(trigger)
    }

    /// Records a [new](crate::Inbox::is_new) message of this number, length and urgency.
    ///
    /// With `consume`, the program receives again, which is recorded and published first. Returns the trigger of a
    /// pending acknowledgement frame, and the number of messages lost before this message.
    #[inline(always)]
    pub fn received(
        &mut self,
        (number, bytes, urgency): (u64, usize, AckUrgency),
        fate: Fate,
        consume: Option<AckTrigger>,
        free_with_fence: impl FnOnce(),
    ) -> (Option<AckTrigger>, u64) {
        let fate = match (fate, consume) {
            (Fate::Delivered, Some(_)) => Fate::DeliveredNext,
            (_, Some(_)) => {
                self.inbox.consumed();
                fate
            }
            (_, None) => fate,
        };
        let verdict = self.inbox.received(number, bytes, urgency, fate);
        let due = match consume {
            Some(trigger) => self.publish_consumed(free_with_fence, trigger).then_some(trigger),
            None if fate == Fate::Finished => {
                // The next call frees its room in the ring, and makes the fence for both writes.
                self.publish_before_fence();
                self.is_ack_due(AckTrigger::Receive).then_some(AckTrigger::Receive)
            }
            None => None,
        };
        (due, Verdict::missed(&verdict))
    }

    /// Shows the peer that this request is taken, before the program has it.
    #[inline]
    pub fn request_taken(&self, request: u64) {
        if let Some(page) = &self.own_page {
            page.publish_taken(request);
        }
    }

    /// Records an acknowledgement by the program: see [`Inbox::acknowledge`](crate::Inbox::acknowledge).
    pub fn acknowledge(&mut self, session: u64, up_to: u64) {
        self.inbox.acknowledge(session, up_to);
        self.publish();
    }

    /// Records that one message is consumed: see [`Inbox::finished`](crate::Inbox::finished).
    pub fn finished(&mut self, session: u64, number: u64) {
        self.inbox.finished(session, number);
        self.publish();
    }

    /// Publishes the consumed number in this side's page, if there is one.
    pub fn publish(&mut self) {
        if let Some(page) = &self.own_page {
            let consumed = self.inbox.progress().consumed;
            if consumed > self.published {
                self.published = consumed;
                page.publish(consumed);
            }
        }
    }

    /// Publishes the consumed number with the fence that a caller omitted.
    pub fn publish_again(&self) {
        if let Some(page) = &self.own_page {
            page.publish(self.published);
        }
    }

    /// Publishes the consumed number; the caller, or the next call, makes the fence.
    pub fn publish_before_fence(&mut self) {
        if let Some(page) = &self.own_page {
            let consumed = self.inbox.progress().consumed;
            if consumed > self.published {
                self.published = consumed;
                page.publish_before_fence(consumed);
            }
        }
    }

    /// Returns the number of a pending acknowledgement frame: [`Inbox::ack_due`](crate::Inbox::ack_due).
    #[inline(always)]
    pub fn ack_due(&self, trigger: AckTrigger, to: u64) -> Option<u64> {
        if planted::is(Bug::AcknowledgesMore) {
            return self.inbox.ack_due(trigger, to).map(|number| number.saturating_add(1));
        }
        match &self.own_page {
            Some(page) => self.inbox.ack_due_beside_page(trigger, to, page.wanted()),
            None => self.inbox.ack_due(trigger, to),
        }
    }

    /// Returns whether a frame is pending to the session being received.
    pub fn is_ack_due(&self, trigger: AckTrigger) -> bool {
        self.ack_due(trigger, self.inbox.session()).is_some()
    }

    /// Returns whether an acknowledgement or another control message is pending at this trigger.
    pub fn has_to_say(&self, trigger: AckTrigger) -> bool {
        self.has_replays() || self.has_withdrawn() || self.is_ack_due(trigger)
    }

    /// Returns whether the peer reads the consumed number in the page, so that messages to it carry none.
    pub fn has_page(&self) -> bool {
        self.own_page.is_some()
    }

    /// Returns the number that data and requests to this session carry; 0 if the peer reads it in
    /// the page.
    pub fn to_piggyback(&self, to: u64) -> u64 {
        if self.own_page.is_some() { 0 } else { self.inbox.to_piggyback(to) }
    }
}
