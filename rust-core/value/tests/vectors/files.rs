//! The vector files: their location, reading them with serde_json or Linkspan's decoder, and hex.

use std::path::PathBuf;

use linkspan::codec::decode;
use linkspan::{Encoding, Value};

/// The file of this name below tests/vectors.
pub fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors").join(name)
}

pub fn cases(name: &str) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let cases: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    assert!(!cases.is_empty(), "{name} has no cases");
    cases
}

/// The cases by Linkspan's decoder, which keeps every digit; `oracles` compares it with serde_json.
pub fn exact_cases(name: &str) -> Vec<Value> {
    let bytes = std::fs::read(path(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    match decode(&bytes, Encoding::Json) {
        Ok(Value::Array(cases)) => cases,
        other => panic!("{name}: {other:?}"),
    }
}

pub fn text<'a>(case: &'a serde_json::Value, key: &str) -> &'a str {
    case[key].as_str().unwrap_or_else(|| panic!("no text under {key} in {case}"))
}

pub fn unhex(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2), "{hex}");
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
