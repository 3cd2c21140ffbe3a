//! The benchmark's generated code equals the generators' output.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

use linkspan::schema::Schema;
use linkspan_schema::generate::{File, Language, generate};

/// Compares a benchmark's kept files with the generated ones, or writes them if requested.
fn kept(folder: &str, schema: &str, language: Language, name: impl Fn(&File) -> String) {
    let folder = format!("{}/../../benches/{folder}", env!("CARGO_MANIFEST_DIR"));
    let schema = std::fs::read_to_string(format!("{folder}/{schema}.schema.toml")).unwrap();
    for file in generate(&Schema::parse(&schema).unwrap(), language).unwrap() {
        let path = format!("{folder}/{}", name(&file));
        if std::env::var_os("LINKSPAN_WRITE").is_some() {
            std::fs::write(&path, &file.text).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == file.text,
            "{path}: LINKSPAN_WRITE=1 cargo test -p linkspan-schema --test benchmark writes it"
        );
    }
}

#[test]
fn benchmark_has_the_code_that_is_generated() {
    kept("src/ours", "reading", Language::Rust, |_| "reading.rs".into());
    for schema in ["../src/ours/reading", "motor", "imu"] {
        for language in [Language::C, Language::Cpp, Language::Fortran] {
            kept("languages", schema, language, |file| file.name.clone());
        }
    }
    for schema in ["motor", "imu"] {
        kept("src/ours", &format!("../../languages/{schema}"), Language::Rust, |file| file.name.clone());
    }
}
