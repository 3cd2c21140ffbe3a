//! The content of a message to be sent: an encoded value that is shared, or bytes that are borrowed from the program
//! for the call.

use std::borrow::Cow;
use std::sync::Arc;

use crate::buffers;
use crate::codec::Encoding;
use crate::error::{Error, over_message_limit};
use crate::message::{Payload, Recorded, StoredMessage};

/// The content of a draft. Borrowed bytes are copied where they have to outlive the call, and nowhere else: if they are
/// kept to be sent again and are not short, and if the link takes them in parts.
#[derive(Clone, Copy)]
pub enum DraftContent<'a> {
    Payload(&'a Payload),
    Borrowed(Encoding, &'a [u8]),
    /// Of a recording: with number, time and sender of its own.
    Recorded(&'a Arc<Recorded>),
}

impl<'a> DraftContent<'a> {
    pub fn encoding(self) -> Encoding {
        match self {
            DraftContent::Payload(payload) => payload.encoding(),
            DraftContent::Borrowed(encoding, _) => encoding,
            DraftContent::Recorded(recorded) => recorded.payload.encoding(),
        }
    }

    /// Returns its length in bytes.
    pub fn len(self) -> usize {
        match self {
            DraftContent::Payload(payload) => payload.len(),
            DraftContent::Borrowed(_, bytes) => bytes.len(),
            DraftContent::Recorded(recorded) => recorded.payload.len(),
        }
    }

    /// Returns its bytes, if they are in one block and a link may take them without an extension map.
    pub fn block(self) -> Option<&'a [u8]> {
        match self {
            DraftContent::Payload(payload) => payload.memory().block().map(|block| &block[..]),
            DraftContent::Borrowed(_, bytes) => Some(bytes),
            DraftContent::Recorded(_) => None,
        }
    }

    /// Returns it as a payload, which can be shared; borrowed bytes are copied.
    pub fn payload(self) -> Cow<'a, Payload> {
        match self {
            DraftContent::Payload(payload) => Cow::Borrowed(payload),
            DraftContent::Recorded(recorded) => Cow::Borrowed(&recorded.payload),
            DraftContent::Borrowed(encoding, bytes) => {
                Cow::Owned(Payload::from_bytes(encoding, buffers::copy(bytes)))
            }
        }
    }

    /// Returns it, if it is of a recording.
    pub fn recorded(self) -> Option<&'a Arc<Recorded>> {
        if let DraftContent::Recorded(recorded) = self { Some(recorded) } else { None }
    }

    /// Keeps it to be sent again, as data that was sent at this time. `block` is its bytes.
    pub fn keep(self, block: &[u8], place: &mut StoredMessage, sent: i64) {
        place.become_data(self.encoding(), block, sent, || self.payload());
    }

    /// Returns the error for content that is longer than both sides accept.
    pub fn too_long(self, limit: u64) -> Error {
        over_message_limit(self.len() as u64, limit).with_hint("the narrower limit of the two sides counts")
    }
}

impl<'a> From<&'a Payload> for DraftContent<'a> {
    fn from(payload: &'a Payload) -> DraftContent<'a> {
        DraftContent::Payload(payload)
    }
}

impl<'a> From<&'a Arc<Recorded>> for DraftContent<'a> {
    fn from(recorded: &'a Arc<Recorded>) -> DraftContent<'a> {
        DraftContent::Recorded(recorded)
    }
}
