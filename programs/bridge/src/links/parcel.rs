//! The messages of streams: a map's length (4 bytes, little-endian), the map in CBOR, and a body.

use bytes::Bytes;
use linkspan::{Encoding, Value, codec};

const LENGTH: usize = 4;

pub fn pack(map: &Value, body: &[u8]) -> Bytes {
    let map = codec::encode(map, Encoding::Cbor).unwrap_or_default();
    let length = u32::try_from(map.len()).unwrap_or(u32::MAX).to_le_bytes();
    [&length[..], &map, body].concat().into()
}

/// Returns a message's map and body, which shares its memory; `None` for invalid bytes.
pub fn unpack(bytes: &Bytes) -> Option<(Value, Bytes)> {
    let length = usize::try_from(u32::from_le_bytes(*bytes.first_chunk()?)).ok()?;
    let end = LENGTH.checked_add(length).filter(|end| *end <= bytes.len())?;
    let map = codec::decode(&bytes[LENGTH..end], Encoding::Cbor).ok()?;
    Some((map, bytes.slice(end..)))
}
