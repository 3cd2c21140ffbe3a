//! Maps of few scalars in CBOR, read and built in their bytes.
//!
//! A [`FlatMap`] accepts a subset of what the decoder accepts: a map of definite length with at most
//! [`FlatMap::MOST_ENTRIES`] entries. It is read in the order of its entries by a reader that expects certain keys, or,
//! after a [check](FlatMap::check), by its keys. Every other message and every error is left to the decoder, so results
//! and errors are the same with and without it.

use super::cursor::{
    Cursor, FlatValue, Keys, LONGEST, LONGEST_TEXT, MAP, MOST_ENTRIES, MOST_FOUND, add_key, is_within,
};
use super::encode::{Encoder, NULL, put_head};
use super::fields::FlatField;
use crate::codec::flat_key::FlatKey;
use crate::codec::output::Output;
use crate::value::{Limits, Sink};

/// The entries of a map that have not been taken.
#[derive(Clone, Copy, Debug)]
pub struct FlatMap<'a> {
    cursor: Cursor<'a>,
    /// The number of these entries.
    count: u8,
}

impl<'a> FlatMap<'a> {
    /// The greatest number of entries.
    pub const MOST_ENTRIES: u8 = MOST_ENTRIES;

    /// Returns the entries of the map that these bytes begin with, if there are at most `most`. They are not checked.
    #[inline]
    pub fn new(bytes: &'a [u8], most: u8) -> Option<FlatMap<'a>> {
        let mut cursor = Cursor::new(bytes);
        let count = cursor.map(most)?;
        Some(FlatMap { cursor, count })
    }

    /// Returns the same, if there is an entry and the limits allow every map of this length.
    pub fn within(bytes: &'a [u8], limits: &Limits) -> Option<FlatMap<'a>> {
        let map = FlatMap::new(bytes, MOST_ENTRIES).filter(|map| map.count > 0);
        map.filter(|_| is_within(limits, bytes.len(), 0))
    }

    /// Returns the map that these bytes are, if it may be read by its keys: then it has at most 16 entries, whose keys
    /// need no escape in a path and differ from each other; keys and texts have at most 255 bytes; and the decoder
    /// gives the same entries.
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

    /// Returns the map of bytes for which [`FlatMap::check`] returned it. In other bytes entries may not be found;
    /// nothing else can go wrong.
    pub fn checked(bytes: &'a [u8]) -> Option<FlatMap<'a>> {
        FlatMap::new(bytes, MOST_FOUND)
    }

    /// Returns the value at this path, which has a single key, of a [checked](FlatMap::checked) map; `None` where no
    /// entry has this key.
    pub fn get(self, path: &str) -> Option<FlatValue<'a>> {
        let mut cursor = self.cursor;
        // Each step takes a key, so the loop ends with the bytes.
        while cursor.text()? != path.as_bytes() {
            cursor.skip_scalar()?;
        }
        cursor.scalar()
    }

    /// Returns the number of entries that have not been taken.
    pub fn count(&self) -> usize {
        self.count.into()
    }

    /// Returns the bytes of the next key, which may not be UTF-8.
    pub fn next_key(&self) -> Option<&'a [u8]> {
        let mut cursor = self.cursor;
        cursor.text()
    }

    /// Takes the next entry if it has this key and a scalar value.
    pub fn next(&mut self, key: &FlatKey) -> Option<FlatValue<'a>> {
        self.count = self.count.checked_sub(1)?;
        if self.cursor.key(key) { self.cursor.scalar() } else { None }
    }

    /// Takes this key, if it is next.
    // Inlined: see `Cursor::constant_key`.
    #[inline]
    fn key(&mut self, key: &str) -> bool {
        if self.count == 0 || !self.cursor.constant_key(key) {
            return false;
        }
        self.count -= 1;
        true
    }

    /// Returns the value of a field that must be there.
    pub fn required<T: FlatField>(&mut self, key: &str) -> Option<T> {
        if self.key(key) { T::take(&mut self.cursor) } else { None }
    }

    /// Returns the value of a field that may be left out: the inner `None` where the next key is another.
    pub fn or_absent<T: FlatField>(&mut self, key: &str) -> Option<Option<T>> {
        if self.key(key) { T::take(&mut self.cursor).map(Some) } else { Some(None) }
    }

    /// Returns the value of a field that may be left out or null, which mean the same.
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

    /// Returns `Some(())` where every entry was taken and no byte is left.
    pub fn finish(self) -> Option<()> {
        (self.count == 0 && self.cursor.is_end()).then_some(())
    }
}

/// Returns whether a key is UTF-8 and, as a path, denotes itself.
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

/// Appends a short text in CBOR, and returns whether it is short. The bytes must be UTF-8: receivers refuse
/// others.
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

/// Returns the bytes of the text, if this is one short text of definite length and nothing else. They are not
/// checked to be UTF-8.
#[doc(hidden)]
pub fn text_alone(bytes: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor::new(bytes);
    let text = cursor.string(3)?;
    (cursor.is_end() && bytes.len() <= LONGEST).then_some(text)
}

/// A flat map that is being built, encoded.
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

    /// Returns whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the map in CBOR; no bytes at all where there is no entry.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the value at this path, as [`FlatMap::get`] does.
    pub fn get(&self, path: &str) -> Option<FlatValue<'_>> {
        FlatMap::checked(&self.0)?.get(path)
    }

    /// Appends an entry, and returns whether the map remains flat with it: false where the key is there
    /// already, or where the entry is not one of a flat map; then nothing is changed.
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
