//! Finds the long byte strings of an item whose bytes another process may still write.
//!
//! The other bytes are copied once, and only the copy is examined: the walk and the decoder see equal heads.

use std::ops::Range;

use bytes::Bytes;

use super::head::{BREAK, head};
use super::{COLUMN_MAJOR, COMPLEX, HOMOGENEOUS, ROW_MAJOR};
use crate::body::{Body, OneOrMany, Part};
use crate::codec::input::Input;

/// The length from which a byte string is left out; shorter strings are copied with their surroundings.
pub const LEFT_OUT_FROM: usize = 16 << 10;
/// The most bytes around the byte strings.
///
/// With more, copy and decoding take longer than a second copy of the item.
const MOST_AROUND: usize = 16 << 10;
/// The number of bytes that are copied before their heads are examined.
const WINDOW: usize = 512;
const LONGEST_HEAD: usize = 9;

/// An item without its long byte strings.
#[derive(Debug, PartialEq, Eq)]
pub struct Outline {
    /// A copy of the bytes around the strings.
    pub rest: Vec<u8>,
    /// Each byte string: the number of bytes of the rest before it, and its range in the item.
    pub strings: OneOrMany<(usize, Range<usize>)>,
}

/// Returns the outline of these bytes, which are read once.
///
/// `None` if there is no long byte string, if there are too many bytes around the strings, or if there is a typed
/// array: its elements would lose their alignment.
pub fn outline(item: &[u8]) -> Option<Outline> {
    let mut strings = OneOrMany::new();
    let mut rest = Vec::new();
    // `from`: the end of the copied or omitted part of the item. `at`: the end of the examined part of the copy.
    let (mut from, mut at) = (0, 0);
    loop {
        let missing = (at + LONGEST_HEAD).saturating_sub(rest.len());
        if missing > 0 && from < item.len() {
            let more = missing.max(WINDOW).min(item.len() - from);
            copy(item, &mut from, more, &mut rest)?;
        }
        if at == rest.len() {
            break;
        }
        if rest[at] == BREAK {
            at += 1;
            continue;
        }
        let mut input = Input::new(&rest[at..]);
        let head = head(&mut input).ok()?;
        at += input.at;
        let is_string = matches!(head.major, 2 | 3) && !head.is_indefinite();
        if head.major == 6
            && (matches!(head.n, ROW_MAJOR | HOMOGENEOUS | COLUMN_MAJOR | COMPLEX) || is_typed(head.n))
        {
            return None;
        }
        if !is_string {
            continue;
        }
        let length = usize::try_from(head.n).ok()?;
        let copied = rest.len() - at;
        if head.major == 2 && length >= LEFT_OUT_FROM {
            let begins = from - copied;
            let ends = begins.checked_add(length).filter(|ends| *ends <= item.len())?;
            rest.truncate(at);
            strings.push((at, begins..ends));
            from = ends;
            continue;
        }
        if length > copied {
            let more = length - copied;
            if more > item.len() - from {
                return None;
            }
            copy(item, &mut from, more, &mut rest)?;
        }
        at += length;
    }
    (!strings.is_empty()).then_some(Outline { rest, strings })
}

impl Outline {
    /// Returns the body of the item: this copy, with the long byte strings in place.
    pub fn with_bytes_in_place(self, item: &Bytes) -> Body {
        let Outline { rest, strings } = self;
        let parts = strings.map(|(at, range)| Part { at, bytes: item.slice(range) });
        Body::of_opaque_parts(rest, parts)
    }
}

fn copy(item: &[u8], from: &mut usize, more: usize, rest: &mut Vec<u8>) -> Option<()> {
    if rest.len() + more > MOST_AROUND {
        return None;
    }
    rest.try_reserve(more).ok()?;
    rest.extend_from_slice(&item[*from..*from + more]);
    *from += more;
    Some(())
}

fn is_typed(tag: u64) -> bool {
    (64..=87).contains(&tag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Encoding, decode, decode_body, encode};
    use crate::value::{Limits, Map, NdArray, Value, ValueBuilder};

    fn bytes(seed: u8, length: usize) -> Value {
        Value::Bytes(vec![seed; length].into())
    }

    fn map(entries: Vec<(&str, Value)>) -> Value {
        Value::Map(entries.into_iter().map(|(key, value)| (key.into(), value)).collect::<Map>())
    }

    fn decoded(item: &[u8]) -> Option<(crate::Result<Value>, usize)> {
        let Outline { rest, strings } = outline(item)?;
        let count = strings.len();
        assert!(rest.len() <= MOST_AROUND && count > 0);
        let parts = strings.map(|(at, range)| Part { at, bytes: item[range].to_vec().into() });
        let body = Body::of_opaque_parts(rest, parts);
        assert_eq!(body.len(), item.len());
        let value =
            decode_body(&body, Encoding::Cbor, &Limits::default(), ValueBuilder::sharing(body.clone()));
        assert_eq!(body, item, "the same bytes");
        Some((value.and_then(ValueBuilder::finish), count))
    }

    #[test]
    fn long_byte_strings_are_left_out_wherever_they_are() {
        let long = LEFT_OUT_FROM;
        let nested =
            map(vec![("deep", Value::Array(vec![bytes(4, long + 9), Value::from("text"), bytes(5, 3)]))]);
        for (value, count) in [
            (bytes(1, long), 1),
            (map(vec![("frame", bytes(1, 1_000_000)), ("t", Value::from(1.5))]), 1),
            (map(vec![("t", Value::from(-1)), ("left", bytes(1, long)), ("right", bytes(2, long + 1))]), 2),
            (Value::Array(vec![bytes(1, long), bytes(2, long), bytes(3, long)]), 3),
            (map(vec![("text", Value::from("x".repeat(5_000))), ("of", nested), ("n", Value::Null)]), 1),
        ] {
            let item = encode(&value, Encoding::Cbor).unwrap();
            let (found, left_out) = decoded(&item).unwrap();
            assert_eq!((found.unwrap(), left_out), (value, count));
        }
    }

    #[test]
    fn bytes_in_chunks_and_containers_without_a_length_are_followed() {
        let chunk = [&b"\x59\x40\x00"[..], &[7; 0x4000]].concat();
        let whole = bytes(7, 0x4000);
        for (item, value) in [
            ([b"\x5f", &chunk[..], b"\xff"].concat(), whole.clone()),
            ([b"\x5f", &chunk[..], &chunk, b"\xff"].concat(), bytes(7, 0x8000)),
            ([b"\xbf\x61f", &chunk[..], b"\xff"].concat(), map(vec![("f", whole.clone())])),
            (
                [b"\x9f\x9f", &chunk[..], b"\xff\x01\xff"].concat(),
                Value::Array(vec![Value::Array(vec![whole]), Value::from(1)]),
            ),
        ] {
            assert_eq!(decode(&item, Encoding::Cbor).unwrap(), value);
            assert_eq!(decoded(&item).unwrap().0.unwrap(), value);
        }
    }

    #[test]
    fn what_has_no_long_bytes_or_much_around_them_is_copied_as_a_whole() {
        let long = bytes(1, LEFT_OUT_FROM);
        let array = Value::NdArray(NdArray::vector(&[1.5f64; 4]));
        for value in [
            Value::Null,
            bytes(1, LEFT_OUT_FROM - 1),
            Value::from("x".repeat(100_000)),
            Value::NdArray(NdArray::vector(&vec![1u8; 100_000])),
            map(vec![("image", long.clone()), ("points", array.clone())]),
            map(vec![("points", array), ("image", long.clone())]),
            map(vec![("image", long.clone()), ("text", Value::from("x".repeat(MOST_AROUND)))]),
            Value::Array(vec![Value::Array(vec![Value::from(1.5); MOST_AROUND / 9]), long]),
        ] {
            assert_eq!(outline(&encode(&value, Encoding::Cbor).unwrap()), None);
        }
    }

    /// Claims of too many bytes, bytes after the value, text instead of bytes: results as for one block.
    #[test]
    fn damaged_items_are_decoded_as_in_one_block() {
        let value = map(vec![
            ("a", bytes(0x61, LEFT_OUT_FROM)),
            ("b", bytes(0x41, LEFT_OUT_FROM)),
            ("c", Value::from(7)),
        ]);
        let item = encode(&value, Encoding::Cbor).unwrap();
        let second = 7 + LEFT_OUT_FROM;
        let heads: Vec<usize> =
            (0..8).chain(second - 2..second + 8).chain(item.len() - 4..item.len()).collect();
        let mut outlined = 0;
        for at in heads {
            for byte in 0..=255 {
                let mut changed = item.clone();
                changed[at] = byte;
                let expected = decode(&changed, Encoding::Cbor);
                if let Some((found, _)) = decoded(&changed) {
                    outlined += 1;
                    assert_eq!(found.as_ref().ok(), expected.as_ref().ok(), "{byte:#x} at {at}");
                    assert_eq!(
                        found.err().map(|e| e.kind()),
                        expected.err().map(|e| e.kind()),
                        "{byte:#x} at {at}"
                    );
                }
            }
        }
        assert!(outlined > 1000, "{outlined}");
        for cut in [1, 4, 100, LEFT_OUT_FROM] {
            assert!(decoded(&item[..item.len() - cut]).is_none_or(|(found, _)| found.is_err()));
        }
        assert!(decoded(&[&item[..], &[0]].concat()).unwrap().0.is_err());
        assert_eq!(outline(b"\x5b\xff\xff\xff\xff\xff\xff\xff\xffx"), None);
    }
}
