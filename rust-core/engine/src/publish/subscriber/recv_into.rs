//! Receiving into memory of the program, which gets the bytes and no message.

use super::Subscriber;
use crate::deadline::{self, Wait};
use crate::error::{Error, ErrorKind, Result};
use crate::message::{BorrowedMemory, ReceivedBytes};
use crate::publish::receive_state::ReceiveState;

impl Subscriber {
    /// Waits for the next message, and copies its bytes to the beginning of `into`.
    ///
    /// Waits as [`Subscriber::recv`]. From shared memory the bytes are copied once, and the message allocates
    /// nothing. After an error the contents of `into` are unspecified.
    ///
    /// # Errors
    /// Errors of [`Subscriber::recv`], and of the schema if this subscriber checks received messages. `TooLarge` if the
    /// message is longer than `into`: the next call that receives gets the message. `Unsupported` for a subscriber to
    /// several names, because only a message has its name.
    pub fn recv_into<'a>(&self, into: &mut [u8], wait: impl Into<Wait<'a>>) -> Result<ReceivedBytes> {
        let wait = wait.into();
        let waits = deadline::may_wait(&wait, self.options.timeout);
        self.receive_into(into, wait, waits).map_err(|e| self.explained(e, waits).on(&self.shown))
    }

    /// [`Subscriber::recv_into`] without the endpoint in its errors.
    fn receive_into(&self, into: &mut [u8], wait: Wait<'_>, waits: bool) -> Result<ReceivedBytes> {
        let taken = self.receive_at_once(|_| true, |state| self.take_fast_into(state, waits, into));
        if let Some(received) = taken {
            return Ok(received);
        }
        if self.names.is_some() {
            let text = "a subscriber to several names gets the name of a message with the message: receive it with `recv`";
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        let message = self.receive(&mut self.options.start(wait), false, Some(into.len()))?;
        let message = message.ok_or_else(|| self.closed_error())?;
        let received = ReceivedBytes::copied(&message, into)
            .ok_or_else(|| ReceivedBytes::too_long(message.memory().len(), into.len()))?;
        if self.options.checks_received().is_some() {
            message.value()?;
        }
        Ok(received)
    }

    /// Takes a fast-path message from the ring, if nothing must be checked and the memory has room.
    #[inline]
    fn take_fast_into(
        &self,
        receive_state: &mut ReceiveState,
        spins: bool,
        into: &mut [u8],
    ) -> Option<ReceivedBytes> {
        if self.options.checks_received().is_some() {
            return None;
        }
        let feed = receive_state.feed.as_mut()?;
        let fast = feed.peek_fast(spins)?;
        let place = BorrowedMemory::of(into)(fast.length())?;
        feed.take_fast(&fast, place, &self.limits)
    }
}
