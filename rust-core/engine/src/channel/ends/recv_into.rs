//! Receiving into memory of the program, which gets the bytes and no message.
//!
//! What is available in shared memory is copied there in the step in which [`Channel::recv`] would take it. Everything
//! else comes as a message first.

use super::Channel;
use crate::channel::lockstep;
use crate::channel::receiving::Receiving;
use crate::deadline::{self, Wait, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::message::{BorrowedMemory, Message, ReceivedBytes};
use crate::session::inbox::AckTrigger;

impl Channel {
    /// Receives the next message as [`Channel::recv`] does, and copies its bytes to the beginning of `into`: from
    /// shared memory they are copied once, and the message has no memory of its own.
    ///
    /// # Errors
    /// Those of [`Channel::recv`], and those of the schema where this channel has one. `TooLarge` if the message is
    /// longer than `into`, and `InvalidState` if it is a request, whose reply needs the message: it is then the next
    /// one for any call that receives.
    pub fn recv_into<'a>(&self, into: &mut [u8], wait: impl Into<Wait<'a>>) -> Result<ReceivedBytes> {
        match self.recv_into_in_place(into) {
            Some(received) => Ok(received),
            None => self.recv_into_waiting(into, wait.into()),
        }
    }

    /// Receives the message that is available in shared memory; none if anything else is pending, and if the message is
    /// longer.
    #[inline]
    fn recv_into_in_place(&self, into: &mut [u8]) -> Option<ReceivedBytes> {
        let mut entered = self.enter_receiving()?;
        let (receiving, halves) = entered.parts();
        let place = BorrowedMemory::of(into);
        let taken = receiving.take_next(halves, &self.conn.event_log, place, Some(AckTrigger::Receive))?;
        drop(entered);
        Some(taken.done().unwrap_or_else(|taken| self.finish(taken)))
    }

    /// [`Channel::recv_into`] where no such message is available.
    #[inline(never)]
    fn recv_into_waiting(&self, into: &mut [u8], wait: Wait<'_>) -> Result<ReceivedBytes> {
        if deadline::may_wait(&wait, self.options.timeout)
            && let Some(received) = self.recv_soon(|receiving, halves| {
                receiving.take_next(halves, &self.conn.event_log, BorrowedMemory::of(into), None)
            })
        {
            return Ok(received);
        }
        let mut waiting = self.options.start(wait);
        self.receiving()
            .and_then(|mut receiving| self.recv_into_with(&mut receiving, into, &mut waiting))
            .map_err(|e| e.on(&self.shown))
    }

    /// Receives with the direction held. The message counts as delivered once its bytes are copied.
    fn recv_into_with(
        &self,
        receiving: &mut Receiving,
        into: &mut [u8],
        waiting: &mut Waiting<'_>,
    ) -> Result<ReceivedBytes> {
        let reads = receiving.program_receives(&self.conn);
        // A long body is copied out of its slot once, into the program's memory, unless it is to be decoded.
        receiving.view_bodies(true);
        let next = self.next_message(receiving, reads, waiting);
        receiving.view_bodies(false);
        let message = next?;
        let received = if message.is_request() { None } else { ReceivedBytes::copied(&message, into) };
        let Some(received) = received else {
            let refused = refused(&message, into.len());
            // In its slot, if it is in one: the call that receives it copies it.
            receiving.keep_first(message);
            return Err(refused);
        };
        let (session, number) = (message.session(), message.number());
        self.conn.links.session_state.halves().inbox.delivered(session, number);
        if receiving.is_lockstep() {
            lockstep::gives(&self.inner);
            receiving.keep_readable();
        }
        if self.options.checks_received().is_some() {
            message.value()?;
        }
        Ok(received)
    }
}

/// Returns the error for a message that stays the next one.
fn refused(message: &Message, room: usize) -> Error {
    if message.is_request() {
        let text =
            "the next message is a request, and a reply to it needs the message: receive it with `recv`";
        return Error::new(ErrorKind::InvalidState, text);
    }
    let bytes = message.memory().len();
    let text = format!(
        "the next message has {bytes} bytes, and the memory for it has {room}; receive it with as many, or with `recv`"
    );
    Error::new(ErrorKind::TooLarge, text)
}
