//! Acknowledgements and replays of a thread that receives, which borrows the sending direction for them.

use super::{Links, Sending};
use crate::channel::direction::Direction;
use crate::channel::event_log::EventLog;
use crate::channel::link::{Taken, TxPart};
use crate::channel::reconnector::Reconnector;
use crate::session::inbox::AckTrigger;

/// Sends acknowledgements and replays of a receiving thread over the other direction.
pub struct AckSender<'a, L = Reconnector> {
    pub sending: &'a Direction<Sending>,
    pub links: &'a L,
    pub event_log: &'a EventLog,
}

impl<L: Links> AckSender<'_, L> {
    /// Returns whether an acknowledgement would be due on this occasion.
    pub fn is_ack_due(&self, trigger: AckTrigger) -> bool {
        self.links.session_state().halves().is_ack_due(trigger)
    }

    /// Sends due acknowledgements and replays; if another thread has the direction, leaves them to that thread.
    pub fn send_ack(&self, trigger: AckTrigger) {
        if self.links.session_state().halves().has_to_say(trigger) {
            self.send_ack_now(trigger);
        }
    }

    /// Completes the receipt of a message that was taken, and returns it.
    #[inline]
    pub fn finish<M>(&self, taken: Taken<M>) -> M {
        let session_state = self.links.session_state();
        taken.finish(session_state, self.event_log, |trigger| self.send_ack_now(trigger))
    }

    /// Records that the program receives again, and acknowledges if that is necessary.
    pub fn consumed(&self, trigger: AckTrigger) {
        if self.links.session_state().consumed(trigger) {
            self.send_ack_now(trigger);
        }
    }

    /// Sends the acknowledgement and replays, or defers them. Not inlined: most messages need no frame.
    #[cold]
    pub fn send_ack_now(&self, trigger: AckTrigger) {
        if let Some(mut sending) = self.sending.try_borrow_or(|halves| halves.defer(trigger)) {
            sending.send_ack(trigger, self.links, self.event_log);
        }
    }

    /// Sends what was left to the thread that has just given the direction back.
    #[cold]
    pub fn send_left(&self) {
        let session_state = self.links.session_state();
        // A thread that has the direction now does this when it gives it back.
        while let Some(mut sending) = self.sending.try_borrow() {
            let left = session_state.halves().take_deferred(sending.generation, L::JOINS);
            if let Some(trigger) = left {
                sending.send_ack(trigger, self.links, self.event_log);
            }
            // The thread that writes the rest in the way comes here afterwards.
            let (link, is_waiting) =
                (sending.generation, sending.part.as_ref().is_some_and(TxPart::is_waiting));
            sending.end_left();
            // More may have been left meanwhile.
            if is_waiting || !session_state.halves().is_left_to(link, L::JOINS) {
                return;
            }
        }
    }
}
