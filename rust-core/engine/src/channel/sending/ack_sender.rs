//! Acknowledgements and replays of a thread that receives, which borrows the sending direction for them.

use super::{Links, Sending};
use crate::channel::direction::Direction;
use crate::channel::event_log::EventLog;
use crate::channel::link::Taken;
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

    /// Sends due acknowledgements and replays; if another thread is sending, leaves them to that thread.
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
        let session_state = self.links.session_state();
        if let Some(mut sending) = self.sending.try_borrow() {
            return sending.send_ack(trigger, self.links, self.event_log);
        }
        session_state.defer_ack(trigger);
        // The other thread may have released the direction just before the flag was set.
        self.flush_deferred();
    }

    /// Sends a deferred acknowledgement. Called by every thread that has just released the direction.
    #[inline]
    pub fn flush_deferred(&self) {
        if self.links.session_state().has_deferred_ack() {
            self.send_deferred();
        }
    }

    #[cold]
    fn send_deferred(&self) {
        while self.links.session_state().has_deferred_ack() {
            // A thread that holds the direction now calls this function when it releases it.
            let Some(mut sending) = self.sending.try_borrow() else { return };
            let Some(trigger) = self.links.session_state().take_deferred_ack() else { return };
            sending.send_ack(trigger, self.links, self.event_log);
        }
    }
}
