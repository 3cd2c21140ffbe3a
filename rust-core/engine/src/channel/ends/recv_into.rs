//! Receiving into memory of the program, directly from shared memory in the step of [`Channel::recv`].

use super::Channel;
use super::recv::NextPlace;
use crate::channel::link::Taken;
use crate::channel::receiving::{Copied, Locked, Place, Reads, Receiving, Step, Turn};
use crate::deadline::Wait;
use crate::error::{Error, ErrorKind, Result};
use crate::message::{BorrowedMemory, Message, ReceivedBytes};
use crate::session::inbox::AckTrigger;

impl Channel {
    /// Receives the next message like [`Channel::recv`], and copies its bytes to the beginning of `into`.
    ///
    /// Bytes in shared memory are copied once, without memory for a message.
    ///
    /// # Errors
    /// As for [`Channel::recv`], and errors of the channel's schema. `TooLarge` if the message is longer than `into`.
    /// `InvalidState` for a request, whose reply needs the message. The message then stays the next one for any
    /// receiving call.
    pub fn recv_into<'a>(&self, into: &mut [u8], wait: impl Into<Wait<'a>>) -> Result<ReceivedBytes> {
        let mut place = IntoMemory { channel: self, into, unchecked: None };
        let received = self.receive(&mut place, wait.into())?;
        if let Some(message) = place.unchecked {
            message.value().map_err(|e| e.on(&self.shown))?;
        }
        Ok(received)
    }
}

struct IntoMemory<'a> {
    channel: &'a Channel,
    into: &'a mut [u8],
    /// The copied message, if its value must be checked.
    unchecked: Option<Message>,
}

impl IntoMemory<'_> {
    fn take_with(
        &mut self,
        at: &mut Locked<'_>,
        consume: Option<AckTrigger>,
    ) -> Option<Taken<ReceivedBytes>> {
        at.receiving.take_next(at.halves, at.event_log, BorrowedMemory::of(self.into), consume)
    }
}

impl NextPlace for IntoMemory<'_> {
    // A message counts as delivered once its bytes are copied.
    const READS: Reads = Reads::OF_PROGRAM;
    const COPIES: bool = true;

    #[inline]
    fn take_next(&mut self, at: &mut Locked<'_>) -> Option<Taken<ReceivedBytes>> {
        self.take_with(at, Some(AckTrigger::Receive))
    }
}

impl Place for IntoMemory<'_> {
    type Output = ReceivedBytes;

    fn take(&mut self, at: &mut Locked<'_>, reads: &Reads) -> Step<ReceivedBytes> {
        if let Some(taken) = self.take_with(at, reads.consume) {
            at.receiving.view_bodies(Copied::Nothing);
            return Step::Done(taken);
        }
        at.receiving.take_copied(at.halves, at.event_log, reads)
    }

    fn turn(&mut self, receiving: &mut Receiving, turn: Turn) -> Result<Option<ReceivedBytes>> {
        let Some(message) = self.channel.sort(receiving, turn) else { return Ok(None) };
        let received = if message.is_request() { None } else { ReceivedBytes::copied(&message, self.into) };
        let Some(received) = received else {
            let refused = refused(&message, self.into.len());
            // Maybe in its slot: the receiving call copies it.
            receiving.keep_first(message);
            return Err(refused);
        };
        let (session, number) = (message.session(), message.number());
        self.channel.conn.links.session_state.halves().inbox.delivered(session, number);
        self.unchecked = Some(message).filter(|_| self.channel.options.checks_received().is_some());
        Ok(Some(received))
    }
}

fn refused(message: &Message, room: usize) -> Error {
    if message.is_request() {
        let text =
            "the next message is a request, and a reply to it needs the message: receive it with `recv`";
        return Error::new(ErrorKind::InvalidState, text);
    }
    ReceivedBytes::too_long(message.memory().len(), room)
}
