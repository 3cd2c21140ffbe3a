//! A connection: what a channel has with its peer, and a server with each of its clients. One thread at a time uses its
//! sending direction; a thread that receives sends acknowledgements and replays over it, where no other one has it.
//! Otherwise it leaves them to that thread, which sends them when it gives the direction back ([`Seat::on_left`]).
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

/// The sending direction of a connection, its links, and the log of its object.
pub struct Conn<L = Reconnector> {
    /// The state of sending. Threads take turns. Its gate is the lock of the session.
    pub(crate) sending: Direction<Sending>,
    pub(crate) links: L,
    pub(crate) event_log: Arc<EventLog>,
}

impl<L: Links + Send + Sync + 'static> Conn<L> {
    /// Returns a connection over these links, which starts to send with this state.
    pub(crate) fn new(sending: Sending, links: L, event_log: Arc<EventLog>) -> Conn<L> {
        Conn { sending: Direction::new(sending, links.session_state()), links, event_log }
    }

    /// Has each thread that gives the sending direction back send what was left to it. The connection is a part of this
    /// object, so that a call has it without another pointer.
    pub(crate) fn on_left<T: Send + Sync + 'static>(of: &Arc<T>, conn: fn(&T) -> &Conn<L>) {
        let object = Arc::downgrade(of);
        conn(of).sending.on_left(
            |halves| halves.has_deferred(),
            move || object.upgrade().iter().for_each(|object| conn(object).send_left()),
        );
    }

    /// Returns whether an acknowledgement would be due on this occasion.
    pub(crate) fn is_ack_due(&self, trigger: AckTrigger) -> bool {
        self.links.session_state().halves().is_ack_due(trigger)
    }

    /// Sends due acknowledgements and replays; if another thread has the direction, leaves them to that thread.
    pub(crate) fn send_ack(&self, trigger: AckTrigger) {
        if self.links.session_state().halves().has_to_say(trigger) {
            self.send_ack_now(trigger);
        }
    }

    /// Completes the receipt of a message that was taken, and returns it.
    #[inline]
    pub(crate) fn finish<M>(&self, taken: Taken<M>) -> M {
        let session_state = self.links.session_state();
        taken.finish(session_state, &self.event_log, |trigger| self.send_ack_now(trigger))
    }

    /// Records that the program receives again, and acknowledges if that is necessary.
    pub(crate) fn consumed(&self, trigger: AckTrigger) {
        if self.links.session_state().consumed(trigger) {
            self.send_ack_now(trigger);
        }
    }

    /// Sends the acknowledgement and replays, or defers them. Not inlined: most messages need no frame.
    #[cold]
    pub(crate) fn send_ack_now(&self, trigger: AckTrigger) {
        if let Some(mut sending) = self.sending.try_borrow_or(|halves| halves.defer(trigger)) {
            sending.send_ack(trigger, &self.links, &self.event_log);
        }
    }

    /// Sends what was left to the thread that has just given the direction back.
    #[cold]
    fn send_left(&self) {
        // The thread that closes the object has said what there was.
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
