//! Flat records written directly as CBOR or JSON: maps of few entries, without arrays inside.
//!
//! Bindings use it in [`Source::append_cbor`](crate::value::Source::append_cbor) and
//! [`Source::append_json`](crate::value::Source::append_json) for generated classes: recurring keys are encoded once.
//! At most [`FlatRecord::MOST_ENTRIES`] entries keep all limits but the message's length, which the caller checks.

use super::cbor::{LONGEST_WITH_MAPS, MAP, MOST_FLAT_ENTRIES};
use super::flat_key::{FlatKey, UNLIMITED};
use super::output::{self, Output};
use super::{cbor, json};
use crate::body::PLACED_FROM;
use crate::value::Timestamp;
use crate::value::escape::Plain;

/// A flat record that is appended to a buffer.
///
/// Every method writes one entry. It returns `None` for an entry too many, a full buffer, or a value without a form.
/// [`FlatRecord::append`] and [`FlatRecord::append_json`] then remove the map.
#[derive(Debug)]
pub struct FlatRecord<'a> {
    encoder: Encoder<'a>,
    entries: u8,
}

#[derive(Debug)]
enum Encoder<'a> {
    Cbor(Output<'a>),
    Json(json::Encoder<'a>),
}

impl FlatRecord<'_> {
    /// The greatest number of entries, whose head has one byte in CBOR.
    pub const MOST_ENTRIES: u8 = MOST_FLAT_ENTRIES;

    /// Appends a map of `write`'s entries in CBOR; false and unchanged if `write` returns `None`.
    pub fn append(out: &mut Vec<u8>, write: impl FnOnce(&mut FlatRecord<'_>) -> Option<()>) -> bool {
        let start = out.len();
        out.push(MAP);
        let Some(entries) = entries(Encoder::Cbor(Output::new(out, &UNLIMITED)), write) else {
            out.truncate(start);
            return false;
        };
        out[start] = MAP + entries;
        true
    }

    /// As [`FlatRecord::append`], in JSON.
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

    /// Writes a map of `write`'s entries. The caller bounds the nesting to three levels.
    pub fn map(&mut self, key: &FlatKey, write: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        self.entry(key, |json| json.begin_map(0).ok(), |to| cbor::put_byte(to, MAP))?;
        let behind_head = match &self.encoder {
            Encoder::Cbor(out) => out.position(),
            Encoder::Json(_) => 0,
        };
        let outer = std::mem::replace(&mut self.entries, 0);
        write(self)?;
        let inner = std::mem::replace(&mut self.entries, outer);
        let written = match &mut self.encoder {
            Encoder::Cbor(out) => {
                out.overwrite(behind_head.saturating_sub(1), [MAP + inner]);
                out.written()
            }
            Encoder::Json(encoder) => {
                encoder.end_map().ok()?;
                encoder.written()
            }
        };
        // Bounds the memory of repeated texts in nested maps; the message's length is checked at the end.
        (written <= LONGEST_WITH_MAPS).then_some(())
    }
}

impl FlatRecord<'_> {
    /// Writes an entry; `cbor` gets `N` bytes for the value, and returns the number that it wrote.
    fn entry<const N: usize>(
        &mut self,
        key: &FlatKey,
        json: impl FnOnce(&mut json::Encoder<'_>) -> Option<()>,
        cbor: impl FnOnce(&mut [u8; N]) -> usize + Copy,
    ) -> Option<()> {
        if self.entries == Self::MOST_ENTRIES {
            return None;
        }
        self.entries += 1;
        match &mut self.encoder {
            Encoder::Cbor(out) => {
                let short = key.short_cbor();
                if !short.is_some_and(|(chunk, length)| out.try_item_behind(chunk, length, cbor)) {
                    key.cbor.append(out);
                    out.put_item(cbor);
                }
                Some(())
            }
            Encoder::Json(encoder) => {
                let key = key.json.as_ref()?;
                if self.entries == 1 {
                    key.append_from::<1>(encoder.output_for_key());
                } else {
                    key.append(encoder.output_for_key());
                }
                json(encoder)
            }
        }
    }

    /// Writes the bytes after the head of a value in CBOR; JSON lacks such bytes.
    fn block(&mut self, block: &[u8]) -> Option<()> {
        match &mut self.encoder {
            Encoder::Cbor(out) => out.block(block).ok(),
            Encoder::Json(_) => Some(()),
        }
    }

    /// Writes null.
    pub fn null(&mut self, key: &FlatKey) -> Option<()> {
        self.entry(key, |json| json.null().ok(), |to| cbor::put_byte(to, cbor::NULL))
    }

    /// Writes a truth value.
    pub fn bool(&mut self, key: &FlatKey, value: bool) -> Option<()> {
        let byte = cbor::bool_byte(value);
        self.entry(key, |json| json.bool(value).ok(), move |to| cbor::put_byte(to, byte))
    }

    /// Writes an integer.
    pub fn int(&mut self, key: &FlatKey, value: i64) -> Option<()> {
        self.entry(key, |json| json.int(value).ok(), move |to| cbor::put_int(to, value))
    }

    /// Writes an integer above `i64::MAX`.
    pub fn uint(&mut self, key: &FlatKey, value: u64) -> Option<()> {
        self.entry(key, |json| written(json.uint(value)), move |to| cbor::put_head(to, 0, value))
    }

    /// Writes a float, which must be finite in JSON.
    pub fn float(&mut self, key: &FlatKey, value: f64) -> Option<()> {
        self.entry(key, |json| written(json.float(value)), move |to| cbor::put_float(to, value))
    }

    /// Writes text of less than 64 KiB. A walk encodes longer texts directly to their destination.
    pub fn text(&mut self, key: &FlatKey, value: &str) -> Option<()> {
        let json = |json: &mut json::Encoder<'_>| json.text(value).ok();
        if value.len() <= output::SHORT {
            return self.entry(key, json, move |to| cbor::put_short_text(to, value.as_bytes()));
        }
        if value.len() >= PLACED_FROM {
            return None;
        }
        self.entry(key, json, move |to| cbor::put_head(to, 3, value.len() as u64))?;
        self.block(value.as_bytes())
    }

    /// Writes bytes, up to the length of such a text; `None` in JSON.
    pub fn bytes(&mut self, key: &FlatKey, value: &[u8]) -> Option<()> {
        if value.len() >= PLACED_FROM {
            return None;
        }
        self.entry(key, |_| None, move |to| cbor::put_head(to, 2, value.len() as u64))?;
        self.block(value)
    }

    /// Writes an instant; `None` in JSON.
    pub fn timestamp(&mut self, key: &FlatKey, value: Timestamp) -> Option<()> {
        self.entry(key, |_| None, move |to| cbor::put_timestamp(to, value))
    }
}

/// Returns the number of entries that `write` adds; `None` also if memory runs out.
fn entries(encoder: Encoder<'_>, write: impl FnOnce(&mut FlatRecord<'_>) -> Option<()>) -> Option<u8> {
    let mut record = FlatRecord { encoder, entries: 0 };
    write(&mut record)?;
    match &record.encoder {
        Encoder::Cbor(out) => out.finish(),
        Encoder::Json(encoder) => encoder.finish(),
    }
    .ok()?;
    Some(record.entries)
}

fn written(done: crate::Result<bool>) -> Option<()> {
    done.ok()?.then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Encoding, encode};
    use crate::value::Value;

    fn numbers(count: u64) -> (Vec<u8>, bool) {
        let mut out = b"before".to_vec();
        let appended = FlatRecord::append(&mut out, |record| {
            (0..count).try_for_each(|i| record.int(&FlatKey::new(&format!("k{i}"))?, i as i64))
        });
        (out, appended)
    }

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
        let text = "a".repeat(LONGEST_WITH_MAPS);
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
