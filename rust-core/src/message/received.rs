//! A plain message that is received into memory: of a message that was dropped, or of the program, which then gets no message
//! but what describes the bytes.

use std::sync::Arc;

use super::Message;
use crate::codec::Encoding;
use crate::frame::Kind;
use crate::value::{Limits, Timestamp};

/// Memory of exactly the length of a body, and what the bytes in it become.
pub(crate) trait Filled {
    /// The received message.
    type Whole;

    /// The memory, to be written.
    fn body(&mut self) -> &mut [u8];

    /// Returns the message of this kind and correlation, with this number, encoding and time of sending.
    fn finish(
        self,
        what: (Kind, u64),
        origin: (u64, Encoding, i64),
        source: &Arc<str>,
        limits: &Limits,
        session: u64,
    ) -> Self::Whole;
}

/// What [`Channel::recv_into`](crate::Channel::recv_into) received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// How many bytes it has: they are at the beginning of the memory that was given.
    pub length: usize,
    /// The encoding of the bytes.
    pub encoding: Encoding,
    /// The number in the sender's session, from 1.
    pub sequence: u64,
    /// The time of sending, by the sender's clock.
    pub sent: Timestamp,
}

impl Received {
    /// Copies the body of a message to the beginning of this memory; `None` if it is longer.
    pub(crate) fn copied(message: &Message, into: &mut [u8]) -> Option<Received> {
        let body = message.body();
        into.get_mut(..body.len())?.copy_from_slice(body);
        let (encoding, sequence, sent) = (message.encoding(), message.sequence(), message.sent());
        Some(Received { length: body.len(), encoding, sequence, sent })
    }
}

/// Memory of the program.
pub(crate) struct LentPlace<'a>(&'a mut [u8]);

impl<'a> LentPlace<'a> {
    /// Returns what gives the first bytes of this memory, as many as are asked for; `None` if it has fewer.
    #[inline(always)]
    pub fn of(into: &'a mut [u8]) -> impl FnOnce(usize) -> Option<LentPlace<'a>> {
        move |length| into.get_mut(..length).map(LentPlace)
    }
}

impl Filled for LentPlace<'_> {
    type Whole = Received;

    #[inline(always)]
    fn body(&mut self) -> &mut [u8] {
        self.0
    }

    #[inline(always)]
    fn finish(
        self,
        _: (Kind, u64),
        (sequence, encoding, sent): (u64, Encoding, i64),
        _: &Arc<str>,
        _: &Limits,
        _: u64,
    ) -> Received {
        Received { length: self.0.len(), encoding, sequence, sent: Timestamp(sent) }
    }
}
