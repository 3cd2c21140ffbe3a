//! Builders of values that are one event: numbers, text, bytes, instants, arrays, names of enums.
//!
//! Conversions are exact or fail: an integer must fit the type, and a float accepts an integer that
//! it holds. The exception is `f32`, which accepts floats without overflow, with less precision.

use std::fmt;

use bytes::Bytes;

use super::{Build, Decode, Event, missing};
use crate::error::{Error, ErrorKind, Result, memory, quoted};
use crate::value::builder::shared_block;
use crate::value::{Decimal, NdArray, NdArrayRef, Timestamp};

/// A UUID, most significant byte first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

/// In the form of RFC 9562: `00112233-4455-6677-8899-aabbccddeeff`.
impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::value::escape::uuid_text(self.0))
    }
}

/// The builder of a value of one event: empty until the event.
#[derive(Debug)]
pub struct Slot<T>(Option<T>);

impl<T> Default for Slot<T> {
    fn default() -> Slot<T> {
        Slot(None)
    }
}

trait Scalar: Sized {
    /// Returns the value.
    ///
    /// `WrongType` for an event of another kind, `OutOfRange` for a number that does not fit,
    /// `OutOfMemory` if a copy cannot be allocated.
    fn take(event: Event<'_>) -> Result<Self>;
}

macro_rules! scalars {
    ($($kind:ty),*) => {$(
        impl Build for Slot<$kind> {
            type Output = $kind;
            fn event(&mut self, event: Event<'_>) -> Result<bool> {
                self.0 = Some(<$kind as Scalar>::take(event)?);
                Ok(true)
            }
            fn finish(self) -> Result<$kind> {
                self.0.ok_or_else(missing)
            }
        }
        impl Decode for $kind {
            type Builder = Slot<$kind>;
        }
    )*};
}
scalars!(
    bool, i8, i16, i32, i64, u8, u16, u32, u64, f32, f64, String, Bytes, Timestamp, Uuid, Decimal, NdArray
);

macro_rules! integers {
    ($($kind:ty),*) => {$(
        impl Scalar for $kind {
            fn take(event: Event<'_>) -> Result<$kind> {
                match event {
                    Event::Int(value) => {
                        <$kind>::try_from(value).map_err(|_| out_of_range(&{ value }, stringify!($kind)))
                    }
                    Event::Uint(value) => {
                        <$kind>::try_from(value).map_err(|_| out_of_range(&{ value }, stringify!($kind)))
                    }
                    Event::BigInt(value) => Err(out_of_range(value, stringify!($kind))),
                    other => Err(other.unexpected(stringify!($kind))),
                }
            }
        }
    )*};
}
integers!(i8, i16, i32, i64, u8, u16, u32, u64);

impl Scalar for bool {
    fn take(event: Event<'_>) -> Result<bool> {
        match event {
            Event::Bool(value) => Ok(value),
            other => Err(other.unexpected("a bool")),
        }
    }
}

impl Scalar for f64 {
    fn take(event: Event<'_>) -> Result<f64> {
        match event {
            Event::Float(value) => Ok(value),
            // Every integer up to 2^53 has an exact f64.
            Event::Int(value) if value.unsigned_abs() <= 1 << 53 => Ok(value as f64),
            Event::Int(value) => Err(out_of_range(&{ value }, "f64")),
            Event::Uint(value) => Err(out_of_range(&{ value }, "f64")),
            Event::BigInt(value) => Err(out_of_range(value, "f64")),
            other => Err(other.unexpected("f64")),
        }
    }
}

impl Scalar for f32 {
    fn take(event: Event<'_>) -> Result<f32> {
        match event {
            Event::Float(value) if !value.is_finite() || (value as f32).is_finite() => Ok(value as f32),
            Event::Int(value) if value.unsigned_abs() <= 1 << 24 => Ok(value as f32),
            Event::Float(value) => Err(out_of_range(&format_args!("{value:?}"), "f32")),
            Event::Int(value) => Err(out_of_range(&{ value }, "f32")),
            Event::Uint(value) => Err(out_of_range(&{ value }, "f32")),
            Event::BigInt(value) => Err(out_of_range(value, "f32")),
            other => Err(other.unexpected("f32")),
        }
    }
}

impl Scalar for String {
    fn take(event: Event<'_>) -> Result<String> {
        match event {
            Event::Text(value) => memory::copy_text(value),
            other => Err(other.unexpected("text")),
        }
    }
}

impl Scalar for Bytes {
    fn take(event: Event<'_>) -> Result<Bytes> {
        match event {
            Event::Bytes(value, origin) => shared_block(origin, value),
            other => Err(other.unexpected("bytes")),
        }
    }
}

impl Scalar for Timestamp {
    fn take(event: Event<'_>) -> Result<Timestamp> {
        match event {
            Event::Timestamp(value) => Ok(value),
            other => Err(other.unexpected("a timestamp")),
        }
    }
}

impl Scalar for Uuid {
    fn take(event: Event<'_>) -> Result<Uuid> {
        match event {
            Event::Uuid(value) => Ok(Uuid(value)),
            other => Err(other.unexpected("a UUID")),
        }
    }
}

impl Scalar for Decimal {
    fn take(event: Event<'_>) -> Result<Decimal> {
        match event {
            Event::Decimal(value) => Ok(value.clone()),
            other => Err(other.unexpected("a decimal number")),
        }
    }
}

impl Scalar for NdArray {
    fn take(event: Event<'_>) -> Result<NdArray> {
        match event {
            Event::NdArray(NdArrayRef { dtype, order, shape, data }, origin) => {
                Ok(NdArray { dtype, order, shape: shape.to_vec(), data: shared_block(origin, data)? })
            }
            other => Err(other.unexpected("an N-d array")),
        }
    }
}

#[cold]
fn out_of_range(found: &dyn fmt::Display, expected: &str) -> Error {
    Error::new(ErrorKind::OutOfRange, format!("{expected} is expected, {found} was found"))
}

/// An enum of a schema: one of these names, sent as text.
pub trait Enumeration: Sized + Copy {
    /// The names on the wire.
    const NAMES: &'static [&'static str];
    /// Returns the value of this name.
    fn from_name(name: &str) -> Option<Self>;
    /// Returns the name on the wire.
    fn name(self) -> &'static str;
}

/// The builder of an enum's value. `WrongType` for an unknown name.
#[derive(Debug)]
pub struct Name<T>(Option<T>);

impl<T> Default for Name<T> {
    fn default() -> Name<T> {
        Name(None)
    }
}

impl<T: Enumeration> Build for Name<T> {
    type Output = T;
    fn event(&mut self, event: Event<'_>) -> Result<bool> {
        let expected = || format!("one of {}", T::NAMES.join(", "));
        let Event::Text(name) = event else { return Err(event.unexpected(&expected())) };
        let Some(value) = T::from_name(name) else {
            let text = format!("{} is expected, {} was found", expected(), quoted(name));
            return Err(Error::new(ErrorKind::WrongType, text));
        };
        self.0 = Some(value);
        Ok(true)
    }
    fn finish(self) -> Result<T> {
        self.0.ok_or_else(missing)
    }
}

/// The builder of an enum's value in a field with a default.
///
/// `None` for an absent or unknown name, which a newer writer may send. The record then uses the
/// default.
#[derive(Debug)]
pub struct KnownName<T>(Option<T>);

impl<T> Default for KnownName<T> {
    fn default() -> KnownName<T> {
        KnownName(None)
    }
}

impl<T: Enumeration> Build for KnownName<T> {
    type Output = Option<T>;
    fn event(&mut self, event: Event<'_>) -> Result<bool> {
        let Event::Text(name) = event else {
            return Err(event.unexpected(&format!("one of {}", T::NAMES.join(", "))));
        };
        self.0 = T::from_name(name);
        Ok(true)
    }
    fn finish(self) -> Result<Option<T>> {
        Ok(self.0)
    }
}
