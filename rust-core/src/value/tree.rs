//! `Value`: any value as a tree in memory, and the Sink that builds one.

use bytes::Bytes;
use std::fmt;

use super::seen::repeated_key;
use super::{BigInt, Decimal, Map, NdArray, NdArrayRef, Path, Sink, Source, Timestamp};
use crate::error::{Error, ErrorKind, Result, memory};

/// Any value that Linkspan carries.
///
/// 7 and 7.0 are different values. Equality of floats is equality of bits, so NaN equals itself and 0.0 is not -0.0:
/// what was sent is what arrived.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Value {
    /// Null.
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer that fits 64 bits with a sign.
    Int(i64),
    /// An integer above `i64::MAX`.
    Uint(u64),
    /// An integer beyond 64 bits.
    BigInt(BigInt),
    /// A float.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Bytes),
    /// An instant.
    Timestamp(Timestamp),
    /// A UUID, most significant byte first.
    Uuid([u8; 16]),
    /// An exact decimal number.
    Decimal(Decimal),
    /// An N-d array of numbers.
    NdArray(NdArray),
    /// A list of values.
    Array(Vec<Value>),
    /// Keys and values.
    Map(Map),
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Uint(a), Value::Uint(b)) => a == b,
            (Value::BigInt(a), Value::BigInt(b)) => a == b,
            (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
            (Value::Text(a), Value::Text(b)) => a == b,
            (Value::Bytes(a), Value::Bytes(b)) => a == b,
            (Value::Timestamp(a), Value::Timestamp(b)) => a == b,
            (Value::Uuid(a), Value::Uuid(b)) => a == b,
            (Value::Decimal(a), Value::Decimal(b)) => a == b,
            (Value::NdArray(a), Value::NdArray(b)) => a == b,
            (Value::Array(a), Value::Array(b)) => a == b,
            (Value::Map(a), Value::Map(b)) => a.iter().eq(b.iter()),
            _ => false,
        }
    }
}

impl Eq for Value {}

impl Value {
    /// The kind's name in error texts.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a bool",
            Value::Int(_) | Value::Uint(_) | Value::BigInt(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Text(_) => "text",
            Value::Bytes(_) => "bytes",
            Value::Timestamp(_) => "a timestamp",
            Value::Uuid(_) => "a UUID",
            Value::Decimal(_) => "a decimal number",
            Value::NdArray(_) => "an N-d array",
            Value::Array(_) => "an array",
            Value::Map(_) => "a map",
        }
    }

    /// A map of these entries; a key that comes twice keeps its last value.
    pub fn map<K: Into<String>, V: Into<Value>>(entries: impl IntoIterator<Item = (K, V)>) -> Value {
        Value::Map(entries.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }

    /// The value at this path: `value.at("rows/0/name")`.
    pub fn at(&self, path: &str) -> Result<&Value> {
        Path::new(path).find(self)
    }

    #[cold]
    fn not(&self, asked: &str) -> Error {
        Error::new(ErrorKind::WrongType, format!("{} is there, {asked} was asked for", self.type_name()))
    }

    /// The truth value, else `WrongType`.
    pub fn as_bool(&self) -> Result<bool> {
        match self {
            Value::Bool(v) => Ok(*v),
            other => Err(other.not("a bool")),
        }
    }

    /// The integer; `OutOfRange` where it does not fit, `WrongType` for anything else.
    pub fn as_i64(&self) -> Result<i64> {
        match self {
            Value::Int(v) => Ok(*v),
            Value::Uint(v) => Err(out_of_range(v, "a 64-bit integer with a sign")),
            Value::BigInt(v) => Err(out_of_range(v, "a 64-bit integer with a sign")),
            other => Err(other.not("an integer")),
        }
    }

    /// The integer without a sign; `OutOfRange` where it does not fit, `WrongType` for anything else.
    pub fn as_u64(&self) -> Result<u64> {
        match self {
            Value::Int(v) => {
                u64::try_from(*v).map_err(|_| out_of_range(v, "a 64-bit integer without a sign"))
            }
            Value::Uint(v) => Ok(*v),
            Value::BigInt(v) => Err(out_of_range(v, "a 64-bit integer without a sign")),
            other => Err(other.not("an integer")),
        }
    }

    /// The number as a float: a float, or an integer that a float holds exactly, else `OutOfRange`; `WrongType` for
    /// anything else.
    pub fn as_f64(&self) -> Result<f64> {
        const EXACT: u64 = 1 << 53;
        match self {
            Value::Float(v) => Ok(*v),
            Value::Int(v) if v.unsigned_abs() <= EXACT => Ok(*v as f64),
            Value::Int(v) => Err(out_of_range(v, "a float without loss")),
            Value::Uint(v) => Err(out_of_range(v, "a float without loss")),
            Value::BigInt(v) => Err(out_of_range(v, "a float without loss")),
            other => Err(other.not("a number")),
        }
    }

    /// The text, else `WrongType`.
    pub fn as_text(&self) -> Result<&str> {
        match self {
            Value::Text(v) => Ok(v),
            other => Err(other.not("text")),
        }
    }

    /// The bytes, else `WrongType`.
    pub fn as_bytes(&self) -> Result<&Bytes> {
        match self {
            Value::Bytes(v) => Ok(v),
            other => Err(other.not("bytes")),
        }
    }

    /// The instant, else `WrongType`.
    pub fn as_timestamp(&self) -> Result<Timestamp> {
        match self {
            Value::Timestamp(v) => Ok(*v),
            other => Err(other.not("a timestamp")),
        }
    }

    /// The N-d array, else `WrongType`.
    pub fn as_ndarray(&self) -> Result<&NdArray> {
        match self {
            Value::NdArray(v) => Ok(v),
            other => Err(other.not("an N-d array")),
        }
    }

    /// The items, else `WrongType`.
    pub fn as_array(&self) -> Result<&[Value]> {
        match self {
            Value::Array(v) => Ok(v),
            other => Err(other.not("an array")),
        }
    }

    /// The entries, else `WrongType`.
    pub fn as_map(&self) -> Result<&Map> {
        match self {
            Value::Map(v) => Ok(v),
            other => Err(other.not("a map")),
        }
    }
}

#[cold]
fn out_of_range(number: impl std::fmt::Display, what: &str) -> Error {
    Error::new(ErrorKind::OutOfRange, format!("{number} does not fit {what}"))
}

impl Source for Value {
    fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<()> {
        match self {
            Value::Null => sink.null(),
            Value::Bool(v) => sink.bool(*v),
            Value::Int(v) => sink.int(*v),
            Value::Uint(v) => sink.uint(*v),
            Value::BigInt(v) => sink.big_int(v),
            Value::Float(v) => sink.float(*v),
            Value::Text(v) => sink.text(v),
            Value::Bytes(v) => sink.bytes(v),
            Value::Timestamp(v) => sink.timestamp(*v),
            Value::Uuid(v) => sink.uuid(*v),
            Value::Decimal(v) => sink.decimal(v),
            Value::NdArray(v) => sink.ndarray(v.as_ref()),
            Value::Array(items) => {
                sink.begin_array(items.len())?;
                for (i, item) in items.iter().enumerate() {
                    item.walk(sink).map_err(|e| e.under_index(i))?;
                }
                sink.end_array()
            }
            Value::Map(entries) => {
                sink.begin_map(entries.len())?;
                for (key, value) in entries {
                    sink.key(key).and_then(|()| value.walk(sink)).map_err(|e| e.under_key(key))?;
                }
                sink.end_map()
            }
        }
    }
}

macro_rules! from {
    ($($rust:ty => $v:ident $make:expr),* $(,)?) => {
        $(impl From<$rust> for Value { fn from($v: $rust) -> Value { $make } })*
    };
}
from! {
    bool => v Value::Bool(v),
    i8 => v Value::Int(v.into()),
    i16 => v Value::Int(v.into()),
    i32 => v Value::Int(v.into()),
    i64 => v Value::Int(v),
    u8 => v Value::Int(v.into()),
    u16 => v Value::Int(v.into()),
    u32 => v Value::Int(v.into()),
    u64 => v i64::try_from(v).map_or(Value::Uint(v), Value::Int),
    f64 => v Value::Float(v),
    f32 => v Value::Float(v.into()),
    &str => v Value::Text(v.into()),
    String => v Value::Text(v),
    Bytes => v Value::Bytes(v),
    Timestamp => v Value::Timestamp(v),
    Decimal => v Value::Decimal(v),
    NdArray => v Value::NdArray(v),
    Map => v Value::Map(v),
    () => _v Value::Null,
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Value {
        Value::Array(items.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

/// The Sink that builds a [`Value`].
///
/// Given the bytes that are being decoded, long blocks of bytes and arrays become views of them instead of copies.
#[derive(Default)]
pub struct ValueBuilder {
    origin: Option<Bytes>,
    open: Vec<Open>,
    done: Option<Value>,
}

enum Open {
    Array(Vec<Value>),
    /// A map; the value of its last key is null until it comes.
    Map(Map),
}

/// Below this many bytes a copy is cheaper than keeping the whole message alive.
const SHARE_FROM: usize = 512;

/// Reserved at most at once for a claimed length where no [`super::Meter`] stands in front: the rest grows as values come.
const RESERVE: usize = 1 << 20;

impl ValueBuilder {
    /// A builder that copies everything.
    pub fn new() -> ValueBuilder {
        ValueBuilder::default()
    }

    /// A builder whose long blocks are views of `origin`, when they lie in it.
    pub fn sharing(origin: Bytes) -> ValueBuilder {
        ValueBuilder { origin: Some(origin), ..ValueBuilder::default() }
    }

    /// The value, once all its events have come.
    pub fn finish(self) -> Result<Value> {
        match self.done {
            Some(value) if self.open.is_empty() => Ok(value),
            _ => Err(Error::new(ErrorKind::Internal, "a value ended before all of its events had come")),
        }
    }

    fn put(&mut self, value: Value) -> Result<()> {
        match self.open.last_mut() {
            Some(Open::Array(items)) => items.push(value),
            Some(Open::Map(entries)) => match entries.last_mut() {
                Some(place) => *place = value,
                None => {
                    return Err(Error::new(ErrorKind::Internal, "a value came into a map without its key"));
                }
            },
            None => self.done = Some(value),
        }
        Ok(())
    }

    fn block(&self, data: &[u8]) -> Result<Bytes> {
        shared_block(self.origin.as_ref(), data)
    }
}

/// A long block that lies in `origin` as a view of it, any other one as a copy.
pub(super) fn shared_block(origin: Option<&Bytes>, data: &[u8]) -> Result<Bytes> {
    match origin {
        Some(origin) if data.len() >= SHARE_FROM && within(origin, data) => Ok(origin.slice_ref(data)),
        _ => memory::copy_bytes(data).map(Bytes::from),
    }
}

fn within(outer: &[u8], inner: &[u8]) -> bool {
    let (outer, inner) = (outer.as_ptr_range(), inner.as_ptr_range());
    outer.start <= inner.start && inner.end <= outer.end
}

impl Sink for ValueBuilder {
    fn null(&mut self) -> Result<()> {
        self.put(Value::Null)
    }
    fn bool(&mut self, value: bool) -> Result<()> {
        self.put(Value::Bool(value))
    }
    fn int(&mut self, value: i64) -> Result<()> {
        self.put(Value::Int(value))
    }
    fn uint(&mut self, value: u64) -> Result<()> {
        self.put(Value::Uint(value))
    }
    fn big_int(&mut self, value: &BigInt) -> Result<()> {
        self.put(Value::BigInt(value.clone()))
    }
    fn float(&mut self, value: f64) -> Result<()> {
        self.put(Value::Float(value))
    }
    fn text(&mut self, value: &str) -> Result<()> {
        let text = memory::copy_text(value)?;
        self.put(Value::Text(text))
    }
    fn bytes(&mut self, value: &[u8]) -> Result<()> {
        let block = self.block(value)?;
        self.put(Value::Bytes(block))
    }
    fn timestamp(&mut self, value: Timestamp) -> Result<()> {
        self.put(Value::Timestamp(value))
    }
    fn uuid(&mut self, value: [u8; 16]) -> Result<()> {
        self.put(Value::Uuid(value))
    }
    fn decimal(&mut self, value: &Decimal) -> Result<()> {
        self.put(Value::Decimal(value.clone()))
    }
    fn ndarray(&mut self, value: NdArrayRef<'_>) -> Result<()> {
        let data = self.block(value.data)?;
        let array = NdArray { dtype: value.dtype, order: value.order, shape: value.shape.to_vec(), data };
        self.put(Value::NdArray(array))
    }
    fn begin_array(&mut self, len: usize) -> Result<()> {
        let mut items = Vec::new();
        memory::reserve(&mut items, len.min(RESERVE))?;
        self.open.push(Open::Array(items));
        Ok(())
    }
    fn end_array(&mut self) -> Result<()> {
        self.close()
    }
    fn begin_map(&mut self, len: usize) -> Result<()> {
        self.open.push(Open::Map(Map::try_with_capacity(len.min(RESERVE))?));
        Ok(())
    }
    fn key(&mut self, key: &str) -> Result<()> {
        match self.open.last_mut() {
            Some(Open::Map(entries)) if entries.contains_key(key) => Err(repeated_key(key)),
            Some(Open::Map(entries)) => {
                entries.push(memory::copy_text(key)?, Value::Null);
                Ok(())
            }
            _ => Err(Error::new(ErrorKind::Internal, "a key came outside a map")),
        }
    }
    fn end_map(&mut self) -> Result<()> {
        self.close()
    }
    fn refuses_repeated_keys(&self) -> bool {
        true
    }
}

impl ValueBuilder {
    fn close(&mut self) -> Result<()> {
        match self.open.pop() {
            Some(Open::Array(items)) => self.put(Value::Array(items)),
            Some(Open::Map(entries)) => self.put(Value::Map(entries)),
            None => Err(Error::new(ErrorKind::Internal, "an end came without its beginning")),
        }
    }
}

impl fmt::Debug for ValueBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValueBuilder").field("done", &self.done).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Order;

    #[test]
    fn a_walk_into_a_builder_is_the_same_value() {
        let array = NdArray::from_slice(&[1i16, 2, 3, 4], &[2, 2], Order::Column).unwrap();
        let value = Value::map([
            ("n", Value::Null),
            ("f", Value::Float(-0.0)),
            ("u", Value::from(u64::MAX)),
            ("a", Value::Array(vec![Value::from("x"), Value::NdArray(array)])),
        ]);
        let mut builder = ValueBuilder::new();
        value.walk(&mut builder).unwrap();
        assert_eq!(builder.finish().unwrap(), value);
        assert_ne!(Value::Float(0.0), Value::Float(-0.0));
        assert_ne!(Value::Float(7.0), Value::Int(7));
    }

    #[test]
    fn a_repeated_key_is_refused_by_the_builder_itself() {
        for keys in [1, 16, 17, 40] {
            let mut builder = ValueBuilder::new();
            builder.begin_map(keys + 1).unwrap();
            for i in 0..keys {
                builder.key(&format!("k{i}")).unwrap();
                builder.null().unwrap();
            }
            let error = builder.key("k0").unwrap_err();
            assert_eq!(
                (error.kind(), builder.refuses_repeated_keys()),
                (ErrorKind::Malformed, true),
                "{keys}"
            );
        }
    }

    #[test]
    fn long_blocks_are_views() {
        let origin = Bytes::from(vec![1u8; 4096]);
        let mut builder = ValueBuilder::sharing(origin.clone());
        builder.bytes(&origin[100..2000]).unwrap();
        let Value::Bytes(view) = builder.finish().unwrap() else { panic!() };
        assert_eq!(view.as_ptr(), origin[100..].as_ptr());
    }

    #[test]
    fn integers_that_a_float_cannot_hold_are_out_of_range() {
        assert_eq!(Value::Int(1 << 53).as_f64().unwrap(), 9007199254740992.0);
        assert_eq!(Value::Int((1 << 53) + 1).as_f64().unwrap_err().kind(), ErrorKind::OutOfRange);
        assert_eq!(Value::Int(-1).as_u64().unwrap_err().kind(), ErrorKind::OutOfRange);
        assert_eq!(Value::Null.as_f64().unwrap_err().kind(), ErrorKind::WrongType);
    }
}
