//! Prints random values for a schema with its verdict, as JSON lines, for tests in other languages.
//!
//! `generated_values SCHEMA COUNT` prints `{"valid", "error", "path", "json", "cbor"}`: the verdict, the error's text
//! and path, and the value in JSON and in CBOR (as hexadecimal digits). `LINKSPAN_SEED` repeats a run.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../tests/generated/mod.rs"]
#[allow(dead_code)]
mod generated;

use std::fmt::Write as _;

use linkspan::schema::Schema;
use linkspan::{Encoding, codec};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().expect("the file of a schema");
    let count: usize = arguments.next().map_or(100, |count| count.parse().expect("a number of values"));
    let schema =
        Schema::load(&file, &mut |path| Ok(std::fs::read_to_string(path).expect("a schema"))).unwrap();
    let seed = generated::random::seed();
    let mut values = generated::Values::new(&schema, seed);
    let mut out = String::new();
    for _ in 0..count {
        let value = values.next();
        let verdict = schema.check(&value);
        let json = codec::encode(&value, Encoding::Json).unwrap();
        let cbor = codec::encode(&value, Encoding::Cbor).unwrap();
        let digits = cbor.iter().fold(String::new(), |mut digits, byte| {
            let _ = write!(digits, "{byte:02x}");
            digits
        });
        let error = verdict.as_ref().err();
        let line = serde_json::json!({
            "valid": verdict.is_ok(),
            "error": error.map(|error| error.text().to_owned()),
            "path": error.and_then(|error| error.path().map(str::to_owned)),
            "json": String::from_utf8(json).unwrap(),
            "cbor": digits,
        });
        writeln!(out, "{line}").unwrap();
    }
    print!("{out}");
}
