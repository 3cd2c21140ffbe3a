//! Smile documents written by Jackson, and some invalid ones.

use base64::Engine;
use linkspan::codec::{decode, decode_into, encode};
use linkspan::value::ValueBuilder;
use linkspan::{Encoding, ErrorKind, Limits, Value};
use serde_json::Value as Json;

use crate::vectors::files::{cases, hex, text, unhex};

fn expected(json: &Value, pointer: &str, case: &Json) -> Value {
    if let Some(bits) = case["float_bits"][pointer].as_str() {
        let bits = u64::from_str_radix(bits.trim_start_matches("0x"), 16).unwrap();
        return Value::Float(match case["types"][pointer].as_str() {
            Some("float32") => f32::from_bits(bits as u32).into(),
            _ => f64::from_bits(bits),
        });
    }
    match json {
        Value::Text(text) if case["types"][pointer] == "binary" => {
            Value::Bytes(base64::engine::general_purpose::STANDARD.decode(text).unwrap().into())
        }
        Value::Array(items) => {
            let items =
                items.iter().enumerate().map(|(i, item)| expected(item, &format!("{pointer}/{i}"), case));
            Value::Array(items.collect())
        }
        Value::Map(entries) => Value::map(
            entries
                .iter()
                .map(|(key, item)| (key.as_str(), expected(item, &format!("{pointer}/{key}"), case))),
        ),
        other => other.clone(),
    }
}

fn decimals(json: &str) -> Value {
    let one = |text: &str| Value::Decimal(text.trim().parse().unwrap());
    match json.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(items) => Value::Array(items.split(',').map(one).collect()),
        None => one(json),
    }
}

#[test]
fn documents_by_jackson() {
    let mut limits = Limits::default();
    limits.depth = 100;
    let mut same = 0;
    for case in cases("smile/pairs.json") {
        let name = text(&case, "name");
        let bytes = unhex(text(&case, "smile_hex"));
        let builder = decode_into(&bytes, Encoding::Smile, &limits, ValueBuilder::new());
        let value = builder.and_then(ValueBuilder::finish).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        let meant = match case["json"].as_str() {
            Some(json) if name.starts_with("bigdecimal") => decimals(json),
            Some(json) => {
                let builder = decode_into(json.as_bytes(), Encoding::Json, &limits, ValueBuilder::new());
                expected(&builder.and_then(ValueBuilder::finish).unwrap(), "", &case)
            }
            None => {
                let count = case["types"].as_object().unwrap().len();
                expected(&Value::Array(vec![Value::Null; count]), "", &case)
            }
        };
        assert_eq!(value, meant, "{name}");
        // If the features are ours, the bytes are equal. A decimal number is an escape here.
        let features = &case["features"];
        let ours = features["header"] == true
            && features["shared_names"] == true
            && features["shared_values"] == false
            && features["end_marker"] == false;
        let types = case["types"].to_string();
        let native = !["bigdecimal", "float32", "bigint"].iter().any(|t| types.contains(t));
        let binary = types.contains("binary") && features["raw_binary"] == false;
        if case["reencode"] == true && ours && native && !binary && name != "nested_objects_100" {
            let again = encode(&value, Encoding::Smile).unwrap();
            assert_eq!(hex(&again[4..]), hex(&bytes[4..]), "{name}");
            same += 1;
        }
    }
    assert!(same > 50, "{same}");
}

#[test]
fn documents_that_are_refused() {
    for case in cases("smile/invalid.json") {
        let bytes = unhex(text(&case, "smile_hex"));
        let error = decode(&bytes, Encoding::Smile).expect_err(text(&case, "name"));
        assert!(matches!(error.kind(), ErrorKind::Malformed | ErrorKind::Unsupported), "{case}: {error:?}");
        assert!(error.offset().is_some_and(|offset| offset <= bytes.len() as u64), "{case}: {error:?}");
    }
}
