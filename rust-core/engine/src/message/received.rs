//! Memory for a message on the fast path: a dropped message that becomes the next one, or memory of the program, which
//! then gets only a description of the bytes.

use super::{Message, ReceivedFrom};
use crate::codec::Encoding;
use crate::error::{Error, ErrorKind};
use crate::frame::Kind;
use crate::sys::memory;
use crate::value::{Limits, Timestamp};

pub(crate) trait BodyMemory {
    type Output;

    fn body(&mut self) -> &mut [u8];

    fn finish(
        self,
        what: (Kind, u64),
        of: (u64, Encoding, i64),
        origin: ReceivedFrom<'_>,
        limits: &Limits,
    ) -> Self::Output;
}

/// A description of a message whose bytes the program's own memory has received.
///
/// [`Channel::recv_into`](crate::Channel::recv_into) and similar calls return it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceivedBytes {
    /// The number of bytes at the beginning of the caller's memory.
    pub length: usize,
    /// The encoding of the bytes.
    pub encoding: Encoding,
    /// The number in the sender's session, from 1.
    pub sequence: u64,
    /// The time of sending, by the sender's clock.
    pub sent: Timestamp,
    /// How many messages before it were missed, as in [`Message::missed`].
    pub missed: u64,
}

impl ReceivedBytes {
    pub(crate) fn copied(message: &Message, into: &mut [u8]) -> Option<ReceivedBytes> {
        let (body, length) = (message.memory(), message.memory().len());
        let into = into.get_mut(..length)?;
        match message.uncopied_body() {
            Some(slot) if slot.len() == length => memory::copy(slot, into),
            _ => body.copy_to(into),
        }
        let (encoding, sequence, sent) = (message.encoding(), message.sequence(), message.sent());
        Some(ReceivedBytes { length, encoding, sequence, sent, missed: message.missed() })
    }

    /// Returns the error for a message that exceeds the memory for it. The message stays the next one.
    #[cold]
    pub(crate) fn too_long(bytes: usize, room: usize) -> Error {
        let text = format!(
            "the next message has {bytes} bytes, and the memory for it has {room}; receive it with as many, or with `recv`"
        );
        Error::new(ErrorKind::TooLarge, text)
    }
}

pub(crate) struct BorrowedMemory<'a>(&'a mut [u8]);

impl<'a> BorrowedMemory<'a> {
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
        ReceivedBytes { length: self.0.len(), encoding, sequence, sent: Timestamp(sent), missed: 0 }
    }
}
