//! Flat records straight to CBOR: maps of few entries whose values contain no others.
//!
//! Bindings implement [`Source::append_cbor`](crate::value::Source::append_cbor) with it for
//! instances of generated classes. In contrast to a walk, the keys are encoded once for each class,
//! and no [`Meter`](crate::value::Meter) counts: a record of at most [`FlatRecord::MOST_ENTRIES`]
//! entries without containers is within all limits but the length of the message, which the caller
//! of `append_cbor` checks. Values are encoded by the same [`Encoder`], so the bytes are those of a
//! walk.

use std::fmt;

use super::Encoder;
use crate::codec::output::Output;
use crate::value::{Limits, Sink, Timestamp};

/// The key of an entry of flat records, encoded.
#[derive(Clone, Debug)]
pub struct FlatKey(Box<[u8]>);

impl FlatKey {
    /// Returns the key; `None` for one that is longer than the limit.
    pub fn new(key: &str) -> Option<FlatKey> {
        if key.len() > Limits::default().key {
            return None;
        }
        let mut bytes = Vec::with_capacity(key.len() + 3);
        let mut encoder = Encoder::new(Output::new(&mut bytes, Limits::default()), false);
        encoder.key(key).ok()?;
        // The output ends here, so that the buffer has its length.
        drop(encoder);
        Some(FlatKey(bytes.into()))
    }
}

/// The entries of a map that is being appended.
///
/// Every method appends one entry. It returns `None` where the record has too many entries or the
/// buffer cannot grow; [`FlatRecord::append`] then removes what was appended.
pub struct FlatRecord<'a> {
    encoder: Encoder<'a>,
    /// The number of entries so far.
    entries: u8,
}

impl FlatRecord<'_> {
    /// The greatest number of entries: the head of the map then has one byte.
    pub const MOST_ENTRIES: u8 = 23;

    /// Appends a map with the entries that `write` adds, in CBOR. Returns false, and leaves `out`
    /// unchanged, where `write` returns `None`.
    #[inline]
    pub fn append(out: &mut Vec<u8>, write: impl FnOnce(&mut FlatRecord<'_>) -> Option<()>) -> bool {
        /// The head of a map without entries; the number of entries is added to it.
        const MAP: u8 = 5 << 5;
        let start = out.len();
        out.push(MAP);
        // The caller of `append_cbor` has the limit of the message.
        let limits = Limits { message: u64::MAX, ..Limits::default() };
        let mut record = FlatRecord { encoder: Encoder::new(Output::new(out, limits), false), entries: 0 };
        let written = write(&mut record);
        let entries = record.entries;
        // The output ends here, so that the buffer has its length.
        drop(record);
        if written.is_none() {
            out.truncate(start);
            return false;
        }
        out[start] = MAP + entries;
        true
    }

    /// Appends the key of the next value.
    #[inline]
    fn key(&mut self, key: &FlatKey) -> Option<&mut Self> {
        if self.entries == Self::MOST_ENTRIES {
            return None;
        }
        self.entries += 1;
        self.encoder.put_encoded(&key.0);
        Some(self)
    }

    /// Appends null.
    #[inline]
    pub fn null(&mut self, key: &FlatKey) -> Option<()> {
        self.key(key)?.encoder.null().ok()
    }

    /// Appends a truth value.
    #[inline]
    pub fn bool(&mut self, key: &FlatKey, value: bool) -> Option<()> {
        self.key(key)?.encoder.bool(value).ok()
    }

    /// Appends an integer.
    #[inline]
    pub fn int(&mut self, key: &FlatKey, value: i64) -> Option<()> {
        self.key(key)?.encoder.int(value).ok()
    }

    /// Appends an integer above `i64::MAX`.
    pub fn uint(&mut self, key: &FlatKey, value: u64) -> Option<()> {
        self.key(key)?.encoder.uint(value).ok()
    }

    /// Appends a float.
    #[inline]
    pub fn float(&mut self, key: &FlatKey, value: f64) -> Option<()> {
        self.key(key)?.encoder.float(value).ok()
    }

    /// Appends text.
    #[inline]
    pub fn text(&mut self, key: &FlatKey, value: &str) -> Option<()> {
        self.key(key)?.encoder.text(value).ok()
    }

    /// Appends bytes.
    pub fn bytes(&mut self, key: &FlatKey, value: &[u8]) -> Option<()> {
        self.key(key)?.encoder.bytes(value).ok()
    }

    /// Appends an instant.
    pub fn timestamp(&mut self, key: &FlatKey, value: Timestamp) -> Option<()> {
        self.key(key)?.encoder.timestamp(value).ok()
    }
}

impl fmt::Debug for FlatRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlatRecord").field("entries", &self.entries).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Encoding, encode};
    use crate::value::Value;

    /// Returns a flat record of `count` entries behind other bytes, and whether it was appended.
    fn numbers(count: u64) -> (Vec<u8>, bool) {
        let mut out = b"before".to_vec();
        let appended = FlatRecord::append(&mut out, |record| {
            (0..count).try_for_each(|i| record.int(&FlatKey::new(&format!("k{i}"))?, i as i64))
        });
        (out, appended)
    }

    #[test]
    fn flat_record_has_the_bytes_of_a_walk() {
        let long = "é".repeat(300);
        let value = Value::map([
            ("null", Value::Null),
            ("true", true.into()),
            (&long, false.into()),
            ("small", 23.into()),
            ("negative", i64::MIN.into()),
            ("large", i64::MAX.into()),
            ("beyond", u64::MAX.into()),
            ("float", (-0.0).into()),
            ("", "".into()),
            ("text", long.as_str().into()),
            ("bytes", Value::Bytes(vec![0, 255].into())),
            ("before 1970", Timestamp(-1).into()),
            ("at", Timestamp(i64::MAX).into()),
        ]);
        let mut out = b"before".to_vec();
        let appended = FlatRecord::append(&mut out, |record| {
            let mut entries = value.as_map().ok()?.iter();
            entries.try_for_each(|(key, value)| {
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
                }
            })
        });
        assert!(appended);
        assert_eq!(out, [b"before", &encode(&value, Encoding::Cbor).unwrap()[..]].concat());
    }

    #[test]
    fn flat_record_refuses_more_entries_than_its_head_holds() {
        for count in [0, 1, 23] {
            let (out, appended) = numbers(count);
            let value = Value::map((0..count).map(|i| (format!("k{i}"), i as i64)));
            assert!(appended, "{count}");
            assert_eq!(out[6..], encode(&value, Encoding::Cbor).unwrap(), "{count}");
        }
        assert_eq!(numbers(24), (b"before".to_vec(), false));
    }

    #[test]
    fn flat_record_leaves_the_buffer_unchanged_where_it_is_given_up() {
        let mut out = b"before".to_vec();
        let key = FlatKey::new("k").unwrap();
        assert!(!FlatRecord::append(&mut out, |record| record.int(&key, 1).and(None)));
        assert_eq!(out, b"before");
    }

    #[test]
    fn flat_key_refuses_keys_over_the_limit() {
        let most = Limits::default().key;
        assert!(FlatKey::new(&"k".repeat(most)).is_some());
        assert!(FlatKey::new(&"k".repeat(most + 1)).is_none());
    }
}
