//! Writes what is around one long array whose elements are stored elsewhere: most messages with arrays are one in a
//! short map.
//!
//! The bytes are those that [`encode`](super::encode) writes. There are few of them, so they are written directly into
//! the [`Rest`] of the message. Maps with several arrays and longer maps are left to `flat_arrays` and the encoder.

use bytes::Bytes;

use super::cursor::{MAP, MOST_FOUND, is_within};
use super::flat_arrays::is_long;
use super::{COLUMN_MAJOR, COMPLEX, ROW_MAJOR, typed_array};
use crate::body::{PLACED_FROM, Rest};
use crate::value::{DType, Limits, Map, NdArray, NdArrayRef, Order, Value};

/// The alignment of elements, from the beginning of the message.
const ALIGN: usize = 8;

/// What is written around an array.
pub(crate) struct AroundArray<'a> {
    /// Everything but the elements.
    pub rest: Rest,
    /// The number of bytes of the rest before the elements.
    pub at: usize,
    /// The elements.
    pub elements: &'a Bytes,
}

/// Returns a map without the elements of its one array, with aligned elements; `None` where it has another form or
/// length, or may be beyond a limit.
pub(crate) fn write<'a>(map: &'a Map, limits: &Limits) -> Option<AroundArray<'a>> {
    let entries = u8::try_from(map.len()).ok().filter(|entries| *entries <= MOST_FOUND)?;
    let mut array = None;
    let rest = Rest::written(|to| {
        let mut writer = ArrayWriter { to, at: 0 };
        writer.put([MAP + entries])?;
        for (key, value) in map {
            writer.text(key)?;
            match value {
                Value::Null => writer.put([0xf6])?,
                Value::Bool(value) => writer.put([0xf4 + u8::from(*value)])?,
                Value::Int(value) if *value >= 0 => writer.head(0, value.cast_unsigned())?,
                Value::Int(value) => writer.head(1, !value.cast_unsigned())?,
                Value::Float(value) => {
                    writer.put([0xfb])?;
                    writer.put(value.to_bits().to_be_bytes())?;
                }
                Value::Text(value) => writer.text(value)?,
                Value::NdArray(value) if array.is_none() => array = Some((writer.array(value)?, &value.data)),
                _ => return None,
            }
        }
        Some(writer.at)
    })?;
    let (at, elements) = array?;
    is_within(limits, rest.len(), elements.len() as u64).then_some(AroundArray { rest, at, elements })
}

/// Returns an array without its elements, as [`write`] does.
pub(crate) fn write_alone<'a>(array: &'a NdArray, limits: &Limits) -> Option<AroundArray<'a>> {
    if !is_long(array, limits) {
        return None;
    }
    let mut at = 0;
    let rest = Rest::written(|to| {
        let mut writer = ArrayWriter { to, at: 0 };
        at = writer.array(array)?;
        Some(writer.at)
    })?;
    Some(AroundArray { rest, at, elements: &array.data })
}

/// The memory of a [`Rest`], of which `at` bytes are written. A value that has no room in it is left to the encoder.
struct ArrayWriter<'a> {
    to: &'a mut [u8; Rest::SHORT],
    at: usize,
}

impl ArrayWriter<'_> {
    #[inline(always)]
    fn put<const N: usize>(&mut self, bytes: [u8; N]) -> Option<()> {
        *self.to.get_mut(self.at..)?.first_chunk_mut()? = bytes;
        self.at += N;
        Some(())
    }

    /// Writes the shortest head with this number.
    #[inline]
    fn head(&mut self, major: u8, n: u64) -> Option<()> {
        let major = major << 5;
        if n < 24 {
            return self.put([major | n as u8]);
        }
        // Two, three, five or nine bytes: the number is shifted to the front, and what is behind it is overwritten.
        let (information, length) = match n {
            0..0x100 => (24, 1),
            0x100..0x1_0000 => (25, 2),
            0x1_0000..0x1_0000_0000 => (26, 4),
            _ => (27, 8),
        };
        self.put([major | information])?;
        self.put((n << (64 - 8 * length)).to_be_bytes())?;
        self.at -= 8 - length;
        Some(())
    }

    #[inline]
    fn text(&mut self, text: &str) -> Option<()> {
        self.head(3, text.len() as u64)?;
        self.to.get_mut(self.at..)?.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        self.at += text.len();
        Some(())
    }

    /// Writes an array that is long enough to be stored elsewhere; returns the position of its elements.
    fn array(&mut self, array: &NdArray) -> Option<usize> {
        let NdArrayRef { dtype, order, shape, data } = array.as_ref();
        let tag = typed_array(dtype)?;
        if data.len() < PLACED_FROM || shape.len() > NdArrayRef::MAX_RANK {
            return None;
        }
        self.head(6, if order == Order::Row { ROW_MAJOR } else { COLUMN_MAJOR })?;
        self.put([4 << 5 | 2, 4 << 5 | shape.len() as u8])?;
        for length in shape {
            self.head(0, *length)?;
        }
        if matches!(dtype, DType::C64 | DType::C128) {
            self.head(6, COMPLEX)?;
        }
        self.head(6, tag)?;
        // At least 64 KiB.
        let head = if data.len() < 1 << 32 { 5 } else { 9 };
        let is_aligned = (self.at + head).is_multiple_of(ALIGN);
        if !is_aligned {
            // As many empty chunks as bytes are missing, behind the beginning of a string of chunks.
            self.put([0x5f])?;
            let missing = (self.at + head).wrapping_neg() % ALIGN;
            self.put([0x40; ALIGN])?;
            self.at -= ALIGN - missing;
        }
        self.head(2, data.len() as u64)?;
        let at = self.at;
        if !is_aligned {
            self.put([0xff])?;
        }
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{EncodeOptions, Encoding, encode_into};

    fn array(dtype: DType, order: Order, shape: &[u64]) -> NdArray {
        let length = NdArrayRef::byte_length(dtype, shape).unwrap() as usize;
        NdArray { dtype, order: order.for_shape(shape), shape: shape.to_vec(), data: vec![7; length].into() }
    }

    /// Compares what is written with what the encoder writes; returns whether anything was.
    fn check(value: &Value) -> bool {
        let found = match value {
            Value::Map(map) => write(map, &Limits::default()),
            Value::NdArray(array) => write_alone(array, &Limits::default()),
            other => panic!("{other:?}"),
        };
        let Some(AroundArray { rest, at, elements }) = found else { return false };
        let mut encoded = Vec::new();
        encode_into(value, Encoding::Cbor, &EncodeOptions::default().aligned(true), &mut encoded).unwrap();
        assert_eq!([&rest[..at], elements, &rest[at..]].concat(), encoded);
        assert!(at.is_multiple_of(ALIGN));
        true
    }

    #[test]
    fn bytes_around_an_array_are_those_of_the_encoder() {
        for dtype in DType::ALL.into_iter().filter(|dtype| *dtype != DType::Bool) {
            for shape in [&[70_000][..], &[2, 70_000], &[70_000, 1, 3], &[1, 65_536], &[23, 24, 255, 1]] {
                for order in [Order::Row, Order::Column] {
                    let array = array(dtype, order, shape);
                    assert!(check(&array.clone().into()));
                    for length in 0..16 {
                        assert!(check(&Value::map([("k".repeat(length), array.clone())])));
                    }
                }
            }
        }
    }

    #[test]
    fn scalars_beside_an_array_are_those_of_the_encoder() {
        let wave = || Value::from(array(DType::F64, Order::Row, &[10_000]));
        for n in [0, 23, 24, 255, 256, 65_535, 65_536, i64::from(u32::MAX), 1 << 32, i64::MAX] {
            for n in [n, -n, !n] {
                assert!(check(&Value::map([("n", n.into()), ("wave", wave())])));
                assert!(check(&Value::map([("wave", wave()), ("n", n.into())])));
            }
        }
        let scalars =
            [Value::Null, true.into(), false.into(), 2.5.into(), f64::NAN.into(), "é".into(), "".into()];
        for scalar in scalars {
            assert!(check(&Value::map([("scalar", scalar.clone()), ("wave", wave())])));
            assert!(check(&Value::map([("wave", wave()), ("scalar", scalar)])));
        }
        // Each text is written whole or not at all: up to the length for which there is room, and no longer one.
        let taken = (0..=Rest::SHORT).map(|length| {
            let text = Value::from("t".repeat(length).as_str());
            check(&Value::map([("wave", wave()), ("text", text)]))
        });
        let taken: Vec<_> = taken.collect();
        assert!(taken[0] && !taken[Rest::SHORT] && taken.is_sorted_by(|one, next| one >= next), "{taken:?}");
    }

    #[test]
    fn values_other_than_a_short_map_with_one_long_array_are_left_to_the_encoder() {
        let wave = || Value::from(array(DType::U8, Order::Row, &[100_000]));
        let short = array(DType::U8, Order::Row, &[65_535]);
        for value in [
            Value::map([("a", wave()), ("b", wave())]),
            Value::map([("short", short.clone())]),
            Value::map([("bools", array(DType::Bool, Order::Row, &[100_000]))]),
            Value::map([("in", Value::map([("wave", wave())]))]),
            Value::map((0..17).map(|i| (format!("{i}"), if i == 0 { wave() } else { Value::Null }))),
            Value::map([("no array", Value::Int(1))]),
            short.into(),
        ] {
            assert!(!check(&value));
        }
        let Value::Map(map) = Value::map([("wave", wave())]) else { unreachable!() };
        let length = write(&map, &Limits::default()).unwrap().rest.len() as u64 + 100_000;
        assert!(write(&map, &Limits { message: length, ..Limits::default() }).is_some());
        for limits in [
            Limits { message: length - 1, ..Limits::default() },
            Limits { memory: 100_000, ..Limits::default() },
            Limits { depth: 0, ..Limits::default() },
            Limits { nodes: 1, ..Limits::default() },
            Limits { key: 3, ..Limits::default() },
        ] {
            assert!(write(&map, &limits).is_none(), "{limits:?}");
        }
    }
}
