//! Writes the bytes around one long array whose elements are stored elsewhere.
//!
//! Most messages with arrays have one array in a short map. The few bytes go directly into the [`Rest`] of the message,
//! and equal the encoder's bytes.

use bytes::Bytes;

use super::cursor::{MAP, MOST_FOUND, is_within};
use super::encode::{NULL, bool_byte, put_float, put_head, put_int};
use super::flat_arrays::is_long;
use super::head::BREAK;
use super::{COLUMN_MAJOR, COMPLEX, ROW_MAJOR, typed_array};
use crate::body::{PLACED_FROM, Rest};
use crate::value::{DType, Limits, Map, NdArray, NdArrayRef, Order, Value};

const ALIGN: usize = 8;

pub(crate) struct AroundArray<'a> {
    pub rest: Rest,
    /// The number of bytes of the rest before the elements.
    pub at: usize,
    pub elements: &'a Bytes,
}

/// Returns a map without the elements of its one array, with aligned elements.
///
/// `None` if the map has another form or length, or may exceed a limit.
pub(crate) fn write<'a>(map: &'a Map, limits: &Limits) -> Option<AroundArray<'a>> {
    let entries = u8::try_from(map.len()).ok().filter(|entries| *entries <= MOST_FOUND)?;
    let mut array = None;
    let rest = Rest::written(|to| {
        let mut to = Slice::new(to);
        to.put([MAP + entries])?;
        for (key, value) in map {
            write_text(&mut to, key)?;
            match value {
                Value::Null => to.put([NULL])?,
                Value::Bool(value) => to.put([bool_byte(*value)])?,
                Value::Int(value) => to.item(|to| put_int(to, *value))?,
                Value::Float(value) => to.item(|to| put_float(to, *value))?,
                Value::Text(value) => write_text(&mut to, value)?,
                Value::NdArray(value) if array.is_none() => {
                    array = Some((write_array(&mut to, value)?, &value.data));
                }
                _ => return None,
            }
        }
        Some(to.at())
    })?;
    let (at, elements) = array?;
    is_within(limits, rest.len(), elements.len() as u64).then_some(AroundArray { rest, at, elements })
}

pub(crate) fn write_alone<'a>(array: &'a NdArray, limits: &Limits) -> Option<AroundArray<'a>> {
    if !is_long(array, limits) {
        return None;
    }
    let mut at = 0;
    let rest = Rest::written(|to| {
        let mut to = Slice::new(to);
        at = write_array(&mut to, array)?;
        Some(to.at())
    })?;
    Some(AroundArray { rest, at, elements: &array.data })
}

#[inline]
fn write_head(to: &mut Slice<'_>, major: u8, n: u64) -> Option<()> {
    if n < 24 { to.put([major << 5 | n as u8]) } else { to.item(|to| put_head(to, major, n)) }
}

fn write_text(to: &mut Slice<'_>, text: &str) -> Option<()> {
    write_head(to, 3, text.len() as u64)?;
    to.block(text.as_bytes())
}

/// Writes an array that is long enough to be stored elsewhere. Returns the position of its elements.
fn write_array(to: &mut Slice<'_>, array: &NdArray) -> Option<usize> {
    let NdArrayRef { dtype, order, shape, data } = array.as_ref();
    let tag = typed_array(dtype)?;
    if data.len() < PLACED_FROM || shape.len() > NdArrayRef::MAX_RANK {
        return None;
    }
    write_head(to, 6, if order == Order::Row { ROW_MAJOR } else { COLUMN_MAJOR })?;
    to.put([4 << 5 | 2, 4 << 5 | shape.len() as u8])?;
    for length in shape {
        write_head(to, 0, *length)?;
    }
    if matches!(dtype, DType::C64 | DType::C128) {
        write_head(to, 6, COMPLEX)?;
    }
    write_head(to, 6, tag)?;
    // At least 64 KiB.
    let head = if data.len() < 1 << 32 { 5 } else { 9 };
    let is_aligned = (to.at() + head).is_multiple_of(ALIGN);
    if !is_aligned {
        // A string of chunks begins here; the empty chunks in it are the missing bytes.
        to.put([0x5f])?;
        let missing = (to.at() + head).wrapping_neg() % ALIGN;
        to.item(|to| {
            *to = [0x40; ALIGN];
            missing
        })?;
    }
    write_head(to, 2, data.len() as u64)?;
    let at = to.at();
    if !is_aligned {
        to.put([BREAK])?;
    }
    Some(at)
}

/// Memory of the caller. Every method returns `None` without room; the written bytes are then invalid.
#[derive(Debug)]
struct Slice<'a> {
    rest: &'a mut [u8],
    length: usize,
}

impl<'a> Slice<'a> {
    fn new(to: &'a mut [u8]) -> Slice<'a> {
        Slice { length: to.len(), rest: to }
    }

    fn at(&self) -> usize {
        self.length.wrapping_sub(self.rest.len())
    }

    /// Calls `write` with the next `N` bytes, and keeps the number of bytes that it returns.
    fn item<const N: usize>(&mut self, write: impl FnOnce(&mut [u8; N]) -> usize) -> Option<()> {
        let length = write(self.rest.first_chunk_mut()?).min(N);
        self.rest.split_off_mut(..length).map(drop)
    }

    fn put<const N: usize>(&mut self, bytes: [u8; N]) -> Option<()> {
        *self.rest.split_off_mut(..N)?.first_chunk_mut()? = bytes;
        Some(())
    }

    fn block(&mut self, block: &[u8]) -> Option<()> {
        self.rest.split_off_mut(..block.len())?.copy_from_slice(block);
        Some(())
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
        // Each text is written whole or not at all, so longer texts are not taken beyond some length.
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
