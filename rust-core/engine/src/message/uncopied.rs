//! Messages whose long body may still lie in the sender's slot.
//!
//! A binding copies long byte strings once, from the slot into objects of its language. The bytes around them are
//! copied before they are parsed (`codec::outline`); the byte strings are not parsed, because any content is valid. All
//! other bodies are copied in one piece before parsing, as [`Channel::recv`](crate::Channel::recv) does.

use std::fmt;
use std::mem::MaybeUninit;
use std::ops::Range;

use bytes::Bytes;

use super::Message;
use crate::body::{Body, OneOrMany, Part, Rest};
use crate::codec::{self, Encoding, Outline};
use crate::error::Result;
use crate::sys::memory;

/// A received message that must be copied at once: while it exists, the sender cannot use its slot.
#[derive(Debug)]
#[must_use]
pub struct Uncopied(Message);

/// The long byte strings of a message in the sender's slot.
pub struct UncopiedBytes {
    rest: Rest,
    /// For each: the length of the rest before it, and its range in the body.
    strings: OneOrMany<(usize, Range<usize>)>,
    body: Bytes,
}

/// Does not show the content, which is not read here.
impl fmt::Debug for UncopiedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UncopiedBytes").field("lengths", &self.lengths()).finish_non_exhaustive()
    }
}

impl UncopiedBytes {
    /// Returns the length of each byte string.
    pub fn lengths(&self) -> Vec<usize> {
        self.strings.iter().map(|(_, range)| range.len()).collect()
    }

    /// Copies the byte string with this number into the memory, which is then initialised.
    ///
    /// # Panics
    /// If the number does not exist, or the memory has another length.
    pub fn copy_to(&self, number: usize, into: &mut [MaybeUninit<u8>]) {
        let (_, range) = &self.strings[number];
        assert_eq!(into.len(), range.len(), "the memory for other bytes");
        memory::copy_to_uninit(&self.body[range.clone()], into);
    }
}

impl Uncopied {
    /// Wraps a message that was received with [`Options::view_bodies`](crate::Options::view_bodies).
    pub fn new(message: Message) -> Uncopied {
        Uncopied(message)
    }

    /// Returns the long byte strings of the value, if they lie in the slot with little around them.
    pub fn bytes(&self) -> Option<UncopiedBytes> {
        let body = self.0.uncopied_body()?;
        let (rest, strings) = match self.0.encoding() {
            Encoding::Raw => {
                let mut strings = OneOrMany::new();
                strings.push((0, 0..body.len()));
                (Vec::new(), strings)
            }
            Encoding::Cbor => {
                let Outline { rest, strings } = codec::outline(body)?;
                (rest, strings)
            }
            _ => return None,
        };
        let rest = Rest::filled(rest.len(), |to| to.copy_from_slice(&rest));
        Some(UncopiedBytes { rest, strings, body: body.clone() })
    }

    /// Returns the message with these copies of its byte strings.
    ///
    /// # Panics
    /// If the copies have other lengths than the byte strings.
    pub fn with_copies(self, bytes: UncopiedBytes, copies: impl IntoIterator<Item = Bytes>) -> Message {
        let UncopiedBytes { rest, strings, body: _ } = bytes;
        let mut copies = copies.into_iter();
        let parts = strings.map(|(at, range)| {
            let bytes = copies.next().filter(|copy| copy.len() == range.len());
            Part { at, bytes: bytes.expect("a copy of each byte string") }
        });
        let body = match &*parts {
            [only] if rest.is_empty() => only.bytes.clone().into(),
            _ => Body::of_opaque_parts(rest, parts),
        };
        self.0.with_body(body)
    }

    /// Copies the body from the sender's slot into one block of this process, if it is still in the slot.
    ///
    /// # Errors
    /// `OutOfMemory`; the body stays in the slot.
    pub fn copy(&mut self) -> Result<()> {
        if self.0.uncopied_body().is_some() { self.0.copy_to_one_block() } else { Ok(()) }
    }

    /// Returns the message: for the program after the copy, or to be put back.
    pub fn into_message(self) -> Message {
        self.0
    }
}
