//! Round trips of users' types, errors with their paths, and values in another format.

use linkspan::codec::{decode, encode};
use linkspan::value::{from_value, to_value};
use linkspan::{BigInt, Decimal, Encoding, ErrorKind, Map, NdArray, Order, Timestamp, Value};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Reading {
    sensor: String,
    at: Timestamp,
    trace: NdArray,
    price: Decimal,
    count: u64,
    mean: Option<f64>,
    state: State,
    #[serde(default)]
    more: Map,
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
enum State {
    Idle,
    Failed(String),
    Moving { x: f32, y: f32 },
    Pair(i8, i8),
}

fn reading(state: State) -> Reading {
    Reading {
        sensor: "t0".into(),
        at: Timestamp(5),
        trace: NdArray::from_slice(&[1i16, 2, 3, 4], &[2, 2], Order::Column).unwrap(),
        price: "1.10".parse().unwrap(),
        count: u64::MAX,
        mean: None,
        state,
        more: [("$odd".to_owned(), Value::map([("$bytes", Value::from(bytes::Bytes::from_static(b"x")))]))]
            .into(),
    }
}

#[test]
fn types_round_trip() {
    for state in
        [State::Idle, State::Failed("x".into()), State::Moving { x: 1.5, y: -2.0 }, State::Pair(1, -1)]
    {
        let reading = reading(state);
        let value = to_value(&reading).unwrap();
        assert_eq!(value.at("at").unwrap(), &Value::Timestamp(Timestamp(5)));
        assert_eq!(value.at("trace").unwrap(), &Value::NdArray(reading.trace.clone()));
        assert_eq!(value.at("count").unwrap(), &Value::Uint(u64::MAX));
        assert_eq!(value.at("more/$odd/$bytes").unwrap().as_bytes().unwrap()[..], *b"x");
        assert_eq!(from_value::<Reading>(value).unwrap(), reading);
    }
}

fn odd_values() -> Value {
    Value::map([
        ("null", Value::Null),
        ("nan", Value::Float(f64::from_bits(0x7ff0_0000_0000_0001))),
        ("infinite", Value::Float(f64::INFINITY)),
        ("minus zero", Value::Float(-0.0)),
        ("big", BigInt::parse("-123456789012345678901234567890123456789012345678901234567890").unwrap()),
        ("128 bits", BigInt::parse("18446744073709551616").unwrap()),
        ("uuid", Value::Uuid([7; 16])),
        ("array", NdArray::vector(&[[1.0f64, 2.0]]).into()),
        ("$", Value::map([("$map", Value::map([("$time", Value::from("not a time"))]))])),
        ("$time", Value::map([("$time", 1)])),
        ("list", Value::Array(vec![Value::map([("$a", Value::Array(vec![]))]), Timestamp(1).into()])),
    ])
}

#[test]
fn values_round_trip_unchanged() {
    let value = odd_values();
    assert_eq!(to_value(&value).unwrap(), value);
    assert_eq!(from_value::<Value>(value.clone()).unwrap(), value);
    let escape = Value::map([("$time", 1)]);
    assert_eq!(from_value::<Vec<Value>>(Value::Array(vec![escape.clone()])).unwrap(), [escape]);
}

#[test]
fn another_format_has_them_as_our_json_does() {
    let value = odd_values();
    let text = serde_json::to_string(&value).unwrap();
    assert_eq!(decode(text.as_bytes(), Encoding::Json).unwrap(), value);
    let ours = encode(&value, Encoding::Json).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&ours).unwrap(), value);
    let reading = reading(State::Idle);
    let text = serde_json::to_string(&reading).unwrap();
    assert!(text.contains(r#""at":{"$time":"1970-01-01T00:00:00.000000005Z"}"#), "{text}");
    assert_eq!(serde_json::from_str::<Reading>(&text).unwrap(), reading);
}

#[test]
fn vector_is_filled_from_an_array_of_numbers_or_bytes() {
    let array = Value::from(NdArray::vector(&[1.5f32, 2.5]));
    assert_eq!(from_value::<Vec<f64>>(array).unwrap(), [1.5, 2.5]);
    let bytes = Value::from(bytes::Bytes::from_static(b"\x01\xff"));
    assert_eq!(from_value::<Vec<u8>>(bytes.clone()).unwrap(), [1, 255]);
    assert_eq!(from_value::<(u8, u8)>(bytes).unwrap(), (1, 255));
}

#[test]
fn errors_have_place_and_cause() {
    #[derive(Deserialize, Debug)]
    struct Rows {
        #[expect(dead_code, reason = "only read by serde")]
        rows: Vec<Row>,
    }
    #[derive(Deserialize, Debug)]
    struct Row {
        #[expect(dead_code, reason = "only read by serde")]
        n: u8,
    }
    let rows = |n: Value| Value::map([("rows", Value::Array(vec![Value::map([("n", Value::from(1))]), n]))]);
    for (row, kind, path) in [
        (Value::map([("n", 300)]), ErrorKind::OutOfRange, "rows/1/n"),
        (Value::map([("n", "x")]), ErrorKind::WrongType, "rows/1/n"),
        (Value::map([("m", 1)]), ErrorKind::Missing, "rows/1"),
        (Value::Null, ErrorKind::WrongType, "rows/1"),
    ] {
        let error = from_value::<Rows>(rows(row)).unwrap_err();
        assert_eq!((error.kind(), error.path()), (kind, Some(path)), "{error:?}");
    }
    let keys = std::collections::BTreeMap::from([(vec![1], 2)]);
    assert_eq!(to_value(&[keys]).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn keys_and_integers_of_every_width_come_back() {
    use std::collections::BTreeMap;

    #[derive(Serialize, Deserialize, Debug, PartialEq, Eq, PartialOrd, Ord)]
    enum Side {
        Left,
        Right,
    }
    fn check<T: Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(given: &T) {
        let value = to_value(given).unwrap();
        let bytes = encode(&value, Encoding::Cbor).unwrap();
        assert_eq!(&from_value::<T>(decode(&bytes, Encoding::Cbor).unwrap()).unwrap(), given);
    }
    check(&BTreeMap::from([(i64::MIN, 1), (0, 2), (7, 3)]));
    check(&BTreeMap::from([(u128::MAX, 1)]));
    check(&BTreeMap::from([(true, 1), (false, 2)]));
    check(&BTreeMap::from([(Side::Left, 1), (Side::Right, 2)]));
    check(&BTreeMap::from([(Some(3u8), 1)]));
    for n in [0, 1, u128::from(u64::MAX), 1 << 64, i128::MAX as u128, 1 << 127, u128::MAX - 1, u128::MAX] {
        check(&n);
        check(&vec![Some(n)]);
    }
    for n in [i128::MIN, i128::MIN + 1, -(1 << 64), i128::from(i64::MIN), -1, 0, 1 << 64, i128::MAX] {
        check(&n);
    }
    let value = Value::map([("a", Value::map([("x", 1)]))]);
    let error = from_value::<BTreeMap<String, BTreeMap<u8, i32>>>(value).unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::WrongType, Some("a/x")), "{error}");
    assert!(error.text().contains("an integer of 8 bits without sign"), "{error}");
    let beyond = BigInt::parse("340282366920938463463374607431768211456").unwrap();
    assert!(from_value::<u128>(beyond).is_err());
}

#[test]
fn tags_of_cbor_keep_their_meaning_or_are_refused_by_path() {
    use ciborium::Value as Cbor;
    let of = |tag, content: Cbor| {
        to_value(&vec![Cbor::Map(vec![("a".into(), Cbor::Tag(tag, Box::new(content)))])])
    };
    let kept = |tag, content| of(tag, content).unwrap().at("0/a").unwrap().clone();
    let at: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
    assert_eq!(kept(0, "2026-01-02T03:04:05Z".into()), Value::Timestamp(at));
    let seconds = at.nanoseconds() / 1_000_000_000;
    assert_eq!(kept(1, Cbor::Integer(seconds.into())), Value::Timestamp(at));
    assert_eq!(kept(1, Cbor::Float(-0.5)), Value::Timestamp(Timestamp(-500_000_000)));
    assert_eq!(kept(2, Cbor::Bytes(vec![1; 9])), BigInt::parse("18519084246547628289").unwrap());
    assert_eq!(kept(3, Cbor::Bytes(vec![0xff; 8])), BigInt::parse("-18446744073709551616").unwrap());
    assert_eq!(kept(37, Cbor::Bytes(vec![7; 16])), Value::Uuid([7; 16]));
    let fraction = Cbor::Array(vec![Cbor::Integer((-2).into()), Cbor::Integer((-110).into())]);
    assert_eq!(kept(4, fraction), Value::Decimal("-1.10".parse().unwrap()));
    for (tag, content) in [(32, Cbor::Text("http://x".into())), (100, Cbor::Integer(1.into()))] {
        let error = of(tag, content).unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::Unsupported, Some("0/a")), "{error}");
        assert!(error.text().contains(&format!("tag {tag} ")), "{error}");
    }
    for (tag, content) in [(0, Cbor::Bool(true)), (37, Cbor::Bytes(vec![7; 15])), (3, Cbor::Null)] {
        let error = of(tag, content).unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::Malformed, Some("0/a")), "{error}");
    }
}

#[test]
fn types_of_bson_keep_their_meaning_or_are_refused_by_path() {
    use bson::{Binary, Bson, DateTime, Regex, doc, spec::BinarySubtype};
    let value = to_value(&doc! {
        "at": DateTime::from_millis(-1),
        "id": Binary { subtype: BinarySubtype::Uuid, bytes: vec![7; 16] },
        "block": Binary { subtype: BinarySubtype::Generic, bytes: vec![1, 2] },
        "price": Bson::Decimal128("-1.10".parse().unwrap()),
        "whole": 7i64,
    })
    .unwrap();
    assert_eq!(value.at("at").unwrap(), &Value::Timestamp(Timestamp(-1_000_000)));
    assert_eq!(value.at("id").unwrap(), &Value::Uuid([7; 16]));
    assert_eq!(value.at("block").unwrap().as_bytes().unwrap()[..], [1, 2]);
    assert_eq!(value.at("price").unwrap(), &Value::Decimal("-1.10".parse().unwrap()));
    assert_eq!(value.at("whole").unwrap(), &Value::from(7));
    for refused in [
        Bson::ObjectId(bson::oid::ObjectId::from_bytes([7; 12])),
        Bson::RegularExpression(Regex { pattern: "x".try_into().unwrap(), options: "i".try_into().unwrap() }),
        Bson::Timestamp(bson::Timestamp { time: 1, increment: 2 }),
        Bson::JavaScriptCode("f()".into()),
        Bson::Symbol("s".into()),
        Bson::MinKey,
        Bson::MaxKey,
        Bson::Undefined,
        Bson::Decimal128("NaN".parse().unwrap()),
        Bson::Binary(Binary { subtype: BinarySubtype::Md5, bytes: vec![1] }),
    ] {
        let error = to_value(&doc! {"a": [{"b": refused.clone()}]}).unwrap_err();
        assert_eq!(
            (error.kind(), error.path()),
            (ErrorKind::Unsupported, Some("a/0/b")),
            "{refused:?}: {error}"
        );
    }
}
