//! The types of fields that records in CBOR are read into directly.

use bytes::Bytes;

use super::cursor::{Cursor, FALSE, FLOAT, LONGEST_BLOCK, MAP, TRUE};
use super::{TIME_EXTENDED, UUID};
use crate::value::Timestamp;
use crate::value::typed::{Enumeration, Uuid};

/// A type of fields that [`FlatMap`](super::FlatMap) reads.
pub trait FlatField: Sized {
    /// Takes the next value; `None` if it has another type, or a form that only the decoder reads.
    fn take(from: &mut Cursor<'_>) -> Option<Self>;
}

macro_rules! integers {
    ($($kind:ty),*) => {$(
        impl FlatField for $kind {
            #[inline]
            fn take(from: &mut Cursor<'_>) -> Option<$kind> {
                from.integer()
            }
        }
    )*};
}
integers!(i8, i16, i32, i64, u8, u16, u32, u64);

impl FlatField for bool {
    #[inline]
    fn take(from: &mut Cursor<'_>) -> Option<bool> {
        match from.chunk()? {
            [FALSE] => Some(false),
            [TRUE] => Some(true),
            _ => None,
        }
    }
}

impl FlatField for f64 {
    #[inline]
    fn take(from: &mut Cursor<'_>) -> Option<f64> {
        let [FLOAT, bits @ ..] = from.chunk::<9>()? else { return None };
        Some(f64::from_be_bytes(bits))
    }
}

impl FlatField for f32 {
    #[inline]
    fn take(from: &mut Cursor<'_>) -> Option<f32> {
        let value = f64::take(from)?;
        (!value.is_finite() || (value as f32).is_finite()).then_some(value as f32)
    }
}

impl FlatField for String {
    #[inline]
    fn take(from: &mut Cursor<'_>) -> Option<String> {
        copied(from.string(3)?)
    }
}

// Not inlined: most of the time goes to the check for UTF-8 and to the allocation.
#[inline(never)]
fn copied(bytes: &[u8]) -> Option<String> {
    crate::error::memory::copy_text(std::str::from_utf8(bytes).ok()?).ok()
}

impl FlatField for Bytes {
    fn take(from: &mut Cursor<'_>) -> Option<Bytes> {
        let content = from.string(2)?;
        if content.len() > LONGEST_BLOCK {
            return None;
        }
        crate::error::memory::copy_bytes(content).ok().map(Bytes::from)
    }
}

impl FlatField for Timestamp {
    fn take(from: &mut Cursor<'_>) -> Option<Timestamp> {
        const BEGIN: [u8; 5] = [0xd9, (TIME_EXTENDED >> 8) as u8, TIME_EXTENDED as u8, MAP + 2, 1];
        const NANOSECONDS: [u8; 1] = [0x28];
        if from.chunk()? != BEGIN {
            return None;
        }
        let seconds = from.integer()?;
        if from.chunk()? != NANOSECONDS {
            return None;
        }
        let nanoseconds = from.integer::<u32>()?;
        // The decoder refuses a second or more.
        (nanoseconds < 1_000_000_000).then(|| Timestamp::from_parts(seconds, nanoseconds.into()).ok())?
    }
}

impl FlatField for Uuid {
    fn take(from: &mut Cursor<'_>) -> Option<Uuid> {
        const BEGIN: [u8; 3] = [0xd8, UUID as u8, 0x50];
        if from.chunk()? != BEGIN {
            return None;
        }
        from.chunk().map(Uuid)
    }
}

impl<T: Enumeration> FlatField for T {
    fn take(from: &mut Cursor<'_>) -> Option<T> {
        T::from_name(std::str::from_utf8(from.string(3)?).ok()?)
    }
}
