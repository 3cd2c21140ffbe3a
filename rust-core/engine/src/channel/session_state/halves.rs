//! Both halves of a session, and the pages in shared memory that belong to its current links: the state that the
//! session's lock protects.

use std::sync::Arc;

use super::calls::Calls;
use crate::error::Error;
use crate::message::StoredMessage;
use crate::session::inbox::{AckTrigger, AckUrgency, Fate, Verdict};
use crate::session::{Inbox, Outbox, RetransmitClass};
use crate::transport::{AckWords, Rx, Slots};

/// Both halves of the session, and the pages in shared memory that belong to the current links.
pub struct SessionHalves {
    pub outbox: Outbox<StoredMessage>,
    pub inbox: Inbox,
    /// The page in which the peer of the current link reads the consumed number; none without shared memory.
    pub(super) own_page: Option<Arc<AckWords>>,
    /// The number that `own_page` holds, so that it is not written again.
    pub(super) published: u64,
    /// Where the peer of the link that is being written publishes its consumed number.
    pub(super) peer_page: Option<Arc<AckWords>>,
    /// The number from which on the peer is to wake a thread that waits; 0 while none does. It outlasts the link.
    pub(super) wanted: u64,
    /// The error about an impossible number in `peer_page`.
    pub(super) violation: Option<Error>,
    /// The slots of the link that is being written, for long arrays.
    pub(super) slots: Option<Arc<Slots>>,
    /// Requests whose answers any call may receive, and the calls that wait.
    pub calls: Calls,
}

impl SessionHalves {
    /// Asks a peer that acknowledges in its page for a frame from this number on, also the peer of the next link; 0 for none.
    pub(super) fn want(&mut self, number: u64) {
        self.wanted = number;
        if let Some(ack_words) = &self.peer_page {
            ack_words.want(number);
        }
    }

    /// Publishes the consumed number in the own page, if there is one.
    #[inline]
    pub(super) fn publish(&mut self) {
        if let Some(ack_words) = &self.own_page {
            let consumed = self.inbox.progress().consumed;
            if consumed > self.published {
                self.published = consumed;
                ack_words.publish(consumed);
            }
        }
    }

    /// Records that the program receives again. Returns whether an acknowledgement frame is pending.
    #[inline]
    pub fn consumed(&mut self, rx: &mut Rx, trigger: AckTrigger) -> bool {
        self.inbox.consumed();
        self.publish_consumed(|| rx.consumed_with_fence(), trigger)
    }

    /// Publishes what [`Inbox::consumed`] has recorded; `free_with_fence` frees the room of the messages in the ring. The page
    /// is written before that fence, which then covers both writes. Returns whether a frame is pending.
    #[inline(always)]
    pub fn publish_consumed(&mut self, free_with_fence: impl FnOnce(), trigger: AckTrigger) -> bool {
        self.publish_before_fence();
        if self.own_page.is_some() {
            free_with_fence();
        }
        self.is_ack_due(trigger)
    }

    /// Records a message that is [new](Inbox::is_new), of this number, length and urgency. With `consume`, the program receives
    /// again on this occasion, which is recorded and published before; see [`SessionHalves::publish_consumed`]. Returns the
    /// occasion of a pending acknowledgement frame, and how many messages were lost before this one.
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
                // The next call frees its room in the ring, and makes the fence for both.
                self.publish_before_fence();
                self.is_ack_due(AckTrigger::Receive).then_some(AckTrigger::Receive)
            }
            None => None,
        };
        (due, Verdict::missed(&verdict))
    }

    /// Records that one message is consumed: see [`Inbox::finished`].
    pub fn finished(&mut self, session: u64, number: u64) {
        self.inbox.finished(session, number);
        self.publish();
    }

    /// Publishes the consumed number with the fence that a caller has not made after all.
    pub fn publish_again(&self) {
        if let Some(ack_words) = &self.own_page {
            ack_words.publish(self.published);
        }
    }

    /// Publishes the consumed number; the caller, or the next call, makes the fence.
    #[inline(always)]
    pub fn publish_before_fence(&mut self) {
        if let Some(ack_words) = &self.own_page {
            let consumed = self.inbox.progress().consumed;
            if consumed > self.published {
                self.published = consumed;
                ack_words.publish_before_fence(consumed);
            }
        }
    }

    /// Takes over the consumed number that the peer has published.
    pub fn read_peer_page(&mut self) {
        if let Some(ack_words) = &self.peer_page
            && let Err(error) = self.outbox.acknowledged(ack_words.acknowledged())
        {
            self.violation = Some(error);
        }
    }

    /// Returns the error about the peer's page once: the caller ends the link.
    #[inline]
    pub fn violation(&mut self) -> Option<Error> {
        self.violation.take()
    }

    /// Returns whether there is such an error.
    #[inline]
    pub fn has_violation(&self) -> bool {
        self.violation.is_some()
    }

    /// Returns whether a message may be sent now. Reads the peer's page only if there seems to be
    /// no room.
    #[inline(always)]
    pub fn has_room(&mut self, class: RetransmitClass, bytes: usize) -> bool {
        self.outbox.has_room(class, bytes) || self.has_room_now(class, bytes)
    }

    #[cold]
    fn has_room_now(&mut self, class: RetransmitClass, bytes: usize) -> bool {
        self.read_peer_page();
        self.outbox.has_room(class, bytes)
    }

    /// Returns the number that an acknowledgement frame should carry now, if one is pending: see
    /// [`Inbox::ack_due`].
    #[inline(always)]
    pub fn ack_due(&self, trigger: AckTrigger, to: u64) -> Option<u64> {
        match &self.own_page {
            Some(ack_words) => self.inbox.ack_due_beside_page(trigger, to, ack_words.wanted()),
            None => self.inbox.ack_due(trigger, to),
        }
    }

    /// Returns whether a frame is pending, to the session that is being received.
    #[inline(always)]
    pub fn is_ack_due(&self, trigger: AckTrigger) -> bool {
        self.ack_due(trigger, self.inbox.session()).is_some()
    }

    /// Returns whether the peer reads the consumed number in the page, so that no message to it carries one.
    #[inline]
    pub fn has_page(&self) -> bool {
        self.own_page.is_some()
    }

    /// Returns the number that data and requests to this session carry; 0 if the peer reads it in
    /// the page.
    #[inline]
    pub fn to_piggyback(&self, to: u64) -> u64 {
        if self.own_page.is_some() { 0 } else { self.inbox.to_piggyback(to) }
    }
}
