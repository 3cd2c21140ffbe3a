//! Short maps of scalars in CBOR, read and built without a tree: entries are found by their keys in the bytes.
//!
//! [`FlatMap::check`] accepts a subset of what the decoder accepts: a map of definite length with at most
//! [`MOST_ENTRIES`] entries, whose keys need no escape in a path, and whose values are null, truth values,
//! integers of 64 bits with a sign, floats and short text. A message of any other form is decoded to a tree.

use super::encode::Encoder;
use crate::codec::output::Output;
use crate::value::{Limits, Sink, Value};

/// The greatest number of entries. Finding one compares the keys before it.
pub const MOST_ENTRIES: u8 = 16;
/// The greatest length of a map in bytes.
pub const LONGEST: usize = 4096;
/// The greatest length of a key or text in bytes: the number behind the first byte takes one byte.
const LONGEST_TEXT: usize = 255;
/// The head of a map without entries; the number of entries is added to it.
const MAP: u8 = 5 << 5;

/// A value in a flat map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FlatValue<'a> {
    /// Null.
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// Text.
    Text(&'a str),
}

impl FlatValue<'_> {
    /// Returns the value; text is copied.
    #[inline]
    pub fn to_value(self) -> Value {
        match self {
            FlatValue::Null => Value::Null,
            FlatValue::Bool(value) => Value::Bool(value),
            FlatValue::Int(value) => Value::Int(value),
            FlatValue::Float(value) => Value::Float(value),
            FlatValue::Text(value) => Value::Text(value.to_owned()),
        }
    }
}

/// A checked flat map.
#[derive(Clone, Copy, Debug)]
pub struct FlatMap<'a>(&'a [u8]);

impl<'a> FlatMap<'a> {
    /// Returns whether these bytes are a flat map and nothing else: then they decode to it.
    pub fn check(bytes: &[u8]) -> bool {
        check(bytes).is_some()
    }

    /// Returns the map of bytes that were [checked](FlatMap::check). In other bytes entries may not be found;
    /// nothing else can go wrong.
    #[inline]
    pub fn of_checked(bytes: &'a [u8]) -> FlatMap<'a> {
        FlatMap(bytes)
    }

    /// Returns the value at this path, which has a single key; `None` where no entry has this key.
    #[inline]
    pub fn get(self, path: &str) -> Option<FlatValue<'a>> {
        let mut at = 1;
        // Each step takes a key, so the loop ends with the bytes.
        while at < self.0.len() {
            let (key, behind) = text(self.0, at)?;
            if key == path.as_bytes() {
                return Some(value(self.0, behind, checked)?.0);
            }
            at = skip(self.0, behind)?;
        }
        None
    }
}

/// Returns `Some` where the bytes are a flat map.
fn check(bytes: &[u8]) -> Option<()> {
    let entries = usize::from(bytes.first()?.checked_sub(MAP)?);
    if entries > usize::from(MOST_ENTRIES) || bytes.len() > LONGEST {
        return None;
    }
    let mut keys: [&[u8]; MOST_ENTRIES as usize] = [&[]; MOST_ENTRIES as usize];
    let mut at = 1;
    for entry in 0..entries {
        let (key, behind) = text(bytes, at)?;
        let (seen, rest) = keys.split_at_mut(entry);
        if !is_plain(key) || seen.contains(&key) {
            return None;
        }
        rest[0] = key;
        at = value(bytes, behind, checked)?.1;
    }
    (at == bytes.len()).then_some(())
}

/// Returns whether a key is UTF-8 and, as a path, denotes itself.
#[inline]
fn is_plain(key: &[u8]) -> bool {
    let mut bits = 0;
    for byte in key {
        if matches!(byte, b'/' | b'~') {
            return false;
        }
        bits |= byte;
    }
    !key.is_empty() && (bits < 0x80 || std::str::from_utf8(key).is_ok())
}

/// Returns the text that begins at `at`, and the position behind it.
#[inline]
pub(crate) fn text(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let (from, length) = match *bytes.get(at)? {
        first @ 0x60..=0x77 => (at + 1, usize::from(first - 0x60)),
        0x78 => (at + 2, usize::from(*bytes.get(at + 1)?)),
        _ => return None,
    };
    let behind = from + length;
    Some((bytes.get(from..behind)?, behind))
}

/// Returns the `N` bytes behind the first byte of an item.
#[inline]
fn behind<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at + 1..)?.first_chunk().copied()
}

/// Returns the number in the head at `at`, whose low five bits are `info`, and the position behind it.
#[inline]
fn head(bytes: &[u8], at: usize, info: u8) -> Option<(i64, usize)> {
    let (n, length) = match info {
        0..24 => (info.into(), 1),
        24 => (behind::<1>(bytes, at)?[0].into(), 2),
        25 => (u16::from_be_bytes(behind(bytes, at)?).into(), 3),
        26 => (u32::from_be_bytes(behind(bytes, at)?).into(), 5),
        27 => (u64::from_be_bytes(behind(bytes, at)?), 9),
        _ => return None,
    };
    Some((i64::try_from(n).ok()?, at + length))
}

/// Returns the number in the head at `at`, if it is of this major type, and the position behind it.
#[inline]
pub(super) fn number(bytes: &[u8], at: usize, major: u8) -> Option<(u64, usize)> {
    let first = *bytes.get(at)?;
    let (n, behind) = if first >> 5 == major { head(bytes, at, first & 31)? } else { return None };
    Some((n.cast_unsigned(), behind))
}

/// Returns the text of these bytes, if they are UTF-8.
#[inline]
fn checked(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// Returns the value that begins at `at`, and the position behind it; `str` converts bytes to text.
#[inline(always)]
fn value<'a>(
    bytes: &'a [u8],
    at: usize,
    str: impl FnOnce(&'a [u8]) -> Option<&'a str>,
) -> Option<(FlatValue<'a>, usize)> {
    let first = *bytes.get(at)?;
    Some(match first {
        0x00..=0x1b => {
            let (n, behind) = head(bytes, at, first)?;
            (FlatValue::Int(n), behind)
        }
        0x20..=0x3b => {
            let (n, behind) = head(bytes, at, first - 0x20)?;
            (FlatValue::Int(!n), behind)
        }
        0xfb => (FlatValue::Float(f64::from_bits(u64::from_be_bytes(behind(bytes, at)?))), at + 9),
        0xf4 => (FlatValue::Bool(false), at + 1),
        0xf5 => (FlatValue::Bool(true), at + 1),
        0xf6 => (FlatValue::Null, at + 1),
        _ => {
            let (text, behind) = text(bytes, at)?;
            (FlatValue::Text(str(text)?), behind)
        }
    })
}

/// Returns the value that begins at `at`, and the position behind it; `None` for one that flat maps do not have.
#[inline]
pub(crate) fn scalar(bytes: &[u8], at: usize) -> Option<(FlatValue<'_>, usize)> {
    value(bytes, at, checked)
}

/// Returns the position behind the value that begins at `at`.
#[inline]
fn skip(bytes: &[u8], at: usize) -> Option<usize> {
    value(bytes, at, |_| Some("")).map(|(_, behind)| behind)
}

/// Appends a short text in CBOR, and returns whether it is short. The bytes must be UTF-8: receivers refuse
/// others.
pub fn append_text(out: &mut Vec<u8>, text: &[u8]) -> bool {
    if text.len() > LONGEST {
        return false;
    }
    // The caller of `append_cbor` has the limit of the message.
    const TEXT: u8 = 3 << 5;
    let [above, below] = (text.len() as u16).to_be_bytes();
    out.reserve(text.len() + 3);
    match text.len() {
        0..24 => out.push(TEXT + below),
        24..256 => out.extend_from_slice(&[TEXT + 24, below]),
        _ => out.extend_from_slice(&[TEXT + 25, above, below]),
    }
    out.extend_from_slice(text);
    true
}

/// Returns the bytes of the text, if this is one short text of definite length and nothing else. They are not
/// checked to be UTF-8.
#[doc(hidden)]
pub fn text_alone(bytes: &[u8]) -> Option<&[u8]> {
    let (from, length) = match *bytes.first()? {
        0x79 => (3, usize::from(u16::from_be_bytes(behind(bytes, 0)?))),
        _ => return text(bytes, 0).filter(|(_, behind)| *behind == bytes.len()).map(|(text, _)| text),
    };
    bytes.get(from..).filter(|text| text.len() == length && bytes.len() <= LONGEST)
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

    /// Returns the map.
    #[inline]
    pub fn map(&self) -> FlatMap<'_> {
        FlatMap::of_checked(&self.0)
    }

    /// Appends an entry, and returns whether the map remains flat with it: false where the key is there
    /// already, or where the entry is not one of a flat map; then nothing is changed.
    #[inline]
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
            Some(first) if *first == MAP + MOST_ENTRIES || self.map().get(key).is_some() => return false,
            Some(_) => {}
        }
        let before = self.0.len();
        if self.append(key, value).is_none() {
            self.0.truncate(if before == 1 { 0 } else { before });
            return false;
        }
        self.0[0] += 1;
        true
    }

    #[inline]
    fn append(&mut self, key: &str, value: FlatValue<'_>) -> Option<()> {
        let mut encoder = Encoder::new(Output::new(&mut self.0, &Limits::default()), false);
        encoder.key(key).ok()?;
        match value {
            FlatValue::Null => encoder.null(),
            FlatValue::Bool(value) => encoder.bool(value),
            FlatValue::Int(value) => encoder.int(value),
            FlatValue::Float(value) => encoder.float(value),
            FlatValue::Text(text) => encoder.text(text),
        }
        .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Encoding, decode, encode};

    /// Returns the entries as a value where the bytes are a flat map.
    fn flat(bytes: &[u8], keys: &[&str]) -> Option<Vec<Option<Value>>> {
        let map = FlatMap::of_checked(bytes);
        FlatMap::check(bytes).then(|| keys.iter().map(|key| map.get(key).map(FlatValue::to_value)).collect())
    }

    fn scalars() -> Vec<(String, Value)> {
        let long = "é".repeat(LONGEST_TEXT / 2);
        let mut values: Vec<Value> = vec![
            Value::Null,
            true.into(),
            false.into(),
            1.5.into(),
            (-0.0).into(),
            Value::Float(f64::NAN),
            "".into(),
            "text".into(),
            long.as_str().into(),
        ];
        for n in [0, 23, 24, 255, 256, 65_535, 65_536, i64::from(u32::MAX), 1 << 32, i64::MAX] {
            values.extend([Value::Int(n), Value::Int(!n)]);
        }
        let key =
            |i: usize| if i % 5 == 4 { format!("ключ{}{i}", "x".repeat(40)) } else { format!("key{i}") };
        values.into_iter().enumerate().map(|(i, value)| (key(i), value)).collect()
    }

    #[test]
    fn flat_map_has_the_entries_that_the_decoder_gives() {
        for entries in scalars().chunks(MOST_ENTRIES.into()) {
            for count in 0..=entries.len() {
                let bytes = encode(&Value::map(entries[..count].to_vec()), Encoding::Cbor).unwrap();
                let keys: Vec<_> = entries.iter().map(|(key, _)| key.as_str()).collect();
                let there =
                    entries.iter().enumerate().map(|(i, (_, value))| (i < count).then(|| value.clone()));
                // Compared by their debug text, because NaN does not equal itself.
                let expected = format!("{:?}", Some(there.collect::<Vec<_>>()));
                assert_eq!(format!("{:?}", flat(&bytes, &keys)), expected);
            }
        }
    }

    #[test]
    fn flat_map_refuses_every_other_form() {
        let refused = [
            Value::Int(1),
            Value::Array(vec![]),
            Value::map([("inner", Value::map([("x", 1)]))]),
            Value::map([("list", Value::Array(vec![]))]),
            Value::map([("bytes", Value::Bytes(vec![1].into()))]),
            Value::map([("large", u64::MAX)]),
            Value::map([("a/b", 1)]),
            Value::map([("a~b", 1)]),
            Value::map([("", 1)]),
            Value::map([("text", "x".repeat(LONGEST_TEXT + 1))]),
            Value::map((0..=MOST_ENTRIES).map(|i| (format!("k{i}"), 1))),
        ];
        for value in refused {
            assert!(!FlatMap::check(&encode(&value, Encoding::Cbor).unwrap()), "{value:?}");
        }
        let malformed: [&[u8]; 7] = [
            b"",
            b"\xa1",
            b"\xa1\x61k",
            b"\xa1\x61k\x01\x01",
            b"\xa2\x61k\x01\x61k\x02",
            b"\xa1\x61\xff\x01",
            b"\xa1\x61k\x62\xc3\x28",
        ];
        for bytes in malformed {
            assert!(!FlatMap::check(bytes), "{bytes:x?}");
            assert!(decode(bytes, Encoding::Cbor).is_err(), "{bytes:x?}");
        }
    }

    /// Every change of one byte, and every length: what is accepted decodes to the same entries.
    #[test]
    fn altered_flat_map_is_refused_or_decodes_to_equal_entries() {
        let value = Value::map([
            ("count", Value::Int(70_000)),
            ("name", "é".into()),
            ("ok", true.into()),
            ("x", 1.5.into()),
        ]);
        let bytes = encode(&value, Encoding::Cbor).unwrap();
        let mut accepted = 0;
        let mut compare = |bytes: &[u8]| {
            if !FlatMap::check(bytes) {
                return;
            }
            accepted += 1;
            let Value::Map(map) = decode(bytes, Encoding::Cbor).unwrap() else { panic!("{bytes:x?}") };
            let keys: Vec<_> = map.keys().map(|key| &**key).collect();
            let expected: Vec<_> = map.values().cloned().map(Some).collect();
            assert_eq!(format!("{:?}", flat(bytes, &keys)), format!("{:?}", Some(expected)), "{bytes:x?}");
        };
        for at in 0..bytes.len() {
            compare(&bytes[..at]);
            let mut altered = bytes.clone();
            for byte in 0..=u8::MAX {
                altered[at] = byte;
                compare(&altered);
            }
        }
        assert!(accepted > 1000, "{accepted}");
    }

    #[test]
    fn text_alone_is_found_and_written_as_the_codec_does() {
        for length in [0, 1, 23, 24, 255, 256, 1000, LONGEST - 3] {
            let text = format!("{}{}", "x".repeat(length % 2), "é".repeat(length / 2));
            let bytes = encode(&Value::from(text.as_str()), Encoding::Cbor).unwrap();
            assert_eq!(text_alone(&bytes), Some(text.as_bytes()), "{length}");
            let mut appended = b"before".to_vec();
            assert!(append_text(&mut appended, text.as_bytes()));
            assert_eq!(appended[6..], bytes, "{length}");
            for cut in 0..bytes.len().min(4) {
                assert_eq!(text_alone(&bytes[..cut]), None, "{length} {cut}");
            }
            assert_eq!(text_alone(&[&bytes[..], &[0]].concat()), None, "{length}");
        }
        for other in
            [Value::Null, Value::Bytes(vec![1].into()), "x".repeat(LONGEST).into(), Value::map([("x", 1)])]
        {
            assert_eq!(text_alone(&encode(&other, Encoding::Cbor).unwrap()), None);
        }
        assert!(!append_text(&mut Vec::new(), &[b'x'; LONGEST + 1]));
        // Of indefinite length, and with a longer head than the text needs.
        assert_eq!(text_alone(b"\x7f\x61x\xff"), None);
        assert_eq!(text_alone(b"\x78\x01x"), Some(&b"x"[..]));
        assert_eq!(text_alone(b"\x79\x00\x01x"), Some(&b"x"[..]));
    }

    #[test]
    fn flat_builder_and_encoder_write_equal_bytes() {
        for entries in scalars().chunks(MOST_ENTRIES.into()) {
            let mut builder = FlatMapBuilder::new();
            assert!(builder.is_empty() && builder.bytes().is_empty());
            for (count, (key, value)) in entries.iter().enumerate() {
                let flat = match value {
                    Value::Null => FlatValue::Null,
                    Value::Bool(value) => FlatValue::Bool(*value),
                    Value::Int(value) => FlatValue::Int(*value),
                    Value::Float(value) => FlatValue::Float(*value),
                    Value::Text(value) => FlatValue::Text(value),
                    other => panic!("{other:?}"),
                };
                assert!(builder.put(key, flat), "{key}");
                let whole = encode(&Value::map(entries[..=count].to_vec()), Encoding::Cbor).unwrap();
                assert_eq!(builder.bytes(), whole);
                assert!(FlatMap::check(&whole));
                // A key that is there, and one that needs an escape.
                assert!(!builder.put(key, flat) && !builder.put("a/b", flat) && !builder.put("", flat));
                assert_eq!(builder.bytes(), whole);
            }
            assert_eq!(builder.put("more", FlatValue::Null), entries.len() < usize::from(MOST_ENTRIES));
            builder.clear();
            assert!(!builder.put("a~b", FlatValue::Null));
            assert!(builder.is_empty());
            assert!(builder.put("x", FlatValue::Null));
        }
    }

    #[test]
    fn builder_refuses_entry_that_makes_map_too_long() {
        let text = "x".repeat(LONGEST_TEXT);
        let mut builder = FlatMapBuilder::new();
        let mut count = 0;
        while builder.put(&format!("{count}{}", "k".repeat(200)), FlatValue::Text(&text)) {
            count += 1;
        }
        assert!((5..usize::from(MOST_ENTRIES)).contains(&count), "{count}");
        assert!(FlatMap::check(builder.bytes()));
    }
}
