//! Checks the exported CDDL against values of its schema with the crate `cddl`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

#[path = "../../convert/tests/generated/mod.rs"]
mod generated;
#[path = "../../convert/tests/vectors/mod.rs"]
mod vectors;

use linkspan::schema::Schema;
use linkspan::{Encoding, Value, codec};
use linkspan_schema_export::{Change, Export, Notation, Note, export};

fn explains(note: &str, error: &str) -> bool {
    [
        ("floats beyond the 32-bit format", "is expected, "),
        ("lengths that have one name", " already in this message"),
        ("columns of different lengths", "the columns of a table have one length"),
        ("NaN is accepted", "NaN was found"),
    ]
    .iter()
    .any(|(prefix, found)| note.starts_with(prefix) && error.contains(found))
}

/// Returns whether the crate wrongly accepts the value, against RFC 8610.
///
/// It accepts tagged values for types of the prelude (`bool`, `tstr`), and bytes for integer ranges. Arrays are
/// unaffected, because the test writes `nil` as `#7.22`, which the crate reads correctly.
fn passes_by_mistake(error: &str) -> bool {
    [
        " a timestamp was found",
        " a UUID was found",
        " a decimal number was found",
        " an N-d array",
        "bytes was found",
    ]
    .iter()
    .any(|found| error.contains(found))
        && !error.contains(": ndarray of")
}

#[test]
fn generated_values_get_the_same_verdict_as_from_the_schema() {
    let schemas = vectors::schemas();
    std::panic::set_hook(Box::new(|_| {}));
    let seed = generated::random::seed();
    let each = 10_000_usize.div_ceil(schemas.len());
    let (mut accepted, mut refused, mut other) = (0, 0, Vec::new());
    for (file, schema) in &schemas {
        let (text, notes) = exported(schema);
        let parsed = parsed(file, &text);
        assert!(notes.iter().all(|note| note.change == Change::Looser), "{file}");
        let mut values = generated::Values::new(schema, seed);
        for _ in 0..each {
            let value = values.next();
            match compared(schema, &parsed, &notes, &value) {
                Ok(Some(true)) => accepted += 1,
                Ok(Some(false)) => refused += 1,
                Ok(None) => {}
                Err(difference) => other.push(format!("{file}: {difference}")),
            }
        }
    }
    drop(std::panic::take_hook());
    assert!(other.is_empty(), "{} differ: {}", other.len(), other[0]);
    assert!(accepted > 5_000 && refused > 1_000, "{accepted} accepted, {refused} refused");
}

#[test]
fn values_of_the_vectors_get_the_same_verdict_as_from_the_schema() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/vectors/schema_values.json");
    let rows: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let (mut accepted, mut refused) = (0, 0);
    for row in rows.as_array().unwrap() {
        let schema = Schema::parse(row["schema"].as_str().unwrap()).unwrap();
        let (text, notes) = exported(&schema);
        let json = row["json"].as_str().unwrap();
        let value = codec::decode(json.as_bytes(), Encoding::Json).unwrap();
        assert_eq!(schema.check(&value).is_ok(), row.get("kind").is_none(), "{json}");
        match compared(&schema, &parsed(json, &text), &notes, &value) {
            Ok(Some(true)) => accepted += 1,
            Ok(_) => refused += 1,
            Err(difference) => panic!("{json}: {difference}"),
        }
    }
    assert!(accepted >= 10 && refused >= 15, "{accepted} accepted, {refused} refused");
}

/// Returns the CDDL, with `nil` as the crate reads it, and the notes.
fn exported(schema: &Schema) -> (String, Vec<Note>) {
    let Export { bytes, notes, .. } = export(schema, Notation::Cddl).unwrap();
    (String::from_utf8(bytes).unwrap().replace(" / nil", " / #7.22"), notes)
}

fn parsed<'a>(what: &str, text: &'a str) -> cddl::ast::CDDL<'a> {
    cddl::pest_bridge::cddl_from_pest_str(text).unwrap_or_else(|why| panic!("{what}: {why}\n{text}"))
}

/// Returns whether both accept or both refuse a value; `None` if the crate accepts it by mistake.
///
/// An error is a difference that no note explains.
fn compared(
    schema: &Schema,
    cddl: &cddl::ast::CDDL<'_>,
    notes: &[Note],
    value: &Value,
) -> Result<Option<bool>, String> {
    let ours = schema.check(value);
    let theirs = validate(cddl, &codec::encode(value, Encoding::Cbor).unwrap());
    match (&ours, &theirs) {
        (Ok(()), Ok(())) => Ok(Some(true)),
        (Err(_), Err(_)) => Ok(Some(false)),
        (Err(error), Ok(())) if passes_by_mistake(error.text()) => Ok(None),
        (Err(error), Ok(())) if notes.iter().any(|note| explains(&note.text, error.text())) => {
            Ok(Some(false))
        }
        _ => Err(format!("{value:?}: ours {ours:?}, theirs {theirs:?}")),
    }
}

fn validate(cddl: &cddl::ast::CDDL<'_>, bytes: &[u8]) -> Result<(), String> {
    use cddl::validator::Validator as _;
    let value = cddl::validator::cbor_value::decode_cbor(bytes).map_err(|why| why.to_string())?;
    let mut validator = cddl::validator::cbor::CBORValidator::new(cddl, value, None);
    // The crate panics when it refuses bytes for a literal text.
    let verdict = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| validator.validate()));
    verdict.map_err(|_| "a panic".to_owned())?.map_err(|why| format!("{why}"))
}
