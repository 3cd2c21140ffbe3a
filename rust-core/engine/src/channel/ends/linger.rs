//! Waiting until the peer has consumed all messages: by `flush`, and at the end of a channel that was not closed.
//!
//! A channel that ends without `close` waits for [`Options::linger`](crate::Options::linger) and then reports the
//! number of messages that the peer had not consumed: on one line of stderr, as an event, and by
//! [`Options::on_unconsumed`](crate::Options::on_unconsumed). Without these options it does not wait. It then reports
//! the number only if the peer has disconnected and has left more than one message unconsumed, of which no `flush` has
//! told.

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
    /// Waits until the peer has consumed all messages: its program has called to receive again, has called `ack`, or
    /// has closed its end. If the peer disconnects, waits until it reconnects, and sends again what it had not
    /// consumed.
    ///
    /// # Errors
    /// `Timeout` or `Disconnected` with the number of messages that the peer has not consumed in
    /// [`Error::missed`](crate::error::Error::missed). These messages are still kept for the peer, and the call can be
    /// repeated. `InvalidState` once the channel is closed, also by another thread during the wait.
    pub fn flush<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<()> {
        let mut waiting = self.options.start(wait);
        let flushed = self
            .check()
            .and_then(|()| self.wait_until_consumed(&mut waiting))
            .and_then(|()| self.with_losses(Ok(())));
        if let Err(error) = &flushed
            && let Some(missed) = error.missed()
        {
            // The options ask for the last word, and that is said where the peer cannot come back. Without them the
            // number of a peer that is still connected is not that of what it leaves unconsumed.
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

    /// Returns how many messages the peer has not acknowledged; none in a forked child, whose messages they are not.
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

    /// Makes one step: connects if there is no link, replays over a new one, and receives until everything is consumed
    /// or there is a newer link.
    fn wait_for_acknowledgement(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        let generation = {
            let mut sending = self.conn.sending.take_in_turn(Operation::Send, waiting)?;
            sending.join(&self.conn.links, &self.conn.event_log, waiting)?;
            // No thread writes a rest where there was no descriptor for its sleep.
            sending.leave_rest(&self.conn.links);
            sending.generation
        };
        // The peer sends its consumed number when its program next receives or acknowledges.
        self.conn.links.session_state.want_consumed();
        self.wait_for_acks(waiting, || self.unacknowledged() == 0 || self.conn.links.is_newer(generation))
    }

    /// Receives the acknowledgements that have arrived. Fails with `Timeout` if the peer is connected. Does not
    /// reconnect, because the channel ends.
    fn read_acknowledgements(&self) -> Result<()> {
        match self.receiving.try_borrow() {
            Some(mut receiving) => {
                let reads = Reads { asks_for_peer: true, ..Reads::of_library() };
                let at_once = &mut Waiting::at_once();
                receiving.read(&self.conn, reads, at_once, || self.unacknowledged() == 0)
            }
            // Another thread receives, and finds out if the peer has disconnected.
            None => Ok(()),
        }
    }

    /// Waits for the time that the options give, and reports the number of messages that the peer has not consumed by
    /// then, as the drop does. For a channel that is not dropped at the end of the program, and for bindings whose
    /// language ends an object before it frees it. Returns the number that was reported, which the drop does not report
    /// again.
    pub fn linger(&self) -> u64 {
        if self.check().is_ok() {
            self.end_lockstep();
            // The end of the process is the next thing that the peer sees, where nothing drops the channel.
            self.conn.send_ack(AckTrigger::Close);
        }
        self.report_at_end(false)
    }

    /// Whether the options ask for the number of messages that are not consumed at the end.
    fn is_asked_at_end(&self) -> bool {
        !self.options.linger.is_zero() || self.options.on_unconsumed.is_some()
    }

    /// [`Channel::linger`]; `held_back` is whether some bytes have not been written to the link.
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
        // What a peer that cannot reconnect has lost is not kept any more.
        let lost = self.conn.links.session_state.halves().take_losses();
        let count = self.unacknowledged().saturating_add(lost);
        // Without a linger time, a connected peer can still receive the messages in the link, so they are not lost.
        let stays = !is_asked_for
            && !held_back
            && lost == 0
            && lingered.as_ref().is_err_and(|e| e.kind() == ErrorKind::Timeout);
        let next = self.conn.links.session_state.halves().outbox.next_number();
        let is_told =
            count <= self.told.load(Ordering::Relaxed) && next == self.told_before.load(Ordering::Relaxed);
        // A single message may be the one that the peer's program received last and has handled, so its end in order is
        // not reported.
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
        // One write, so that the lines of several threads do not mix. A program without stderr has the event and the
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
        // Does not acknowledge the message that was delivered last: the program may not have handled it.
        sending.send_ack(AckTrigger::Close, &self.conn.links, &self.conn.event_log);
        // Completes a message that was written in part.
        let held_back = sending.flush(&mut Waiting::until(Deadline::after(super::LINGER)).in_call());
        drop(sending);
        self.report_at_end(held_back);
        if self.conn.sending.borrow().has_rest() {
            // Over shared memory it ends with the channel.
            rest::finish(&mut self.conn.sending.borrow(), Deadline::after(std::time::Duration::ZERO));
        }
        self.rests.end();
    }
}
