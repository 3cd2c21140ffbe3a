//! Finds an entry of a short map of scalars and long arrays in its bytes: a program that reads one array of a message
//! needs no tree.
//!
//! [`FlatArrays::check_and_find`] accepts the bodies that `flat_arrays` reads; all others are left to the decoder. The
//! tests of `flat_arrays` compare both.

use super::flat_arrays::{Description, MAP, is_within};
use super::flat_map::{FlatValue, MOST_ENTRIES, scalar, text};
use crate::body::{Body, Part};
use crate::value::{Limits, NdArrayRef};

/// A value of such a map.
#[derive(Debug)]
pub enum FlatItem<'a> {
    /// A scalar.
    Scalar(FlatValue<'a>),
    /// An array.
    Array(NdArrayRef<'a>),
}

/// A map of scalars and arrays whose elements are stored elsewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlatArrays<'a> {
    bytes: &'a [u8],
    parts: &'a [Part],
}

/// The value that was found; an array is described in a separate [`Description`].
enum FoundValue<'a> {
    Scalar(FlatValue<'a>),
    Array(&'a Part),
}

impl<'a> FlatArrays<'a> {
    /// Returns the bytes of a body that may be such a map; `None` where nothing is stored elsewhere.
    #[inline]
    pub fn of(body: &'a Body) -> Option<FlatArrays<'a>> {
        body.split().map(|split| FlatArrays { bytes: split.rest(), parts: split.parts() })
    }

    /// Passes the value at this path to `what`, where the bytes are such a map within these limits, and so decode to it.
    /// `None` where they are not; `Some(None)` where no key equals this path, which may have several keys.
    pub fn check_and_find<T>(
        self,
        path: &str,
        limits: &Limits,
        what: impl FnOnce(FlatItem<'_>) -> T,
    ) -> Option<Option<T>> {
        let elements = self.parts.iter().map(|part| part.bytes.len() as u64).sum();
        let entries = self.bytes.first()?.checked_sub(MAP).filter(|entries| *entries <= MOST_ENTRIES)?;
        if !is_within(limits, self.bytes.len(), elements) {
            return None;
        }
        let mut description = Description::EMPTY;
        if let Some(part) = self.only(path, &mut description) {
            return Some(Some(what(FlatItem::Array(description.with(&part.bytes)))));
        }
        self.look::<T, true>(path, entries.into(), what)
    }

    /// Describes the array at this path of a map that has no other entry: the most frequent message with an array. The
    /// path is UTF-8, and so is a key that equals it.
    #[inline]
    fn only(self, path: &str, description: &mut Description) -> Option<&'a Part> {
        let [part] = self.parts else { return None };
        let [head, text, rest @ ..] = self.bytes else { return None };
        let key = rest.get(..path.len())?;
        let is_only = *head == MAP + 1 && path.len() < 24 && usize::from(*text) == 0x60 + path.len();
        if !is_only || key != key_of(path)? {
            return None;
        }
        let behind = description.fill(self.bytes, 2 + path.len(), part)?;
        (behind == self.bytes.len()).then_some(part)
    }

    /// Passes the value at this path to `what`, where the bytes were [checked](FlatArrays::check_and_find); `None` where
    /// no key equals this path.
    pub fn find<T>(self, path: &str, what: impl FnOnce(FlatItem<'_>) -> T) -> Option<T> {
        self.look::<T, false>(path, usize::MAX, what)?
    }

    /// Walks the entries up to the one at this path; with `CHECK` all of them, of which there must be `entries`. `None`
    /// where the bytes are no such map.
    #[inline(always)]
    fn look<T, const CHECK: bool>(
        self,
        path: &str,
        entries: usize,
        what: impl FnOnce(FlatItem<'_>) -> T,
    ) -> Option<Option<T>> {
        let wanted = key_of(path);
        let mut description = Description::EMPTY;
        let (mut found, mut described) = (None, 0);
        // Where each key begins and ends: at most 4,096 bytes are walked.
        let (mut keys, mut count) = ([(0u16, 0u16); MOST_ENTRIES as usize], 0);
        let (mut at, mut parts) = (1, self.parts);
        // Each step takes a key, so the loop ends with the bytes.
        while at < self.bytes.len() {
            let (key, behind) = text(self.bytes, at)?;
            if CHECK {
                let (seen, rest) = keys.split_at_mut_checked(count)?;
                let is_repeated = |(from, to): &(u16, u16)| self.bytes[(*from).into()..(*to).into()] == *key;
                if seen.iter().any(is_repeated) || (!key.is_ascii() && std::str::from_utf8(key).is_err()) {
                    return None;
                }
                *rest.first_mut()? = ((behind - key.len()) as u16, behind as u16);
                count += 1;
            }
            let parts_from_here = parts;
            let (value, next) = self.value(behind, &mut parts, &mut description)?;
            if matches!(value, FoundValue::Array(_)) {
                described = behind;
            }
            if wanted == Some(key) {
                if !CHECK {
                    return Some(Some(what(item(&value, &description))));
                }
                found = Some((behind, value, parts_from_here));
            }
            at = next;
        }
        if CHECK && (count != entries || !parts.is_empty()) {
            return None;
        }
        let Some((at, value, mut parts)) = found else { return Some(None) };
        if matches!(value, FoundValue::Array(_)) && described != at {
            // A later array has overwritten the description.
            self.value(at, &mut parts, &mut description)?;
        }
        Some(Some(what(item(&value, &description))))
    }

    /// Returns the value that begins at `at`, and the position behind it. An array takes the first of `parts`.
    #[inline]
    fn value(
        self,
        at: usize,
        parts: &mut &'a [Part],
        description: &mut Description,
    ) -> Option<(FoundValue<'a>, usize)> {
        if *self.bytes.get(at)? >> 5 != 6 {
            let (value, behind) = scalar(self.bytes, at)?;
            return Some((FoundValue::Scalar(value), behind));
        }
        let (part, others) = parts.split_first()?;
        *parts = others;
        Some((FoundValue::Array(part), description.fill(self.bytes, at, part)?))
    }
}

#[inline]
fn item<'a>(found: &FoundValue<'a>, description: &'a Description) -> FlatItem<'a> {
    match found {
        FoundValue::Scalar(value) => FlatItem::Scalar(*value),
        FoundValue::Array(part) => FlatItem::Array(description.with(&part.bytes)),
    }
}

/// Returns the key that a path denotes, where it has the same bytes as the path.
#[inline]
fn key_of(path: &str) -> Option<&[u8]> {
    let key = path.as_bytes();
    (!key.is_empty() && !key.iter().any(|byte| matches!(byte, b'/' | b'~'))).then_some(key)
}
