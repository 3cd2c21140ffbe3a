//! The messages of streams: the length of a map in CBOR (4 bytes, little-endian), the map, and bytes behind it, such as
//! the body of a record.

use bytes::Bytes;
use linkspan::{Encoding, Value, codec};

/// The bytes of the length in front.
const LENGTH: usize = 4;

/// Returns the message of this map and the bytes behind it.
pub fn pack(map: &Value, body: &[u8]) -> Bytes {
    let map = codec::encode(map, Encoding::Cbor).unwrap_or_default();
    let length = u32::try_from(map.len()).unwrap_or(u32::MAX).to_le_bytes();
    [&length[..], &map, body].concat().into()
}

/// Returns the map of a message and the bytes behind it, which share its memory; `None` if it is no such message.
pub fn unpack(bytes: &Bytes) -> Option<(Value, Bytes)> {
    let length = usize::try_from(u32::from_le_bytes(*bytes.first_chunk()?)).ok()?;
    let end = LENGTH.checked_add(length).filter(|end| *end <= bytes.len())?;
    let map = codec::decode(&bytes[LENGTH..end], Encoding::Cbor).ok()?;
    Some((map, bytes.slice(end..)))
}
