//! Receiving with waiting: the next message for the program, what counts as delivered, and the acknowledgement by the
//! program.

use super::{Channel, if_not_ready};
use crate::channel::lockstep;
use crate::channel::receiving::{ReceivedFrame, Receiving};
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
        let session = self.reconnector.session_state.halves().inbox.session();
        self.reconnector.session_state.acknowledge(session, u64::MAX);
        self.ack_sender().send_ack(AckTrigger::Close);
        drop(receiving);
        Ok(())
    }

    /// Receives the next message with the receiving direction held. One from the link is recorded as delivered in the
    /// same step.
    pub(super) fn recv_with_waiting(
        &self,
        receiving: &mut Receiving,
        waiting: &mut Waiting<'_>,
    ) -> Result<Message> {
        receiving.program_receives(&self.ack_sender());
        receiving.delivers = true;
        let taken = self.next_message(receiving, waiting);
        receiving.delivers = false;
        receiving.apply_consume(&self.ack_sender());
        taken.inspect(|message| self.note_delivered(receiving, message))
    }

    /// Records that this message was delivered to the program, if it came from the inbox. One from the link was
    /// recorded when it was received.
    pub(super) fn note_delivered(&self, receiving: &Receiving, message: &Message) {
        if receiving.from_inbox {
            self.reconnector.session_state.halves().inbox.delivered(message.session(), message.number());
        }
    }

    /// Receives without waiting. Fails with `Empty` if there is no message.
    pub fn try_recv(&self) -> Result<Message> {
        self.recv(Wait::none()).map_err(|e| if_not_ready(e, ErrorKind::Empty))
    }

    /// Receives the next message for the program. Drops requests that were withdrawn.
    pub(super) fn next_message(
        &self,
        receiving: &mut Receiving,
        waiting: &mut Waiting<'_>,
    ) -> Result<Message> {
        loop {
            let next = receiving.next(&self.ack_sender(), waiting);
            if receiving.is_lockstep() {
                // Also where nothing is there: in an event loop, a call that receives has made the link.
                lockstep::connected(&self.inner);
            }
            match next? {
                // The caller withdrew this request before the program received it.
                ReceivedFrame::Message(message) if receiving.is_withdrawn(&message) => {
                    self.drop_message(&message);
                }
                ReceivedFrame::Message(message) => {
                    if receiving.is_lockstep() && receiving.delivers {
                        lockstep::gives(&self.inner);
                        receiving.keep_readable();
                    }
                    return Ok(message);
                }
                ReceivedFrame::Bye => self.ack_sender().send_ack(AckTrigger::Requested),
                ReceivedFrame::Ack => {}
            }
        }
    }

    /// Counts a message that the program does not receive as dropped and consumed.
    pub(super) fn drop_message(&self, message: &Message) {
        self.event_log.count(&self.event_log.dropped);
        self.reconnector.session_state.finished(message.session(), message.number());
    }
}
