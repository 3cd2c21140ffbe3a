//! The committed header equals cbindgen's output, and the library exports all its declarations.
//!
//! `LINKSPAN_WRITE=1 cargo test -p linkspan-c --test header` writes both again.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// Writes the file instead if `LINKSPAN_WRITE` is set.
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
    // The top of the header has the rules for all functions. A C header does not use headings.
    String::from_utf8(header)
        .expect("a header is text")
        .replace("//\n// # Safety\n// The header's rules.\n", "")
        .replace("# Safety", "The caller guarantees:")
}

fn declared(header: &str) -> BTreeSet<String> {
    let is_of_header =
        |line: &&str| ["//", "#define", "static inline"].iter().all(|word| !line.starts_with(word));
    let code: String =
        header.lines().map(str::trim_start).filter(is_of_header).map(|l| l.to_owned() + "\n").collect();
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
fn header_is_up_to_date() {
    committed("include/linkspan.h", &header());
}

#[test]
fn symbol_list_is_what_the_header_declares() {
    let names = declared(&header());
    assert!(names.contains("linkspan_version") && names.len() > 40, "{names:?}");
    committed("symbols.txt", &names.into_iter().map(|name| name + "\n").collect::<String>());
}

/// The functions with an untyped pointer, each with the name of the parameter.
fn untyped(header: &str) -> BTreeSet<(String, String)> {
    let code: String =
        header.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join(" ");
    let mut found = BTreeSet::new();
    for declaration in code.split([';', '}']).filter(|d| d.trim_end().ends_with(')')) {
        let Some((head, parameters)) = declaration.split_once('(') else { continue };
        let name = head.rsplit([' ', '*']).next().unwrap_or_default().to_owned();
        if name.is_empty() {
            continue; // a callback, `bool (*on_wait)(void *context)`
        }
        if head.contains("void *") {
            found.insert((name.clone(), "the result".to_owned()));
        }
        for parameter in parameters.trim_end().trim_end_matches(')').split(',') {
            if parameter.contains("void *") {
                let which = parameter.rsplit([' ', '*']).next().unwrap_or_default();
                found.insert((name.clone(), which.to_owned()));
            }
        }
    }
    found
}

#[test]
fn functions_take_no_untyped_pointer_but_bytes_and_records() {
    // The program's table describes the memory of records, and bytes are untyped.
    let allowed = [
        ("linkspan_free", "bytes"),
        ("linkspan_message_get_record", "to"),
        ("linkspan_message_put_record", "from"),
        ("linkspan_region_bytes", "bytes"),
        ("linkspan_record_decode", "to"),
        ("linkspan_record_encode", "from"),
        ("linkspan_record_free", "to"),
        ("linkspan_record_init", "to"),
        ("linkspan_record_put", "from"),
    ];
    let allowed = allowed.map(|(name, parameter)| (name.to_owned(), parameter.to_owned()));
    assert_eq!(untyped(&header()), BTreeSet::from(allowed));
    let handle = "linkspan_status linkspan_stats(const void *object,\n    struct linkspan_message **stats);\nvoid *made(void);\n";
    let expected = [("linkspan_stats", "object"), ("made", "the result")];
    assert_eq!(untyped(handle), expected.map(|(name, which)| (name.to_owned(), which.to_owned())).into());
}

fn sized(header: &str) -> BTreeSet<&str> {
    let bodies = header.split("typedef struct ").skip(1);
    let begins =
        |body: &&str| body.split_once("size_t size;").is_some_and(|(before, _)| before.contains("`sizeof("));
    bodies
        .filter_map(|body| body.split_once("} ").map(|(body, _)| body))
        .filter(begins)
        .filter_map(|body| body.split_once(' ').map(|(name, _)| name))
        .collect()
}

#[test]
fn program_tries_every_struct_that_begins_with_its_size() {
    let (header, program) = (header(), fs::read_to_string(Path::new(HERE).join("tests/c/sized.c")).unwrap());
    let lines = program.lines().filter_map(|line| line.trim_start().strip_prefix("TRY("));
    let tried: BTreeSet<String> =
        lines.filter_map(|line| line.split_once(',')).map(|(name, _)| format!("linkspan_{name}")).collect();
    let there: BTreeSet<String> = sized(&header).into_iter().map(str::to_owned).collect();
    assert_eq!(tried, there);
    assert!(there.contains("linkspan_error"), "{there:?}");
}
