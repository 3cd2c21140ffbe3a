//! Error texts name no function or constant of C, because C++ and Fortran programs see them.
//!
//! A few texts are allowed.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::fs;
use std::path::{Path, PathBuf};

/// Texts for C programs, or for a layer over C.
const ALLOWED: [(&str, &str); 3] = [
    ("argument.rs", "linkspan_forever"),
    ("array.rs", "{LINKSPAN_MAX_RANK}"),
    ("message.rs", "linkspan_message"),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.path() {
            path if path.is_dir() => sources(&path, found),
            path => found.push(path),
        }
    }
}

/// The text literals of a source, without comments and tests.
fn literals(source: &str) -> Vec<String> {
    let code = source.split("\nmod tests {").next().unwrap_or_default();
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//") && !line.trim_start().starts_with('#'));
    let code = lines.collect::<Vec<_>>().join("\n").replace("\\\"", "");
    code.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn texts_name_nothing_of_c() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    assert!(files.len() > 40, "{files:?}");
    let mut wrong = Vec::new();
    for file in files {
        for text in literals(&fs::read_to_string(&file).unwrap()) {
            let names = text.contains("LINKSPAN_") || text.contains("linkspan_") && text != "linkspan_";
            let allowed = ALLOWED.iter().any(|(name, words)| file.ends_with(name) && text.contains(words));
            if names && !allowed {
                wrong.push(format!("{}: {text}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
