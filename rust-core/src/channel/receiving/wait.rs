//! How a receiving thread waits: a short wait of the transport first, then the epoll set.
//!
//! The acknowledgement that is due is sent before the wait. Parking tells the transport to wake this side; it is
//! taken back after every wait, unless the program itself waits on the descriptor.

use std::time::Duration;

use super::Receiving;
use crate::channel::sending::AckSender;
use crate::channel::session::inbox::AckTrigger;
use crate::deadline::Waiting;
use crate::error::Result;

/// How long a receiver whose program may answer waits before it sends an acknowledgement by itself.
/// Longer than a tick of the kernel's clock (4 ms): an earlier timer has to be programmed into the
/// hardware.
const PAUSE: Duration = Duration::from_micros(4500);

impl Receiving {
    /// Waits until the link may have a frame.
    ///
    /// What is due is acknowledged first, before the spin: a receiver that is killed while its
    /// messages keep coming would otherwise have consumed some of which the sender does not know,
    /// and its next incarnation would receive them again. In a dialogue that is one message, and its
    /// acknowledgement waits for `PAUSE`, because the program's answer can carry it.
    pub(super) fn wait_for_frame(
        &mut self,
        ack_sender: &AckSender<'_>,
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        self.apply_consume(ack_sender);
        let pauses = !waiting.is_none() && !self.for_library;
        ack_sender.send_ack(if pauses { AckTrigger::Pause } else { AckTrigger::Park });
        if let Some(part) = self.part.as_mut().filter(|_| !waiting.is_none()) {
            // A thread of the program that wants the direction back signals `wake`, which only the epoll set sees.
            if part.rx.spin() || !self.for_library && part.rx.sleep_briefly(waiting)? {
                return Ok(());
            }
        }
        let Some(part) = &mut self.part else { return Ok(()) };
        if waiting.is_none() && !self.watched {
            return Err(waiting.timed_out());
        }
        self.waker.drain();
        self.parked = true;
        if part.rx.park()? {
            self.unpark();
            return Ok(());
        }
        if waiting.is_none() {
            // The link stays parked: the program waits on the descriptor.
            return Err(waiting.timed_out());
        }
        let waited = self.wait_in_epoll(ack_sender, waiting);
        self.unpark();
        waited
    }

    /// Waits in the epoll set. An acknowledgement that waits for the program's answer is sent after
    /// `PAUSE`.
    fn wait_in_epoll(&mut self, ack_sender: &AckSender<'_>, waiting: &mut Waiting<'_>) -> Result<()> {
        if ack_sender.is_ack_due(AckTrigger::Park) {
            if self.epoll.wait_at_most(PAUSE, waiting, &mut self.ready)? {
                return Ok(());
            }
            ack_sender.send_ack(AckTrigger::Park);
        }
        self.epoll.wait(waiting, &mut self.ready)
    }

    /// Takes back the request to be woken.
    pub(super) fn unpark(&mut self) {
        if let Some(part) = self.part.as_mut().filter(|_| self.parked) {
            part.rx.unpark();
        }
        self.parked = false;
    }

    /// Keeps the descriptor readable while something is in the inbox. With `link`, the link is asked
    /// too, and parked if it has nothing.
    pub(super) fn update_readiness(&mut self, link: bool) {
        if !self.watched {
            return;
        }
        let more = match &mut self.part {
            Some(part) if link => part.rx.park().unwrap_or(true),
            _ => false,
        };
        self.parked |= link;
        if more || !self.inbox.is_empty() {
            self.waker.wake();
        } else if link {
            self.waker.drain();
        }
    }
}
