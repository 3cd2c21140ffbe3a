//! Records of scalars read directly from CBOR: a map whose keys are in the order of the record's fields.
//!
//! [`FlatFields`] accepts the subset of CBOR that generated code and the other encoders of this library write: a map of
//! definite length with at most [`FlatFields::MOST_ENTRIES`] entries, whose keys are in the order in which the record
//! reads them. It returns `None` for every other form and for every error. The record is then decoded by its
//! [`Build`](crate::value::typed::Build)er, which reports the errors, so results and errors are the same with and without
//! it.

use bytes::Bytes;

use super::{TIME_EXTENDED, UUID};
use crate::value::typed::{Enumeration, Uuid};
use crate::value::{Limits, Timestamp};

/// The greatest length of a record in bytes. Copies of longer blocks and texts take longer than the
/// decoding around them.
const LONGEST: usize = 4096;
/// The greatest length of a block that is copied; longer ones may be views of the message.
const LONGEST_BLOCK: usize = 256;
/// The head of a map without entries; the number of entries is added to it.
const MAP: u8 = 5 << 5;
/// The head of an empty text.
const TEXT: u8 = 3 << 5;
const NULL: u8 = 0xf6;
/// The memory that the greatest record is counted with: what the `Meter` counts for entries, keys and
/// content is less.
const MEMORY: u64 = 1 << 20;

/// The entries of a map that are read in order.
#[derive(Clone, Debug)]
pub struct FlatFields<'a> {
    /// The bytes that follow.
    rest: &'a [u8],
    /// The number of entries that were not taken.
    entries: u8,
}

impl<'a> FlatFields<'a> {
    /// The greatest number of entries: the head of the map then has one byte.
    pub const MOST_ENTRIES: u8 = 23;

    /// Returns the entries of the map that these bytes are, if there are at most `most`.
    #[inline]
    pub fn new(bytes: &'a [u8], most: u8) -> Option<FlatFields<'a>> {
        let (first, rest) = bytes.split_first()?;
        let entries = first.checked_sub(MAP)?;
        (entries <= most.min(Self::MOST_ENTRIES)).then_some(FlatFields { rest, entries })
    }

    /// Returns whether these limits allow every record of this length.
    #[inline]
    pub(crate) fn is_within(length: usize, limits: &Limits) -> bool {
        length <= LONGEST
            && limits.depth > 0
            && limits.nodes > Self::MOST_ENTRIES.into()
            && limits.key >= LONGEST
            && limits.memory >= MEMORY
    }

    /// Takes this key, if it is next.
    // Inlined: the key is a constant in the caller, and so is its head.
    #[inline(always)]
    fn key(&mut self, key: &str) -> bool {
        let rest = match key.len() {
            length @ 0..24 => {
                let Some((first, rest)) = self.rest.split_first() else { return false };
                if *first != TEXT + length as u8 {
                    return false;
                }
                rest
            }
            length @ 24..256 => {
                let Some(([0x78, second], rest)) = self.rest.split_first_chunk() else { return false };
                if usize::from(*second) != length {
                    return false;
                }
                rest
            }
            _ => return false,
        };
        let Some((found, rest)) = rest.split_at_checked(key.len()) else { return false };
        if self.entries == 0 || !is_same(key.as_bytes(), found) {
            return false;
        }
        self.entries -= 1;
        self.rest = rest;
        true
    }

    /// Returns the value of a field that must be there.
    #[inline(always)]
    pub fn required<T: FlatField>(&mut self, key: &str) -> Option<T> {
        if self.key(key) { T::take(&mut self.rest) } else { None }
    }

    /// Returns the value of a field that may be left out: the inner `None` where the next key is another.
    #[inline(always)]
    pub fn or_absent<T: FlatField>(&mut self, key: &str) -> Option<Option<T>> {
        if self.key(key) { T::take(&mut self.rest).map(Some) } else { Some(None) }
    }

    /// Returns the value of a field that may be left out or null, which mean the same.
    #[inline(always)]
    pub fn optional<T: FlatField>(&mut self, key: &str) -> Option<Option<T>> {
        if !self.key(key) {
            return Some(None);
        }
        if let [NULL, rest @ ..] = self.rest {
            self.rest = rest;
            return Some(None);
        }
        T::take(&mut self.rest).map(Some)
    }

    /// Returns `Some(())` where every entry was taken and no byte is left.
    #[inline]
    pub fn finish(self) -> Option<()> {
        (self.entries == 0 && self.rest.is_empty()).then_some(())
    }
}

/// Returns whether the bytes equal this key of the same length, a constant; without a call to `memcmp`
/// for keys of up to 32 bytes.
#[inline(always)]
fn is_same(key: &[u8], found: &[u8]) -> bool {
    /// Compares the first and the last `N` bytes, which overlap in a key shorter than both.
    #[inline(always)]
    fn ends<const N: usize>(key: &[u8], found: &[u8]) -> bool {
        key.first_chunk::<N>() == found.first_chunk::<N>() && key.last_chunk::<N>() == found.last_chunk::<N>()
    }
    match key.len() {
        0 => true,
        1 => ends::<1>(key, found),
        2..=3 => ends::<2>(key, found),
        4..=7 => ends::<4>(key, found),
        8..=15 => ends::<8>(key, found),
        16..=32 => ends::<16>(key, found),
        _ => key == found,
    }
}

/// A type of fields that [`FlatFields`] reads.
pub trait FlatField: Sized {
    /// Takes the value that these bytes begin with; `None` where it has another type, or a form that only the decoder
    /// reads.
    fn take(rest: &mut &[u8]) -> Option<Self>;
}

/// Takes the next `N` bytes.
#[inline(always)]
fn chunk<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (chunk, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*chunk)
}

/// Takes the number of a head whose first byte was taken: the low five bits of it, or the bytes behind.
#[inline(always)]
fn number(rest: &mut &[u8], info: u8) -> Option<u64> {
    if info < 24 {
        return Some(info.into());
    }
    Some(match info {
        24 => chunk::<1>(rest)?[0].into(),
        25 => u16::from_be_bytes(chunk(rest)?).into(),
        26 => u32::from_be_bytes(chunk(rest)?).into(),
        27 => u64::from_be_bytes(chunk(rest)?),
        _ => return None,
    })
}

/// Takes the content of a string of this major type and definite length.
#[inline(always)]
fn content<'a>(rest: &mut &'a [u8], major: u8) -> Option<&'a [u8]> {
    let [first] = chunk(rest)?;
    if first >> 5 != major {
        return None;
    }
    let length = number(rest, first & 31)?;
    let (content, behind) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = behind;
    Some(content)
}

// Integers of every width.
macro_rules! integers {
    ($($kind:ty),*) => {$(
        impl FlatField for $kind {
            #[inline]
            fn take(rest: &mut &[u8]) -> Option<$kind> {
                let [first] = chunk(rest)?;
                match first >> 5 {
                    0 => <$kind>::try_from(number(rest, first)?).ok(),
                    1 => <$kind>::try_from(!i64::try_from(number(rest, first & 31)?).ok()?).ok(),
                    _ => None,
                }
            }
        }
    )*};
}
integers!(i8, i16, i32, i64, u8, u16, u32, u64);

impl FlatField for bool {
    #[inline]
    fn take(rest: &mut &[u8]) -> Option<bool> {
        match chunk(rest)? {
            [0xf4] => Some(false),
            [0xf5] => Some(true),
            _ => None,
        }
    }
}

impl FlatField for f64 {
    #[inline]
    fn take(rest: &mut &[u8]) -> Option<f64> {
        let [0xfb, bits @ ..] = chunk::<9>(rest)? else { return None };
        Some(f64::from_be_bytes(bits))
    }
}

impl FlatField for f32 {
    #[inline]
    fn take(rest: &mut &[u8]) -> Option<f32> {
        let value = f64::take(rest)?;
        (!value.is_finite() || (value as f32).is_finite()).then_some(value as f32)
    }
}

impl FlatField for String {
    #[inline]
    fn take(rest: &mut &[u8]) -> Option<String> {
        copied(content(rest, 3)?)
    }
}

/// Returns a copy of these bytes as text.
// A call: the check for UTF-8 and the allocation are the greatest part of a text anyway.
#[inline(never)]
fn copied(bytes: &[u8]) -> Option<String> {
    crate::error::memory::copy_text(std::str::from_utf8(bytes).ok()?).ok()
}

impl FlatField for Bytes {
    fn take(rest: &mut &[u8]) -> Option<Bytes> {
        let content = content(rest, 2)?;
        if content.len() > LONGEST_BLOCK {
            return None;
        }
        crate::error::memory::copy_bytes(content).ok().map(Bytes::from)
    }
}

impl FlatField for Timestamp {
    fn take(rest: &mut &[u8]) -> Option<Timestamp> {
        /// The heads of the tag and of its map, and the key of the seconds.
        const BEGIN: [u8; 5] = [0xd9, (TIME_EXTENDED >> 8) as u8, TIME_EXTENDED as u8, MAP + 2, 1];
        /// The key of the nanoseconds, -9.
        const NANOSECONDS: [u8; 1] = [0x28];
        if chunk(rest)? != BEGIN {
            return None;
        }
        let seconds = i64::take(rest)?;
        if chunk(rest)? != NANOSECONDS {
            return None;
        }
        let nanoseconds = u32::take(rest)?;
        // Less than a second: else the decoder refuses it.
        (nanoseconds < 1_000_000_000).then(|| Timestamp::from_parts(seconds, nanoseconds.into()).ok())?
    }
}

impl FlatField for Uuid {
    fn take(rest: &mut &[u8]) -> Option<Uuid> {
        /// The heads of the tag and of the 16 bytes.
        const BEGIN: [u8; 3] = [0xd8, UUID as u8, 0x50];
        if chunk(rest)? != BEGIN {
            return None;
        }
        chunk(rest).map(Uuid)
    }
}

impl<T: Enumeration> FlatField for T {
    fn take(rest: &mut &[u8]) -> Option<T> {
        T::from_name(std::str::from_utf8(content(rest, 3)?).ok()?)
    }
}
