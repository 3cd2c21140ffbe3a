//! The wait for the peer's consumption of all messages: by `flush`, and at the end of an unclosed channel.
//!
//! A channel that ends without `close` waits for [`Options::linger`](crate::Options::linger). It then reports the
//! number of unconsumed messages on one line of stderr, as an event, and by
//! [`Options::on_unconsumed`](crate::Options::on_unconsumed). Without these options, it reports at once, and only if
//! the peer has disconnected with more than one unconsumed message that no `flush` has reported.

use std::io::Write;
use std::sync::atomic::Ordering;

use super::close::unconsumed;
use super::{Channel, rest};
use crate::channel::Operation;
use crate::channel::options::Delivery;
use crate::channel::receiving::Reads;
use crate::deadline::{Deadline, Wait, Waiting};
use crate::drive;
use crate::error::{ErrorKind, Result};
use crate::session::inbox::AckTrigger;
use crate::sys::fork;
use crate::sys::poll::next_round;

impl Channel {
    /// Waits until the peer has consumed all messages.
    ///
    /// The peer's program consumes them when it calls to receive again, calls `ack`, or closes its end. If the peer
    /// disconnects, this waits until it reconnects, and sends unconsumed messages again.
    ///
    /// # Errors
    /// `Timeout` or `Disconnected`, with the number of unconsumed messages in
    /// [`Error::missed`](crate::error::Error::missed). The messages are kept, and the call can be repeated.
    /// `InvalidState` once the channel is closed, also by another thread during the wait.
    pub fn flush<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<()> {
        let mut waiting = self.options.start(wait);
        let flushed = self
            .check()
            .and_then(|()| self.wait_until_consumed(&mut waiting))
            .and_then(|()| self.with_losses(Ok(())));
        if let Err(error) = &flushed
            && let Some(missed) = error.missed()
        {
            // If the peer cannot return, this error is the final report for these options. Without the options, the
            // count is final only for a disconnected peer: a connected peer may still consume messages.
            let is_last = error.kind() == ErrorKind::Disconnected && !self.conn.links.may_reconnect();
            let is_gone = || self.read_acknowledgements().is_err_and(|e| e.kind() != ErrorKind::Timeout);
            if is_last || !self.is_asked_at_end() && is_gone() {
                let next = self.conn.links.session_state.halves().outbox.next_number();
                self.told.store(missed, Ordering::Relaxed);
                self.told_before.store(next, Ordering::Relaxed);
            }
        }
        flushed.map_err(|e| e.on(&self.shown))
    }

    /// Returns the count of unacknowledged messages; 0 in a forked child.
    #[doc(hidden)]
    pub fn unacknowledged(&self) -> u64 {
        if !self.is_of_this_process() {
            return 0;
        }
        self.conn.links.session_state.unacknowledged().count
    }

    fn wait_until_consumed(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        while self.unacknowledged() > 0 {
            let step = self.wait_for_acknowledgement(waiting).and_then(|()| next_round(waiting));
            let left = self.unacknowledged();
            match step {
                // This side has closed the channel, or this very thread is in a call on it.
                Err(e) if left > 0 && e.kind() == ErrorKind::InvalidState => return Err(e),
                Err(e) if left > 0 => return Err(unconsumed("", e, left)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Makes one step: connects, replays, and receives until everything is consumed or a newer link exists.
    fn wait_for_acknowledgement(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        let generation = {
            let mut sending = self.conn.sending.take_in_turn(Operation::Send, waiting)?;
            sending.join(&self.conn.links, &self.conn.event_log, waiting)?;
            // The thread of a rest may have lacked a descriptor for its sleep.
            sending.leave_rest(&self.conn.links);
            sending.generation
        };
        // The peer sends its consumed number when its program next receives or acknowledges.
        self.conn.links.session_state.want_consumed();
        self.wait_for_acks(waiting, || self.unacknowledged() == 0 || self.conn.links.is_newer(generation))
    }

    /// Receives the available acknowledgements; `Timeout` if the peer is connected. Does not reconnect.
    fn read_acknowledgements(&self) -> Result<()> {
        match self.receiving.try_borrow() {
            Some(mut receiving) => {
                let reads = Reads { asks_for_peer: true, ..Reads::of_library() };
                let at_once = &mut Waiting::at_once();
                receiving.read(&self.conn, reads, at_once, || self.unacknowledged() == 0)
            }
            // The other receiving thread finds out if the peer has disconnected.
            None => Ok(()),
        }
    }

    /// Waits as the options say, reports unconsumed messages as the drop does, and returns their number.
    ///
    /// For a channel that is not dropped at the end of the program, and for languages that end an object before
    /// freeing it. The drop does not report them again.
    pub fn linger(&self) -> u64 {
        if self.check().is_ok() {
            self.end_lockstep();
            // If nothing drops the channel, the peer sees the end of the process next.
            self.conn.send_ack(AckTrigger::Close);
        }
        self.report_at_end(false)
    }

    fn is_asked_at_end(&self) -> bool {
        !self.options.linger.is_zero() || self.options.on_unconsumed.is_some()
    }

    /// [`Channel::linger`]; `held_back`: some bytes have not been written to the link.
    fn report_at_end(&self, held_back: bool) -> u64 {
        let is_over = fork::check(self.fork_generation).is_err() || self.conn.links.is_closed();
        let promises = self.options.delivery != Some(Delivery::BestEffort);
        let is_reported = self.has_reported.load(Ordering::Relaxed);
        let has_losses = || self.conn.links.session_state.halves().has_losses();
        if is_over || is_reported || !promises || self.unacknowledged() == 0 && !has_losses() {
            return 0;
        }
        let is_asked_for = self.is_asked_at_end();
        let lingered = if is_asked_for {
            self.wait_until_consumed(&mut drive::begin(Wait::new(self.options.linger), self.options.timeout))
        } else {
            self.read_acknowledgements()
        };
        // Messages lost by a peer that cannot reconnect are no longer kept.
        let lost = self.conn.links.session_state.halves().take_losses();
        let count = self.unacknowledged().saturating_add(lost);
        // Without a linger time, a connected peer can still receive the messages in the link.
        let stays = !is_asked_for
            && !held_back
            && lost == 0
            && lingered.as_ref().is_err_and(|e| e.kind() == ErrorKind::Timeout);
        let next = self.conn.links.session_state.halves().outbox.next_number();
        let is_told =
            count <= self.told.load(Ordering::Relaxed) && next == self.told_before.load(Ordering::Relaxed);
        // The peer's program may have handled a single last message, so its normal end is not reported.
        let reported_from = if is_asked_for { 1 } else { 2 };
        if lingered.is_ok() && lost == 0
            || count < reported_from
            || stays
            || is_told
            || self.has_reported.swap(true, Ordering::Relaxed)
        {
            return 0;
        }
        let text = format!(
            "{count} of the messages that were sent had not been consumed by the peer when the channel ended; call close or flush first: they wait longer, and fail with this number"
        );
        // A single write keeps the lines of several threads apart. A program without stderr has the event and the
        // callback.
        let _ = std::io::stderr().write_all(format!("linkspan: {}: {text}\n", self.shown).as_bytes());
        self.conn.event_log.disconnected(text);
        if let Some(report) = &self.options.on_unconsumed {
            report(count);
        }
        count
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        if fork::check(self.fork_generation).is_err() || self.conn.links.is_closed() {
            return;
        }
        self.end_lockstep();
        let mut sending = self.conn.sending.borrow();
        // Does not acknowledge the last delivered message: the program may not have handled it.
        sending.send_ack(AckTrigger::Close, &self.conn.links, &self.conn.event_log);
        // Completes a partly written message.
        let held_back = sending.flush(&mut Waiting::until(Deadline::after(super::LINGER)).in_call());
        drop(sending);
        self.report_at_end(held_back);
        if self.conn.sending.borrow().has_rest() {
            // Over shared memory, the rest ends with the channel.
            rest::finish(&mut self.conn.sending.borrow(), Deadline::after(std::time::Duration::ZERO));
        }
        self.rests.end();
    }
}
