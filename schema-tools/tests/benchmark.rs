//! The benchmark's generated code is what its schema generates.

use linkspan::schema::Schema;
use linkspan_schema::generate::{Language, generate};

#[test]
fn the_benchmark_has_the_code_that_is_generated() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../benches/src/ours");
    let schema = std::fs::read_to_string(format!("{folder}/reading.schema.toml")).unwrap();
    let files = generate(&Schema::parse(&schema).unwrap(), Language::Rust).unwrap();
    let kept = format!("{folder}/reading.rs");
    if std::env::var_os("LINKSPAN_WRITE").is_some() {
        std::fs::write(&kept, &files[0].text).unwrap();
    }
    let kept = std::fs::read_to_string(&kept).unwrap();
    assert!(
        kept == files[0].text,
        "LINKSPAN_WRITE=1 cargo test -p linkspan-schema --test benchmark writes it"
    );
}
