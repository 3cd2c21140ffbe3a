//! Receives one message: the fast path of a ring, and the general path with missed messages, `delivery="latest"` and
//! the end of a loop.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{MAX_FRAMES_AT_ONCE, Subscriber};
use crate::channel::{Acknowledge, Delivery, Operation, lock_exclusive};
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::message::{Message, ReceivedBytes};
use crate::planted;
use crate::publish::receive_state::{ReceiveState, STOP};
use crate::sys::fork;
use crate::sys::poll::{Interest, next_round};
use crate::sys::stop;

const MAX_EMPTY_POLLS: u32 = 64;

/// A received message, or its bytes.
pub(super) trait Numbered {
    /// The publisher's number of the message.
    fn number(&self) -> u64;
}

impl Numbered for Message {
    fn number(&self) -> u64 {
        self.sequence()
    }
}

impl Numbered for ReceivedBytes {
    fn number(&self) -> u64 {
        self.sequence
    }
}

impl Subscriber {
    /// Returns the next message on the fast path by `take`, or `None` with an unchanged state.
    ///
    /// After `None`, also if `allowed` returns false, [`Subscriber::receive`] receives. A call that may wait spins
    /// here for a message; the general path then begins with the next stage of the wait. No callback runs here, so
    /// a close by another thread waits for the lock and disconnects.
    pub(super) fn receive_at_once<M: Numbered>(
        &self,
        allowed: impl FnOnce(&ReceiveState) -> bool,
        take: impl FnOnce(&mut ReceiveState) -> Option<M>,
    ) -> Option<M> {
        if fork::check(self.fork_generation).is_err()
            || self.closed.load(Ordering::Acquire)
            || self.options.delivery == Some(Delivery::Latest)
        {
            return None;
        }
        let mut receive_state = lock_exclusive(&self.receive_state, Operation::ReceivePublished).ok()?;
        if !receive_state.is_fast() || !allowed(&receive_state) {
            return None;
        }
        let message = take(&mut receive_state)?;
        // Only the receiving thread writes this counter.
        self.event_log.count_exclusive(&self.event_log.received);
        // `set_delivered` would also store the number, which a ring does not use.
        if let Some(position) = &receive_state.position {
            position.delivered(message.number());
        }
        Some(message)
    }

    /// Receives one message. A call that copies the bytes has the length of their memory in `room`: a longer message
    /// stays the next one, and a body in a slot stays there.
    pub(super) fn receive(
        &self,
        waiting: &mut Waiting<'_>,
        iterates: bool,
        room: Option<usize>,
    ) -> Result<Option<Message>> {
        fork::check(self.fork_generation)?;
        let receive_state = match lock_exclusive(&self.receive_state, Operation::ReceivePublished) {
            // The other thread closes the subscriber.
            Err(_) if self.closed.load(Ordering::Acquire) => return Ok(None),
            receive_state => receive_state?,
        };
        self.with_state(receive_state, |receive_state| {
            receive_state.takes_whole = room.is_some() && self.options.checks_received().is_none();
            let received = self.receive_with(receive_state, waiting, iterates, room);
            receive_state.takes_whole = false;
            received
        })
    }

    fn receive_with(
        &self,
        receive_state: &mut ReceiveState,
        waiting: &mut Waiting<'_>,
        iterates: bool,
        room: Option<usize>,
    ) -> Result<Option<Message>> {
        if iterates
            && waiting.heeds_signals()
            && receive_state.signal_watch.is_none()
            && !self.closed.load(Ordering::Acquire)
        {
            let watch = stop::watch()?;
            // Edge-triggered: it does not wake a later call with a timeout again.
            receive_state.epoll.add(stop::waker(), STOP, Interest::IN | Interest::ET)?;
            receive_state.signal_watch = Some(watch);
        }
        if self.options.ack == Acknowledge::Auto {
            self.consumed(receive_state)?;
        }
        // Each round polls the feed once. The loop ends with a message, the deadline, a close or an error.
        let mut empty_polls = 0u32;
        receive_state.has_looked = false;
        let is_latest = self.options.delivery == Some(Delivery::Latest);
        // A message that an earlier call has found comes first.
        let is_kept = !receive_state.pending.is_empty() && receive_state.deferred_error.is_none();
        loop {
            planted::sleep_in_loop();
            if self.closed.load(Ordering::Acquire) {
                return Ok(None);
            }
            if iterates
                && waiting.heeds_signals()
                && !is_kept
                && receive_state.signal_watch.as_mut().is_some_and(stop::Watch::take_request)
            {
                // Otherwise the signal would keep the descriptor of an event loop readable.
                receive_state.epoll.sleep(Some(Duration::ZERO), &mut receive_state.ready)?;
                return Ok(None);
            }
            match self.poll_next(receive_state, waiting, iterates) {
                Ok(Some(mut message)) => {
                    // With several names, each name's subscriber skips to its newest message and counts missed ones.
                    if is_latest && self.names.is_none() && !is_kept {
                        message = self.skip_to_newest(receive_state, message);
                    }
                    let missed = message.missed().saturating_add(std::mem::take(&mut receive_state.missed));
                    if missed > 0 && is_kept && !iterates && !is_latest {
                        // Outside of a loop the gap is an error, which comes before the message.
                        let error = Error::lagged(missed).on(message.name().unwrap_or(&self.shown));
                        receive_state.pending.push_front(message.with_missed(0));
                        return Err(error);
                    }
                    if missed > 0 {
                        message = message.with_missed(missed);
                    }
                    if let Some(room) = room.filter(|room| message.memory().len() > *room) {
                        let refused = ReceivedBytes::too_long(message.memory().len(), room);
                        receive_state.pending.push_front(message);
                        return Err(refused);
                    }
                    return Ok(Some(self.deliver(receive_state, message)));
                }
                // Checks the deadline: new rings and frames without messages must not delay the caller.
                Ok(None) => {
                    empty_polls = empty_polls.saturating_add(1);
                    if empty_polls.is_multiple_of(MAX_EMPTY_POLLS) {
                        // If frames are left, an event loop must be woken.
                        next_round(waiting).inspect_err(|_| receive_state.update_readiness())?;
                    }
                }
                Err(e) if e.kind() == ErrorKind::Lagged && self.names.is_none() => {
                    let count = self.count_missed(&e);
                    if !iterates && !is_latest {
                        return Err(e);
                    }
                    // Before the check of the deadline, because the feed reports a gap once.
                    receive_state.missed = receive_state.missed.saturating_add(count);
                    next_round(waiting).inspect_err(|_| receive_state.update_readiness())?;
                }
                Err(e) => return Err(e),
            }
        }
    }

    fn skip_to_newest(&self, receive_state: &mut ReceiveState, mut message: Message) -> Message {
        let mut at_once = Waiting::at_once();
        for _ in 0..MAX_FRAMES_AT_ONCE {
            if receive_state.feed.as_ref().is_some_and(|feed| !feed.has_several()) {
                break;
            }
            match self.poll_next(receive_state, &mut at_once, false) {
                Ok(Some(newer)) => {
                    message = newer;
                    receive_state.missed = receive_state.missed.saturating_add(1);
                }
                Err(e) if e.kind() == ErrorKind::Lagged => {
                    receive_state.missed = receive_state.missed.saturating_add(self.count_missed(&e));
                }
                // The feed reports these once, so the next call must.
                Err(e)
                    if matches!(
                        e.kind(),
                        ErrorKind::Corrupt | ErrorKind::TooLarge | ErrorKind::OutOfMemory
                    ) =>
                {
                    receive_state.deferred_error = Some(e);
                    break;
                }
                _ => break,
            }
        }
        message
    }

    /// Puts the last returned message back, for a binding without memory for it.
    #[doc(hidden)]
    pub fn put_back(&self, message: Message) -> Result<()> {
        let mut receive_state = lock_exclusive(&self.receive_state, Operation::ReceivePublished)?;
        // Only the receiving thread, which this is, writes this counter.
        let received = self.event_log.received.load(Ordering::Relaxed);
        self.event_log.received.store(received.saturating_sub(1), Ordering::Relaxed);
        receive_state.pending.push_front(message);
        receive_state.update_readiness();
        Ok(())
    }

    fn deliver(&self, receive_state: &mut ReceiveState, message: Message) -> Message {
        self.event_log.count_exclusive(&self.event_log.received);
        receive_state.set_delivered(message.sequence());
        receive_state.update_readiness();
        message
    }

    fn count_missed(&self, error: &Error) -> u64 {
        let count = error.missed().unwrap_or(0);
        self.event_log.lagged(count);
        count
    }
}
