//! Closing a channel, after the peer has consumed all messages.
//!
//! New calls fail, and waiting threads return. Until everything is acknowledged, this side sends a bye over the
//! newest link and receives frames. If the peer disconnects and may reconnect, the close waits for it. If both sides
//! close, neither receives further messages. Each then waits a short time for the other's last acknowledgement.

use super::Channel;
use super::rest::{self, LINGER};
use super::send::lost_before;
use crate::channel::Operation;
use crate::channel::receiving::{Reads, Receiving, Turn};
use crate::channel::sending::{MAY_BE_STOPPED, Sending};
use crate::deadline::{Deadline, Wait, Waiting};
use crate::error::{Error, ErrorKind, Result, counted};
use crate::session::inbox::AckTrigger;
use crate::sys::fork;

impl Channel {
    /// Closes the channel after the peer has consumed all sent messages.
    ///
    /// If the peer disconnects, the close waits until it reconnects, and sends unconsumed messages again. Waiting
    /// calls of other threads fail with `InvalidState`.
    ///
    /// # Errors
    /// `Timeout` or `Disconnected`, with the number of unacknowledged messages in [`Error::missed`]; the channel is
    /// then closed. `InvalidState` in a callback of this thread's call on the channel, which stays open.
    pub fn close<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<()> {
        if fork::check(self.fork_generation).is_err() || self.conn.links.is_closed() {
            return Ok(());
        }
        if self.receiving.is_acquired_here() || self.conn.sending.is_acquired_here() {
            let text = "this thread is in a call on this channel, and close would wait for it: end that call first, by an error from on_wait or an exception from the signal handler";
            return Err(Error::new(ErrorKind::InvalidState, text).on(&self.shown));
        }
        let mut waiting = self.options.start(wait);
        self.conn.links.close();
        let mut receiving = self.receiving.borrow();
        // A thread that waits for room was also woken, and returns.
        let mut sending =
            self.conn.sending.take_in_turn(Operation::Send, &mut waiting).map_err(|e| e.on(&self.shown))?;
        self.conn.links.begin_close();
        receiving.closing = true;
        // No call waits for their answers.
        self.conn.links.session_state.halves().outbox.drop_requests();
        self.conn.links.session_state.consumed(AckTrigger::Close);
        if !self.conn.links.is_manual_ack() {
            receiving.consumed();
        }
        sending.send_ack(AckTrigger::Close, &self.conn.links, &self.conn.event_log);
        let closed = self.close_gracefully(&mut sending, &mut receiving, &mut waiting);
        // The last frame was the acknowledgement of this side's consumption.
        rest::finish(&mut sending, Deadline::after(LINGER).sooner(waiting.deadline()));
        drop(sending);
        self.rests.end();
        receiving.drop_part();
        self.conn.links.finish_close();
        self.with_losses(closed).map_err(|e| e.on(&self.shown))
    }

    fn close_gracefully(
        &self,
        sending: &mut Sending,
        receiving: &mut Receiving,
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        let mut bye_sent_on = 0;
        loop {
            if self.unacknowledged() > 0 {
                // The last acknowledgement of a disconnected peer may still be unread.
                receiving.collect_acks(&self.conn);
            }
            let count = self.unacknowledged();
            if count == 0 {
                return sending.flush_plain(&self.conn.links, waiting);
            }
            let read = receiving.generation;
            match self.exchange_bye(sending, receiving, &mut bye_sent_on, waiting) {
                Ok(()) => {}
                Err(e) if e.kind() == ErrorKind::Disconnected && self.conn.links.may_reconnect() => {
                    // If an older link ended, the newer one must still acknowledge its messages.
                    if sending.generation <= read {
                        sending.drop_part();
                    }
                    // While the peer is disconnected, the wait for it checks the deadline.
                    if waiting.deadline().has_passed() {
                        let text = format!("closed; {}", not_acknowledged(count));
                        return Err(Error::new(ErrorKind::Timeout, text).with_missed(count));
                    }
                }
                Err(e) => {
                    // The link may have ended before the bye, with its last acknowledgement unread.
                    receiving.collect_acks(&self.conn);
                    let count = self.unacknowledged();
                    if count > 0 {
                        return Err(unconsumed("closed; ", e, count));
                    }
                }
            }
        }
    }

    /// Makes one step of a close: connects, replays, sends one bye per link, and receives acknowledgements.
    fn exchange_bye(
        &self,
        sending: &mut Sending,
        receiving: &mut Receiving,
        bye_sent_on: &mut u64,
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        // The receiving half comes first: the sending half replays messages over the link that it makes.
        receiving.join(&self.conn, waiting)?;
        sending.join(&self.conn.links, &self.conn.event_log, waiting)?;
        if *bye_sent_on != sending.generation {
            // Before the bye, which the peer answers with its consumed number.
            self.conn.links.session_state.want_consumed();
            let said = sending.send_bye(&self.conn.links, waiting);
            if said.as_ref().is_err_and(|e| e.kind() == ErrorKind::Disconnected) {
                // A link without room for the bye stays: it may have the rest of a message to write.
                sending.drop_part();
            }
            said?;
            *bye_sent_on = sending.generation;
        }
        let is_peer_closing =
            receiving.pump(&self.conn, Reads::of_library(), waiting, |receiving, turn| {
                Ok(match turn {
                    Turn::Look => (self.unacknowledged() == 0).then_some(false),
                    Turn::Bye => Some(true),
                    Turn::Ack => None,
                    Turn::Message(message) => {
                        receiving.keep(message);
                        None
                    }
                })
            })?;
        if !is_peer_closing {
            return Ok(());
        }
        // Neither side receives further messages.
        sending.send_ack(AckTrigger::Requested, &self.conn.links, &self.conn.event_log);
        let mut linger = Waiting::until(Deadline::after(LINGER).sooner(waiting.deadline()));
        let last = receiving.pump(&self.conn, Reads::of_library(), &mut linger, |receiving, turn| {
            Ok(match turn {
                Turn::Look => (self.unacknowledged() == 0).then_some(()),
                Turn::Ack => Some(()),
                Turn::Bye => None,
                Turn::Message(message) => {
                    receiving.keep(message);
                    None
                }
            })
        });
        last.or_else(|e| if e.kind() == ErrorKind::Timeout { Ok(()) } else { Err(e) })?;
        if self.unacknowledged() > 0 {
            return Err(Error::new(ErrorKind::InvalidState, "the peer is closing, too"));
        }
        Ok(())
    }
}

impl Channel {
    pub(super) fn with_losses<T>(&self, done: Result<T>) -> Result<T> {
        if !self.is_of_this_process() {
            return done;
        }
        match (done, self.conn.links.session_state.halves().take_losses()) {
            (done, 0) => done,
            (Ok(_), lost) => Err(lost_before(lost)),
            (Err(e), lost) => {
                let lost = lost.saturating_add(e.missed().unwrap_or(0));
                Err(e.and_lost(lost))
            }
        }
    }
}

/// Returns the error of a close or flush. The text begins with `done`.
pub(super) fn unconsumed(done: &str, error: Error, count: u64) -> Error {
    let what = not_acknowledged(count);
    match error.kind() {
        ErrorKind::Timeout | ErrorKind::Full => {
            Error::new(ErrorKind::Timeout, format!("{done}{what}: {MAY_BE_STOPPED}")).with_missed(count)
        }
        ErrorKind::InvalidState => {
            Error::new(ErrorKind::Disconnected, format!("the peer is closing, too; {what}"))
                .with_missed(count)
        }
        ErrorKind::Disconnected | ErrorKind::NotFound => {
            Error::new(ErrorKind::Disconnected, format!("the peer disconnected; {what}")).with_missed(count)
        }
        _ => error,
    }
}

fn not_acknowledged(count: u64) -> String {
    format!("{} that the peer had not acknowledged", counted(count, "was sent", "were sent"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;

    #[test]
    fn errors_of_a_closed_channel_have_its_endpoint() {
        let endpoint = format!("shm:closed-endpoint-{}", std::process::id());
        let channel = Channel::open(&endpoint, &Options::default(), Wait::none()).unwrap();
        channel.close(Wait::none()).unwrap();
        let errors =
            [channel.fileno().unwrap_err(), channel.writable().unwrap_err(), channel.ack().unwrap_err()];
        for error in errors {
            assert_eq!((error.kind(), error.endpoint()), (ErrorKind::InvalidState, Some(&*endpoint)));
        }
    }
}
