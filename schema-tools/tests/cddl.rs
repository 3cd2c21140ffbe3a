//! The CDDL that is exported, held against the values of its schema by the crate `cddl`.

mod generated;
mod vectors;

use linkspan::{Encoding, codec};
use linkspan_schema::export::{Change, Export, Notation, export};

/// Which of our errors a note explains.
fn explains(note: &str, error: &str) -> bool {
    [
        ("floats beyond the 32-bit format", "is expected, "),
        ("lengths that have one name", " already in this message"),
        ("columns of different lengths", "the columns of a table have one length"),
        ("NaN is accepted", "NaN was found"),
    ]
    .iter()
    .any(|(said, found)| note.starts_with(said) && error.contains(found))
}

/// What the crate lets pass against RFC 8610: a tagged value where a type of the prelude stands (`bool`, `tstr`), and bytes where a range
/// of integers does. Arrays are not among it, since the test writes `nil` as `#7.22`, which the crate reads as it should.
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
        let Export { bytes, notes, .. } = export(schema, Notation::Cddl).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let text = text.replace(" / nil", " / #7.22");
        let parsed = cddl::pest_bridge::cddl_from_pest_str(&text)
            .unwrap_or_else(|why| panic!("{file}: {why}\n{text}"));
        assert!(notes.iter().all(|note| note.change == Change::Looser), "{file}");
        let mut values = generated::Values::new(schema, seed);
        for _ in 0..each {
            let value = values.next();
            let ours = schema.check(&value);
            let bytes = codec::encode(&value, Encoding::Cbor).unwrap();
            let theirs = validate(&parsed, &bytes);
            match (&ours, &theirs) {
                (Ok(()), Ok(())) => accepted += 1,
                (Err(_), Err(_)) => refused += 1,
                (Err(error), Ok(())) if passes_by_mistake(error.text()) => {}
                (Err(error), Ok(())) if notes.iter().any(|note| explains(&note.text, error.text())) => {
                    refused += 1
                }
                _ => other.push(format!("{file}: {value:?}: ours {ours:?}, theirs {theirs:?}")),
            }
        }
    }
    drop(std::panic::take_hook());
    assert!(other.is_empty(), "{} differ: {}", other.len(), other[0]);
    assert!(accepted > 5_000 && refused > 1_000, "{accepted} accepted, {refused} refused");
}

fn validate(cddl: &cddl::ast::CDDL<'_>, bytes: &[u8]) -> Result<(), String> {
    use cddl::validator::Validator as _;
    let value = cddl::validator::cbor_value::decode_cbor(bytes).map_err(|why| why.to_string())?;
    let mut validator = cddl::validator::cbor::CBORValidator::new(cddl, value, None);
    // The crate panics where it says that bytes are no literal text: a refusal as well.
    let verdict = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| validator.validate()));
    verdict.map_err(|_| "a panic".to_owned())?.map_err(|why| format!("{why}"))
}
