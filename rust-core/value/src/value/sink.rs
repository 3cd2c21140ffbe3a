//! The two traits that convert values: a Sink receives the events of a value, a Source sends them.
//!
//! Each encoding is one Sink and drives any Sink; each language's values are one Source and one Sink. A
//! [`Meter`](crate::value::Meter) between the two enforces the limits.

use std::any::Any;

use super::{BigInt, Decimal, NdArrayRef, Timestamp};
use crate::error::Result;

/// Receives one value as a sequence of events.
///
/// Encoders are Sinks, and so are builders: of [`crate::Value`], a Python object, a PHP zval. The caller keeps these
/// promises:
///
/// - exactly one value is sent; inside an array, `len` values; inside a map, `len` times a key and its value;
/// - each `begin_*` is closed by its `end_*`;
/// - [`Sink::uint`] is only called above `i64::MAX`, and [`Sink::big_int`] only for integers beyond both 64-bit types.
///
/// An error ends the walk and the use of the Sink.
pub trait Sink {
    /// Receives null, which differs from an absent value.
    fn null(&mut self) -> Result<()>;
    /// Receives a truth value.
    fn bool(&mut self, value: bool) -> Result<()>;
    /// Receives an integer that fits `i64`.
    fn int(&mut self, value: i64) -> Result<()>;
    /// Receives an integer above `i64::MAX`.
    fn uint(&mut self, value: u64) -> Result<()>;
    /// Receives an integer that fits neither `i64` nor `u64`.
    fn big_int(&mut self, value: &BigInt) -> Result<()>;
    /// Receives a float; every bit pattern is kept.
    fn float(&mut self, value: f64) -> Result<()>;
    /// Receives text.
    fn text(&mut self, value: &str) -> Result<()>;
    /// Receives bytes.
    fn bytes(&mut self, value: &[u8]) -> Result<()>;
    /// Receives an instant.
    fn timestamp(&mut self, value: Timestamp) -> Result<()>;
    /// Receives a UUID, most significant byte first.
    fn uuid(&mut self, value: [u8; 16]) -> Result<()>;
    /// Receives a decimal number.
    fn decimal(&mut self, value: &Decimal) -> Result<()>;
    /// Receives an N-d array of numbers whose shape matches its length.
    fn ndarray(&mut self, value: NdArrayRef<'_>) -> Result<()>;
    /// Begins an array of `len` values.
    fn begin_array(&mut self, len: usize) -> Result<()>;
    /// Ends the innermost array.
    fn end_array(&mut self) -> Result<()>;
    /// Begins a map of `len` entries.
    fn begin_map(&mut self, len: usize) -> Result<()>;
    /// Receives the key of the next value; the keys of one map differ.
    fn key(&mut self, key: &str) -> Result<()>;
    /// Ends the innermost map.
    fn end_map(&mut self) -> Result<()>;
    /// Returns whether [`Sink::key`] itself refuses a [`repeated_key`](crate::value::repeated_key).
    ///
    /// A [`crate::value::Meter`] leaves the check to such a sink.
    fn refuses_repeated_keys(&self) -> bool {
        false
    }
    /// Takes the next value's key, if it is one of the sink's own. Returns whether it did.
    ///
    /// For one key of one map the result is always the same, so a [`crate::value::Meter`] remembers only other keys.
    /// The bytes may be invalid UTF-8: a taken key equals one of the sink's own.
    ///
    /// # Errors
    ///
    /// [`repeated_key`](crate::value::repeated_key) for a key that the map had.
    fn known_key(&mut self, key: &[u8]) -> Result<bool> {
        let _ = key;
        Ok(false)
    }
    /// Receives the next value's key, which the caller knows to be new to the map.
    fn new_key(&mut self, key: &str) -> Result<()> {
        self.key(key)
    }
    /// Takes the whole value from its encoding in CBOR, if the sink reads it directly.
    ///
    /// Returns whether it did; no events follow. Result, errors and memory must equal those of decoding. The decoder
    /// asks before the first event, and only within limits that every value of up to 23 entries without containers
    /// keeps.
    fn take_cbor(&mut self, bytes: &[u8]) -> bool {
        let _ = bytes;
        false
    }
    /// Counts bytes that a decoder will allocate besides the value, such as for text in pieces.
    ///
    /// # Errors
    ///
    /// `TooLarge` over the limit; the decoder then does not allocate.
    fn hold(&mut self, bytes: usize) -> Result<()> {
        let _ = bytes;
        Ok(())
    }
    /// Uncounts freed bytes of [`Sink::hold`].
    fn release(&mut self, bytes: usize) {
        let _ = bytes;
    }
}

/// Sends one value as a sequence of events, repeatedly.
pub trait Source {
    /// Sends the value's events.
    ///
    /// # Errors
    ///
    /// The sink's, with the path below this value.
    fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<()>;
    /// Appends the value in CBOR if the source has it encoded. Returns whether it did.
    ///
    /// The bytes must equal an encoder's, also with aligned or separately placed N-d arrays.
    fn append_cbor(&self, out: &mut Vec<u8>) -> bool {
        let _ = out;
        false
    }
    /// Calls `visit` at most once, with a value of a type that encoders may read without events.
    #[doc(hidden)]
    fn with_any(&self, visit: &mut dyn FnMut(&dyn Any)) {
        let _ = visit;
    }
    /// Appends the value in JSON, as [`Source::append_cbor`] does in CBOR.
    fn append_json(&self, out: &mut Vec<u8>) -> bool {
        let _ = out;
        false
    }
    /// Returns the approximate encoded length in bytes, to reserve at once; 0 if unknown without a walk.
    fn size_hint(&self) -> usize {
        0
    }
}

impl<T: Source + ?Sized> Source for &T {
    fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<()> {
        (**self).walk(sink)
    }
    fn append_cbor(&self, out: &mut Vec<u8>) -> bool {
        (**self).append_cbor(out)
    }
    fn with_any(&self, visit: &mut dyn FnMut(&dyn Any)) {
        (**self).with_any(visit)
    }
    fn size_hint(&self) -> usize {
        (**self).size_hint()
    }
    fn append_json(&self, out: &mut Vec<u8>) -> bool {
        (**self).append_json(out)
    }
}

/// Implements the events of fixed size for a wrapping sink.
///
/// Runs `$before`, then passes the event on to the sink `$to`.
macro_rules! forward_scalars {
    ($self:ident => $to:expr; $($before:expr)?) => {
        #[inline]
        fn null(&mut $self) -> $crate::error::Result<()> { $($before;)? $to.null() }
        #[inline]
        fn bool(&mut $self, value: bool) -> $crate::error::Result<()> { $($before;)? $to.bool(value) }
        #[inline]
        fn int(&mut $self, value: i64) -> $crate::error::Result<()> { $($before;)? $to.int(value) }
        fn uint(&mut $self, value: u64) -> $crate::error::Result<()> { $($before;)? $to.uint(value) }
        #[inline]
        fn float(&mut $self, value: f64) -> $crate::error::Result<()> { $($before;)? $to.float(value) }
        fn timestamp(&mut $self, value: $crate::value::Timestamp) -> $crate::error::Result<()> {
            $($before;)? $to.timestamp(value)
        }
        fn uuid(&mut $self, value: [u8; 16]) -> $crate::error::Result<()> { $($before;)? $to.uuid(value) }
    };
}
pub(crate) use forward_scalars;

impl<T: Sink + ?Sized> Sink for &mut T {
    forward_scalars!(self => (**self););
    fn big_int(&mut self, value: &BigInt) -> Result<()> {
        (**self).big_int(value)
    }
    fn text(&mut self, value: &str) -> Result<()> {
        (**self).text(value)
    }
    fn bytes(&mut self, value: &[u8]) -> Result<()> {
        (**self).bytes(value)
    }
    fn decimal(&mut self, value: &Decimal) -> Result<()> {
        (**self).decimal(value)
    }
    fn ndarray(&mut self, value: NdArrayRef<'_>) -> Result<()> {
        (**self).ndarray(value)
    }
    fn begin_array(&mut self, len: usize) -> Result<()> {
        (**self).begin_array(len)
    }
    fn end_array(&mut self) -> Result<()> {
        (**self).end_array()
    }
    fn begin_map(&mut self, len: usize) -> Result<()> {
        (**self).begin_map(len)
    }
    fn key(&mut self, key: &str) -> Result<()> {
        (**self).key(key)
    }
    fn end_map(&mut self) -> Result<()> {
        (**self).end_map()
    }
    fn refuses_repeated_keys(&self) -> bool {
        (**self).refuses_repeated_keys()
    }
    fn known_key(&mut self, key: &[u8]) -> Result<bool> {
        (**self).known_key(key)
    }
    fn new_key(&mut self, key: &str) -> Result<()> {
        (**self).new_key(key)
    }
    fn take_cbor(&mut self, bytes: &[u8]) -> bool {
        (**self).take_cbor(bytes)
    }
    fn hold(&mut self, bytes: usize) -> Result<()> {
        (**self).hold(bytes)
    }
    fn release(&mut self, bytes: usize) {
        (**self).release(bytes);
    }
}
