//! Waiting for room among what is kept to be sent again.

use std::os::fd::AsFd;

use super::Channel;
use crate::channel::session::RetransmitClass;
use crate::channel::session::inbox::AckTrigger;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::poll::wait_readable;

impl Channel {
    /// Looks for acknowledgements while a program only sends: the other side's way to us is to stay free.
    pub(super) fn gather(&self) {
        if let Some(mut receiving) = self.receiving.borrow() {
            receiving.gather(&self.ack_sender());
        }
    }

    /// Waits until enough has been acknowledged.
    pub(super) fn await_room(
        &self,
        class: RetransmitClass,
        bytes: usize,
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        let session_state = &self.reconnector.session_state;
        // A thread of the program that comes to receive has the right to.
        let enough = || self.receiving.is_claimed() || session_state.halves().has_room(class, bytes);
        session_state.want_room(class, bytes);
        let read = match self.receiving.borrow() {
            Some(mut receiving) => {
                let ack_sender = self.ack_sender();
                // The other side may have had no room to say how far it has come, and says nothing while it sleeps: what
                // keeps its way full is read, and then it is asked.
                receiving.gather(&ack_sender);
                ack_sender.send_ack(AckTrigger::Asked);
                receiving.read_until(&ack_sender, waiting, enough)
            }
            None => {
                // Another thread receives, and tells us, or that it reads no longer. The other side may not have been able
                // to say how far it has come.
                let (waker, ended) = (session_state.acknowledgements.wanted()?, self.receiving.await_end()?);
                self.ack_sender().send_ack(AckTrigger::Asked);
                // It may have done so before it knew that somebody waits.
                let go = session_state.halves().has_room(class, bytes) || !self.receiving.is_claimed();
                let fds = [waker.as_fd(), ended.as_fd(), self.reconnector.wake.as_fd()];
                let waited = if go { Ok(()) } else { wait_readable(waiting, &fds) };
                waker.drain();
                ended.drain();
                waited
            }
        };
        session_state.want_no_room();
        self.check()?;
        read.map_err(|e| match e.kind() {
            ErrorKind::Timeout => {
                let left = session_state.unacknowledged();
                let text = format!(
                    "{} messages with {} bytes wait to be acknowledged, which is as much as is kept to be sent again (replay_count, replay_bytes); this one is still yours",
                    left.count, left.bytes
                );
                Error::new(if waiting.is_none() { ErrorKind::Full } else { ErrorKind::Timeout }, text)
            }
            _ => e,
        })
    }
}
