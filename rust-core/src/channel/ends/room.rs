//! Waiting for room among the messages that are kept for replay.
//!
//! Acknowledgements make room, and have to be received. So a sending thread that waits for room receives them
//! itself if no thread of the program receives; it puts other messages into the inbox. As soon as a thread of the
//! program calls to receive, it releases the direction.

use std::os::fd::AsFd;

use super::Channel;
use crate::channel::session::RetransmitClass;
use crate::channel::session::inbox::AckTrigger;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::poll::wait_readable;

impl Channel {
    /// Receives acknowledgements for a program that only sends, so that the peer can send more of them. Does nothing while
    /// another thread receives.
    pub(super) fn collect_acks(&self) {
        if let Some(mut receiving) = self.receiving.borrow() {
            receiving.collect_acks(&self.ack_sender());
        }
    }

    /// Waits until a message of this class and size has room.
    ///
    /// # Errors
    /// `Timeout` at the deadline, `Full` for a call that does not wait; `InvalidState` once the
    /// channel is closed.
    pub(super) fn wait_for_room(
        &self,
        class: RetransmitClass,
        bytes: usize,
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        let session_state = &self.reconnector.session_state;
        // The direction is released for a thread of the program that calls to receive.
        let is_enough = || self.receiving.is_acquired() || session_state.halves().has_room(class, bytes);
        session_state.want_room(class, bytes);
        let read = match self.receiving.borrow() {
            Some(mut receiving) => {
                let ack_sender = self.ack_sender();
                // The peer may have had no room for its acknowledgement, and sends none while it is parked. So
                // this first receives the messages that fill the link, and then requests a frame.
                receiving.collect_acks(&ack_sender);
                ack_sender.send_ack(AckTrigger::Requested);
                receiving.read_until(&ack_sender, waiting, is_enough)
            }
            None => {
                // Another thread receives: it signals `waker` for each acknowledgement, and `ended` when it
                // stops.
                let (waker, ended) = (session_state.acknowledgements.arm()?, self.receiving.await_end()?);
                self.ack_sender().send_ack(AckTrigger::Requested);
                // Either may have happened before this thread announced its wait.
                let has_room = session_state.halves().has_room(class, bytes);
                let go = has_room || !self.receiving.is_acquired();
                let fds = [waker.as_fd(), ended.as_fd(), self.reconnector.wake.as_fd()];
                let waited = if go { Ok(()) } else { wait_readable(waiting, &fds) };
                waker.drain();
                ended.drain();
                waited
            }
        };
        session_state.clear_wanted();
        self.check()?;
        read.map_err(|e| match e.kind() {
            ErrorKind::Timeout => {
                let unacknowledged = session_state.unacknowledged();
                let text = format!(
                    "{} messages with {} bytes are not acknowledged, and no more are kept for replay (replay_count, replay_bytes); this message was not sent",
                    unacknowledged.count, unacknowledged.bytes
                );
                Error::new(if waiting.is_none() { ErrorKind::Full } else { ErrorKind::Timeout }, text)
            }
            _ => e,
        })
    }
}
