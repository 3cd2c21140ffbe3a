//! Messages without a transport: copies that a program keeps or passes to its other processes, and recorded messages.
//!
//! The bytes are not a wire format. Only the version of the library that wrote them can read them.

use std::sync::Arc;

use bytes::Bytes;

use super::{Message, ReceivedFrom, SchemaIds};
use crate::codec::Encoding;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{HEADER, Header, Incoming};
use crate::schema::id_of;
use crate::value::{Limits, Timestamp};

/// The length before the source: the header, then the session, the missed messages, the length of the source, and both
/// schemas.
const FIXED: usize = HEADER + 40;

/// The data of a recorded message except its body.
#[derive(Clone, Debug)]
pub struct RecordedOrigin {
    /// The name at which it was published.
    pub name: Arc<str>,
    /// The publisher.
    pub source: Arc<str>,
    /// The publisher's incarnation.
    pub incarnation: u64,
    /// The message's number in the publisher's incarnation.
    pub sequence: u64,
    /// When it was sent.
    pub sent: Timestamp,
    /// The encoding of the body.
    pub encoding: Encoding,
    /// The fingerprint of the schema that the publisher gave.
    pub schema: Option<[u8; 32]>,
}

impl Message {
    /// Returns a message of a recording. The value is decoded on demand, within these limits.
    #[doc(hidden)]
    pub fn recorded(body: Bytes, origin: RecordedOrigin, limits: Limits) -> Message {
        let RecordedOrigin { name, source, incarnation, sequence, sent, encoding, schema } = origin;
        let header = Header {
            body: body.len() as u64,
            sequence,
            sent: sent.0,
            ..Header::new(crate::frame::Kind::Data, encoding)
        };
        let incoming = Incoming { header, extension: Bytes::new(), body: body.into() };
        let schemas = SchemaIds { sender: schema.as_ref().map_or(0, id_of), receiver: 0 };
        let origin = ReceivedFrom { source: &source, session: incarnation, schemas };
        Message::new(incoming, origin, limits).with_name(&name)
    }

    /// Returns the message as bytes for [`Message::from_bytes`].
    ///
    /// Copies arrays from memory shared with the sender.
    pub fn to_bytes(&self) -> Vec<u8> {
        let body = self.body();
        let (sequence, body_length) = (self.sequence(), body.len() as u64);
        let header = Header { flags: 0, extension: 0, body: body_length, sequence, ..*self.header() };
        let source = self.source().as_bytes();
        let mut bytes = Vec::with_capacity(FIXED + source.len() + body.len());
        bytes.extend(header.to_bytes());
        let SchemaIds { sender, receiver } = self.inner().schemas;
        for number in [self.incarnation(), self.missed(), source.len() as u64, sender, receiver] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(source);
        bytes.extend(body);
        bytes
    }

    /// Reads a message that [`Message::to_bytes`] wrote.
    ///
    /// It is not a request, because nobody waits for a reply.
    ///
    /// # Errors
    /// `Malformed` for other bytes. As usual, the value is decoded only on demand.
    pub fn from_bytes(bytes: &[u8]) -> Result<Message> {
        let malformed =
            |what: &str| Error::new(ErrorKind::Malformed, format!("no copy of a message: {what}"));
        let (fixed, rest) = bytes.split_first_chunk::<FIXED>().ok_or_else(|| malformed("it is too short"))?;
        let (header, numbers) =
            fixed.split_first_chunk::<HEADER>().ok_or_else(|| malformed("it is too short"))?;
        let header = Header::from_bytes(header)?;
        let mut numbers = numbers.as_chunks::<8>().0.iter().map(|number| u64::from_le_bytes(*number));
        let mut number = || numbers.next().unwrap_or_default();
        let (session, missed, length) = (number(), number(), number());
        let schemas = SchemaIds { sender: number(), receiver: number() };
        let parts = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length));
        let (source, body) = parts.ok_or_else(|| malformed("its source is cut off"))?;
        if header.body != body.len() as u64 || header.extension != 0 || header.flags != 0 {
            return Err(malformed("its body has another length"));
        }
        let source = str::from_utf8(source).map_err(|_| malformed("its source is not UTF-8"))?;
        let header = Header { kind: crate::frame::Kind::Data, ..header };
        let incoming =
            Incoming { header, extension: Bytes::new(), body: Bytes::copy_from_slice(body).into() };
        let origin = ReceivedFrom { source: &Arc::from(source), session, schemas };
        Ok(Message::new(incoming, origin, Limits::default()).with_missed(missed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;
    use crate::frame::Kind;
    use crate::value::Value;

    fn message() -> Message {
        let body = codec::encode(&Value::map([("a", 1)]), Encoding::Cbor).unwrap();
        let header = Header {
            body: body.len() as u64,
            sequence: 7,
            sent: -5,
            ..Header::new(Kind::Request, Encoding::Cbor)
        };
        let incoming = Incoming { header, extension: Bytes::new(), body: Bytes::from(body).into() };
        let origin = ReceivedFrom { source: &Arc::from("plot-1"), session: 9, schemas: SchemaIds::default() };
        Message::new(incoming, origin, Limits::default()).with_missed(3)
    }

    #[test]
    fn copied_message_has_the_value_and_all_that_describes_it() {
        let (first, copy) = (message(), Message::from_bytes(&message().to_bytes()).unwrap());
        assert_eq!(copy.value().unwrap(), first.value().unwrap());
        assert_eq!((copy.sequence(), copy.sent(), copy.source()), (7, first.sent(), "plot-1"));
        assert_eq!((copy.missed(), copy.incarnation(), copy.encoding()), (3, 9, Encoding::Cbor));
        assert!(first.is_request() && !copy.is_request());
    }

    #[test]
    fn every_shorter_copy_is_malformed() {
        let bytes = message().to_bytes();
        for length in 0..bytes.len() {
            assert_eq!(
                Message::from_bytes(&bytes[..length]).unwrap_err().kind(),
                ErrorKind::Malformed,
                "{length}"
            );
        }
    }
}
