//! Requests that are received ahead of the session's record, and answered: the serving thread leaves the lock alone, and the
//! thread that locks the session next makes the record.

use std::sync::atomic::Ordering;

use super::{SessionHalves, SessionState};
use crate::channel::session::inbox::{AckUrgency, Fate};

impl SessionHalves {
    /// Records that a request is answered, which consumes it. `ahead` is the request that was received last without this
    /// lock. The caller makes the fence that publishes the number.
    #[inline(always)]
    fn request_answered(&mut self, session: u64, number: u64, ahead: u64) {
        if ahead == number && ahead > self.inbox.progress().received && session == self.inbox.session() {
            // Its number is new, so this is no error.
            let _ = self.inbox.received(number, 0, AckUrgency::NotNeeded, Fate::Finished);
        } else {
            self.record_ahead(ahead);
            self.inbox.finished(session, number);
        }
        self.publish_before_fence();
    }

    /// Returns whether the next call of the program that receives has nothing to record: no message is delivered, the peer
    /// does not wait for a frame, and has not violated the protocol.
    #[inline(always)]
    fn is_all_answered(&self) -> bool {
        let waits = self.own_page.as_ref().is_none_or(|ack_words| ack_words.wanted() > 0);
        !waits && !self.inbox.has_delivered() && self.violation.is_none()
    }

    /// Records that a request of this number was received and delivered, if it was not recorded yet.
    #[inline]
    pub(super) fn record_ahead(&mut self, ahead: u64) {
        if ahead > self.inbox.progress().received {
            // Its number is new, so this is no error; and its sender needs no acknowledgement of so many bytes.
            let _ = self.inbox.received(ahead, 0, AckUrgency::NotNeeded, Fate::Delivered);
        }
    }
}

impl SessionState {
    /// Records that a request is answered, for a thread that has the halves by the client's sending state. The caller makes
    /// a full fence, and then calls [`SessionState::note_answered`].
    #[inline(always)]
    pub fn request_answered(&self, halves: &mut SessionHalves, session: u64, number: u64) {
        halves.request_answered(session, number, self.ahead.load(Ordering::Acquire));
    }

    /// Notes whether the next call that receives has nothing to record.
    #[inline(always)]
    pub fn note_answered(&self, halves: &SessionHalves) {
        if halves.is_all_answered() {
            self.answered_to.store(halves.inbox.progress().received, Ordering::Release);
        }
    }
}
