//! Receiving with waiting: the next message for the program, what counts as delivered, and the acknowledgement by the
//! program.

use super::{Channel, if_not_ready};
use crate::channel::lockstep;
use crate::channel::receiving::{Reads, Receiving, Turn};
use crate::deadline::{Wait, Waiting};
use crate::error::{ErrorKind, Result};
use crate::message::Message;
use crate::session::inbox::AckTrigger;

impl Channel {
    /// Acknowledges everything that was received so far, on a channel with `ack="manual"`. A message that is
    /// not acknowledged when this program ends is sent to its next incarnation.
    ///
    /// # Errors
    /// `InvalidState` on a channel without `ack="manual"`.
    pub fn ack(&self) -> Result<()> {
        let mut receiving = self.receiving().map_err(|e| e.on(&self.shown))?;
        self.options.check_manual().map_err(|e| e.on(&self.shown))?;
        receiving.consumed();
        let session = self.conn.links.session_state.halves().inbox.session();
        self.conn.links.session_state.acknowledge(session, u64::MAX);
        self.conn.send_ack(AckTrigger::Close);
        drop(receiving);
        Ok(())
    }

    /// Receives the next message with the receiving direction held. It is recorded as delivered in the same step.
    pub(super) fn recv_with_waiting(
        &self,
        receiving: &mut Receiving,
        waiting: &mut Waiting<'_>,
    ) -> Result<Message> {
        let reads = Reads { delivers: true, ..receiving.program_receives(&self.conn) };
        self.next_message(receiving, reads, waiting)
    }

    /// Receives without waiting. Fails with `Empty` if there is no message.
    pub fn try_recv(&self) -> Result<Message> {
        self.recv(Wait::none()).map_err(|e| if_not_ready(e, ErrorKind::Empty))
    }

    /// Makes the message that the last call returned the next one again, for a binding that had no memory for it in its
    /// language. It is acknowledged no sooner than any other; its counter was counted once.
    #[doc(hidden)]
    pub fn put_back(&self, message: Message) -> Result<()> {
        let mut receiving = self.receiving()?;
        let (session, number) = (message.session(), message.number());
        self.conn.links.session_state.halves().inbox.undelivered(session, number);
        receiving.keep_first(message);
        Ok(())
    }

    /// Skips the message for which a call that receives has found no memory, for a program that serves many channels
    /// and may not be held up by one: it is consumed, and counted as dropped.
    #[doc(hidden)]
    pub fn skip(&self) -> Result<()> {
        let skipped = self.receiving().and_then(|mut receiving| receiving.skip(&self.conn));
        let skipped = skipped.map_err(|e| e.on(&self.shown))?;
        skipped.iter().for_each(|message| {
            self.drop_message(message);
        });
        Ok(())
    }

    /// Receives the next message for the program.
    pub(super) fn next_message(
        &self,
        receiving: &mut Receiving,
        reads: Reads,
        waiting: &mut Waiting<'_>,
    ) -> Result<Message> {
        let next =
            receiving.pump(&self.conn, reads, waiting, |receiving, turn| Ok(self.sort(receiving, turn)));
        if receiving.is_lockstep() {
            // Also where nothing is there: in an event loop, a call that receives has made the link.
            lockstep::connected(&self.inner);
            if reads.delivers && next.is_ok() {
                lockstep::gives(&self.inner);
                receiving.keep_readable();
            }
        }
        next
    }

    /// Returns the message that the program gets in this turn. Drops requests that were withdrawn before.
    pub(super) fn sort(&self, receiving: &mut Receiving, turn: Turn) -> Option<Message> {
        match turn {
            Turn::Message(message) if receiving.is_withdrawn(&message) => self.drop_message(&message),
            Turn::Message(message) => return Some(message),
            Turn::Look | Turn::Bye | Turn::Ack => {}
        }
        None
    }

    /// Counts a message that the program does not receive as dropped and consumed.
    pub(super) fn drop_message(&self, message: &Message) {
        self.conn.event_log.count(&self.conn.event_log.dropped);
        self.conn.links.session_state.finished(message.session(), message.number());
    }
}
