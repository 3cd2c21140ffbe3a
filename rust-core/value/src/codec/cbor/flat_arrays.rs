//! Short maps of scalars and long arrays, and single long arrays, read and written without events.
//!
//! The elements of the arrays are stored elsewhere. Accepted are a map of at most [`MOST_FOUND`] entries, each an N-d
//! array or a scalar of flat maps, and one N-d array. The values and bytes equal those of decoder and encoder, which
//! handle every other form.

use super::cursor::{Cursor, FlatValue, MOST_FOUND, is_within};
use super::encode::Encoder;
use super::head::BREAK;
use super::{COLUMN_MAJOR, COMPLEX, ROW_MAJOR, typed_array};
use crate::body::{Body, PLACED_FROM, Part};
use crate::codec::output::Output;
use crate::error::Result;
use crate::value::{DType, Limits, Map, NdArray, NdArrayRef, Order, Sink, Value};

/// An upper bound of the bytes of an entry's heads: key, and scalar or array of most dimensions.
const HEADS: usize = 192;

/// Returns the value of a body with separate parts if it is such a map or an array.
///
/// Its arrays share the memory of the parts. `None` if the decoder must read the body.
pub(crate) fn read(body: &Body, limits: &Limits) -> Option<Value> {
    let (bytes, parts) = body.to_decode();
    let mut parts = parts.list;
    let mut cursor = Cursor::new(bytes);
    if cursor.is_tag() {
        return read_alone(body, limits).map(Value::NdArray);
    }
    let entries = cursor.map(MOST_FOUND)?;
    if parts.is_empty() || !is_within(limits, bytes.len(), (body.len() - bytes.len()) as u64) {
        return None;
    }
    let mut map = Map::with_capacity(entries.into());
    for _ in 0..entries {
        let key = std::str::from_utf8(cursor.text()?).ok()?;
        let value = if cursor.is_tag() {
            Value::NdArray(array(&mut cursor, bytes.len(), parts.split_off_first()?)?)
        } else {
            cursor.scalar()?.to_value()
        };
        if map.insert(key.to_owned(), value).is_some() {
            return None;
        }
    }
    (cursor.is_end() && parts.is_empty()).then_some(Value::Map(map))
}

pub(crate) fn read_alone(body: &Body, limits: &Limits) -> Option<NdArray> {
    let (bytes, parts) = body.to_decode();
    let [part] = parts.list else { return None };
    if !is_within(limits, bytes.len(), part.bytes.len() as u64) {
        return None;
    }
    let mut cursor = Cursor::new(bytes);
    let array = array(&mut cursor, bytes.len(), part)?;
    cursor.is_end().then_some(array)
}

/// The element types by the tag of their arrays: real types, complex types.
static ELEMENTS: [[Option<DType>; 96]; 2] = {
    let mut elements = [[None; 96]; 2];
    let mut at = 0;
    while at < DType::ALL.len() {
        let dtype = DType::ALL[at];
        if let Some(tag) = typed_array(dtype) {
            elements[matches!(dtype, DType::C64 | DType::C128) as usize][tag as usize] = Some(dtype);
        }
        at += 1;
    }
    elements
};

#[derive(Debug)]
pub(super) struct Description {
    dtype: DType,
    order: Order,
    lengths: [u64; NdArrayRef::MAX_RANK],
    rank: usize,
}

impl Description {
    pub(super) const EMPTY: Description =
        Description { dtype: DType::U8, order: Order::Row, lengths: [0; NdArrayRef::MAX_RANK], rank: 0 };

    fn shape(&self) -> &[u64] {
        &self.lengths[..self.rank]
    }

    pub(super) fn with<'a>(&'a self, data: &'a [u8]) -> NdArrayRef<'a> {
        let shape = self.shape();
        NdArrayRef { dtype: self.dtype, order: self.order.for_shape(shape), shape, data }
    }

    /// Describes the array at the cursor. Its bytes end at `end`; its elements are in `part`.
    ///
    /// After `None` the description is invalid.
    pub(super) fn fill(&mut self, cursor: &mut Cursor<'_>, end: usize, part: &Part) -> Option<()> {
        self.order = match cursor.number(6)? {
            ROW_MAJOR => Order::Row,
            COLUMN_MAJOR => Order::Column,
            _ => return None,
        };
        let [0x82, rank] = cursor.chunk()? else { return None };
        self.rank = usize::from(rank.checked_sub(0x80)?);
        // The decoder checks whether the other lengths of an empty array overflow.
        let mut elements = 1i64;
        for length in self.lengths.get_mut(..self.rank)? {
            *length = cursor.number(0)?;
            elements = elements.checked_mul(i64::try_from(*length).ok().filter(|length| *length > 0)?)?;
        }
        let mut tag = cursor.number(6)?;
        let is_complex = tag == COMPLEX;
        if is_complex {
            tag = cursor.number(6)?;
        }
        self.dtype = *ELEMENTS[usize::from(is_complex)].get(usize::try_from(tag).ok()?)?.as_ref()?;
        // Empty chunks align the elements.
        let has_chunks = cursor.peek()? == 0x5f;
        if has_chunks {
            cursor.chunk::<1>()?;
            while cursor.peek()? == 0x40 {
                cursor.chunk::<1>()?;
            }
        }
        let length = cursor.number(2)?;
        let is_whole = elements.cast_unsigned().checked_mul(self.dtype.size() as u64) == Some(length);
        if !is_whole || part.at.checked_add(cursor.left()) != Some(end) || part.bytes.len() as u64 != length {
            return None;
        }
        if has_chunks && cursor.chunk()? != [BREAK] {
            return None;
        }
        Some(())
    }
}

fn array(cursor: &mut Cursor<'_>, end: usize, part: &Part) -> Option<NdArray> {
    let mut description = Description::EMPTY;
    description.fill(cursor, end, part)?;
    let NdArrayRef { dtype, order, shape, .. } = description.with(&part.bytes);
    Some(NdArray { dtype, order, shape: shape.to_vec(), data: part.bytes.clone() })
}

/// Returns whether [`append`] encodes this map within these limits: it needs a long array.
pub(crate) fn is_flat(map: &Map, limits: &Limits) -> bool {
    if map.len() > MOST_FOUND.into() {
        return false;
    }
    let (mut rest, mut elements, mut longest) = (1, 0, 0);
    for (key, value) in map {
        rest += HEADS + key.len();
        match value {
            Value::NdArray(array) if array.shape.len() <= NdArrayRef::MAX_RANK => {
                elements += array.data.len();
                longest = longest.max(array.data.len());
            }
            value => match FlatValue::of(value) {
                Some(FlatValue::Text(text)) => rest += text.len(),
                Some(_) => {}
                None => return false,
            },
        }
    }
    longest >= PLACED_FROM && is_within(limits, rest, elements as u64)
}

/// Returns whether [`append_alone`] encodes this array within these limits: a long array.
pub(crate) fn is_long(array: &NdArray, limits: &Limits) -> bool {
    let elements = array.data.len();
    let has_form = array.shape.len() <= NdArrayRef::MAX_RANK;
    has_form && elements >= PLACED_FROM && is_within(limits, HEADS, elements as u64)
}

/// As [`append`], for an array that [`is_long`] has accepted.
pub(crate) fn append_alone(array: &NdArray, output: Output<'_>, align: bool) -> Result<()> {
    let mut encoder = Encoder::new(output, align);
    encoder.shared_ndarray(array)?;
    encoder.finish()
}

/// Appends a map that [`is_flat`] has accepted.
///
/// The placer gets the owners of the elements, so elements that are in a slot already take no second slot.
///
/// # Errors
///
/// `OutOfMemory` if the buffer cannot grow.
pub(crate) fn append(map: &Map, output: Output<'_>, align: bool) -> Result<()> {
    let mut encoder = Encoder::new(output, align);
    encoder.begin_map(map.len())?;
    for (key, value) in map {
        encoder.key(key)?;
        let done = match value {
            Value::NdArray(array) => encoder.shared_ndarray(array),
            // `is_flat` accepts only arrays and scalars.
            value => FlatValue::of(value).unwrap_or(FlatValue::Null).send(&mut encoder),
        };
        done.map_err(|e| e.under_key(key))?;
    }
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::body::{OneOrMany, Placer};
    use crate::codec::cbor::{FlatItem, find_in_flat_arrays};
    use crate::codec::{EncodeOptions, Encoding, decode_body, encode_into, encode_placed};
    use crate::value::ValueBuilder;

    /// Stores every long array elsewhere, with its owner if the encoder passes the owner.
    #[derive(Default)]
    struct Elsewhere(OneOrMany<Part>);

    impl Placer for Elsewhere {
        fn place(&mut self, at: usize, elements: &[u8], shared: Option<&Bytes>) -> bool {
            let bytes = shared.cloned().unwrap_or_else(|| Bytes::copy_from_slice(elements));
            self.0.push(Part { at, bytes });
            true
        }
    }

    fn read(body: &Body, limits: &Limits) -> Option<Value> {
        let value = super::read(body, limits);
        body.split()?;
        let owned = |item: FlatItem<'_>| match item {
            FlatItem::Scalar(scalar) => scalar.to_value(),
            FlatItem::Array(array) => Value::from(array.to_owned()),
        };
        let Some(Value::Map(map)) = &value else {
            assert_eq!(find_in_flat_arrays(body, "wave", Some(limits), owned), None);
            return value;
        };
        for (key, expected) in map {
            // Some keys have another meaning as a path.
            let is_plain = !key.is_empty() && !key.contains(['/', '~']);
            let found = find_in_flat_arrays(body, key, Some(limits), owned).unwrap();
            assert_eq!(found.as_ref(), is_plain.then_some(expected), "{key}");
            assert_eq!(find_in_flat_arrays(body, key, None, owned), Some(found));
        }
        for absent in ["absent", ""] {
            assert_eq!(find_in_flat_arrays(body, absent, Some(limits), owned), Some(None));
            assert_eq!(find_in_flat_arrays(body, absent, None, owned), Some(None));
        }
        value
    }

    fn options() -> EncodeOptions {
        EncodeOptions::default().aligned(true)
    }

    fn body(value: &Value) -> Body {
        let (mut rest, mut parts) = (Vec::new(), Elsewhere::default());
        encode_placed(value, Encoding::Cbor, &options(), &mut rest, Some(&mut parts)).unwrap();
        Body::of_parts(rest, parts.0)
    }

    fn is_taken(value: &Value, limits: &Limits) -> bool {
        match value {
            Value::Map(map) => is_flat(map, limits),
            Value::NdArray(array) => is_long(array, limits),
            _ => false,
        }
    }

    fn long(dtype: DType, order: Order, shape: &[u64]) -> NdArray {
        let length = NdArrayRef::byte_length(dtype, shape).unwrap() as usize;
        let bytes: Vec<u8> = (0..=u8::MAX).collect();
        let data = Bytes::from(bytes.repeat(length / bytes.len() + 1)).slice(..length);
        NdArray { dtype, order: order.for_shape(shape), shape: shape.to_vec(), data }
    }

    fn examples() -> Vec<Value> {
        let wave = || Value::from(long(DType::F64, Order::Row, &[3, 4096]));
        let mut examples: Vec<_> = (DType::ALL.into_iter().filter(|dtype| *dtype != DType::Bool))
            .map(|dtype| Value::map([("wave", Value::from(long(dtype, Order::Column, &[2, 70_000])))]))
            .collect();
        let scalars = [Value::Null, true.into(), (-300).into(), 2.5.into(), "text".into(), i64::MAX.into()];
        for count in 0..7 {
            // The elements begin at another offset for each length of the key.
            let key = "k".repeat(count);
            let scalars = scalars.iter().take(count).cloned().enumerate();
            let scalars = scalars.map(|(i, value)| (format!("scalar {i}"), value));
            examples.push(Value::map(scalars.chain([(key, wave()), ("second".into(), wave())])));
        }
        examples.push(Value::map([("long", "é".repeat(127).as_str().into()), ("wave", wave())]));
        examples.extend([wave(), long(DType::C128, Order::Column, &[2, 1, 70_000]).into()]);
        examples
    }

    #[test]
    fn arrays_and_scalars_are_read_and_written_as_by_encoder_and_decoder() {
        for value in examples() {
            let body = body(&value);
            assert!(body.split().is_some());
            assert_eq!(read(&body, &Limits::default()).unwrap(), value);
            assert!(is_taken(&value, &Limits::default()));
            // Without a placer the encoder walks.
            let mut walked = Vec::new();
            encode_into(&value, Encoding::Cbor, &options(), &mut walked).unwrap();
            assert_eq!(body.whole(), &walked);
        }
    }

    #[test]
    fn arrays_that_were_written_keep_their_owner() {
        let array = long(DType::U8, Order::Row, &[100_000]);
        let place = array.data.as_ptr();
        let body = body(&Value::map([("wave", array)]));
        assert_eq!(body.split().unwrap().parts()[0].bytes.as_ptr(), place);
        let Some(Value::Map(map)) = read(&body, &Limits::default()) else { panic!() };
        let Value::NdArray(read) = &map["wave"] else { panic!() };
        assert_eq!(read.data.as_ptr(), place);
    }

    #[test]
    fn changed_bytes_are_refused_or_read_as_the_decoder_reads_them() {
        for value in examples().into_iter().skip(9) {
            let body = body(&value);
            let split = body.split().unwrap();
            let mut accepted = 0;
            for at in (0..split.rest().len()).step_by(if cfg!(miri) { 5 } else { 1 }) {
                for bit in 0..8 {
                    let mut rest = split.rest().to_vec();
                    rest[at] ^= 1 << bit;
                    let changed = Body::of_parts(rest, split.parts());
                    let Some(value) = read(&changed, &Limits::default()) else { continue };
                    let builder = ValueBuilder::sharing(changed.clone());
                    let decoded = decode_body(&changed, Encoding::Cbor, &Limits::default(), builder).unwrap();
                    assert_eq!(value, decoded.finish().unwrap(), "bit {bit} of byte {at}");
                    accepted += 1;
                }
                // The transport refuses parts after the end.
                if split.parts().iter().all(|part| part.at <= at) {
                    let cut = Body::of_parts(&split.rest()[..at], split.parts());
                    assert!(read(&cut, &Limits::default()).is_none(), "cut at {at}");
                }
            }
            // A single array has no key.
            let is_alone = matches!(value, Value::NdArray(_));
            assert!(is_alone || accepted > 0, "a changed letter of a key is another key");
        }
    }

    #[test]
    fn value_that_is_not_flat_or_beyond_a_limit_is_left_to_the_decoder() {
        let wave = || Value::from(long(DType::U8, Order::Row, &[100_000]));
        let map = Value::map([("wave", wave())]);
        for value in [&map, &wave()] {
            let plain = body(value);
            assert!(read(&plain, &Limits::default()).is_some());
            let narrow = [
                Limits::for_message(plain.len() as u64 - 1),
                Limits { memory: 100_000, ..Limits::default() },
                Limits { depth: 0, ..Limits::default() },
                Limits { nodes: 1, ..Limits::default() },
                Limits { key: 3, ..Limits::default() },
            ];
            for limits in narrow {
                assert!(read(&plain, &limits).is_none(), "{limits:?}");
                assert!(!is_taken(value, &limits), "{limits:?}");
            }
        }
        let plain = body(&map);
        let many = Value::map((0..17).map(|i| (format!("k{i}"), wave())));
        let short = long(DType::U8, Order::Row, &[100]);
        assert!(!is_long(&short, &Limits::default()), "the walk writes it with the rest");
        for other in [
            Value::Array(vec![wave()]),
            Value::map([("in", Value::map([("wave", wave())]))]),
            many,
            short.into(),
        ] {
            let body = body(&other);
            assert!(read(&body, &Limits::default()).is_none());
            let builder = ValueBuilder::sharing(body.clone());
            let decoded = decode_body(&body, Encoding::Cbor, &Limits::default(), builder).unwrap();
            assert_eq!(decoded.finish().unwrap(), other);
        }
        let split = plain.split().unwrap();
        for at in 0..split.parts()[0].at {
            let moved = vec![Part { at, ..split.parts()[0].clone() }];
            assert!(read(&Body::of_parts(split.rest().clone(), moved), &Limits::default()).is_none(), "{at}");
        }
        let twice = vec![split.parts()[0].clone(), split.parts()[0].clone()];
        assert!(read(&Body::of_parts(split.rest().clone(), twice), &Limits::default()).is_none());
    }
}
