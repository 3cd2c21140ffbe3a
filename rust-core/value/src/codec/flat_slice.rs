//! CBOR written into memory that the caller has allocated: flat records, and what is around an array.
//!
//! A binding that allocates the bytes of a record itself uses a [`FlatSlice`] instead of a [`FlatRecord`]. The offset
//! of the next byte stays in a register; a `FlatRecord` stores it in its buffer, so each entry waits for the store of
//! the one before. To encode an instance of ten fields takes Python 68 ns, and 104 ns with a `FlatRecord`.

use super::cbor::MAP;
use super::flat::{FlatRecord, FlatWrite};
use super::flat_key::{FlatKey, SHORT};
use super::json;

/// A flat record in memory of the caller. A key in it has at most 30 bytes.
#[derive(Debug)]
pub struct FlatSlice<'a> {
    head: &'a mut [u8],
    slice: Slice<'a>,
    /// The number of entries so far.
    entries: u8,
}

impl<'a> FlatSlice<'a> {
    /// Returns a map without entries at the beginning of this memory. Each entry needs up to 40 bytes more than it is
    /// long, a text 50.
    #[inline(always)]
    pub fn new(to: &'a mut [u8]) -> FlatSlice<'a> {
        let (head, rest) = to.split_at_mut(to.len().min(1));
        FlatSlice { head, slice: Slice::new(rest), entries: 0 }
    }

    /// Returns the length of the map in bytes; `None` where it has more than [`FlatRecord::MOST_ENTRIES`].
    #[inline(always)]
    pub fn finish(self) -> Option<usize> {
        if self.entries > FlatRecord::MOST_ENTRIES {
            return None;
        }
        *self.head.first_mut()? = MAP + self.entries;
        Some(self.slice.at() + 1)
    }
}

impl FlatWrite for FlatSlice<'_> {
    #[inline(always)]
    fn entry<const N: usize>(
        &mut self,
        key: &FlatKey,
        _: impl FnOnce(&mut json::Encoder<'_>) -> Option<()>,
        cbor: impl FnOnce(&mut [u8; N]) -> usize + Copy,
    ) -> Option<()> {
        let (chunk, length) = key.short_cbor()?;
        let to = self.slice.rest.get_mut(..SHORT + N)?;
        let length = length.min(SHORT);
        to[..SHORT].copy_from_slice(chunk);
        let value = to[length..].first_chunk_mut::<N>()?;
        let length = length + cbor(value).min(N);
        self.slice.rest.split_off_mut(..length)?;
        self.entries = self.entries.checked_add(1)?;
        Some(())
    }

    #[inline]
    fn block(&mut self, block: &[u8]) -> Option<()> {
        self.slice.block(block)
    }
}

/// Memory of the caller. Every method returns `None` where there is no room; what was written is then invalid.
#[derive(Debug)]
pub(super) struct Slice<'a> {
    /// The memory behind what was written.
    rest: &'a mut [u8],
    length: usize,
}

impl<'a> Slice<'a> {
    #[inline(always)]
    pub(super) fn new(to: &'a mut [u8]) -> Slice<'a> {
        Slice { length: to.len(), rest: to }
    }

    /// Returns the number of bytes that were written.
    #[inline(always)]
    pub(super) fn at(&self) -> usize {
        self.length.wrapping_sub(self.rest.len())
    }

    /// Writes the first of `N` bytes that `write` writes, as many as it returns.
    #[inline(always)]
    pub(super) fn item<const N: usize>(&mut self, write: impl FnOnce(&mut [u8; N]) -> usize) -> Option<()> {
        let length = write(self.rest.first_chunk_mut()?).min(N);
        self.rest.split_off_mut(..length).map(drop)
    }

    /// Writes these bytes.
    #[inline(always)]
    pub(super) fn put<const N: usize>(&mut self, bytes: [u8; N]) -> Option<()> {
        *self.rest.split_off_mut(..N)?.first_chunk_mut()? = bytes;
        Some(())
    }

    /// Writes bytes of any number.
    #[inline]
    pub(super) fn block(&mut self, block: &[u8]) -> Option<()> {
        self.rest.split_off_mut(..block.len())?.copy_from_slice(block);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Encoding, encode};
    use crate::value::{Timestamp, Value};

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
