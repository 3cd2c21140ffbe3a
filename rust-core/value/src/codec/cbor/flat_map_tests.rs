//! Flat maps, compared with decoder and encoder on equal bytes.

use super::*;
use crate::codec::{Encoding, decode, encode};
use crate::value::Value;

fn flat(bytes: &[u8], keys: &[&str]) -> Option<Vec<Option<Value>>> {
    let map = FlatMap::check(bytes)?;
    Some(keys.iter().map(|key| map.get(key).map(FlatValue::to_value)).collect())
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
    for entries in scalars().chunks(MOST_FOUND.into()) {
        for count in 0..=entries.len() {
            let bytes = encode(&Value::map(entries[..count].to_vec()), Encoding::Cbor).unwrap();
            let keys: Vec<_> = entries.iter().map(|(key, _)| key.as_str()).collect();
            let there = entries.iter().enumerate().map(|(i, (_, value))| (i < count).then(|| value.clone()));
            // Compares debug texts, because NaN does not equal itself.
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
        Value::map((0..=MOST_FOUND).map(|i| (format!("k{i}"), 1))),
    ];
    for value in refused {
        assert!(FlatMap::check(&encode(&value, Encoding::Cbor).unwrap()).is_none(), "{value:?}");
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
        assert!(FlatMap::check(bytes).is_none(), "{bytes:x?}");
        assert!(decode(bytes, Encoding::Cbor).is_err(), "{bytes:x?}");
    }
}

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
        if FlatMap::check(bytes).is_none() {
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
    // A text of indefinite length, and texts with longer heads than they need.
    assert_eq!(text_alone(b"\x7f\x61x\xff"), None);
    assert_eq!(text_alone(b"\x78\x01x"), Some(&b"x"[..]));
    assert_eq!(text_alone(b"\x79\x00\x01x"), Some(&b"x"[..]));
}

#[test]
fn flat_builder_and_encoder_write_equal_bytes() {
    for entries in scalars().chunks(MOST_FOUND.into()) {
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
            assert!(FlatMap::check(&whole).is_some());
            assert!(!builder.put(key, flat) && !builder.put("a/b", flat) && !builder.put("", flat));
            assert_eq!(builder.bytes(), whole);
        }
        assert_eq!(builder.put("more", FlatValue::Null), entries.len() < usize::from(MOST_FOUND));
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
    assert!((5..usize::from(MOST_FOUND)).contains(&count), "{count}");
    assert!(FlatMap::check(builder.bytes()).is_some());
}

fn read(bytes: &[u8], keys: &[&str]) -> Option<Value> {
    let mut entries = FlatMap::within(bytes, &Limits::default()).filter(|map| map.count() == keys.len())?;
    let mut read = Vec::new();
    for key in keys {
        let next = entries.next_key();
        read.push(((*key).to_owned(), entries.next(&FlatKey::new(key)?)?.to_value()));
        assert_eq!(next, Some(key.as_bytes()));
    }
    entries.finish().map(|()| Value::map(read))
}

/// Keys of every length with its own way of comparing.
fn keys() -> Vec<String> {
    [0, 1, 2, 3, 6, 7, 8, 14, 15, 16, 22, 23, 24, 30, 31, 32, 100].map(|n| "k".repeat(n)).into()
}

fn example() -> (Vec<u8>, Vec<String>) {
    let values: [Value; 6] =
        [Value::Null, true.into(), (-300).into(), 2.5.into(), "text".into(), i64::MAX.into()];
    let entries = keys().into_iter().zip(values.into_iter().cycle());
    (encode(&Value::map(entries), Encoding::Cbor).unwrap(), keys())
}

#[test]
fn flat_entries_read_what_the_decoder_gives() {
    let (bytes, keys) = example();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    assert_eq!(read(&bytes, &keys), decode(&bytes, Encoding::Cbor).ok());
    for at in 0..keys.len() {
        let mut others = keys.clone();
        let other = format!("{}x", &keys[at][..keys[at].len().saturating_sub(1)]);
        others[at] = &other;
        assert_eq!(read(&bytes, &others), None, "{at}");
    }
}

#[test]
fn flat_entries_of_changed_bytes_are_refused_or_those_of_the_decoder() {
    let (bytes, keys) = example();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    for at in 0..bytes.len() {
        assert_eq!(read(&bytes[..at], &keys), None, "cut at {at}");
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            if let Some(value) = read(&changed, &keys) {
                let decoded = decode(&changed, Encoding::Cbor).unwrap();
                assert_eq!(format!("{value:?}"), format!("{decoded:?}"), "bit {bit} of byte {at}");
            }
        }
    }
    assert_eq!(read(&[&bytes[..], &[0]].concat(), &keys), None);
}

#[test]
fn flat_entries_beyond_a_limit_are_left_to_the_decoder() {
    let (bytes, _) = example();
    assert!(FlatMap::within(&bytes, &Limits::default()).is_some());
    assert!(FlatMap::within(&bytes, &Limits::for_message(bytes.len() as u64 - 1)).is_none());
    assert!(FlatMap::within(&[0xa0], &Limits::default()).is_none());
    assert!(FlatMap::within(&[0xb8, 24], &Limits::default()).is_none());
    assert!(FlatMap::within(&[0x80], &Limits::default()).is_none());
}
