//! Taking leave of the other side: what it has not consumed is brought away first.

use std::time::Duration;

use super::Channel;
use crate::channel::Does;
use crate::channel::receiving::{Receiving, Taken};
use crate::channel::sending::Sending;
use crate::channel::session::inbox::AckTrigger;
use crate::deadline::{Deadline, Wait, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::fork;

impl Channel {
    /// Waits until the other side has consumed what was sent, then leaves; where it went away, waits for it to come back
    /// and sends again what it had not consumed. `Timeout` says how many messages it has not; the channel is closed all
    /// the same. Another thread that waits in it gets `InvalidState`; so does a close in a callback of this thread's own call on it.
    pub fn close<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<()> {
        if fork::check(self.born).is_err() || self.reconnector.is_closed() {
            return Ok(());
        }
        if self.receiving.is_claimed_here() || self.sending.is_claimed_here() {
            let text = "this thread is in a call on this channel, for which its close would wait: end that call first, from on_wait or by what the signal's handler raises";
            return Err(Error::new(ErrorKind::InvalidState, text).on(&self.shown));
        }
        let mut waiting = self.start(wait);
        self.reconnector.close();
        let mut receiving = self.receiving.lock();
        // A thread that waits for room is woken, too, and leaves.
        let mut sending = self.sending.take_next(Does::Sends, &waiting).map_err(|e| e.on(&self.shown))?;
        self.reconnector.leave();
        receiving.leave();
        self.reconnector.session_state.consumed(AckTrigger::Leaving);
        if !self.reconnector.is_acknowledged_by_hand() {
            receiving.consumed();
        }
        sending.send_ack(AckTrigger::Leaving, &self.reconnector, &self.record);
        let left = self.take_leave(&mut sending, &mut receiving, &mut waiting);
        sending.drop_part();
        receiving.drop_part();
        self.reconnector.seal();
        self.with_losses(left).map_err(|e| e.on(&self.shown))
    }

    fn take_leave(
        &self,
        sending: &mut Sending,
        receiving: &mut Receiving,
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        let mut said_on = 0;
        loop {
            let count = || self.reconnector.session_state.unacknowledged().count;
            if count() > 0 {
                // What one who went has said last is still to be read.
                receiving.gather(&self.ack_sender());
            }
            let count = count();
            if count == 0 {
                return sending.see_out(&self.reconnector, waiting);
            }
            let read = receiving.generation;
            match self.flush_out(sending, receiving, &mut said_on, waiting) {
                Ok(()) => {}
                Err(e) if e.kind() == ErrorKind::Disconnected && self.reconnector.may_return() => {
                    // Where the link that ended is the one before it, the newer one still has to say what it was given.
                    if sending.generation <= read {
                        sending.drop_part();
                    }
                    // While it is away, the wait for it ends this.
                    if waiting.deadline().has_passed() {
                        return Err(unconsumed(waiting.timed_out(), count));
                    }
                }
                Err(e) => {
                    // It may have gone between that look and our word: what it said last is still to be read.
                    receiving.gather(&self.ack_sender());
                    let count = self.reconnector.session_state.unacknowledged().count;
                    if count > 0 {
                        return Err(unconsumed(e, count));
                    }
                }
            }
        }
    }

    /// One step of taking leave: a link, what is to be sent again over it, our leave, and what is said to that.
    fn flush_out(
        &self,
        sending: &mut Sending,
        receiving: &mut Receiving,
        said_on: &mut u64,
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        // First the half that receives: a link that it makes here is the one over which is sent again.
        receiving.join(&self.ack_sender(), waiting)?;
        sending.join(&self.reconnector, &self.record, waiting)?;
        if *said_on != sending.generation {
            sending.say_bye(&self.reconnector, waiting).inspect_err(|_| sending.drop_part())?;
            *said_on = sending.generation;
        }
        match receiving.link_next(&self.ack_sender(), waiting, false)? {
            Taken::Message(message) => receiving.keep(message),
            Taken::Ack => {}
            Taken::Bye => {
                // Both take their leave at once: neither will read on. Each has said how far it has come.
                sending.send_ack(AckTrigger::Asked, &self.reconnector, &self.record);
                let mut moment = Waiting::until(Deadline::after(LINGER).sooner(waiting.deadline()));
                while self.reconnector.session_state.unacknowledged().count > 0 {
                    match receiving.link_next(&self.ack_sender(), &mut moment, false) {
                        Ok(Taken::Message(message)) => receiving.keep(message),
                        Ok(Taken::Bye) => {}
                        Ok(Taken::Ack) => break,
                        Err(e) if e.kind() == ErrorKind::Timeout => break,
                        Err(e) => return Err(e),
                    }
                }
                if self.reconnector.session_state.unacknowledged().count > 0 {
                    return Err(Error::new(ErrorKind::InvalidState, "the other side takes its leave, too"));
                }
            }
        }
        Ok(())
    }
}

/// How long an object that goes without having been closed still brings away what it took over.
pub const LINGER: Duration = Duration::from_secs(1);

impl Drop for Channel {
    fn drop(&mut self) {
        if fork::check(self.born).is_err() || self.reconnector.is_closed() {
            return;
        }
        let sending = self.sending.get_mut();
        // How far the program has come; the message that it was given last may not have been dealt with.
        sending.send_ack(AckTrigger::Leaving, &self.reconnector, &self.record);
        // Half a message is of no use to anybody; who wants to know whether all was taken calls `close`.
        sending.flush(&mut Waiting::until(Deadline::after(LINGER)));
    }
}

impl Channel {
    /// Adds what was lost of what was sent before, if the program has not been told so yet.
    pub(super) fn with_losses<T>(&self, done: Result<T>) -> Result<T> {
        match (done, self.reconnector.session_state.take_untold()) {
            (done, 0) => done,
            (Ok(_), lost) => Err(lost_before(lost)),
            (Err(e), lost) => {
                let lost = lost.saturating_add(e.missed().unwrap_or(0));
                Err(e.and_lost(lost))
            }
        }
    }
}

/// What was sent is lost, because the one that it was meant for went and cannot come back.
pub(super) fn lost_before(lost: u64) -> Error {
    let text = format!(
        "{lost} messages that were sent before are lost: the other side went without having said that it consumed them, and one without a client_id cannot come back for them"
    );
    Error::new(ErrorKind::Disconnected, text).with_missed(lost)
}

fn unconsumed(error: Error, count: u64) -> Error {
    let what = format!("{count} messages were sent that the other side had not said to have consumed");
    match error.kind() {
        ErrorKind::Timeout | ErrorKind::Full => {
            Error::new(ErrorKind::Timeout, format!("closed; {what}")).with_missed(count)
        }
        ErrorKind::InvalidState => {
            Error::new(ErrorKind::Disconnected, format!("the other side takes its leave, too; {what}"))
                .with_missed(count)
        }
        ErrorKind::Disconnected | ErrorKind::NotFound => {
            Error::new(ErrorKind::Disconnected, format!("the other side went away; {what}"))
                .with_missed(count)
        }
        _ => error,
    }
}
