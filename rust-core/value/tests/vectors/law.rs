//! Linkspan's own vectors: the files define the code's behaviour, and a rewrite must change nothing.
//!
//! `LINKSPAN_WRITE_VECTORS=1 cargo test -p linkspan-value vectors::law` writes them; then review the change.

use bytes::Bytes;
use linkspan::codec::{EncodeOptions, decode, decode_shared, encode, encode_into, transcode};
use linkspan::{Encoding, Limits, Map, Value};

use crate::vectors::files::{cases, hex, path, text, unhex};
use crate::vectors::{accepted, invalid, values};

pub const CARRIERS: [Encoding; 4] = [Encoding::Json, Encoding::Cbor, Encoding::Bson, Encoding::Smile];

fn lines(cases: &[Value]) -> String {
    let line = |case| String::from_utf8(encode(case, Encoding::Json).unwrap()).unwrap();
    let cases: Vec<String> = cases.iter().map(line).collect();
    format!("[\n{}\n]\n", cases.join(",\n"))
}

pub fn hold(file: &str, cases: &[Value]) {
    let new = lines(cases);
    if std::env::var_os("LINKSPAN_WRITE_VECTORS").is_some() {
        std::fs::write(path(file), new).unwrap();
        return;
    }
    let old = std::fs::read_to_string(path(file)).unwrap_or_default();
    for (number, (old, new)) in old.lines().zip(new.lines()).enumerate() {
        assert_eq!(old, new, "{file} line {}: the code no longer writes what the vectors have", number + 1);
    }
    assert_eq!(old.len(), new.len(), "{file} has more or fewer cases than the code gives");
}

fn aligned(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    encode_into(value, Encoding::Cbor, &EncodeOptions::default().aligned(true), &mut out).unwrap();
    out
}

#[test]
fn values_have_the_bytes_of_the_law() {
    let cases: Vec<_> = values::all()
        .iter()
        .map(|(name, value)| {
            let [json, cbor, bson, smile] =
                CARRIERS.map(|e| encode(value, e).unwrap_or_else(|e| panic!("{name}: {e}")));
            let json = String::from_utf8(json).unwrap();
            let fields = [
                ("name", name.clone()),
                ("json", json),
                ("cbor", hex(&cbor)),
                ("bson", hex(&bson)),
                ("smile", hex(&smile)),
            ];
            let mut case: Map = fields.into_iter().map(|(key, text)| (key.into(), text.into())).collect();
            let aligned = aligned(value);
            if aligned != cbor {
                case.insert("cbor_aligned".into(), hex(&aligned).into());
            }
            Value::Map(case)
        })
        .collect();
    assert!(cases.len() >= 80);
    hold("values.json", &cases);
}

#[test]
fn names_of_values_differ() {
    let mut names: Vec<_> = values::all().into_iter().map(|(name, _)| name).collect();
    names.sort();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn bytes_of_the_law_are_the_values() {
    let values = values::all();
    let cases = cases("values.json");
    assert_eq!(values.len(), cases.len());
    for ((name, value), case) in values.iter().zip(&cases) {
        assert_eq!(text(case, "name"), name);
        assert_eq!(decode(text(case, "json").as_bytes(), Encoding::Json).unwrap(), *value, "{name} in json");
        for encoding in &CARRIERS[1..] {
            let bytes = Bytes::from(unhex(text(case, encoding.name())));
            assert_eq!(decode(&bytes, *encoding).unwrap(), *value, "{name} in {}", encoding.name());
            assert_eq!(
                decode_shared(&bytes, *encoding, &Limits::default()).unwrap(),
                *value,
                "{name}, shared"
            );
        }
        if let Some(aligned) = case["cbor_aligned"].as_str() {
            assert_eq!(decode(&unhex(aligned), Encoding::Cbor).unwrap(), *value, "{name}, aligned");
        }
    }
}

#[test]
fn every_pair_of_encodings_carries_every_value() {
    for (name, value) in values::all() {
        for from in CARRIERS {
            let bytes = encode(&value, from).unwrap();
            for to in CARRIERS {
                let there = transcode(&bytes, from, to).unwrap();
                assert_eq!(
                    hex(&there),
                    hex(&encode(&value, to).unwrap()),
                    "{name}: {} to {}",
                    from.name(),
                    to.name()
                );
            }
        }
    }
}

#[test]
fn other_forms_are_accepted() {
    let mut wrong = Vec::new();
    let cases: Vec<_> = accepted::all()
        .into_iter()
        .map(|(encoding, bytes, json, why)| {
            let expected = decode(json.as_bytes(), Encoding::Json).unwrap();
            match decode(&bytes, encoding) {
                Ok(value) if value == expected => {}
                found => wrong.push(format!("{why}: {found:?}, not {expected:?}")),
            }
            Value::map([("encoding", encoding.name()), ("hex", &hex(&bytes)), ("json", json), ("why", why)])
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    hold("accepted.json", &cases);
}

#[test]
fn refused_bytes_have_reason_and_offset() {
    let mut wrong = Vec::new();
    let cases: Vec<_> = invalid::all()
        .into_iter()
        .map(|case| {
            let name = case.encoding.name();
            match decode(&case.bytes, case.encoding) {
                Err(e) if (e.kind(), e.offset(), e.path()) == (case.kind, Some(case.offset), case.path) => {}
                Err(e) => {
                    let expected = (case.kind, case.offset, case.path);
                    wrong.push(format!(
                        "{name}, {} ({}): {e:?}, not {expected:?}",
                        case.why,
                        hex(&case.bytes)
                    ));
                }
                Ok(value) => {
                    wrong.push(format!("{name}, {}: {} was taken as {value:?}", case.why, hex(&case.bytes)))
                }
            }
            Value::map([
                ("encoding", Value::from(name)),
                ("hex", hex(&case.bytes).into()),
                ("kind", case.kind.name().into()),
                ("code", case.kind.code().into()),
                ("offset", case.offset.into()),
                ("path", case.path.into()),
                ("why", case.why.into()),
            ])
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    hold("invalid.json", &cases);
}

#[test]
fn raw_carries_bytes_alone() {
    let bytes = Value::from(Bytes::from_static(b"\x00{}"));
    assert_eq!(encode(&bytes, Encoding::Raw).unwrap(), b"\x00{}");
    assert_eq!(decode(b"\x00{}", Encoding::Raw).unwrap(), bytes);
    assert_eq!(transcode(b"\x00{}", Encoding::Raw, Encoding::Json).unwrap(), br#"{"$bytes":"AHt9"}"#);
    for value in [Value::Null, Value::from("text"), Value::Array(vec![])] {
        assert_eq!(encode(&value, Encoding::Raw).unwrap_err().kind(), linkspan::ErrorKind::Unsupported);
    }
}
