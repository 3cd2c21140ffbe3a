//! Reads a body that is one byte string, without events.
//!
//! The reader accepts a subset of the decoder's inputs, and returns equal values.

use bytes::Bytes;

use super::cursor::is_within;
use super::encode::byte_string_head;
use crate::value::{Limits, Value};

/// Returns the value of one byte string with the shortest head, as a view. `None` if the decoder must read the bytes.
#[inline]
pub(crate) fn read(bytes: &Bytes, limits: &Limits) -> Option<Value> {
    let count = match bytes.first()? {
        0x40..0x58 => 1,
        0x58 => 2,
        0x59 => 3,
        0x5a => 5,
        _ => return None,
    };
    let length = bytes.len().checked_sub(count)?;
    let (head, shortest) = byte_string_head(length as u64);
    let is_whole = shortest == count && bytes[..count] == head[..count];
    (is_whole && is_within(limits, count, length as u64)).then(|| Value::Bytes(bytes.slice(count..)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Encoding, decode, encode};

    #[test]
    fn byte_string_alone_is_the_value_of_the_decoder() {
        for length in [0, 1, 23, 24, 255, 256, 65_535, 65_536] {
            let value = Value::Bytes(vec![7; length].into());
            let bytes = Bytes::from(encode(&value, Encoding::Cbor).unwrap());
            assert_eq!(read(&bytes, &Limits::default()), Some(value), "{length}");
            let limits = Limits { message: bytes.len() as u64 - 1, ..Limits::default() };
            assert_eq!(read(&bytes, &limits), None, "{length}");
        }
    }

    #[test]
    fn other_bytes_are_left_to_the_decoder() {
        for bytes in [
            &b""[..],
            b"\x41",
            b"\x41ab",
            b"\x58\x01a",
            b"\x59\x00\x01a",
            b"\x5f\x41a\xff",
            b"\x61a",
            b"\x5a\xff\xff\xff\xff",
        ] {
            assert_eq!(read(&Bytes::from_static(bytes), &Limits::default()), None, "{bytes:?}");
        }
        assert_eq!(decode(b"\x58\x01a", Encoding::Cbor).unwrap(), Value::Bytes(Bytes::from_static(b"a")));
    }
}
