//! Linkspan's codecs and well-known libraries: `cargo bench -p linkspan-value --bench codecs`.
//!
//! Each library writes and reads its own tree of values. The two run in turns. A row is the median of the rounds; the
//! factor is the library's time over ours.
#![allow(clippy::print_stdout, reason = "printing the table is what this program is for")]

// The name in programs.
extern crate linkspan_value as linkspan;

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use linkspan::codec::{EncodeOptions, decode, decode_into, decode_shared, encode, encode_into};
use linkspan::schema::{Schema, Side};
use linkspan::value::ValueBuilder;
use linkspan::{Encoding, Limits, NdArray, Timestamp, Value};

const ROUNDS: usize = 41;

fn main() {
    println!("{:34} {:>12} {:>12} {:>8}", "what", "ours ns", "theirs ns", "factor");
    for (name, value) in [("10 fields", reading()), ("1000 rows", table()), ("100 kB of text", prose())] {
        json(name, &value);
        cbor(name, &value);
        bson(name, &value);
        smile(name, &value);
    }
    arrays();
    checked();
}

fn checked() {
    let schema = Schema::parse(SCHEMA).expect("it is a schema");
    schema.check(&reading()).expect("the reading is one");
    for (name, encoding) in [("cbor", Encoding::Cbor), ("json", Encoding::Json)] {
        let bytes = encode(&reading(), encoding).expect("it fits");
        let limits = Limits::default();
        compare(
            &format!("{name} decode 10 fields, checked"),
            || {
                let checker = schema.checker(Side::Reader, ValueBuilder::new());
                let checker = decode_into(black_box(&bytes), encoding, &limits, checker).expect("it fits");
                drop(black_box(checker.into_inner().finish().expect("ours")));
            },
            || drop(black_box(decode(black_box(&bytes), encoding).expect("ours"))),
        );
    }
}

const SCHEMA: &str = r#"
name = "sensor.reading"
[fields]
sensor = "text"
sequence = "u32"
time = "i64"
value = { type = "f64", unit = "Cel", range = [-50, 150] }
mean = "f64"
unit = { type = "text", max_length = 16 }
valid = "bool"
station = "text"
error = { type = "text", optional = true }
retries = "u8"
"#;

fn reading() -> Value {
    Value::map([
        ("sensor", Value::from("cpu/temperature")),
        ("sequence", Value::from(123_456)),
        ("time", Value::from(1_251_082_000_250_000_000i64)),
        ("value", Value::from(47.25)),
        ("mean", Value::from(46.987_654_321)),
        ("unit", Value::from("°C")),
        ("valid", Value::from(true)),
        ("station", Value::from("BW.RJOB")),
        ("error", Value::Null),
        ("retries", Value::from(0)),
    ])
}

fn table() -> Value {
    let row = |i: i64| {
        Value::map([
            ("id", Value::from(i)),
            ("name", format!("row {i}").into()),
            ("x", (i as f64 / 3.0).into()),
        ])
    };
    (0..1000).map(row).collect::<Vec<_>>().into()
}

fn prose() -> Value {
    vec![
        "The quick brown fox jumps over the lazy dog; \"quoted\", accented é, and on it goes. ".repeat(12);
        100
    ]
    .into()
}

fn compare(what: &str, mut ours: impl FnMut(), mut theirs: impl FnMut()) {
    let mut times = [Vec::new(), Vec::new()];
    let start = Instant::now();
    let mut calls = 0u32;
    while start.elapsed().as_micros() < 1000 {
        ours();
        theirs();
        calls += 1;
    }
    for _ in 0..ROUNDS {
        for (who, times) in times.iter_mut().enumerate() {
            let start = Instant::now();
            for _ in 0..calls {
                if who == 0 { ours() } else { theirs() }
            }
            times.push(start.elapsed().as_nanos() as f64 / f64::from(calls));
        }
    }
    let [ours, theirs] = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[ROUNDS / 2]
    });
    println!("{what:34} {ours:12.0} {theirs:12.0} {:8.2}", theirs / ours);
}

fn writes(what: &str, value: &Value, encoding: Encoding, mut theirs: impl FnMut(&mut Vec<u8>)) {
    let (mut ours_out, mut theirs_out) = (Vec::new(), Vec::new());
    let options = EncodeOptions::default();
    compare(
        what,
        || {
            ours_out.clear();
            encode_into(black_box(value), encoding, &options, &mut ours_out).expect("it fits");
        },
        || {
            theirs_out.clear();
            theirs(&mut theirs_out);
        },
    );
}

fn json(name: &str, value: &Value) {
    let bytes = encode(value, Encoding::Json).expect("it fits");
    let tree: serde_json::Value = serde_json::from_slice(&bytes).expect("it is JSON");
    writes(&format!("json encode {name}"), value, Encoding::Json, |out| {
        serde_json::to_writer(out, black_box(&tree)).expect("it fits");
    });
    compare(
        &format!("json decode {name}"),
        || drop(black_box(decode(black_box(&bytes), Encoding::Json).expect("ours"))),
        || drop(black_box(serde_json::from_slice::<serde_json::Value>(black_box(&bytes)).expect("ours"))),
    );
}

fn cbor(name: &str, value: &Value) {
    let bytes = encode(value, Encoding::Cbor).expect("it fits");
    let tree: ciborium::Value = ciborium::from_reader(&bytes[..]).expect("it is CBOR");
    writes(&format!("cbor encode {name}"), value, Encoding::Cbor, |out| {
        ciborium::into_writer(black_box(&tree), out).expect("it fits");
    });
    compare(
        &format!("cbor decode {name}"),
        || drop(black_box(decode(black_box(&bytes), Encoding::Cbor).expect("ours"))),
        || drop(black_box(ciborium::from_reader::<ciborium::Value, _>(black_box(&bytes[..])).expect("ours"))),
    );
}

fn bson(name: &str, value: &Value) {
    let bytes = encode(value, Encoding::Bson).expect("it fits");
    let read = |bytes: &[u8]| {
        let raw = bson::RawDocument::from_bytes(bytes).expect("it is BSON");
        bson::Document::try_from(raw).expect("it is BSON")
    };
    let tree = read(&bytes);
    writes(&format!("bson encode {name}"), value, Encoding::Bson, |out| {
        black_box(&tree).to_writer(out).expect("it fits");
    });
    compare(
        &format!("bson decode {name}"),
        || drop(black_box(decode(black_box(&bytes), Encoding::Bson).expect("ours"))),
        || drop(black_box(read(black_box(&bytes)))),
    );
}

fn smile(name: &str, value: &Value) {
    let bytes = encode(value, Encoding::Smile).expect("it fits");
    let tree: serde_smile::value::Value = serde_smile::from_slice(&bytes).expect("it is Smile");
    writes(&format!("smile encode {name}"), value, Encoding::Smile, |out| {
        serde_smile::to_writer(out, black_box(&tree)).expect("it fits");
    });
    compare(
        &format!("smile decode {name}"),
        || drop(black_box(decode(black_box(&bytes), Encoding::Smile).expect("ours"))),
        || {
            drop(black_box(
                serde_smile::from_slice::<serde_smile::value::Value>(black_box(&bytes)).expect("ours"),
            ))
        },
    );
}

fn arrays() {
    let array = Value::map([
        ("at", Value::from(Timestamp(0))),
        ("trace", NdArray::vector(&vec![0.5f64; 131_072]).into()),
    ]);
    let block = vec![0u8; 1 << 20];
    let mut copy = Vec::new();
    writes("cbor encode 1 MB array | memcpy", &array, Encoding::Cbor, |_| {
        copy.clear();
        copy.extend_from_slice(black_box(&block));
    });
    let bytes = Bytes::from(encode(&array, Encoding::Cbor).expect("it fits"));
    compare(
        "cbor view 1 MB array | memcpy",
        || {
            drop(black_box(
                decode_shared(black_box(&bytes), Encoding::Cbor, &Limits::default()).expect("ours"),
            ))
        },
        || {
            copy.clear();
            copy.extend_from_slice(black_box(&block));
        },
    );
}
