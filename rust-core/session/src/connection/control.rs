//! What the library itself has to say to the peer: messages that are sent again, withdrawn requests, acknowledgements.

use alloc::vec::Vec;

use super::{Connection, Page};
use crate::inbox::AckTrigger;
use crate::places::Reuse;
use crate::planted::{self, Bug};

/// What is to be said next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Nothing over this link: there is a newer one.
    NextLink,
    /// Messages are to be sent again first: see [`Connection::next_replay`].
    Replay,
    /// The callers of these requests gave up. What the link does not take is [left for
    /// later](Connection::withdraw_later).
    Withdraw(Vec<u64>),
    /// Everything up to this number is consumed. Once the link has it, the inbox [records
    /// that](crate::Inbox::ack_frame_sent).
    Acknowledge(u64),
}

/// What was tried on one occasion. Each is tried once: what the link does not take now delays nothing behind it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried {
    replays: bool,
    withdrawals: bool,
}

/// The most withdrawals that are kept; further ones are not sent. A server that receives nothing for so long has the
/// requests in its queue and carries them out.
const MOST_WITHDRAWALS: usize = 1024;

impl<M: Reuse, P: Page> Connection<M, P> {
    /// Returns what is to be said next over this link to this session, and was not tried on this occasion; the
    /// acknowledgement if `trigger` makes it due.
    pub fn next_control(
        &mut self,
        link: u64,
        trigger: AckTrigger,
        to: u64,
        tried: &mut Tried,
    ) -> Option<Control> {
        if self.is_newer(link) {
            return Some(Control::NextLink);
        }
        if self.replays && !core::mem::replace(&mut tried.replays, true) {
            return Some(Control::Replay);
        }
        if !self.withdrawn.is_empty() && !core::mem::replace(&mut tried.withdrawals, true) {
            return Some(Control::Withdraw(self.take_withdrawn()));
        }
        self.ack_due(trigger, to).map(Control::Acknowledge)
    }

    /// Returns whether the peer is to be informed of withdrawn requests.
    pub fn has_withdrawn(&self) -> bool {
        !self.withdrawn.is_empty()
    }

    /// Returns the requests whose withdrawal is to be sent, once.
    pub fn take_withdrawn(&mut self) -> Vec<u64> {
        core::mem::take(&mut self.withdrawn)
    }

    /// Notes that the caller of this request gave up, for the peer to be informed.
    pub fn withdraw(&mut self, request: u64) {
        if planted::is(Bug::WithdrawalIsNotQueued) {
            return;
        }
        if self.withdrawn.len() < MOST_WITHDRAWALS {
            self.withdrawn.push(request);
        }
    }

    /// Leaves the withdrawals that the link did not take for a later call.
    pub fn withdraw_later(&mut self, mut requests: Vec<u64>) {
        requests.append(&mut self.withdrawn);
        requests.truncate(MOST_WITHDRAWALS);
        self.withdrawn = requests;
    }

    /// Leaves what is to be said to the thread that sends now: it looks when it has done so. An acknowledgement that
    /// the peer has requested is sent in any case.
    pub fn defer(&mut self, trigger: AckTrigger) {
        let is_requested = trigger == AckTrigger::Requested || self.deferred == Some(AckTrigger::Requested);
        self.deferred = Some(if is_requested { AckTrigger::Requested } else { AckTrigger::Park });
    }

    /// Returns whether something was left to the thread that sends.
    pub fn has_deferred(&self) -> bool {
        self.deferred.is_some()
    }

    /// Returns whether something was left to the thread that sends over this link. A thread that does not `join` a
    /// newer link leaves it to the one that sends over that.
    pub fn is_left_to(&self, link: u64, joins: bool) -> bool {
        self.has_deferred() && (joins || !self.is_newer(link))
    }

    /// Returns the occasion of what was left to that thread, once.
    pub fn take_deferred(&mut self, link: u64, joins: bool) -> Option<AckTrigger> {
        if self.is_left_to(link, joins) { self.deferred.take() } else { None }
    }

    /// Returns whether the newest link may have to get earlier messages first.
    pub fn has_replays(&self) -> bool {
        self.replays
    }

    /// Returns the next message that is to be sent again over this link, with its number; then [`Connection::replayed`]
    /// is called. None once this link has all of them, and where there is a newer one, over which they go.
    pub fn next_replay(&mut self, link: u64) -> Option<(&M, u64)> {
        if !self.replays || self.is_newer(link) {
            return None;
        }
        if self.outbox.to_replay().is_none() {
            self.replays = false;
            return None;
        }
        self.outbox.to_replay()
    }

    /// Records that this link took the message with this number again. Over a link that was replaced meanwhile it is
    /// sent once more.
    pub fn replayed(&mut self, link: u64, number: u64) {
        if !self.is_newer(link) {
            self.outbox.replayed(number);
        }
    }
}
