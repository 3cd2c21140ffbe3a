//! Flat records written directly as CBOR or JSON: maps of few entries whose values contain no arrays, and maps only of
//! the same kind.
//!
//! Bindings implement [`Source::append_cbor`](crate::value::Source::append_cbor) and
//! [`Source::append_json`](crate::value::Source::append_json) with it for maps that often have the
//! same keys, such as instances of generated classes. In contrast to a walk, the keys
//! are encoded once, and no [`Meter`](crate::value::Meter) counts: a record of at most
//! [`FlatRecord::MOST_ENTRIES`] entries, of which some are records of that kind, is within all limits
//! but the length of the message, which the caller of these methods checks. Values are encoded by the same encoders,
//! so the bytes are those of a walk.

use std::fmt;

use super::cbor::{MAP, MOST_FLAT_ENTRIES};
use super::flat_key::{FlatKey, UNLIMITED};
use super::output::{self, Output};
use super::{cbor, json};
use crate::value::escape::Plain;
use crate::value::{Sink, Timestamp};

/// The length in bytes beyond which records with maps in them are refused, and so walked.
const LONG: usize = 1 << 20;

/// The entries of a map that is being appended.
///
/// Every method appends one entry; that of [`FlatRecord::map`] is itself a record. It returns `None` where the record has
/// too many entries, the buffer cannot grow, or JSON has no form for the value; [`FlatRecord::append`] or
/// [`FlatRecord::append_json`] then removes what was appended.
pub struct FlatRecord<'a> {
    encoder: Encoder<'a>,
    /// The number of entries so far.
    entries: u8,
}

enum Encoder<'a> {
    Cbor(cbor::Encoder<'a>),
    Json(json::Encoder<'a>),
}

impl FlatRecord<'_> {
    /// The greatest number of entries: the head of the map then has one byte in CBOR.
    pub const MOST_ENTRIES: u8 = MOST_FLAT_ENTRIES;

    /// Appends a map with the entries that `write` adds, in CBOR. Returns false, and leaves `out`
    /// unchanged, where `write` returns `None`.
    #[inline]
    pub fn append(out: &mut Vec<u8>, write: impl FnOnce(&mut FlatRecord<'_>) -> Option<()>) -> bool {
        let start = out.len();
        out.push(MAP);
        let encoder = Encoder::Cbor(cbor::Encoder::new(Output::new(out, &UNLIMITED), false));
        let Some(entries) = entries(encoder, write) else {
            out.truncate(start);
            return false;
        };
        out[start] = MAP + entries;
        true
    }

    /// As [`FlatRecord::append`], in JSON.
    #[inline]
    pub fn append_json(out: &mut Vec<u8>, write: impl FnOnce(&mut FlatRecord<'_>) -> Option<()>) -> bool {
        let start = out.len();
        out.push(b'{');
        let encoder = Encoder::Json(json::Encoder::new(Output::new(out, &UNLIMITED)));
        if entries(encoder, write).is_none() {
            out.truncate(start);
            return false;
        }
        out.push(b'}');
        true
    }

    /// Appends the key of the next value.
    // Inlined: a call takes as long as the key.
    #[inline(always)]
    fn key(&mut self, key: &FlatKey) -> Option<&mut Self> {
        if self.entries == Self::MOST_ENTRIES {
            return None;
        }
        self.entries += 1;
        match &mut self.encoder {
            Encoder::Cbor(encoder) => key.cbor.append(encoder.output()),
            Encoder::Json(encoder) => {
                let key = key.json.as_ref()?;
                // The comma in front of the key is that of an entry before it.
                if self.entries == 1 {
                    key.append_from::<1>(encoder.output_for_key());
                } else {
                    key.append(encoder.output_for_key());
                }
            }
        }
        Some(self)
    }

    /// Appends an entry in CBOR whose value is the first of `N` bytes that `write` writes, as many as it returns. Appends
    /// nothing and returns false for other entries: in JSON, with a long key, beyond the last one, or where the zeros
    /// ahead have no room.
    #[inline(always)]
    fn try_short<const N: usize>(
        &mut self,
        key: &FlatKey,
        write: impl FnOnce(&mut [u8; N]) -> usize,
    ) -> bool {
        if self.entries < Self::MOST_ENTRIES
            && let Encoder::Cbor(encoder) = &mut self.encoder
            && let Some((chunk, length)) = key.short_cbor()
            && encoder.output().try_item_behind(chunk, length, write)
        {
            self.entries += 1;
            return true;
        }
        false
    }

    /// Appends null.
    #[inline]
    pub fn null(&mut self, key: &FlatKey) -> Option<()> {
        match &mut self.key(key)?.encoder {
            Encoder::Cbor(encoder) => encoder.null().ok(),
            Encoder::Json(encoder) => encoder.null().ok(),
        }
    }

    /// Appends a truth value.
    #[inline]
    pub fn bool(&mut self, key: &FlatKey, value: bool) -> Option<()> {
        if self.try_short(key, |to: &mut [u8; 1]| {
            to[0] = cbor::bool_byte(value);
            1
        }) {
            return Some(());
        }
        match &mut self.key(key)?.encoder {
            Encoder::Cbor(encoder) => encoder.bool(value).ok(),
            Encoder::Json(encoder) => encoder.bool(value).ok(),
        }
    }

    /// Appends an integer.
    #[inline]
    pub fn int(&mut self, key: &FlatKey, value: i64) -> Option<()> {
        if self.try_short(key, |to| cbor::put_int(to, value)) {
            return Some(());
        }
        match &mut self.key(key)?.encoder {
            Encoder::Cbor(encoder) => encoder.int(value).ok(),
            Encoder::Json(encoder) => encoder.int(value).ok(),
        }
    }

    /// Appends an integer above `i64::MAX`.
    pub fn uint(&mut self, key: &FlatKey, value: u64) -> Option<()> {
        match &mut self.key(key)?.encoder {
            Encoder::Cbor(encoder) => encoder.uint(value).ok(),
            Encoder::Json(encoder) => written(encoder.uint(value)),
        }
    }

    /// Appends a float, in JSON a finite one.
    #[inline]
    pub fn float(&mut self, key: &FlatKey, value: f64) -> Option<()> {
        if self.try_short(key, |to| cbor::put_float(to, value)) {
            return Some(());
        }
        match &mut self.key(key)?.encoder {
            Encoder::Cbor(encoder) => encoder.float(value).ok(),
            Encoder::Json(encoder) => written(encoder.float(value)),
        }
    }

    /// Appends text.
    #[inline]
    pub fn text(&mut self, key: &FlatKey, value: &str) -> Option<()> {
        if value.len() <= output::SHORT
            && self.try_short(key, |to| cbor::put_short_text(to, value.as_bytes()))
        {
            return Some(());
        }
        match &mut self.key(key)?.encoder {
            Encoder::Cbor(encoder) => encoder.text(value).ok(),
            Encoder::Json(encoder) => encoder.text(value).ok(),
        }
    }

    /// Appends bytes; JSON has no form for them.
    pub fn bytes(&mut self, key: &FlatKey, value: &[u8]) -> Option<()> {
        match &mut self.key(key)?.encoder {
            Encoder::Cbor(encoder) => encoder.bytes(value).ok(),
            Encoder::Json(_) => None,
        }
    }

    /// Appends a map with the entries that `write` adds. The caller bounds the nesting of maps: at most three levels are
    /// within the limit on nodes.
    pub fn map(&mut self, key: &FlatKey, write: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        let outer = self.key(key)?.entries;
        let head = match &mut self.encoder {
            Encoder::Cbor(encoder) => {
                let head = encoder.output().at();
                encoder.output().push(MAP);
                head
            }
            Encoder::Json(encoder) => {
                encoder.begin_map(0).ok()?;
                0
            }
        };
        self.entries = 0;
        write(self)?;
        let inner = std::mem::replace(&mut self.entries, outer);
        match &mut self.encoder {
            Encoder::Cbor(encoder) => {
                encoder.output().content(head)[0] = MAP + inner;
                // One text may be repeated in every nested map, and the length of the message is checked only at the
                // end, so this bounds the memory until then.
                (encoder.output().written() <= LONG).then_some(())
            }
            Encoder::Json(encoder) => {
                encoder.end_map().ok()?;
                (encoder.written() <= LONG).then_some(())
            }
        }
    }

    /// Appends an instant; JSON has no form for it.
    pub fn timestamp(&mut self, key: &FlatKey, value: Timestamp) -> Option<()> {
        match &mut self.key(key)?.encoder {
            Encoder::Cbor(encoder) => encoder.timestamp(value).ok(),
            Encoder::Json(_) => None,
        }
    }
}

/// Returns the number of entries that `write` adds.
#[inline]
fn entries(encoder: Encoder<'_>, write: impl FnOnce(&mut FlatRecord<'_>) -> Option<()>) -> Option<u8> {
    let mut record = FlatRecord { encoder, entries: 0 };
    write(&mut record).map(|()| record.entries)
}

/// Returns `None` where the encoding has no form for a value.
#[inline]
fn written(done: crate::Result<bool>) -> Option<()> {
    done.ok()?.then_some(())
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

    /// Appends the entries of a map.
    fn each(record: &mut FlatRecord<'_>, value: &Value) -> Option<()> {
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
                Value::Map(_) => record.map(key, |record| each(record, value)),
                _ => None,
            }
        })
    }

    #[test]
    fn flat_record_in_json_has_the_bytes_of_a_walk() {
        let long = "é\"".repeat(300);
        let value = Value::map([
            ("null", Value::Null),
            ("true", true.into()),
            (&long, false.into()),
            ("small", 23.into()),
            ("negative", i64::MIN.into()),
            ("beyond", u64::MAX.into()),
            ("float", (-0.0).into()),
            ("a key of exactly 29 bytes ...", 2.5e300.into()),
            ("a key of exactly 30 bytes ....", 1.into()),
            ("\n\u{1}", "".into()),
            ("text", long.as_str().into()),
        ]);
        let mut out = b"before".to_vec();
        assert!(FlatRecord::append_json(&mut out, |record| each(record, &value)));
        assert_eq!(out, [b"before", &encode(&value, Encoding::Json).unwrap()[..]].concat());
        let mut out = Vec::new();
        assert!(FlatRecord::append_json(&mut out, |_| Some(())));
        assert_eq!(out, b"{}");
    }

    #[test]
    fn flat_record_in_json_refuses_what_needs_an_escape() {
        let refused: [(&str, Value); 6] = [
            ("$bytes", "".into()),
            ("nan", f64::NAN.into()),
            ("infinite", f64::INFINITY.into()),
            ("bytes", Value::Bytes(vec![0].into())),
            ("at", Timestamp(0).into()),
            ("$", 1.into()),
        ];
        for (key, value) in refused {
            let mut out = b"before".to_vec();
            let value = Value::map([("first", 1.into()), (key, value)]);
            assert!(!FlatRecord::append_json(&mut out, |record| each(record, &value)), "{key}");
            assert_eq!(out, b"before", "{key}");
        }
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
        let appended = FlatRecord::append(&mut out, |record| each(record, &value));
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
    fn map_in_flat_record_has_the_bytes_of_a_walk() {
        let inner = Value::map([("x", Value::from(1.5)), ("name", "b".into())]);
        let middle =
            Value::map([("first", inner.clone()), ("empty", Value::map(Vec::<(String, Value)>::new()))]);
        let value = Value::map([("id", Value::from(1)), ("pos", inner), ("m", middle), ("ok", true.into())]);
        let (mut cbor, mut json) = (b"before".to_vec(), b"before".to_vec());
        assert!(FlatRecord::append(&mut cbor, |record| each(record, &value)));
        assert!(FlatRecord::append_json(&mut json, |record| each(record, &value)));
        assert_eq!(cbor[6..], encode(&value, Encoding::Cbor).unwrap());
        assert_eq!(json[6..], encode(&value, Encoding::Json).unwrap());
    }

    #[test]
    fn map_in_flat_record_is_refused_where_the_record_gets_long_or_has_an_escape() {
        let text = "a".repeat(LONG);
        let refused = [
            Value::map([("m", Value::map([("t", text.as_str())]))]),
            Value::map([("m", Value::map((0..24).map(|i| (format!("k{i}"), i))))]),
        ];
        for value in refused {
            let mut out = b"before".to_vec();
            assert!(!FlatRecord::append(&mut out, |record| each(record, &value)));
            assert!(!FlatRecord::append_json(&mut out, |record| each(record, &value)));
            assert_eq!(out, b"before");
        }
        let mut out = Vec::new();
        let escape = Value::map([("m", Value::map([("$bytes", "")]))]);
        assert!(!FlatRecord::append_json(&mut out, |record| each(record, &escape)));
    }

    #[test]
    fn refused_flat_record_leaves_the_buffer_unchanged() {
        let mut out = b"before".to_vec();
        let key = FlatKey::new("k").unwrap();
        assert!(!FlatRecord::append(&mut out, |record| record.int(&key, 1).and(None)));
        assert_eq!(out, b"before");
    }
}
