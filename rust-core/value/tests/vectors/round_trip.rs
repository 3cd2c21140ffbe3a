//! Any value is unchanged through any pair of encodings. A failure is shrunk and printed with its seed.

use bytes::Bytes;
use linkspan::codec::{EncodeOptions, decode, decode_shared, encode, encode_into, transcode};
use linkspan::value::NdArrayRef;
use linkspan::{BigInt, DType, Decimal, Encoding, Limits, NdArray, Order, Timestamp, Value};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::vectors::law::CARRIERS;
use crate::vectors::random::{Random, seed};

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-c]{0,2}",
        1 => "\\$[a-z]{0,3}",
        1 => Just("$map".to_owned()),
        1 => Just("$bytes".to_owned()),
        1 => Just("\0".to_owned()),
        1 => Just("$a\0".to_owned()),
        1 => ".{0,40}",
        1 => "[a-zé]{55,70}",
    ]
}

fn array() -> impl Strategy<Value = NdArray> {
    let shape = prop::collection::vec(0u64..4, 0..4);
    (0..DType::ALL.len(), any::<bool>(), shape, any::<u64>()).prop_map(|(dtype, column, shape, seed)| {
        let dtype = DType::ALL[dtype];
        let count = shape.iter().product::<u64>() as usize * dtype.size();
        let mut random = Random(seed | 1);
        let below = if dtype == DType::Bool { 2 } else { 256 };
        let data: Vec<u8> = (0..count).map(|_| random.next(below) as u8).collect();
        let order = if column { Order::Column } else { Order::Row };
        NdArrayRef::new(dtype, order, &shape, &data).unwrap().to_owned()
    })
}

fn scalar() -> impl Strategy<Value = Value> {
    let decimal = (any::<bool>(), "[0-9]{1,40}", -7000i32..7000);
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-70_000i64..70_000).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (any::<bool>(), prop::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(negative, bytes)| BigInt::from_parts(negative, &bytes).unwrap()),
        any::<u64>().prop_map(|bits| Value::Float(f64::from_bits(bits))),
        any::<i16>().prop_map(|n| Value::Float(f64::from(n) / 4.0)),
        ".{0,70}".prop_map(Value::from),
        "[ -~]{0,70}".prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..70).prop_map(|b| Value::Bytes(b.into())),
        any::<i64>().prop_map(|ns| Value::Timestamp(Timestamp(ns))),
        any::<[u8; 16]>().prop_map(Value::Uuid),
        decimal.prop_map(|(n, digits, e)| Value::Decimal(Decimal::from_parts(n, &digits, e).unwrap())),
        array().prop_map(Value::NdArray),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::vec((key(), inner.clone()), 0..6).prop_map(Value::map),
            (key(), inner).prop_map(|(key, value)| Value::map([(key, value)])),
        ]
    })
}

fn hold(property: impl Fn(&Value)) {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed().to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let config = Config { cases: 512, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let run = runner.run(&value(), |value| {
        property(&value);
        Ok(())
    });
    if let Err(error) = run {
        panic!("{error}");
    }
}

#[test]
fn through_every_pair_of_encodings() {
    hold(|value| {
        for from in CARRIERS {
            let bytes = encode(value, from).unwrap();
            assert_eq!(decode(&bytes, from).unwrap(), *value, "{}", from.name());
            for to in CARRIERS {
                let there = transcode(&bytes, from, to).unwrap();
                assert_eq!(decode(&there, to).unwrap(), *value, "{} to {}", from.name(), to.name());
            }
        }
    });
}

#[test]
fn aligned_and_shared() {
    hold(|value| {
        let mut bytes = b"before".to_vec();
        encode_into(value, Encoding::Cbor, &EncodeOptions::default().aligned(true), &mut bytes).unwrap();
        let bytes = Bytes::from(bytes).slice(6..);
        assert_eq!(decode_shared(&bytes, Encoding::Cbor, &Limits::default()).unwrap(), *value);
    });
}
