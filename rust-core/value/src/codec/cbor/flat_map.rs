//! Maps of few scalars in CBOR, read and built in their bytes.
//!
//! A [`FlatMap`] accepts a subset of the decoder's input: a map of definite length with at most
//! [`FlatMap::MOST_ENTRIES`] entries. A reader that expects certain keys reads it in order. After a
//! [check](FlatMap::check), entries are found by key. The decoder handles every other message and every error, so
//! results and errors do not change.

use super::cursor::{
    Cursor, FlatValue, Keys, LONGEST, LONGEST_TEXT, MAP, MOST_ENTRIES, MOST_FOUND, add_key, is_within,
};
use super::encode::{Encoder, NULL, put_head};
use super::fields::FlatField;
use crate::codec::flat_key::FlatKey;
use crate::codec::output::Output;
use crate::value::{Limits, Sink};

/// The entries of a map that the reader has not taken.
#[derive(Clone, Copy, Debug)]
pub struct FlatMap<'a> {
    cursor: Cursor<'a>,
    count: u8,
}

impl<'a> FlatMap<'a> {
    /// The greatest number of entries.
    pub const MOST_ENTRIES: u8 = MOST_ENTRIES;

    /// Returns the map at the beginning of these bytes, unchecked, if it has at most `most` entries.
    #[inline]
    pub fn new(bytes: &'a [u8], most: u8) -> Option<FlatMap<'a>> {
        let mut cursor = Cursor::new(bytes);
        let count = cursor.map(most)?;
        Some(FlatMap { cursor, count })
    }

    /// As [`FlatMap::new`], if the map has an entry and the limits allow every map of this length.
    pub fn within(bytes: &'a [u8], limits: &Limits) -> Option<FlatMap<'a>> {
        let map = FlatMap::new(bytes, MOST_ENTRIES).filter(|map| map.count > 0);
        map.filter(|_| is_within(limits, bytes.len(), 0))
    }

    /// Returns the map of these bytes if it can be read by its keys.
    ///
    /// Such a map has at most 16 entries. Its keys differ and need no escape in a path. Keys and texts have at most 255
    /// bytes.
    pub fn check(bytes: &'a [u8]) -> Option<FlatMap<'a>> {
        let map = FlatMap::checked(bytes).filter(|_| bytes.len() <= LONGEST)?;
        let (mut cursor, mut keys) = (map.cursor, Keys::default());
        for count in 0..map.count() {
            let key = cursor.text().filter(|key| is_plain(key))?;
            add_key(&mut keys, count, key)?;
            cursor.scalar()?;
        }
        cursor.is_end().then_some(map)
    }

    /// Returns the map of bytes that [`FlatMap::check`] has accepted.
    ///
    /// In other bytes, [`FlatMap::get`] may miss entries; there is no other danger.
    pub fn checked(bytes: &'a [u8]) -> Option<FlatMap<'a>> {
        FlatMap::new(bytes, MOST_FOUND)
    }

    /// Returns the value at this path of one key, in a [checked](FlatMap::checked) map.
    ///
    /// `None` if no entry has this key.
    pub fn get(self, path: &str) -> Option<FlatValue<'a>> {
        let mut cursor = self.cursor;
        while cursor.text()? != path.as_bytes() {
            cursor.skip_scalar()?;
        }
        cursor.scalar()
    }

    /// Returns the number of entries that remain.
    pub fn count(&self) -> usize {
        self.count.into()
    }

    /// Returns the bytes of the next key, which may be invalid UTF-8.
    pub fn next_key(&self) -> Option<&'a [u8]> {
        let mut cursor = self.cursor;
        cursor.text()
    }

    /// Takes the next entry if it has this key and a scalar value.
    pub fn next(&mut self, key: &FlatKey) -> Option<FlatValue<'a>> {
        self.count = self.count.checked_sub(1)?;
        if self.cursor.key(key) { self.cursor.scalar() } else { None }
    }

    #[inline]
    fn key(&mut self, key: &str) -> bool {
        if self.count == 0 || !self.cursor.constant_key(key) {
            return false;
        }
        self.count -= 1;
        true
    }

    /// Returns the value of a field that must be present.
    pub fn required<T: FlatField>(&mut self, key: &str) -> Option<T> {
        if self.key(key) { T::take(&mut self.cursor) } else { None }
    }

    /// Returns the value of an optional field: the inner `None` if the next key is another key.
    pub fn or_absent<T: FlatField>(&mut self, key: &str) -> Option<Option<T>> {
        if self.key(key) { T::take(&mut self.cursor).map(Some) } else { Some(None) }
    }

    /// Returns the value of a field that may be absent or null; both mean the inner `None`.
    pub fn optional<T: FlatField>(&mut self, key: &str) -> Option<Option<T>> {
        if !self.key(key) {
            return Some(None);
        }
        let mut behind = self.cursor;
        if behind.chunk() == Some([NULL]) {
            self.cursor = behind;
            return Some(None);
        }
        T::take(&mut self.cursor).map(Some)
    }

    /// Returns `Some(())` if every entry was taken and no bytes are left.
    pub fn finish(self) -> Option<()> {
        (self.count == 0 && self.cursor.is_end()).then_some(())
    }
}

pub(super) fn is_plain(key: &[u8]) -> bool {
    let mut bits = 0;
    for byte in key {
        if matches!(byte, b'/' | b'~') {
            return false;
        }
        bits |= byte;
    }
    !key.is_empty() && (bits < 0x80 || std::str::from_utf8(key).is_ok())
}

/// Appends a short text in CBOR. Returns whether the text is short.
///
/// The bytes must be UTF-8, because receivers refuse others.
pub fn append_text(out: &mut Vec<u8>, text: &[u8]) -> bool {
    if text.len() > LONGEST {
        return false;
    }
    // The caller of `append_cbor` has the limit of the message.
    let mut head = [0; 9];
    let length = put_head(&mut head, 3, text.len() as u64);
    out.reserve(text.len() + length);
    out.extend_from_slice(&head[..length]);
    out.extend_from_slice(text);
    true
}

/// Returns the text's bytes, unchecked, if these bytes are one short text of definite length.
#[doc(hidden)]
pub fn text_alone(bytes: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor::new(bytes);
    let text = cursor.string(3)?;
    (cursor.is_end() && bytes.len() <= LONGEST).then_some(text)
}

/// A flat map under construction, encoded.
#[derive(Clone, Debug, Default)]
pub struct FlatMapBuilder(Vec<u8>);

impl FlatMapBuilder {
    /// Returns a builder without an entry.
    pub const fn new() -> FlatMapBuilder {
        FlatMapBuilder(Vec::new())
    }

    /// Removes all entries, and keeps the memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns whether the map is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the map in CBOR, or no bytes if the map is empty.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the value at this path.
    pub fn get(&self, path: &str) -> Option<FlatValue<'_>> {
        FlatMap::checked(&self.0)?.get(path)
    }

    /// Appends an entry. Returns whether the map remains flat with it.
    ///
    /// False changes nothing.
    pub fn put(&mut self, key: &str, value: FlatValue<'_>) -> bool {
        let length = if let FlatValue::Text(text) = value { text.len() } else { 0 };
        if key.len() > LONGEST_TEXT
            || length > LONGEST_TEXT
            || self.0.len() + key.len() + length + 16 > LONGEST
            || !is_plain(key.as_bytes())
        {
            return false;
        }
        match self.0.first() {
            None => {
                self.0.reserve(64);
                self.0.push(MAP);
            }
            Some(first) if *first == MAP + MOST_FOUND || self.get(key).is_some() => return false,
            Some(_) => {}
        }
        let before = self.0.len();
        let mut encoder = Encoder::new(Output::new(&mut self.0, &Limits::default()), false);
        let is_put =
            encoder.key(key).and_then(|()| value.send(&mut encoder)).and_then(|()| encoder.finish()).is_ok();
        drop(encoder);
        if is_put {
            self.0[0] += 1;
        } else {
            self.0.truncate(if before == 1 { 0 } else { before });
        }
        is_put
    }
}

#[cfg(test)]
#[path = "flat_map_tests.rs"]
mod tests;
