//! The committed header is what cbindgen makes of the sources, and the library exports what the header declares.
//!
//! `LINKSPAN_WRITE=1 cargo test -p linkspan-c --test header` writes both again.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// Compares a committed file with what it should be, or writes it where that was asked for.
fn committed(name: &str, made: &str) {
    let path = Path::new(HERE).join(name);
    if std::env::var_os("LINKSPAN_WRITE").is_some() {
        fs::write(&path, made).expect("the committed file can be written");
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == made,
        "{name} is out of date; run: LINKSPAN_WRITE=1 cargo test -p linkspan-c --test header"
    );
}

fn header() -> String {
    let mut header = Vec::new();
    cbindgen::generate(HERE).expect("cbindgen reads the sources").write(&mut header);
    // Rust's heading for what a caller has to see to, in words that fit a C header.
    String::from_utf8(header).expect("a header is text").replace("# Safety", "The caller sees to this:")
}

/// The functions that a header declares.
fn declared(header: &str) -> BTreeSet<String> {
    let code: String =
        header.lines().filter(|l| !l.trim_start().starts_with("//")).map(|l| l.to_owned() + "\n").collect();
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices("linkspan_") {
        let name: String = code[at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if code[at + name.len()..].starts_with('(') {
            names.insert(name);
        }
    }
    names
}

#[test]
fn the_header_is_up_to_date() {
    committed("include/linkspan.h", &header());
}

#[test]
fn the_symbol_list_is_what_the_header_declares_and_stays_short() {
    let names = declared(&header());
    assert!(names.contains("linkspan_version") && names.len() > 40, "{names:?}");
    // 8 of them take a struct with its table whole, in place of a call for each field.
    assert!(names.len() <= 158, "{} functions", names.len());
    committed("symbols.txt", &names.into_iter().map(|name| name + "\n").collect::<String>());
}
