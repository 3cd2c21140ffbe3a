//! The one pair of traits that joins everything that carries values: events go into a Sink, a Source gives them.

use super::{BigInt, Decimal, NdArrayRef, Timestamp};
use crate::error::Result;

/// Receives one value as a sequence of events.
///
/// An encoder is a Sink, and so is whatever builds a value: [`crate::Value`], a Python object, a PHP zval. A decoder
/// drives one. The caller keeps these promises, and a Sink may rely on them:
///
/// - exactly one value is sent; inside an array, `len` values; inside a map, `len` times a key and its value;
/// - each `begin_*` is closed by its `end_*`;
/// - [`Sink::uint`] is only called above `i64::MAX`, and [`Sink::big_int`] only for what fits neither integer.
///
/// An error ends the walk; a Sink that has returned one is not used again.
pub trait Sink {
    /// Null: a value like any other, never "nothing there".
    fn null(&mut self) -> Result<()>;
    /// A truth value.
    fn bool(&mut self, value: bool) -> Result<()>;
    /// An integer that fits 64 bits with a sign.
    fn int(&mut self, value: i64) -> Result<()>;
    /// An integer above `i64::MAX`.
    fn uint(&mut self, value: u64) -> Result<()>;
    /// An integer that fits neither.
    fn big_int(&mut self, value: &BigInt) -> Result<()>;
    /// A float; every bit pattern is kept.
    fn float(&mut self, value: f64) -> Result<()>;
    /// Text.
    fn text(&mut self, value: &str) -> Result<()>;
    /// Bytes.
    fn bytes(&mut self, value: &[u8]) -> Result<()>;
    /// An instant.
    fn timestamp(&mut self, value: Timestamp) -> Result<()>;
    /// A UUID, most significant byte first.
    fn uuid(&mut self, value: [u8; 16]) -> Result<()>;
    /// A decimal number.
    fn decimal(&mut self, value: &Decimal) -> Result<()>;
    /// An N-d array of numbers.
    fn ndarray(&mut self, value: NdArrayRef<'_>) -> Result<()>;
    /// Begins an array of `len` values.
    fn begin_array(&mut self, len: usize) -> Result<()>;
    /// Ends it.
    fn end_array(&mut self) -> Result<()>;
    /// Begins a map of `len` entries.
    fn begin_map(&mut self, len: usize) -> Result<()>;
    /// The key of the next value; keys of one map differ.
    fn key(&mut self, key: &str) -> Result<()>;
    /// Ends it.
    fn end_map(&mut self) -> Result<()>;
    /// Whether [`Sink::key`] itself answers [`repeated_key`](crate::value::repeated_key) for a key that the map had before,
    /// as a sink may that looks for it anyway. A [`crate::value::Meter`] that checks keys leaves it to such a sink.
    fn refuses_repeated_keys(&self) -> bool {
        false
    }
    /// Takes the key of the next value, as [`Sink::key`] does, where the sink itself knows that the map did not have it yet: true.
    /// False, and nothing taken, for a key that it keeps no account of; the same key of one map has the same answer each time.
    /// [`repeated_key`](crate::value::repeated_key) for one that the map had. So a [`crate::value::Meter`] that checks keys
    /// has to remember only those that a record does not name. The bytes are those of the encoding and may be no UTF-8: only a key
    /// that equals one of the sink's own is taken, so a decoder need not look at the others' text before.
    fn known_key(&mut self, key: &[u8]) -> Result<bool> {
        let _ = key;
        Ok(false)
    }
    /// A decoder is about to ask for this many bytes beside the value, such as for text that comes in pieces:
    /// `TooLarge` where a limit on memory forbids it. Sinks without such a limit need not implement it.
    fn hold(&mut self, bytes: usize) -> Result<()> {
        let _ = bytes;
        Ok(())
    }
    /// A decoder has given back bytes that it held.
    fn release(&mut self, bytes: usize) {
        let _ = bytes;
    }
}

/// Gives one value as a sequence of events.
pub trait Source {
    /// Sends the value's events. An error names its path below this value.
    fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<()>;
    /// Appends the value in CBOR where the source holds it encoded, and no placement of N-d arrays would make other bytes of it: true.
    /// False, and nothing appended, where it has to be walked.
    fn append_cbor(&self, out: &mut Vec<u8>) -> bool {
        let _ = out;
        false
    }
}

impl<T: Source + ?Sized> Source for &T {
    fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<()> {
        (**self).walk(sink)
    }
    fn append_cbor(&self, out: &mut Vec<u8>) -> bool {
        (**self).append_cbor(out)
    }
}

/// Passes every event on to the sink that this expression names; for sinks that wrap another.
macro_rules! forward_scalars {
    ($self:ident => $to:expr; $($before:expr)?) => {
        fn null(&mut $self) -> $crate::error::Result<()> { $($before;)? $to.null() }
        fn bool(&mut $self, value: bool) -> $crate::error::Result<()> { $($before;)? $to.bool(value) }
        fn int(&mut $self, value: i64) -> $crate::error::Result<()> { $($before;)? $to.int(value) }
        fn uint(&mut $self, value: u64) -> $crate::error::Result<()> { $($before;)? $to.uint(value) }
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
    #[inline]
    fn known_key(&mut self, key: &[u8]) -> Result<bool> {
        (**self).known_key(key)
    }
    fn hold(&mut self, bytes: usize) -> Result<()> {
        (**self).hold(bytes)
    }
    fn release(&mut self, bytes: usize) {
        (**self).release(bytes);
    }
}
