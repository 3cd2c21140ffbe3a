//! Maps of few scalars in CBOR, read and built in their bytes.
//!
//! A [`FlatMap`] accepts a map of definite length with at most [`FlatMap::MOST_ENTRIES`] entries. A reader that expects
//! certain keys reads it in order; after a [check](FlatMap::check), it finds them. The decoder handles every other
//! message and every error.

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

    /// Returns the map at the beginning of these bytes, unchecked, of at most `most` entries.
    #[inline]
    pub fn new(bytes: &'a [u8], most: u8) -> Option<FlatMap<'a>> {
        let mut cursor = Cursor::new(bytes);
        let count = cursor.map(most)?;
        Some(FlatMap { cursor, count })
    }

    /// As [`FlatMap::new`], with an entry and within limits for every map of this length.
    pub fn within(bytes: &'a [u8], limits: &Limits) -> Option<FlatMap<'a>> {
        let map = FlatMap::new(bytes, MOST_ENTRIES).filter(|map| map.count > 0);
        map.filter(|_| is_within(limits, bytes.len(), 0))
    }

    /// Returns the map if it can be read by its keys.
    ///
    /// It has at most 16 entries. Its keys differ and need no escape in a path. Keys and texts have at most 255 bytes.
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

    /// Returns the map of [checked](FlatMap::check) bytes; in others, [`FlatMap::get`] may miss entries.
    pub fn checked(bytes: &'a [u8]) -> Option<FlatMap<'a>> {
        FlatMap::new(bytes, MOST_FOUND)
    }

    /// Returns the value of this key, in a [checked](FlatMap::checked) map.
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

    /// Returns the next key, perhaps invalid UTF-8.
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

    /// Returns a required field's value.
    pub fn required<T: FlatField>(&mut self, key: &str) -> Option<T> {
        if self.key(key) { T::take(&mut self.cursor) } else { None }
    }

    /// Returns an optional field's value; the inner `None` for another key.
    pub fn or_absent<T: FlatField>(&mut self, key: &str) -> Option<Option<T>> {
        if self.key(key) { T::take(&mut self.cursor).map(Some) } else { Some(None) }
    }

    /// Returns the value of a field; absent or null is the inner `None`.
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

/// Appends a short text, UTF-8, in CBOR. Returns whether it is short.
pub fn append_text(out: &mut Vec<u8>, text: &[u8]) -> bool {
    if text.len() > LONGEST {
        return false;
    }
    // `append_cbor`'s caller has the message's limit.
    let mut head = [0; 9];
    let length = put_head(&mut head, 3, text.len() as u64);
    out.reserve(text.len() + length);
    out.extend_from_slice(&head[..length]);
    out.extend_from_slice(text);
    true
}

/// Returns the text's bytes, unchecked, if this is one short definite text.
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

    /// Appends an entry; false, without a change, if the map would not be flat.
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
