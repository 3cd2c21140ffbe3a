//! A cursor over flat CBOR: maps of few scalars and long arrays, which readers find in the bytes.
//!
//! Each step takes the next item. It returns `None` for a form that this library's encoders do not write: the decoder
//! then reads the data from its beginning.

use super::encode::{NULL, bool_byte};
use crate::codec::flat_key::FlatKey;
use crate::error::Result;
use crate::value::{Limits, Sink, Value};

pub(crate) const MAP: u8 = 5 << 5;
pub(crate) const MOST_ENTRIES: u8 = 23;
/// The most entries of a map that is searched by key.
pub(crate) const MOST_FOUND: u8 = 16;
/// The greatest length of a map in bytes, without the elements of arrays.
pub(crate) const LONGEST: usize = 4096;
/// The greatest length in bytes of a key or text in a [checked](super::FlatMap::check) map.
///
/// The number after the first byte then has one byte.
pub(super) const LONGEST_TEXT: usize = 255;

/// The greatest length of a block that is copied into a field.
///
/// Longer blocks may be views of the message.
pub(super) const LONGEST_BLOCK: usize = 256;
/// The decoder reads records with maps from this length in bytes on.
pub(crate) const LONGEST_WITH_MAPS: usize = 1 << 20;

pub(super) const FLOAT: u8 = 0xfb;
pub(super) const FALSE: u8 = bool_byte(false);
pub(super) const TRUE: u8 = bool_byte(true);

/// Returns whether all flat data of this length is within the limits.
///
/// `bytes` is the length without the elements of arrays, `elements` the length of these elements.
pub(crate) fn is_within(limits: &Limits, bytes: usize, elements: u64) -> bool {
    let memory = elements.saturating_add(Limits::for_message(0).memory);
    let message = elements.saturating_add(bytes as u64);
    bytes <= LONGEST && limits.allow_flat(bytes) && message <= limits.message && memory <= limits.memory
}

/// A scalar in flat data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FlatValue<'a> {
    /// Null.
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// Text.
    Text(&'a str),
}

impl<'a> FlatValue<'a> {
    pub(super) fn of(value: &'a Value) -> Option<FlatValue<'a>> {
        Some(match value {
            Value::Null => FlatValue::Null,
            Value::Bool(value) => FlatValue::Bool(*value),
            Value::Int(value) => FlatValue::Int(*value),
            Value::Float(value) => FlatValue::Float(*value),
            Value::Text(value) => FlatValue::Text(value),
            _ => return None,
        })
    }

    /// Returns the value; text is copied.
    pub fn to_value(self) -> Value {
        match self {
            FlatValue::Null => Value::Null,
            FlatValue::Bool(value) => Value::Bool(value),
            FlatValue::Int(value) => Value::Int(value),
            FlatValue::Float(value) => Value::Float(value),
            FlatValue::Text(value) => Value::Text(value.to_owned()),
        }
    }

    pub(super) fn send(self, sink: &mut impl Sink) -> Result<()> {
        match self {
            FlatValue::Null => sink.null(),
            FlatValue::Bool(value) => sink.bool(value),
            FlatValue::Int(value) => sink.int(value),
            FlatValue::Float(value) => sink.float(value),
            FlatValue::Text(text) => sink.text(text),
        }
    }
}

/// A position in flat CBOR. A copy is an independent position.
// `rest` takes two registers, and each step updates it with one comparison. An offset into all bytes would take two.
// The steps are inlined to keep them in registers.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { rest: bytes }
    }

    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn is_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(super) fn is_tag(&self) -> bool {
        self.rest.first().is_some_and(|first| first >> 5 == 6)
    }

    pub(super) fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*chunk)
    }

    fn slice(&mut self, length: usize) -> Option<&'a [u8]> {
        let (slice, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(slice)
    }

    #[inline]
    fn take(&mut self, bytes: &[u8]) -> bool {
        match self.rest.split_at_checked(bytes.len()) {
            Some((next, rest)) if is_same(bytes, next) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn map(&mut self, most: u8) -> Option<u8> {
        let [first] = self.chunk()?;
        first.checked_sub(MAP).filter(|entries| *entries <= most.min(MOST_ENTRIES))
    }

    /// Takes this key if it is next. Returns whether it did.
    ///
    /// Inlined, so that the head of a constant key is a constant.
    #[inline]
    pub(super) fn constant_key(&mut self, key: &str) -> bool {
        let mut from = *self;
        let is_head = match key.len() {
            length @ 0..24 => from.chunk() == Some([3 << 5 | length as u8]),
            length @ 24..256 => from.chunk() == Some([3 << 5 | 24, length as u8]),
            _ => false,
        };
        let is_next = is_head && from.take(key.as_bytes());
        if is_next {
            *self = from;
        }
        is_next
    }

    #[inline]
    pub(super) fn key(&mut self, key: &FlatKey) -> bool {
        self.take(key.cbor.bytes())
    }

    /// Takes the number of a head whose first byte was taken: its low five bits, or the bytes after it.
    fn number_behind(&mut self, info: u8) -> Option<u64> {
        Some(match info {
            0..24 => info.into(),
            24 => u8::from_be_bytes(self.chunk()?).into(),
            25 => u16::from_be_bytes(self.chunk()?).into(),
            26 => u32::from_be_bytes(self.chunk()?).into(),
            27 => u64::from_be_bytes(self.chunk()?),
            _ => return None,
        })
    }

    pub(super) fn number(&mut self, major: u8) -> Option<u64> {
        let [first] = self.chunk()?;
        if first >> 5 == major { self.number_behind(first & 31) } else { None }
    }

    fn integer_behind<T: TryFrom<u64> + TryFrom<i64>>(&mut self, first: u8) -> Option<T> {
        match first >> 5 {
            0 => T::try_from(self.number_behind(first)?).ok(),
            1 => T::try_from(!i64::try_from(self.number_behind(first & 31)?).ok()?).ok(),
            _ => None,
        }
    }

    #[inline]
    pub(super) fn integer<T: TryFrom<u64> + TryFrom<i64>>(&mut self) -> Option<T> {
        let [first] = self.chunk()?;
        self.integer_behind(first)
    }

    #[inline]
    pub(super) fn string(&mut self, major: u8) -> Option<&'a [u8]> {
        let length = self.number(major)?;
        self.slice(usize::try_from(length).ok()?)
    }

    /// Takes a text of at most [`LONGEST_TEXT`] bytes whose first byte was taken.
    fn text_behind(&mut self, first: u8) -> Option<&'a [u8]> {
        let length = match first {
            0x60..0x78 => first - 0x60,
            0x78 => u8::from_be_bytes(self.chunk()?),
            _ => return None,
        };
        self.slice(length.into())
    }

    /// Takes a key or text of at most [`LONGEST_TEXT`] bytes, which may be invalid UTF-8.
    #[inline]
    pub(super) fn text(&mut self) -> Option<&'a [u8]> {
        let [first] = self.chunk()?;
        self.text_behind(first)
    }

    /// Takes a scalar; `str` converts bytes to text.
    fn scalar_with(&mut self, str: impl FnOnce(&'a [u8]) -> Option<&'a str>) -> Option<FlatValue<'a>> {
        let [first] = self.chunk()?;
        Some(match first {
            0..0x40 => FlatValue::Int(self.integer_behind(first)?),
            FLOAT => FlatValue::Float(f64::from_be_bytes(self.chunk()?)),
            FALSE => FlatValue::Bool(false),
            TRUE => FlatValue::Bool(true),
            NULL => FlatValue::Null,
            _ => FlatValue::Text(str(self.text_behind(first)?)?),
        })
    }

    #[inline]
    pub(super) fn scalar(&mut self) -> Option<FlatValue<'a>> {
        self.scalar_with(|text| std::str::from_utf8(text).ok())
    }

    pub(super) fn skip_scalar(&mut self) -> Option<()> {
        self.scalar_with(|_| Some("")).map(drop)
    }
}

/// Returns whether two slices of one length are equal, without a call of `memcmp` for up to 32 bytes.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    #[inline]
    fn ends<const N: usize>(one: &[u8], other: &[u8]) -> bool {
        one.first_chunk::<N>() == other.first_chunk::<N>() && one.last_chunk::<N>() == other.last_chunk::<N>()
    }
    match one.len() {
        8..=16 => ends::<8>(one, other),
        4..8 => ends::<4>(one, other),
        2..4 => ends::<2>(one, other),
        17..=32 => ends::<16>(one, other),
        _ => one == other,
    }
}

pub(super) type Keys<'a> = [&'a [u8]; MOST_FOUND as usize];

/// Adds a key after `count` others; `None` for a repeated key, and if there is no place.
pub(super) fn add_key<'a>(keys: &mut Keys<'a>, count: usize, key: &'a [u8]) -> Option<()> {
    if keys.get(..count)?.contains(&key) {
        return None;
    }
    *keys.get_mut(count)? = key;
    Some(())
}
