//! Memory into which a fast-path message is received: that of a dropped message, which becomes the next one, or memory
//! of the program, which then gets a description of the bytes and no message.

use super::{Message, ReceivedFrom};
use crate::codec::Encoding;
use crate::frame::Kind;
use crate::sys::memory;
use crate::value::{Limits, Timestamp};

/// Memory of exactly the length of a body, and what it becomes with the bytes in it.
pub(crate) trait BodyMemory {
    /// The received message.
    type Output;

    /// The memory, to be written.
    fn body(&mut self) -> &mut [u8];

    /// Returns the message of this kind and correlation, with this number, encoding and time of sending, from this
    /// sender.
    fn finish(
        self,
        what: (Kind, u64),
        of: (u64, Encoding, i64),
        origin: ReceivedFrom<'_>,
        limits: &Limits,
    ) -> Self::Output;
}

/// What [`Channel::recv_into`](crate::Channel::recv_into) received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceivedBytes {
    /// How many bytes it has: they are at the beginning of the memory that was given.
    pub length: usize,
    /// The encoding of the bytes.
    pub encoding: Encoding,
    /// The number in the sender's session, from 1.
    pub sequence: u64,
    /// The time of sending, by the sender's clock.
    pub sent: Timestamp,
}

impl ReceivedBytes {
    /// Copies the body of a message to the beginning of this memory; `None` if it is longer.
    pub(crate) fn copied(message: &Message, into: &mut [u8]) -> Option<ReceivedBytes> {
        let (body, length) = (message.memory(), message.memory().len());
        let into = into.get_mut(..length)?;
        match message.uncopied_body() {
            Some(slot) if slot.len() == length => memory::copy(slot, into),
            _ => body.copy_to(into),
        }
        let (encoding, sequence, sent) = (message.encoding(), message.sequence(), message.sent());
        Some(ReceivedBytes { length, encoding, sequence, sent })
    }
}

/// Memory that is borrowed from the program for the call.
pub(crate) struct BorrowedMemory<'a>(&'a mut [u8]);

impl<'a> BorrowedMemory<'a> {
    /// Returns what gives the first bytes of this memory, as many as are asked for; `None` if it has fewer.
    pub fn of(into: &'a mut [u8]) -> impl FnOnce(usize) -> Option<BorrowedMemory<'a>> {
        move |length| into.get_mut(..length).map(BorrowedMemory)
    }
}

impl BodyMemory for BorrowedMemory<'_> {
    type Output = ReceivedBytes;

    fn body(&mut self) -> &mut [u8] {
        self.0
    }

    fn finish(
        self,
        _: (Kind, u64),
        (sequence, encoding, sent): (u64, Encoding, i64),
        _: ReceivedFrom<'_>,
        _: &Limits,
    ) -> ReceivedBytes {
        ReceivedBytes { length: self.0.len(), encoding, sequence, sent: Timestamp(sent) }
    }
}
