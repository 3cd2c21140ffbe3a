//! The content of a message to send: a shared encoded value, or bytes borrowed from the program for the call.

use std::borrow::Cow;
use std::sync::Arc;

use crate::buffers;
use crate::codec::Encoding;
use crate::error::{Error, over_message_limit};
use crate::frame::{Header, Outgoing};
use crate::message::{Payload, Recorded, StoredMessage};

/// Borrowed bytes are copied only if they are long and kept, or if the link takes them in parts.
#[derive(Clone, Copy)]
pub enum DraftContent<'a> {
    Payload(&'a Payload),
    Borrowed(Encoding, &'a [u8]),
    /// With recorded number, time and sender.
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

    pub fn len(self) -> usize {
        match self {
            DraftContent::Payload(payload) => payload.len(),
            DraftContent::Borrowed(_, bytes) => bytes.len(),
            DraftContent::Recorded(recorded) => recorded.payload.len(),
        }
    }

    /// Returns the bytes if they are one block that a link may take without an extension map.
    pub fn block(self) -> Option<&'a [u8]> {
        match self {
            DraftContent::Payload(payload) => payload.memory().block().map(|block| &block[..]),
            DraftContent::Borrowed(_, bytes) => Some(bytes),
            DraftContent::Recorded(_) => None,
        }
    }

    /// Returns the frame with this header.
    #[inline(always)]
    pub fn frame(self, header: Header) -> Outgoing<'a> {
        match self {
            DraftContent::Payload(payload) => Outgoing::of(header, payload.memory()),
            DraftContent::Recorded(recorded) => Outgoing::of(header, recorded.payload.memory()),
            DraftContent::Borrowed(_, bytes) => Outgoing::new(header, bytes),
        }
    }

    /// Returns the content as a shared payload; copies borrowed bytes.
    pub fn payload(self) -> Cow<'a, Payload> {
        match self {
            DraftContent::Payload(payload) => Cow::Borrowed(payload),
            DraftContent::Recorded(recorded) => Cow::Borrowed(&recorded.payload),
            DraftContent::Borrowed(encoding, bytes) => {
                Cow::Owned(Payload::from_bytes(encoding, buffers::copy(bytes)))
            }
        }
    }

    pub fn recorded(self) -> Option<&'a Arc<Recorded>> {
        if let DraftContent::Recorded(recorded) = self { Some(recorded) } else { None }
    }

    pub fn keep(self, block: &[u8], place: &mut StoredMessage, sent: i64) {
        place.become_data(self.encoding(), block, sent, || self.payload());
    }

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
