//! The connection of a channel to its peer, or of a server to one client.
//!
//! A receiving thread borrows the sending direction for acknowledgements and replays. If another thread has it, that
//! thread sends them when it gives the direction back ([`Seat::on_left`]).
//!
//! [`Seat::on_left`]: crate::sys::seat::Seat::on_left

mod receive;

use std::sync::Arc;

use super::direction::Direction;
use super::event_log::EventLog;
use super::link::{Taken, TxPart};
use super::reconnector::Reconnector;
use super::sending::{Links, Sending};
use crate::session::inbox::AckTrigger;

pub(crate) use self::receive::Received;

pub struct Conn<L = Reconnector> {
    pub(crate) sending: Direction<Sending>,
    pub(crate) links: L,
    pub(crate) event_log: Arc<EventLog>,
}

impl<L: Links + Send + Sync + 'static> Conn<L> {
    pub(crate) fn new(sending: Sending, links: L, event_log: Arc<EventLog>) -> Conn<L> {
        Conn { sending: Direction::new(sending, links.session_state()), links, event_log }
    }

    /// Makes each thread that gives the sending direction back send what others left to it.
    ///
    /// The connection is a part of this object, which saves a call another pointer.
    pub(crate) fn on_left<T: Send + Sync + 'static>(of: &Arc<T>, conn: fn(&T) -> &Conn<L>) {
        let object = Arc::downgrade(of);
        conn(of).sending.on_left(
            |halves| halves.has_deferred(),
            move || object.upgrade().iter().for_each(|object| conn(object).send_left()),
        );
    }

    pub(crate) fn is_ack_due(&self, trigger: AckTrigger) -> bool {
        self.links.session_state().halves().is_ack_due(trigger)
    }

    /// Sends due acknowledgements and replays, or leaves them to the thread that has the direction.
    pub(crate) fn send_ack(&self, trigger: AckTrigger) {
        if self.links.session_state().halves().has_to_say(trigger) {
            self.send_ack_now(trigger);
        }
    }

    #[inline]
    pub(crate) fn finish<M>(&self, taken: Taken<M>) -> M {
        let session_state = self.links.session_state();
        taken.finish(session_state, &self.event_log, |trigger| self.send_ack_now(trigger))
    }

    pub(crate) fn consumed(&self, trigger: AckTrigger) {
        if self.links.session_state().consumed(trigger) {
            self.send_ack_now(trigger);
        }
    }

    /// Sends or defers the acknowledgement and replays. Not inlined: most messages need no frame.
    #[cold]
    pub(crate) fn send_ack_now(&self, trigger: AckTrigger) {
        if let Some(mut sending) = self.sending.try_borrow_or(|halves| halves.defer(trigger)) {
            sending.send_ack(trigger, &self.links, &self.event_log);
        }
    }

    #[cold]
    fn send_left(&self) {
        // The closing thread has sent everything.
        if self.links.are_closed() {
            return;
        }
        let session_state = self.links.session_state();
        // A thread that has the direction now does this when it gives it back.
        while let Some(mut sending) = self.sending.try_borrow() {
            let left = session_state.halves().take_deferred(sending.generation, L::JOINS);
            if let Some(trigger) = left {
                sending.send_ack(trigger, &self.links, &self.event_log);
            }
            // The thread that writes the blocking rest calls this function afterwards.
            let (link, is_waiting) =
                (sending.generation, sending.part.as_ref().is_some_and(TxPart::is_waiting));
            sending.end_left();
            // Other threads may have left more by now.
            if is_waiting || !session_state.halves().is_left_to(link, L::JOINS) {
                return;
            }
        }
    }
}
