//! The whole BSON corpus.
//!
//! Types with a form here round-trip, types without a form are refused by name, and damaged documents are refused.

use linkspan::codec::{decode, encode};
use linkspan::{Encoding, ErrorKind};
use serde_json::Value as Json;

use crate::vectors::files::{hex, path, text, unhex};

fn files() -> Vec<(String, Json)> {
    let mut files: Vec<_> = std::fs::read_dir(path("bson/corpus"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
        })
        .collect();
    files.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(files.len(), 27);
    files
}

fn list<'a>(file: &'a Json, key: &str) -> impl Iterator<Item = &'a Json> {
    file[key].as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

/// The files of types without a form here: every document is refused, and the error names the type.
const FOREIGN: [&str; 9] = [
    "code",
    "code_w_scope",
    "maxkey",
    "minkey",
    "multi-type",
    "multi-type-deprecated",
    "regex",
    "symbol",
    "undefined",
];

/// Cases of such types in other files.
fn is_foreign(file: &str, case: &Json) -> bool {
    let description = text(case, "description");
    match file {
        "timestamp" => true,
        "dbref" => text(case, "canonical_extjson").contains("$oid"),
        "binary" if description.starts_with("$type") => false,
        "binary" => !matches!(
            description,
            "subtype 0x00 (Zero-length)"
                | "subtype 0x00 (Zero-length, keys reversed)"
                | "subtype 0x00"
                | "subtype 0x04"
                | "subtype 0x04 UUID"
        ),
        _ => FOREIGN.contains(&file),
    }
}

#[test]
fn valid_documents() {
    let (mut carried, mut refused) = (0, 0);
    for (file, json) in files() {
        for case in list(&json, "valid") {
            let name = format!("{file}: {}", text(case, "description"));
            let bytes = unhex(text(case, "canonical_bson"));
            let found = decode(&bytes, Encoding::Bson);
            if is_foreign(&file, case) {
                let error = found.expect_err(&name);
                // A document of the one key $regex is refused for that key first.
                let escape =
                    error.kind() == ErrorKind::Malformed && error.text().contains("is not an escape");
                assert!(error.kind() == ErrorKind::Unsupported || escape, "{name}: {error:?}");
                refused += 1;
                continue;
            }
            let value = match found {
                Ok(value) => value,
                Err(error) => {
                    expected_refusal(&name, &error);
                    refused += 1;
                    continue;
                }
            };
            carried += 1;
            let again = encode(&value, Encoding::Bson).unwrap();
            assert_eq!(decode(&again, Encoding::Bson).unwrap(), value, "{name}");
            if same_bytes(&file, case) {
                assert_eq!(hex(&again), hex(&bytes), "{name}");
            }
            if let Some(degenerate) = case["degenerate_bson"].as_str() {
                assert_eq!(decode(&unhex(degenerate), Encoding::Bson).unwrap(), value, "{name}, degenerate");
            }
        }
    }
    assert!(carried > 400 && refused > 20, "{carried} carried, {refused} refused");
}

fn expected_refusal(name: &str, error: &linkspan::Error) {
    let (kind, part) = match name {
        "datetime: Y10K" => (ErrorKind::OutOfRange, "does not fit a timestamp"),
        // A document of one key that begins with $ is an escape here, but these are unknown escapes.
        "binary: $type query operator (conflicts with legacy $binary form with $type field)"
        | "dbref: Sub-document resembles DBRef but $id is missing" => {
            (ErrorKind::Malformed, "is not an escape")
        }
        name if name.starts_with("document: Dollar") || name.starts_with("top: Dollar") => {
            (ErrorKind::Malformed, "is not an escape")
        }
        other => panic!("{other}: {error:?}"),
    };
    assert_eq!(error.kind(), kind, "{name}");
    assert!(error.text().contains(part), "{name}: {error:?}");
}

/// Whether the bytes must be equal.
///
/// Small integers have 32 bits, datetimes are timestamps, and a Decimal has one NaN.
fn same_bytes(file: &str, case: &Json) -> bool {
    !matches!(file, "int64" | "datetime")
        && case["lossy"] != true
        && !text(case, "description").contains("NaN")
}

#[test]
fn broken_documents() {
    let mut count = 0;
    for (file, json) in files() {
        for case in list(&json, "decodeErrors") {
            let name = format!("{file}: {}", text(case, "description"));
            let bytes = unhex(text(case, "bson"));
            let error = decode(&bytes, Encoding::Bson).expect_err(&name);
            assert!(error.offset().is_some_and(|offset| offset <= bytes.len() as u64), "{name}: {error:?}");
            assert!(
                matches!(error.kind(), ErrorKind::Malformed | ErrorKind::Unsupported),
                "{name}: {error:?}"
            );
            count += 1;
        }
    }
    assert!(count > 60, "{count}");
}
