//! A sent message as it is kept until its receiver has consumed it.
//!
//! A short body is copied: that is cheaper than taking and releasing a reference to it, which are two atomic
//! operations on memory of the program. A longer one is shared with the caller.

use std::time::Duration;

use bytes::Bytes;

use crate::codec::Encoding;
use crate::frame::{Header, Kind};
use crate::message::Payload;

/// A message that may be sent again.
#[derive(Clone, Debug)]
pub struct StoredMessage {
    body: StoredBody,
    /// The number of the request, for an answer; for a request the nanoseconds since boot at which its caller
    /// gives up, 0 where that is unknown; of no meaning otherwise.
    correlation: u64,
    /// When it was first sent, in nanoseconds since 1970.
    sent: i64,
    kind: Kind,
    flags: u16,
}

/// The encoded body.
#[derive(Clone, Debug)]
enum StoredBody {
    /// A copy of its bytes, how many of them count, and their encoding.
    Short([u8; SHORT], u8, Encoding),
    /// Shared with the caller.
    Shared(Payload),
}

/// The longest body that is copied, in bytes.
const SHORT: usize = 64;

// A peer that stops reading makes this side keep 65,536 of them, so the size counts. With a body
// elsewhere it would be 64 bytes and a block of the allocator.
const _: () = assert!(size_of::<StoredMessage>() <= 96);

impl StoredMessage {
    /// Stores what was sent with this header. The rest of the header follows from the payload and
    /// the session: a header is longer than most bodies, and every message passes here.
    #[inline]
    pub fn new(header: &Header, payload: &Payload) -> StoredMessage {
        let Header { kind, flags, correlation, sent, .. } = *header;
        StoredMessage { body: StoredBody::of(payload), correlation, sent, kind, flags }
    }

    /// Stores a data message that was sent at this time.
    #[inline]
    pub fn data(payload: &Payload, sent: i64) -> StoredMessage {
        StoredMessage { body: StoredBody::of(payload), correlation: 0, sent, kind: Kind::Data, flags: 0 }
    }

    /// The same for a request whose caller gives up at this time since boot.
    #[inline]
    pub fn with_until(mut self, until: Option<Duration>) -> StoredMessage {
        if self.kind == Kind::Request {
            self.correlation = until.map_or(0, |at| u64::try_from(at.as_nanos()).unwrap_or(0));
        }
        self
    }

    /// Returns the time since boot at which the caller of this request gives up, if that is known.
    pub fn until(&self) -> Option<Duration> {
        let is_known = self.kind == Kind::Request && self.correlation > 0;
        is_known.then(|| Duration::from_nanos(self.correlation))
    }

    /// Returns what is sent again.
    pub fn payload(&self) -> Payload {
        match &self.body {
            StoredBody::Shared(payload) => payload.clone(),
            StoredBody::Short(bytes, length, encoding) => {
                Payload::from_bytes(*encoding, Bytes::copy_from_slice(&bytes[..usize::from(*length)]))
            }
        }
    }

    /// Returns the header under this number, with the time of the first sending.
    pub fn header(&self, sequence: u64) -> Header {
        let StoredMessage { sent, kind, flags, .. } = *self;
        let correlation = if kind == Kind::Request { 0 } else { self.correlation };
        let encoding = match &self.body {
            StoredBody::Short(_, _, encoding) => *encoding,
            StoredBody::Shared(payload) => payload.encoding(),
        };
        Header { sequence, correlation, sent, flags, ..Header::new(kind, encoding) }
    }
}

impl StoredBody {
    /// Copies or shares the body.
    #[inline]
    fn of(payload: &Payload) -> StoredBody {
        if payload.len() > SHORT {
            return StoredBody::Shared(payload.clone());
        }
        // A short body lies in one block.
        let body = payload.body();
        let mut bytes = [0; SHORT];
        bytes[..body.len()].copy_from_slice(body);
        StoredBody::Short(bytes, body.len() as u8, payload.encoding())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_message_of_any_length_is_sent_again_as_it_was() {
        for length in [0, 1, 8, SHORT - 1, SHORT, SHORT + 1, 5000] {
            let body: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let payload = Payload::from_bytes(Encoding::Json, body.clone().into());
            let header =
                Header { correlation: 7, flags: 4, sent: 9, ..Header::new(Kind::Reply, Encoding::Json) };
            let stored = StoredMessage::new(&header, &payload);
            let again = stored.payload();
            assert_eq!((again.encoding(), &again.body()[..]), (Encoding::Json, &body[..]), "{length}");
            assert_eq!(stored.header(3), Header { sequence: 3, ..header });
            let data = StoredMessage::data(&payload, 11).header(4);
            assert_eq!((data.kind, data.sent, data.sequence), (Kind::Data, 11, 4));
        }
    }
}
