//! A received message whose long body may still lie in the sender's slot, for a binding that copies bytes into an object
//! of its language: out of the slot, once.
//!
//! Only what is nothing but opaque bytes is copied so: a message in `raw`, and one byte string in CBOR, of which its head
//! alone is read, in a copy. Everything else is copied in one piece before it is looked at, as
//! [`Channel::recv`](crate::Channel::recv) does.

use std::fmt;
use std::mem::MaybeUninit;

use bytes::Bytes;

use super::Message;
use crate::body::{Body, Part, Rest};
use crate::codec::{self, Encoding, LONGEST_HEAD};
use crate::error::Result;
use crate::value::Value;

/// A received message that is to be copied at once: as long as it is here the sender cannot use its slot.
#[derive(Debug)]
#[must_use]
pub struct Uncopied(Message);

/// A byte string in the sender's slot, which is the whole value of its message.
pub struct UncopiedBytes {
    /// What the encoding has before them, as it was copied.
    head: Rest,
    /// The whole body.
    body: Bytes,
}

/// Not the content, of which nothing is read here.
impl fmt::Debug for UncopiedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UncopiedBytes").field("length", &self.len()).finish_non_exhaustive()
    }
}

impl UncopiedBytes {
    /// Returns how many there are.
    #[allow(clippy::len_without_is_empty, reason = "they are long")]
    pub fn len(&self) -> usize {
        self.body.len() - self.head.len()
    }

    /// Copies them to this memory, which is initialised then. Of the shorter of the two lengths if they differ.
    pub fn copy_to(&self, into: &mut [MaybeUninit<u8>]) {
        for (to, from) in into.iter_mut().zip(&self.body[self.head.len()..]) {
            to.write(*from);
        }
    }
}

impl Uncopied {
    pub(crate) fn new(message: Message) -> Uncopied {
        Uncopied(message)
    }

    /// Returns the bytes that the value is, if they lie in the sender's slot.
    pub fn bytes(&self) -> Option<UncopiedBytes> {
        let body = self.0.uncopied_body()?;
        let mut first = [0; LONGEST_HEAD];
        let read = first.len().min(body.len());
        first[..read].copy_from_slice(&body[..read]);
        let length = match self.0.encoding() {
            Encoding::Raw => 0,
            Encoding::Cbor => codec::head_of_bytes_alone(&first[..read], body.len())?,
            _ => return None,
        };
        let head = Rest::filled(length, |head| head.copy_from_slice(&first[..length]));
        Some(UncopiedBytes { head, body: body.clone() })
    }

    /// Returns the message with this copy of its bytes, which it keeps.
    ///
    /// # Panics
    /// If the copy has another length than what was to be copied.
    pub fn with_copy(self, bytes: UncopiedBytes, copy: Bytes) -> Message {
        assert_eq!(copy.len(), bytes.len(), "a copy of other bytes");
        let body = match bytes.head.len() {
            0 => copy.clone().into(),
            at => Body::of_parts(bytes.head, vec![Part { at, bytes: copy.clone() }]),
        };
        self.0.with_body(body, Value::Bytes(copy))
    }

    /// Returns the message with its body in memory of this process, copied in one piece.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn copied(self) -> Result<Message> {
        if self.0.uncopied_body().is_some() { self.0.in_one_block() } else { Ok(self.0) }
    }
}
