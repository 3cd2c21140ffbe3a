//! Control messages of the library to the peer: replays, withdrawn requests, acknowledgements.

use alloc::vec::Vec;

use super::{Connection, Page};
use crate::inbox::AckTrigger;
use crate::places::Reuse;
use crate::planted::{self, Bug};

/// The next control message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// None over this link, because a newer link exists.
    NextLink,
    /// Messages must be sent again first: see [`Connection::next_replay`].
    Replay,
    /// The callers of these requests gave up.
    ///
    /// The caller keeps refused withdrawals [for later](Connection::withdraw_later).
    Withdraw(Vec<u64>),
    /// Everything up to this number is consumed.
    ///
    /// After the link has taken it, the inbox [records that](crate::Inbox::ack_frame_sent).
    Acknowledge(u64),
}

/// The control messages tried at one trigger.
///
/// Each is tried once, so that a refused message does not delay the others.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried {
    replays: bool,
    withdrawals: bool,
}

/// The most kept withdrawals; further withdrawals are not sent.
///
/// The server carries those requests out.
const MOST_WITHDRAWALS: usize = 1024;

impl<M: Reuse, P: Page> Connection<M, P> {
    /// Returns the next untried control message over this link to this session.
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

    /// Returns whether the peer must be informed of withdrawn requests.
    pub fn has_withdrawn(&self) -> bool {
        !self.withdrawn.is_empty()
    }

    /// Returns the requests whose withdrawal must be sent, once.
    pub fn take_withdrawn(&mut self) -> Vec<u64> {
        core::mem::take(&mut self.withdrawn)
    }

    /// Records that the caller of this request gave up, to inform the peer.
    pub fn withdraw(&mut self, request: u64) {
        if planted::is(Bug::WithdrawalIsNotQueued) {
            return;
        }
        if self.withdrawn.len() < MOST_WITHDRAWALS {
            self.withdrawn.push(request);
        }
    }

    /// Keeps the withdrawals that the link refused for a later call.
    pub fn withdraw_later(&mut self, mut requests: Vec<u64>) {
        requests.append(&mut self.withdrawn);
        requests.truncate(MOST_WITHDRAWALS);
        self.withdrawn = requests;
    }

    /// Leaves the control messages to the thread that sends now, which checks for them afterwards.
    ///
    /// An acknowledgement that the peer has requested is sent in any case.
    pub fn defer(&mut self, trigger: AckTrigger) {
        let is_requested = trigger == AckTrigger::Requested || self.deferred == Some(AckTrigger::Requested);
        self.deferred = Some(if is_requested { AckTrigger::Requested } else { AckTrigger::Park });
    }

    /// Returns whether control messages were left to the sending thread.
    pub fn has_deferred(&self) -> bool {
        self.deferred.is_some()
    }

    /// Returns whether control messages were left to the thread that sends over this link.
    ///
    /// A thread that does not `join` a newer link leaves them to another.
    pub fn is_left_to(&self, link: u64, joins: bool) -> bool {
        self.has_deferred() && (joins || !self.is_newer(link))
    }

    /// Returns the trigger of the control messages left to that thread, once.
    pub fn take_deferred(&mut self, link: u64, joins: bool) -> Option<AckTrigger> {
        if self.is_left_to(link, joins) { self.deferred.take() } else { None }
    }

    /// Returns whether the newest link may need earlier messages first.
    pub fn has_replays(&self) -> bool {
        self.replays
    }

    /// Returns the next message to replay over this link, with its number.
    ///
    /// `None` after the last message, and if there is a newer link, which replays them.
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

    /// Records that this link took the message with this number again.
    ///
    /// If the link has been replaced, the newer link replays it once more.
    pub fn replayed(&mut self, link: u64, number: u64) {
        if !self.is_newer(link) {
            self.outbox.replayed(number);
        }
    }
}
