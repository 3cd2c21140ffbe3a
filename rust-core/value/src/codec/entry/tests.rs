//! Tests of encoding, decoding and transcoding in every encoding: values, limits, reserved memory.

use super::*;
use crate::error::ErrorKind;
use crate::value::{Decimal, NdArray, Order, Timestamp};

const CARRIERS: [Encoding; 4] = [Encoding::Json, Encoding::Cbor, Encoding::Bson, Encoding::Smile];

fn everything() -> Value {
    Value::map([
        ("null", Value::Null),
        ("int", Value::from(-7)),
        ("seven", Value::Float(7.0)),
        ("large", Value::from(u64::MAX)),
        ("big", crate::value::BigInt::parse("-18446744073709551617").unwrap()),
        ("nan", Value::Float(f64::from_bits(0x7ff0_0000_0000_0001))),
        ("text", Value::from("a\"\\\n\u{1}é€😀")),
        ("bytes", Value::Bytes(Bytes::from_static(b"\0\xff"))),
        ("time", Value::Timestamp(Timestamp(-1))),
        ("uuid", Value::Uuid(*b"0123456789abcdef")),
        ("decimal", Value::Decimal("-1.10".parse::<Decimal>().unwrap())),
        ("minus zero", Value::Decimal("-0".parse::<Decimal>().unwrap())),
        ("array", NdArray::from_slice(&[1.5f32, -2.0], &[2, 1], Order::Column).unwrap().into()),
        ("list", Value::Array(vec![Value::Array(vec![]), Value::map([("", 1)])])),
        ("$", Value::map([("$map", Value::map([("$x", Value::map([("$y", true)]))]))])),
    ])
}

#[test]
fn transcoding_between_every_pair_keeps_values() {
    let value = everything();
    for from in CARRIERS {
        let bytes = encode(&value, from).unwrap();
        assert_eq!(decode(&bytes, from).unwrap(), value, "{}", from.name());
        for to in CARRIERS {
            assert_eq!(decode(&transcode(&bytes, from, to).unwrap(), to).unwrap(), value);
        }
    }
}

#[test]
fn encode_error_leaves_the_buffer_unchanged() {
    let mut out = b"before".to_vec();
    let mut options = EncodeOptions::default();
    options.limits.message = 10;
    let error = encode_into(&everything(), Encoding::Cbor, &options, &mut out).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(out, b"before");
}

#[test]
fn memory_for_long_texts_is_reserved_at_once() {
    let texts = ["x".repeat(2000), "é".repeat(1500), "\"".repeat(900)];
    let value = Value::map(texts.iter().enumerate().map(|(i, text)| (format!("text {i}"), text.as_str())));
    for encoding in CARRIERS {
        let bytes = encode(&value, encoding).unwrap();
        assert_eq!(decode(&bytes, encoding).unwrap(), value);
    }
    // JSON needs more memory for its escapes.
    for encoding in [Encoding::Cbor, Encoding::Bson] {
        let bytes = encode(&value, encoding).unwrap();
        assert!((bytes.len()..bytes.len() + 256).contains(&bytes.capacity()), "{}", encoding.name());
    }
    for text in &texts {
        let bytes = encode(text, Encoding::Cbor).unwrap();
        assert!((bytes.len()..bytes.len() + 256).contains(&bytes.capacity()), "{text}");
    }
}

#[test]
fn memory_for_a_long_list_is_reserved_at_once() {
    let row = |i: i64| {
        Value::map([
            ("id", Value::Int(i)),
            ("value", Value::Float(i as f64 + 0.25)),
            ("ok", Value::Bool(i % 2 == 0)),
        ])
    };
    let rows = Value::Array((0..100).map(row).collect());
    for value in [rows.clone(), Value::map([("rows", rows)])] {
        for encoding in [Encoding::Json, Encoding::Cbor, Encoding::Bson] {
            let bytes = encode(&value, encoding).unwrap();
            let (length, room) = (bytes.len(), bytes.capacity());
            assert!((length..2 * length).contains(&room), "{}: {room} for {length}", encoding.name());
            assert!(room >= value.size_hint() && value.size_hint() >= length, "it did not grow");
        }
    }
    let uneven = Value::Array((0..50).map(|i| Value::from("x".repeat(i * 20))).collect());
    for encoding in CARRIERS {
        assert_eq!(decode(&encode(&uneven, encoding).unwrap(), encoding).unwrap(), uneven);
    }
}

struct EncodedSource(Vec<u8>);

impl Source for EncodedSource {
    fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<()> {
        decode_into(&self.0, Encoding::Cbor, &Limits::default(), sink).map(drop)
    }
    fn append_cbor(&self, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(&self.0);
        true
    }
}

#[test]
fn encoded_source_is_copied_within_limits_and_walked_for_other_encodings() {
    let value = everything();
    // No encoder writes this long form of 7, so the bytes come from the source.
    let source = EncodedSource(vec![0x18, 7]);
    assert_eq!(encode(&source, Encoding::Cbor).unwrap(), [0x18, 7]);
    assert_eq!(encode(&source, Encoding::Json).unwrap(), b"7");
    let source = EncodedSource(encode(&value, Encoding::Cbor).unwrap());
    assert_eq!(decode(&encode(&&source, Encoding::Bson).unwrap(), Encoding::Bson).unwrap(), value);
    let mut out = b"before".to_vec();
    let options = EncodeOptions::within(Limits::for_message(10));
    let error = encode_into(&source, Encoding::Cbor, &options, &mut out).unwrap_err();
    assert_eq!((error.kind(), &out[..]), (ErrorKind::TooLarge, &b"before"[..]));
}

#[test]
fn aligned_elements_start_at_multiples_of_eight() {
    let array = NdArray::vector(&[1.0f64; 100]);
    for pad in 1..20 {
        let value = Value::map([("x".repeat(pad), array.clone())]);
        let mut out = vec![0; 3];
        encode_into(&value, Encoding::Cbor, &EncodeOptions::default().aligned(true), &mut out).unwrap();
        let bytes = Bytes::from(out).slice(3..);
        let decoded = decode_shared(&bytes, Encoding::Cbor, &Limits::default()).unwrap();
        assert_eq!(decoded, value);
        let found = decoded.at(&"x".repeat(pad)).unwrap().as_ndarray().unwrap().data.as_ptr();
        assert_eq!((found as usize - bytes.as_ptr() as usize) % 8, 0, "key of {pad} bytes");
    }
}

/// A placer with room for this number of bytes of a message, as a slot has.
struct Room {
    taken: Vec<u8>,
    bytes: usize,
}

impl Placer for Room {
    fn place(&mut self, _: usize, _: &[u8], _: Option<&Bytes>) -> bool {
        false
    }

    fn spill(&mut self, bytes: &[u8]) -> bool {
        let has_room = bytes.len() <= self.bytes - self.taken.len();
        if has_room {
            self.taken.extend_from_slice(bytes);
        }
        has_room
    }

    fn spilled(&mut self) -> &mut [u8] {
        &mut self.taken
    }

    fn drop_spilled(&mut self) {
        self.taken.clear();
    }
}

/// Values with repeated names and long texts, and values that make an encoder change written bytes.
fn long_values() -> Vec<Value> {
    let many = |count: usize, name: &str| {
        let item = |i: usize| {
            Value::map([
                (format!("{name} {}", i % 1500), Value::from(i as u64)),
                ("text".to_owned(), Value::from("é\"".repeat(i % 40))),
                (
                    "list".to_owned(),
                    Value::Array(vec![Value::Null, Value::Float(i as f64), Value::Bool(true)]),
                ),
            ])
        };
        Value::Array((0..count).map(item).collect())
    };
    let text = Value::from("\u{1}text \"".repeat(30_000));
    let bytes = Value::Bytes(Bytes::from((0..300_001u32).map(|i| (i / 7) as u8).collect::<Vec<u8>>()));
    let truths = Value::from(NdArray { dtype: crate::DType::Bool, ..NdArray::vector(&vec![1u8; 200_000]) });
    let pairs =
        Value::map([("before", many(2000, "a")), ("with\0nul", many(10, "b")), ("behind", text.clone())]);
    let all = Value::map([
        ("many", many(3000, "name")),
        ("text", text.clone()),
        ("bytes", bytes.clone()),
        ("more", many(2000, "name")),
        ("pairs", pairs.clone()),
        ("array", Value::from(NdArray::vector(&vec![0.5f64; 20_000]))),
        ("truths", truths.clone()),
    ]);
    vec![many(5000, "name"), text, bytes, truths, pairs, all]
}

#[test]
fn value_of_which_a_placer_takes_long_pieces_is_encoded_as_any_other() {
    for (number, value) in long_values().iter().enumerate() {
        for encoding in CARRIERS {
            let whole = encode(value, encoding).unwrap();
            assert_eq!(&decode(&whole, encoding).unwrap(), value, "{number}, {encoding:?}");
            for bytes in [0, 70_000, 100_000, 150_000, 250_000, whole.len() - 1, whole.len(), 1 << 24] {
                let (mut room, mut out) = (Room { taken: Vec::new(), bytes }, b"before".to_vec());
                encode_placed(value, encoding, &EncodeOptions::default(), &mut out, Some(&mut room)).unwrap();
                assert!(out.starts_with(b"before"));
                let joined = [&room.taken[..], &out[6..]].concat();
                assert!(
                    joined == whole,
                    "{number}, {encoding:?}, room for {bytes}: {} bytes taken",
                    room.taken.len()
                );
                // The placer takes every whole block. Only CBOR keeps bytes around an array, because the array's place
                // is among them.
                let may_stay = bytes < 1 << 24 || number == 5 && encoding == Encoding::Cbor;
                assert!(may_stay || out.len() < 80_000, "{number}, {encoding:?}: {} bytes kept", out.len());
            }
        }
    }
}
