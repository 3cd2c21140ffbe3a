//! Flat records in CBOR, written into memory that the caller has allocated.
//!
//! A binding that allocates the bytes of a record itself uses this in place of a [`FlatRecord`]. The offset of the next
//! byte stays in a register; a `FlatRecord` stores it in its buffer, so each entry waits for the store of the one before.
//! The bytes are the same.

use std::fmt;

use super::cbor;
use super::cbor::MAP;
use super::flat::FlatRecord;
use super::flat_key::{FlatKey, SHORT};
use super::output;
use crate::value::Timestamp;

/// The entries of a map that is being written.
///
/// Every method writes one entry. It returns `None` where there is no room for one or the key is longer than 30 bytes; the
/// record is then invalid.
pub struct FlatSlice<'a> {
    to: &'a mut [u8],
    /// The length of what is written.
    at: usize,
    /// The number of entries so far.
    entries: usize,
}

impl<'a> FlatSlice<'a> {
    /// Returns a map without entries at the beginning of this memory. Each entry needs up to 40 bytes more than it is
    /// long, a text 50.
    #[inline(always)]
    pub fn new(to: &'a mut [u8]) -> FlatSlice<'a> {
        FlatSlice { to, at: 1, entries: 0 }
    }

    /// Returns the length of the map in bytes; `None` where it has more than [`FlatRecord::MOST_ENTRIES`].
    #[inline(always)]
    pub fn finish(self) -> Option<usize> {
        let entries =
            u8::try_from(self.entries).ok().filter(|entries| *entries <= FlatRecord::MOST_ENTRIES)?;
        *self.to.first_mut()? = MAP + entries;
        Some(self.at)
    }

    /// Writes an entry whose value is the first of `N` bytes that `write` writes, as many as it returns.
    #[inline(always)]
    fn entry<const N: usize>(
        &mut self,
        key: &FlatKey,
        write: impl FnOnce(&mut [u8; N]) -> usize,
    ) -> Option<()> {
        let (chunk, length) = key.short_cbor()?;
        let to = self.to.get_mut(self.at..)?.get_mut(..SHORT + N)?;
        let length = length.min(SHORT);
        to[..SHORT].copy_from_slice(chunk);
        let value = to[length..].first_chunk_mut::<N>()?;
        self.at += length + write(value).min(N);
        self.entries += 1;
        Some(())
    }

    /// Writes an entry whose value is a head with the length of a block, and the block.
    #[inline]
    fn block(&mut self, key: &FlatKey, major: u8, block: &[u8]) -> Option<()> {
        self.entry(key, |to| cbor::put_head(to, major, block.len() as u64))?;
        self.to.get_mut(self.at..)?.get_mut(..block.len())?.copy_from_slice(block);
        self.at += block.len();
        Some(())
    }

    /// Writes null.
    #[inline(always)]
    pub fn null(&mut self, key: &FlatKey) -> Option<()> {
        self.entry(key, |to: &mut [u8; 1]| {
            to[0] = cbor::NULL;
            1
        })
    }

    /// Writes a truth value.
    #[inline(always)]
    pub fn bool(&mut self, key: &FlatKey, value: bool) -> Option<()> {
        self.entry(key, |to: &mut [u8; 1]| {
            to[0] = cbor::bool_byte(value);
            1
        })
    }

    /// Writes an integer.
    #[inline(always)]
    pub fn int(&mut self, key: &FlatKey, value: i64) -> Option<()> {
        self.entry(key, |to| cbor::put_int(to, value))
    }

    /// Writes an integer above `i64::MAX`.
    pub fn uint(&mut self, key: &FlatKey, value: u64) -> Option<()> {
        self.entry(key, |to| cbor::put_head(to, 0, value))
    }

    /// Writes a float.
    #[inline(always)]
    pub fn float(&mut self, key: &FlatKey, value: f64) -> Option<()> {
        self.entry(key, |to| cbor::put_float(to, value))
    }

    /// Writes text.
    #[inline(always)]
    pub fn text(&mut self, key: &FlatKey, value: &str) -> Option<()> {
        if value.len() <= output::SHORT {
            self.entry(key, |to| cbor::put_short_text(to, value.as_bytes()))
        } else {
            self.block(key, 3, value.as_bytes())
        }
    }

    /// Writes bytes.
    pub fn bytes(&mut self, key: &FlatKey, value: &[u8]) -> Option<()> {
        self.block(key, 2, value)
    }

    /// Writes an instant.
    pub fn timestamp(&mut self, key: &FlatKey, value: Timestamp) -> Option<()> {
        self.entry(key, |to| cbor::put_timestamp(to, value))
    }
}

impl fmt::Debug for FlatSlice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlatSlice").field("entries", &self.entries).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Encoding, encode};
    use crate::value::Value;

    /// Writes the entries of a map.
    fn write(to: &mut [u8], value: &Value) -> Option<usize> {
        let mut record = FlatSlice::new(to);
        for (key, value) in value.as_map().ok()? {
            let key = &FlatKey::new(key)?;
            match value {
                Value::Null => record.null(key),
                Value::Bool(value) => record.bool(key, *value),
                Value::Int(value) => record.int(key, *value),
                Value::Uint(value) => record.uint(key, *value),
                Value::Bytes(value) => record.bytes(key, value),
                Value::Float(value) => record.float(key, *value),
                Value::Text(value) => record.text(key, value),
                Value::Timestamp(value) => record.timestamp(key, *value),
                _ => None,
            }?;
        }
        record.finish()
    }

    #[test]
    fn flat_slice_has_the_bytes_of_a_walk() {
        let texts: Vec<String> =
            [0, 1, 2, 3, 7, 8, 15, 16, 17, 23, 24, 255, 256, 300].map(|n| "é".repeat(n)).into();
        let mut values: Vec<Value> = [0, 23, 24, 255, 256, 65535, 65536, u32::MAX.into(), i64::MAX]
            .into_iter()
            .flat_map(|n| [Value::from(n), Value::from(!n)])
            .collect();
        values.extend(texts.iter().map(|text| text.as_str().into()));
        values.extend(texts.iter().map(|text| Value::Bytes(text.as_bytes().to_vec().into())));
        values.extend([i64::MIN, -1, 0, 1_251_082_000_250_000_000, i64::MAX].map(|at| Timestamp(at).into()));
        values.extend([
            Value::Null,
            true.into(),
            false.into(),
            u64::MAX.into(),
            (-0.0).into(),
            f64::NAN.into(),
        ]);
        let mut memory = vec![0xAA; 4096];
        for (at, some) in values.chunks(23).chain(values.windows(2)).enumerate() {
            let value =
                Value::map(some.iter().enumerate().map(|(i, value)| (format!("k{i}"), value.clone())));
            let length = write(&mut memory, &value).unwrap_or_else(|| panic!("{at}: {value:?}"));
            assert_eq!(memory[..length], encode(&value, Encoding::Cbor).unwrap(), "{at}");
        }
        assert_eq!(write(&mut memory, &Value::map(Vec::<(String, Value)>::new())), Some(1));
        assert_eq!(memory[0], MAP);
    }

    #[test]
    fn flat_slice_has_keys_of_up_to_30_bytes() {
        let mut memory = [0; 200];
        for length in 0..=40 {
            let value = Value::map([("k".repeat(length), 1)]);
            let written = write(&mut memory, &value);
            assert_eq!(written.is_some(), length <= 30, "{length}");
            if let Some(written) = written {
                assert_eq!(memory[..written], encode(&value, Encoding::Cbor).unwrap());
            }
        }
    }

    #[test]
    fn flat_slice_without_room_or_with_more_than_23_entries_is_refused() {
        let value = Value::map([("a", Value::from(1.5)), ("text", "beyond a short one".into())]);
        let whole = encode(&value, Encoding::Cbor).unwrap();
        for room in 0..whole.len() + 60 {
            let mut memory = vec![0; room];
            if let Some(length) = write(&mut memory, &value) {
                assert_eq!(memory[..length], whole);
            } else {
                assert!(room < whole.len() + 50);
            }
        }
        let many = |count: i64| Value::map((0..count).map(|i| (format!("{i}"), i)));
        assert!(write(&mut [0; 4096], &many(23)).is_some());
        assert_eq!(write(&mut [0; 4096], &many(24)), None);
    }
}
