//! The destination of a request's answer: a message, or memory of the program.

use crate::error::{Error, ErrorKind, Result};
use crate::frame::Kind;
use crate::message::{BodyMemory, BorrowedMemory, Message, ReceivedBytes, ReusedMessage, failure};

/// The result of a call, made from its answer.
pub(super) trait ReplyPlace {
    /// The result of the call.
    type Output;
    /// Memory for the body of a fast-path reply.
    type Memory<'m>: BodyMemory<Output = Self::Output>
    where
        Self: 'm;
    /// Whether a body in a slot of the peer stays there, because the call copies it.
    const COPIES: bool;

    /// Returns memory for this many bytes; `None` if the reply must come as a message.
    fn memory(&mut self, length: usize) -> Option<Self::Memory<'_>>;

    /// Reads an answer that came as a message.
    ///
    /// # Errors
    /// The failure in the answer; an answer that the place cannot hold.
    fn read(&mut self, answer: Message) -> Result<Self::Output>;

    /// Returns whether an answer came that the place could not take: the peer has carried out the request.
    fn has_refused(&self) -> bool {
        false
    }
}

/// An answer as it came.
pub(super) enum Came<T> {
    /// In the memory of its place.
    Read(T),
    /// As a message.
    Message(Message),
}

impl<T> Came<T> {
    pub fn read<R: ReplyPlace<Output = T>>(self, place: &mut R) -> Result<T> {
        match self {
            Came::Read(reply) => Ok(reply),
            Came::Message(answer) => place.read(answer),
        }
    }
}

impl Came<Message> {
    /// Returns the message.
    pub fn message(self) -> Message {
        let (Came::Read(message) | Came::Message(message)) = self;
        message
    }
}

/// The answer as a message.
pub(super) struct WholeReply;

impl ReplyPlace for WholeReply {
    type Output = Message;
    type Memory<'m> = ReusedMessage;
    const COPIES: bool = false;

    #[inline]
    fn memory(&mut self, length: usize) -> Option<ReusedMessage> {
        ReusedMessage::take(length)
    }

    fn read(&mut self, answer: Message) -> Result<Message> {
        match answer.header().kind {
            Kind::Error => Err(failure::from_message(&answer)),
            _ => Ok(answer),
        }
    }
}

/// Memory of the program.
pub(super) struct ReplyBytes<'a> {
    pub into: &'a mut [u8],
    /// Whether to check the value of the answer.
    pub is_checked: bool,
    /// Whether an answer was longer than the memory, or not as its schema says.
    pub has_refused: bool,
}

impl ReplyPlace for ReplyBytes<'_> {
    type Output = ReceivedBytes;
    type Memory<'m>
        = BorrowedMemory<'m>
    where
        Self: 'm;
    const COPIES: bool = true;

    #[inline]
    fn memory(&mut self, length: usize) -> Option<BorrowedMemory<'_>> {
        BorrowedMemory::of(self.into)(length)
    }

    fn read(&mut self, answer: Message) -> Result<ReceivedBytes> {
        let answer = WholeReply.read(answer)?;
        self.has_refused = true;
        let Some(received) = ReceivedBytes::copied(&answer, self.into) else {
            let text = format!(
                "the answer has {} bytes, and the memory for it has {}: the request was carried out, and its answer is dropped; call with as many, or with `call`",
                answer.memory().len(),
                self.into.len()
            );
            return Err(Error::new(ErrorKind::TooLarge, text));
        };
        if self.is_checked {
            answer.value()?;
        }
        self.has_refused = false;
        Ok(received)
    }

    fn has_refused(&self) -> bool {
        self.has_refused
    }
}
