//! The types [`Value`] and [`Map`]: any value as a tree in memory.

use std::any::Any;
use std::hash::RandomState;

use bytes::Bytes;
use hashbrown::HashTable;

use super::{BigInt, Decimal, NdArray, Sink, Source, Timestamp};
use crate::error::{Error, ErrorKind, Result, brief};

/// Any value that Linkspan carries.
///
/// 7 and 7.0 are different values. Floats are equal if their bits are: NaN equals itself, and 0.0 does not equal -0.0.
///
/// An integer is in the first of `Int`, `Uint` and `BigInt` that holds it. Long blocks in `Bytes` and `NdArray` may be
/// views of their message, which then stays in memory.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Value {
    /// Null.
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer that fits `i64`.
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

/// A map: unique text keys in order of insertion, hashed above 16 entries. Equality ignores the order.
#[derive(Clone, Default)]
pub struct Map {
    pub(super) entries: Vec<(String, Value)>,
    /// The keys' positions; always present beyond `LINEAR_MAX` entries.
    pub(super) index: Option<Box<KeyIndex>>,
}

#[derive(Clone, Default)]
pub(super) struct KeyIndex {
    /// Random, so that a sender cannot choose colliding keys.
    pub(super) state: RandomState,
    pub(super) table: HashTable<usize>,
}

impl Map {
    /// Up to this number a linear search is faster.
    pub(super) const LINEAR_MAX: usize = 16;
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
            // Unlike in a `Map`, the order counts: it makes another message.
            (Value::Map(a), Value::Map(b)) => a.iter().eq(b.iter()),
            _ => false,
        }
    }
}

impl Eq for Value {}

impl Value {
    /// Returns the kind's name with its article, for error texts.
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

    /// Returns a map of these entries. A repeated key keeps its first position and last value.
    pub fn map<K: Into<String>, V: Into<Value>>(entries: impl IntoIterator<Item = (K, V)>) -> Value {
        Value::Map(entries.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }

    #[cold]
    fn wrong_type(&self, expected: &str) -> Error {
        Error::new(ErrorKind::WrongType, format!("expected {expected}, found {}", self.type_name()))
    }

    /// Returns the truth value, else `WrongType`.
    pub fn as_bool(&self) -> Result<bool> {
        match self {
            Value::Bool(v) => Ok(*v),
            other => Err(other.wrong_type("a bool")),
        }
    }

    /// Returns the integer; `OutOfRange` if it does not fit, `WrongType` for any other kind.
    pub fn as_i64(&self) -> Result<i64> {
        match self {
            Value::Int(v) => Ok(*v),
            Value::Uint(v) => Err(out_of_range(v, "a 64-bit integer with a sign")),
            Value::BigInt(v) => Err(out_of_range(v, "a 64-bit integer with a sign")),
            other => Err(other.wrong_type("an integer")),
        }
    }

    /// Returns the integer without sign; `OutOfRange` if it does not fit, `WrongType` for any other kind.
    pub fn as_u64(&self) -> Result<u64> {
        match self {
            Value::Int(v) => {
                u64::try_from(*v).map_err(|_| out_of_range(v, "a 64-bit integer without a sign"))
            }
            Value::Uint(v) => Ok(*v),
            Value::BigInt(v) => Err(out_of_range(v, "a 64-bit integer without a sign")),
            other => Err(other.wrong_type("an integer")),
        }
    }

    /// Returns the number as a float; `OutOfRange` for an integer beyond ±2^53, else `WrongType`.
    pub fn as_f64(&self) -> Result<f64> {
        // Every integer up to this one has an exact float.
        const EXACT: u64 = 1 << 53;
        match self {
            Value::Float(v) => Ok(*v),
            Value::Int(v) if v.unsigned_abs() <= EXACT => Ok(*v as f64),
            Value::Int(v) => Err(out_of_range(v, "a float without loss")),
            Value::Uint(v) => Err(out_of_range(v, "a float without loss")),
            Value::BigInt(v) => Err(out_of_range(v, "a float without loss")),
            other => Err(other.wrong_type("a number")),
        }
    }

    /// Returns the text, else `WrongType`.
    pub fn as_text(&self) -> Result<&str> {
        match self {
            Value::Text(v) => Ok(v),
            other => Err(other.wrong_type("text")),
        }
    }

    /// Returns the bytes, else `WrongType`.
    pub fn as_bytes(&self) -> Result<&Bytes> {
        match self {
            Value::Bytes(v) => Ok(v),
            other => Err(other.wrong_type("bytes")),
        }
    }

    /// Returns the instant, else `WrongType`.
    pub fn as_timestamp(&self) -> Result<Timestamp> {
        match self {
            Value::Timestamp(v) => Ok(*v),
            other => Err(other.wrong_type("a timestamp")),
        }
    }

    /// Returns the N-d array, else `WrongType`.
    pub fn as_ndarray(&self) -> Result<&NdArray> {
        match self {
            Value::NdArray(v) => Ok(v),
            other => Err(other.wrong_type("an N-d array")),
        }
    }

    /// Returns the items, else `WrongType`.
    pub fn as_array(&self) -> Result<&[Value]> {
        match self {
            Value::Array(v) => Ok(v),
            other => Err(other.wrong_type("an array")),
        }
    }

    /// Returns the entries, else `WrongType`.
    pub fn as_map(&self) -> Result<&Map> {
        match self {
            Value::Map(v) => Ok(v),
            other => Err(other.wrong_type("a map")),
        }
    }
}

#[cold]
fn out_of_range(number: impl std::fmt::Display, what: &str) -> Error {
    Error::new(ErrorKind::OutOfRange, format!("{} does not fit {what}", brief(number)))
}

impl Source for Value {
    fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<()> {
        self.send(sink)
    }

    /// Estimates only long texts and lists, at the top or in a map there.
    fn size_hint(&self) -> usize {
        /// More entries, or a smaller sum, are not worth a look.
        const ENTRIES: usize = 8;
        const LEAST: usize = 256;
        let map = match self {
            Value::Map(map) => map,
            Value::Array(items) => return list_hint(items),
            _ => return 0,
        };
        let entries = &map.entries[..map.entries.len().min(ENTRIES)];
        let sum = entries.iter().fold(0usize, |sum, (_, value)| match value {
            Value::Text(text) => sum.saturating_add(text.len()),
            Value::Array(items) => sum.saturating_add(list_hint(items)),
            _ => sum,
        });
        // Room for heads, keys and short values.
        if sum < LEAST { 0 } else { sum.saturating_add(32 * (entries.len() + 1)) }
    }

    fn with_any(&self, visit: &mut dyn FnMut(&dyn Any)) {
        visit(self)
    }
}

/// Returns the approximate length of a long list's items, from the first item; 0 for a short list.
fn list_hint(items: &[Value]) -> usize {
    const MANY: usize = 16;
    const SHORT: usize = 8;
    const AROUND: usize = 3;
    let short = |value: &Value| match value {
        Value::Text(text) => text.len() + AROUND,
        _ => SHORT,
    };
    match items {
        [Value::Map(first), ..] if items.len() >= MANY => {
            let entries = first.entries.iter().take(MANY);
            let each = entries.fold(AROUND, |sum, (key, value)| sum + key.len() + AROUND + short(value));
            items.len().saturating_mul(each)
        }
        [first, ..] if items.len() >= MANY => items.len().saturating_mul(short(first)),
        _ => 0,
    }
}

impl Value {
    /// Loops send the most frequent kinds in place, without a call.
    #[inline]
    fn send<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<()> {
        match self {
            Value::Null => sink.null(),
            Value::Bool(v) => sink.bool(*v),
            Value::Int(v) => sink.int(*v),
            Value::Float(v) => sink.float(*v),
            Value::Text(v) => sink.text(v),
            Value::Map(entries) => send_map(entries, sink),
            Value::Array(items) => send_array(items, sink),
            _ => self.send_other(sink),
        }
    }

    #[inline(never)]
    fn send_other<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<()> {
        match self {
            Value::Uint(v) => sink.uint(*v),
            Value::BigInt(v) => sink.big_int(v),
            Value::Bytes(v) => sink.bytes(v),
            Value::Timestamp(v) => sink.timestamp(*v),
            Value::Uuid(v) => sink.uuid(*v),
            Value::Decimal(v) => sink.decimal(v),
            Value::NdArray(v) => sink.ndarray(v.as_ref()),
            _ => self.walk(sink),
        }
    }
}

#[inline(never)]
fn send_array<S: Sink + ?Sized>(items: &[Value], sink: &mut S) -> Result<()> {
    sink.begin_array(items.len())?;
    for (i, item) in items.iter().enumerate() {
        item.send(sink).map_err(|e| e.under_index(i))?;
    }
    sink.end_array()
}

#[inline(never)]
fn send_map<S: Sink + ?Sized>(entries: &Map, sink: &mut S) -> Result<()> {
    sink.begin_map(entries.len())?;
    for (key, value) in entries {
        sink.key(key).and_then(|()| value.send(sink)).map_err(|e| e.under_key(key))?;
    }
    sink.end_map()
}

// `u64` becomes `Int` if it fits: equal integers are equal values.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_f64_refuses_integers_that_a_float_cannot_hold() {
        assert_eq!(Value::Int(1 << 53).as_f64().unwrap(), 9007199254740992.0);
        assert_eq!(Value::Int((1 << 53) + 1).as_f64().unwrap_err().kind(), ErrorKind::OutOfRange);
        assert_eq!(Value::Int(-1).as_u64().unwrap_err().kind(), ErrorKind::OutOfRange);
        assert_eq!(Value::Null.as_f64().unwrap_err().kind(), ErrorKind::WrongType);
    }

    #[test]
    fn error_about_a_number_of_300_digits_shows_some_of_them() {
        let large = BigInt { negative: false, magnitude: vec![0xff; 125] };
        let text = Value::BigInt(large).as_i64().unwrap_err().to_string();
        assert!(text.contains("… (302 digits) does not fit") && text.len() < 100, "{text}");
    }
}
