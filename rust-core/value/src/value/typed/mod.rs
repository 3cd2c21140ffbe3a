//! The program's own types, built from events and sent as events: the library of generated Rust code.
//!
//! | what | defined in |
//! |---|---|
//! | the events of a value as one type; [`Decode`], its [`Build`]er, and the Sink that drives one | here |
//! | builders of numbers, text and other single events | `scalars` |
//! | builders of lists, maps, optional and arbitrary values | `containers` |
//! | the common part of builders of records | `record` |
//! | sending: [`Source`](super::Source) for numbers, text, lists | `sources` |
//!
//! `linkspan schema generate --lang rust` writes such types.
//!
//! A builder accepts one event at a time and returns whether its value is complete.

mod containers;
mod record;
mod scalars;
mod sources;

pub use containers::{Any, Items, Maybe, Names};
pub(crate) use record::is_same;
pub use record::{Fields, Step, check_array, field, finish_field, finish_variant};
pub use scalars::{Enumeration, KnownName, Name, Slot, Uuid};

use super::{BigInt, Decimal, NdArrayRef, Sink, Timestamp};
use crate::body::Body;
use crate::error::{Error, ErrorKind, Result};

/// One event of a value; [`Sink`] has a method for each.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Null.
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer that fits 64 bits with a sign.
    Int(i64),
    /// An integer above `i64::MAX`.
    Uint(u64),
    /// An integer beyond both.
    BigInt(&'a BigInt),
    /// A float.
    Float(f64),
    /// Text.
    Text(&'a str),
    /// Bytes, and the memory that may contain them.
    Bytes(&'a [u8], Option<&'a Body>),
    /// An instant.
    Timestamp(Timestamp),
    /// A UUID.
    Uuid([u8; 16]),
    /// A decimal number.
    Decimal(&'a Decimal),
    /// An N-d array, and the memory that may contain its elements.
    NdArray(NdArrayRef<'a>, Option<&'a Body>),
    /// An array of this many values begins.
    BeginArray(usize),
    /// The array ends.
    EndArray,
    /// A map of this many entries begins.
    BeginMap(usize),
    /// The key of the next value.
    Key(&'a str),
    /// The map ends.
    EndMap,
}

impl Event<'_> {
    /// Returns the name of the found kind, for error texts.
    // In place: a reference would make every caller copy the event.
    pub fn name(&self) -> &'static str {
        match self {
            Event::Null => "null",
            Event::Bool(_) => "a bool",
            Event::Int(_) | Event::Uint(_) | Event::BigInt(_) => "an integer",
            Event::Float(_) => "a float",
            Event::Text(_) => "text",
            Event::Bytes(..) => "bytes",
            Event::Timestamp(_) => "a timestamp",
            Event::Uuid(_) => "a UUID",
            Event::Decimal(_) => "a decimal number",
            Event::NdArray(..) => "an N-d array",
            Event::BeginArray(_) | Event::EndArray => "an array",
            Event::BeginMap(_) | Event::Key(_) | Event::EndMap => "a map",
        }
    }

    /// Returns the `WrongType` error of this event instead of `expected`.
    pub fn unexpected(&self, expected: &str) -> Error {
        unexpected(self.name(), expected)
    }
}

#[cold]
fn unexpected(found: &str, expected: &str) -> Error {
    Error::new(ErrorKind::WrongType, format!("{expected} is expected, {found} was found"))
}

/// Builds one value from its events.
pub trait Build: Default {
    /// The type of the value.
    type Output;
    /// Takes the next event; true for the last. After an error the caller drops the builder.
    fn event(&mut self, event: Event<'_>) -> Result<bool>;
    /// Takes a key as [`Sink::known_key`]; a record's builder calls [`Fields::known_key`].
    fn known_key(&mut self, key: &[u8]) -> Result<bool> {
        let _ = key;
        Ok(false)
    }
    /// Returns the value of these bytes of CBOR without a builder, see [`Sink::take_cbor`].
    ///
    /// `None`, the default, means from events. A record of scalars uses [`FlatMap`](crate::codec::FlatMap).
    fn from_cbor(bytes: &[u8]) -> Option<Self::Output> {
        let _ = bytes;
        None
    }
    /// Returns the value; `Missing` without an event or a required field.
    fn finish(self) -> Result<Self::Output>;
}

/// A type that has a builder.
pub trait Decode: Sized {
    /// The builder.
    type Builder: Build<Output = Self>;
}

/// The Sink that builds a value of this type.
///
/// ```
/// # extern crate linkspan_value as linkspan;
/// use linkspan::Encoding;
/// use linkspan::codec::{decode_into, encode};
/// use linkspan::value::{Limits, typed::Typed};
///
/// let bytes = encode(&vec![1.5, -2.0], Encoding::Cbor)?;
/// let numbers: Vec<f64> = decode_into(&bytes, Encoding::Cbor, &Limits::default(), Typed::new())?.finish()?;
/// assert_eq!(numbers, [1.5, -2.0]);
/// # Ok::<(), linkspan::Error>(())
/// ```
#[derive(Debug)]
pub struct Typed<T: Decode> {
    builder: T::Builder,
    read: Option<T>,
    /// The message, if long blocks may be views of it.
    origin: Option<Body>,
}

impl<T: Decode> Default for Typed<T> {
    fn default() -> Typed<T> {
        Typed::new()
    }
}

impl<T: Decode> Typed<T> {
    /// Returns a sink that copies everything.
    pub fn new() -> Typed<T> {
        Typed { builder: T::Builder::default(), read: None, origin: None }
    }

    /// Returns a sink whose long blocks and arrays are views of `origin` if in it.
    pub fn sharing(origin: impl Into<Body>) -> Typed<T> {
        Typed { builder: T::Builder::default(), read: None, origin: Some(origin.into()) }
    }

    /// Returns the value. `Missing` for an absent required field.
    #[inline]
    pub fn finish(self) -> Result<T> {
        match self.read {
            Some(value) => Ok(value),
            None => self.builder.finish(),
        }
    }
}

/// Ignores the result: a Sink's caller knows the end.
macro_rules! events {
    ($($method:ident($($value:ident: $kind:ty)?) => $event:expr),* $(,)?) => {$(
        fn $method(&mut self $(, $value: $kind)?) -> Result<()> {
            self.builder.event($event).map(drop)
        }
    )*};
}

impl<T: Decode> Sink for Typed<T> {
    events! {
        null() => Event::Null,
        bool(value: bool) => Event::Bool(value),
        int(value: i64) => Event::Int(value),
        uint(value: u64) => Event::Uint(value),
        big_int(value: &BigInt) => Event::BigInt(value),
        float(value: f64) => Event::Float(value),
        text(value: &str) => Event::Text(value),
        timestamp(value: Timestamp) => Event::Timestamp(value),
        uuid(value: [u8; 16]) => Event::Uuid(value),
        decimal(value: &Decimal) => Event::Decimal(value),
        begin_array(len: usize) => Event::BeginArray(len),
        end_array() => Event::EndArray,
        begin_map(len: usize) => Event::BeginMap(len),
        key(key: &str) => Event::Key(key),
        end_map() => Event::EndMap,
    }
    fn known_key(&mut self, key: &[u8]) -> Result<bool> {
        self.builder.known_key(key)
    }
    fn take_cbor(&mut self, bytes: &[u8]) -> bool {
        self.read = T::Builder::from_cbor(bytes);
        self.read.is_some()
    }
    fn new_key(&mut self, key: &str) -> Result<()> {
        if self.builder.known_key(key.as_bytes())? { Ok(()) } else { self.key(key) }
    }
    fn bytes(&mut self, value: &[u8]) -> Result<()> {
        self.builder.event(Event::Bytes(value, self.origin.as_ref())).map(drop)
    }
    fn ndarray(&mut self, value: NdArrayRef<'_>) -> Result<()> {
        self.builder.event(Event::NdArray(value, self.origin.as_ref())).map(drop)
    }
}

#[cold]
fn missing() -> Error {
    Error::new(ErrorKind::Missing, "no value came")
}

#[cfg(test)]
pub(crate) mod tests;
