//! Unanswered and withdrawn requests of a client.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

use super::ClientTx;

impl ClientTx {
    pub fn request_received(&self) {
        self.requests.store(self.requests.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    pub(super) fn count_answer(&self) {
        self.answers.store(self.answers.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    pub fn never_answered(&self) {
        let sending = self.conn.sending.borrow();
        self.count_answer();
        drop(sending);
        self.wake_if_half_closed();
    }

    pub(super) fn wake_if_half_closed(&self) {
        if self.half_closed.load(Ordering::Acquire) {
            // If this was the client's last answer, the serving thread must disconnect the client.
            self.conn.links.server_waker.wake();
        }
    }

    pub fn half_closed(&self) -> bool {
        self.half_closed.store(true, Ordering::Release);
        self.has_unfinished()
    }

    pub fn has_unfinished(&self) -> bool {
        self.has_unanswered() || self.conn.links.pending.load(Ordering::Acquire)
    }

    /// Returns whether a request is unanswered. Each request is counted before its answer.
    fn has_unanswered(&self) -> bool {
        let answers = self.answers.load(Ordering::Acquire);
        self.requests.load(Ordering::Acquire) > answers
    }

    /// Records a withdrawal of a request that the program may have already received. Only a server that represents
    /// another machine's server uses it: it forwards the withdrawal.
    pub fn note_withdrawal(&self, request: u64) {
        /// The most recorded withdrawals. Requests of older ones end at their deadlines.
        const MOST: usize = 1024;
        if self.options.machine.is_none() {
            return;
        }
        let mut withdrawn = self.withdrawn();
        if !self.has_unanswered() {
            withdrawn.clear();
        } else {
            if withdrawn.len() >= MOST {
                withdrawn.pop_front();
            }
            withdrawn.push_back(request);
        }
    }

    pub fn has_withdrawn(&self, request: u64) -> bool {
        self.withdrawn().contains(&request)
    }

    fn withdrawn(&self) -> MutexGuard<'_, VecDeque<u64>> {
        self.withdrawn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
