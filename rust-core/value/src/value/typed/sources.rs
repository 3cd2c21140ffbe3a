//! Sending: numbers, text, lists and maps of the program as Sources.
//!
//! Each type sends the events that its builder in `scalars` and `containers` accepts, so a sent
//! value decodes to its type.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::scalars::Uuid;
use crate::error::Result;
use crate::value::{Decimal, NdArray, Sink, Source, Timestamp};

/// The longest head of a text, in any encoding.
const LONGEST_HEAD: usize = 9;

// A Source of one event: `$send` is the call of the sink.
macro_rules! sources {
    ($($kind:ty: $value:ident, $sink:ident => $send:expr),* $(,)?) => {$(
        impl Source for $kind {
            #[inline]
            fn walk<S: Sink + ?Sized>(&self, $sink: &mut S) -> Result<()> {
                let $value = self;
                $send
            }
        }
    )*};
}
sources! {
    bool: value, sink => sink.bool(*value),
    i8: value, sink => sink.int(i64::from(*value)),
    i16: value, sink => sink.int(i64::from(*value)),
    i32: value, sink => sink.int(i64::from(*value)),
    i64: value, sink => sink.int(*value),
    u8: value, sink => sink.int(i64::from(*value)),
    u16: value, sink => sink.int(i64::from(*value)),
    u32: value, sink => sink.int(i64::from(*value)),
    u64: value, sink => match i64::try_from(*value) {
        Ok(value) => sink.int(value),
        Err(_) => sink.uint(*value),
    },
    f32: value, sink => sink.float(f64::from(*value)),
    f64: value, sink => sink.float(*value),
    Bytes: value, sink => sink.bytes(value),
    Timestamp: value, sink => sink.timestamp(*value),
    Uuid: value, sink => sink.uuid(value.0),
    Decimal: value, sink => sink.decimal(value),
    NdArray: value, sink => sink.ndarray(value.as_ref()),
}

// For a text, the memory for it and its head is reserved at once.
macro_rules! texts {
    ($($kind:ty),*) => {$(
        impl Source for $kind {
            #[inline]
            fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<()> {
                sink.text(self)
            }
            fn size_hint(&self) -> usize {
                self.len().saturating_add(LONGEST_HEAD)
            }
        }
    )*};
}
texts!(str, String);

impl<T: Source> Source for [T] {
    fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<()> {
        sink.begin_array(self.len())?;
        for (i, item) in self.iter().enumerate() {
            item.walk(sink).map_err(|error| error.under_index(i))?;
        }
        sink.end_array()
    }
}

impl<T: Source> Source for Vec<T> {
    #[inline]
    fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<()> {
        self.as_slice().walk(sink)
    }
}

impl<T: Source> Source for BTreeMap<String, T> {
    fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<()> {
        sink.begin_map(self.len())?;
        for (key, value) in self {
            super::field(sink, key, value)?;
        }
        sink.end_map()
    }
}
