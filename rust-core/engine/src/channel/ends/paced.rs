//! A channel in lockstep with its listener (`channel/lockstep`).

use super::{Channel, Inner};
use crate::channel::lockstep::Paced;
use crate::channel::session_state::SessionState;
use crate::session::inbox::AckTrigger;
use crate::sys::fork;

impl Paced for Inner {
    fn session_state(&self) -> &SessionState {
        &self.conn.links.session_state
    }

    fn consume_given(&self) {
        if fork::check(self.fork_generation).is_ok() && !self.conn.links.is_closed() {
            // The listener waits for the number, and may begin to wait only after this call.
            self.conn.consumed(AckTrigger::Requested);
        }
    }

    fn consume_what_was_sent(&self) {
        if fork::check(self.fork_generation).is_err() || self.conn.links.is_closed() {
            return;
        }
        let session_state = &self.conn.links.session_state;
        // Another receiving thread consumes its messages itself.
        let Some(mut receiving) = self.receiving.try_borrow() else { return };
        receiving.collect_acks(&self.conn);
        for message in receiving.inbox.iter() {
            session_state.finished(message.session(), message.number());
        }
        drop(receiving);
        self.conn.consumed(AckTrigger::Receive);
    }
}

impl Channel {
    pub(super) fn end_lockstep(&self) {
        if self.receiving.try_borrow().is_some_and(|receiving| receiving.is_lockstep()) {
            self.conn.consumed(AckTrigger::Close);
        }
    }
}
