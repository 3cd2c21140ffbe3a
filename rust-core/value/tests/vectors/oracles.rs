//! Well-known libraries as oracles: each reads and rewrites Linkspan's output, and Linkspan reads that.

use linkspan::codec::{decode, encode};
use linkspan::{Encoding, Value};

use crate::vectors::files::{cases, exact_cases};
use crate::vectors::values;

fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        Value::Map(entries) => {
            let mut entries: Vec<_> =
                entries.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::map(entries)
        }
        other => other.clone(),
    }
}

fn each(
    encoding: Encoding,
    skipped: impl Fn(&str) -> bool,
    most_skipped: usize,
    again: impl Fn(&[u8]) -> Vec<u8>,
) {
    let mut skips = 0;
    for (name, value) in values::all() {
        if skipped(&name) {
            skips += 1;
            continue;
        }
        let bytes = again(&encode(&value, encoding).unwrap());
        let found = decode(&bytes, encoding).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        assert_eq!(sorted(&found), sorted(&value), "{name}");
    }
    assert!(skips <= most_skipped, "{skips} skipped");
}

#[test]
fn serde_json() {
    // serde_json stops at 128 levels, which escapes reach.
    each(
        Encoding::Json,
        |name| name == "escapes 64 deep",
        1,
        |bytes| {
            let value: serde_json::Value = serde_json::from_slice(bytes).unwrap();
            serde_json::to_vec(&value).unwrap()
        },
    );
}

#[test]
fn serde_json_reads_our_files_as_we_do() {
    for file in ["values.json", "accepted.json", "cbor/typed_arrays.json", "smile/pairs.json"] {
        let theirs = serde_json::to_vec(&cases(file)).unwrap();
        assert_eq!(
            sorted(&decode(&theirs, Encoding::Json).unwrap()),
            sorted(&Value::Array(exact_cases(file))),
            "{file}"
        );
    }
}

#[test]
fn ciborium() {
    // ciborium writes floats in the shortest form, has one NaN, and stops at integers of 128 bits.
    let beyond = |name: &str| {
        let nan = name.starts_with("nan") && name != "nan quiet";
        nan || name.contains("1 KiB") || name.starts_with("big -34028") || name.starts_with("decimal -98765")
    };
    each(Encoding::Cbor, beyond, 8, |bytes| {
        let value: ciborium::Value = ciborium::from_reader(bytes).unwrap();
        let mut out = Vec::new();
        ciborium::into_writer(&value, &mut out).unwrap();
        out
    });
}

#[test]
fn bson() {
    each(
        Encoding::Bson,
        |_| false,
        0,
        |bytes| {
            let raw = bson::RawDocument::from_bytes(bytes).unwrap();
            bson::Document::try_from(raw).unwrap().to_vec().unwrap()
        },
    );
}

#[test]
fn serde_smile() {
    // serde_smile refuses binary of no bytes at the end of the input, and stops at 128 levels, which escapes reach.
    each(
        Encoding::Smile,
        |name| name == "0 bytes" || name == "escapes 64 deep",
        2,
        |bytes| {
            let value: serde_smile::value::Value = serde_smile::from_slice(bytes).unwrap();
            serde_smile::to_vec(&value).unwrap()
        },
    );
}
