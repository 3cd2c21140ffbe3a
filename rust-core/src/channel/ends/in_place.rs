//! Sending and receiving a message that takes no wait: over shared memory, under one lock.
//!
//! Both begin here, and go on with the direction's state and the session's halves. For any obstacle each
//! returns none and has changed nothing; then the general path is taken, which determines the obstacle.
//!
//! | step | sending | receiving |
//! |---|---|---|
//! | 1 | this file | this file |
//! | 2 | `sending/in_place`: is the link ready? | `receiving/in_place`: may the program get it now? |
//! | 3 | `session/outbox`: its number; a copy to send it again | `session/inbox`: its number is new |
//! | 4 | `shm/link/sending`: the peer lives, and is woken | `shm/link/receiving`: a sign of life |
//! | 5 | `shm/writer`: a record | `shm/reader`: the record is checked |
//! | 6 | | `message`: its bytes in memory of this program |

use super::Channel;
use crate::channel::direction::Entered;
use crate::channel::receiving::Receiving;
use crate::channel::sending::Sending;
use crate::deadline::Wait;
use crate::error::Result;
use crate::frame::Kind;
use crate::message::{Message, Payload};

impl Channel {
    /// Sends an encoded value: see [`Channel::send`].
    pub fn send_payload<'a>(&self, payload: &Payload, wait: impl Into<Wait<'a>>) -> Result<u64> {
        if let Some(number) = self.send_in_place(payload) {
            return Ok(number);
        }
        self.send_kind(Kind::Data, 0, payload, &mut self.start(wait))
    }

    /// Sends a data message at once, over shared memory; none for any obstacle, which the general path
    /// determines. It flushes nothing that was deferred: a thread that borrows the direction meanwhile waits
    /// for this call rather than deferring its acknowledgement.
    #[inline]
    fn send_in_place(&self, payload: &Payload) -> Option<u64> {
        let mut entered = self.enter_sending()?;
        let (sending, halves) = entered.parts();
        sending.send_in_place(payload, halves, &self.reconnector, &self.event_log)
    }

    /// Receives the next message. While the peer is disconnected, waits for it to come back.
    ///
    /// # Errors
    /// `Timeout` at the deadline; `InvalidState` if another thread receives, or the channel is closed;
    /// `Disconnected` if the peer cannot come back.
    pub fn recv<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<Message> {
        if let Some(message) = self.recv_in_place() {
            return Ok(message);
        }
        let mut waiting = self.start(wait);
        self.receiving()
            .and_then(|held| self.recv_with_guard(held, &mut waiting))
            .map_err(|e| e.on(&self.shown))
    }

    /// Receives the short message that lies ready in shared memory; none if anything else is due.
    #[inline]
    fn recv_in_place(&self) -> Option<Message> {
        let mut entered = self.enter_receiving()?;
        let (receiving, halves) = entered.parts();
        let taken = receiving.take_ready(halves, &self.event_log)?;
        drop(entered);
        Some(taken.finish(&self.ack_sender()))
    }

    /// Returns the state of sending, for a call that does not wait, if no thread holds the direction and no
    /// loss has to be reported to the program. None for any obstacle, which the general path determines.
    #[inline]
    fn enter_sending(&self) -> Option<Entered<'_, Sending>> {
        let ready = self.is_usable() && self.sends && !self.reconnector.session_state.has_unreported_losses();
        let entered = if ready { self.sending.enter()? } else { return None };
        self.is_usable().then_some(entered)
    }

    /// The same for receiving.
    #[inline]
    fn enter_receiving(&self) -> Option<Entered<'_, Receiving>> {
        let entered = if self.is_usable() && self.receives { self.receiving.enter()? } else { return None };
        (self.is_usable() && !self.reconnector.is_interrupted()).then_some(entered)
    }
}
