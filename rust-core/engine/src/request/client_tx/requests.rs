//! Which requests of a client are unanswered, and which it has withdrawn.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

use super::ClientTx;

impl ClientTx {
    /// Counts a request that needs an answer. Called by the serving thread alone.
    pub fn request_received(&self) {
        self.requests.store(self.requests.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// Counts an answer. The caller has locked the state.
    pub(super) fn count_answer(&self) {
        self.answers.store(self.answers.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// Records that a request will never be answered.
    pub fn never_answered(&self) {
        let sending = self.conn.sending.borrow();
        self.count_answer();
        drop(sending);
        self.wake_if_half_closed();
    }

    /// Wakes the serving thread after an answer to a client that has closed its sending side.
    pub(super) fn wake_if_half_closed(&self) {
        if self.half_closed.load(Ordering::Acquire) {
            // This may have been the last answer to the client, and then the serving thread has to disconnect it.
            self.conn.links.server_waker.wake();
        }
    }

    /// Records that the client has closed its sending side. Returns whether it still waits for answers.
    pub fn half_closed(&self) -> bool {
        self.half_closed.store(true, Ordering::Release);
        self.has_unfinished()
    }

    /// Returns whether a request is unanswered or an answer waits.
    pub fn has_unfinished(&self) -> bool {
        self.has_unanswered() || self.conn.links.pending.load(Ordering::Acquire)
    }

    /// Returns whether a request is unanswered. Each request is counted before its answer.
    fn has_unanswered(&self) -> bool {
        let answers = self.answers.load(Ordering::Acquire);
        self.requests.load(Ordering::Acquire) > answers
    }

    /// Records that the client has withdrawn a request, which the program may have received already. Only a
    /// server that represents one on another machine can still use this: it forwards the withdrawal.
    pub fn note_withdrawal(&self, request: u64) {
        /// The most withdrawals that are recorded. Older ones are dropped, and those requests end at their deadlines.
        const MOST: usize = 1024;
        if self.options.machine.is_none() {
            return;
        }
        let mut withdrawn = self.withdrawn();
        if !self.has_unanswered() {
            // The request was answered before its withdrawal arrived.
            withdrawn.clear();
        } else {
            if withdrawn.len() >= MOST {
                withdrawn.pop_front();
            }
            withdrawn.push_back(request);
        }
    }

    /// Returns whether the client has withdrawn this request.
    pub fn has_withdrawn(&self, request: u64) -> bool {
        self.withdrawn().contains(&request)
    }

    fn withdrawn(&self) -> MutexGuard<'_, VecDeque<u64>> {
        self.withdrawn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
