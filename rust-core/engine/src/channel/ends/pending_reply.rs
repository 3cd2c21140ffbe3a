//! A request under way, of a call in two steps.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use super::Inner;
use super::call_steps::SentRequest;
use crate::session::inbox::AckTrigger;
use crate::sys::fork;

/// A sent request, whose answer [`Channel::finish_call`](super::Channel::finish_call) returns.
///
/// Dropping it earlier withdraws the request: a peer that has not yet received it does not start it, and an arriving
/// answer is dropped.
#[must_use = "a request is withdrawn when this is dropped"]
#[derive(Debug)]
pub struct PendingReply {
    pub(super) request: SentRequest,
    /// A request under way does not keep the channel open.
    channel: Weak<Inner>,
    is_finished: AtomicBool,
}

impl PendingReply {
    pub(super) fn new(request: SentRequest, channel: &Arc<Inner>) -> PendingReply {
        PendingReply { request, channel: Arc::downgrade(channel), is_finished: AtomicBool::new(false) }
    }

    pub(super) fn is_of(&self, channel: &Arc<Inner>) -> bool {
        std::ptr::eq(self.channel.as_ptr(), Arc::as_ptr(channel))
    }

    /// Returns whether the request is answered or given up. No answer follows.
    pub fn is_finished(&self) -> bool {
        self.is_finished.load(Ordering::Relaxed)
    }

    pub(super) fn set_finished(&self) {
        self.is_finished.store(true, Ordering::Relaxed);
    }
}

impl Drop for PendingReply {
    fn drop(&mut self) {
        if *self.is_finished.get_mut() {
            return;
        }
        let Some(channel) = self.channel.upgrade() else { return };
        // In a forked child, a thread of the parent may hold the locks forever.
        if fork::check(channel.fork_generation).is_err() || channel.conn.links.is_closed() {
            return;
        }
        let number = self.request.number;
        let mut halves = channel.conn.links.session_state.halves();
        let (is_open, answer) = (halves.calls.is_open(number), halves.calls.take(number));
        halves.calls.end(number);
        halves.outbox.finish_request(number);
        // The request ends with its link, unless it is sent again.
        let is_sent = channel.options.idempotent
            || halves.outbox.is_resent(number)
            || !halves.is_newer(self.request.generation);
        drop(halves);
        if channel.options.idempotent {
            // A thread may wait for the room of the request.
            channel.conn.links.session_state.acknowledgements.wake();
        }
        match answer {
            Some(_) => channel.conn.event_log.count(&channel.conn.event_log.dropped),
            None if is_open && is_sent => channel.withdraw(number),
            None => {}
        }
    }
}

impl Inner {
    pub(super) fn withdraw(&self, request: u64) {
        let session_state = &self.conn.links.session_state;
        session_state.halves().withdraw(request);
        // The thread that is sending sends the withdrawal when it releases the direction.
        let borrowed = self.conn.sending.try_borrow_or(|halves| halves.defer(AckTrigger::Park));
        let Some(mut sending) = borrowed else { return };
        let requests = session_state.halves().take_withdrawn();
        sending.send_withdrawals(requests, &self.conn.links);
    }
}
