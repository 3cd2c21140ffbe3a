//! Output and exit codes of the commands of `linkspan-schema`.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use linkspan::schema::Schema;
use linkspan::{Encoding, Options, Publisher, Wait, codec};
use tempfile::TempDir;

const READINGS: &str = "{\"watts\": 1.5, \"n\": 1}\n{\"watts\": 2, \"n\": 2, \"note\": \"x\"}\n";

struct Finished {
    code: Option<i32>,
    out: String,
    err: String,
}

fn run(place: &TempDir, words: &[&str], input: &str) -> Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_linkspan-schema"));
    // As `linkspan schema` starts it.
    command.arg0("linkspan schema").args(words).current_dir(place.path()).env("LINKSPAN_DIR", place.path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A program that refuses its arguments does not read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let ended = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Finished { code: ended.status.code(), out: text(ended.stdout), err: text(ended.stderr) }
}

fn file(place: &TempDir, name: &str, text: &str) {
    std::fs::write(place.path().join(name), text).unwrap();
}

#[test]
fn export_reports_what_the_notation_cannot_express() {
    let place = tempfile::tempdir().unwrap();
    let fields = "x = { type = \"f64\", unit = \"V\", optional = true }\ny = \"f64\"\n";
    file(&place, "a.toml", &format!("name = \"a\"\n[fields]\n{fields}"));
    let finished = run(&place, &["export", "--to", "cddl", "a.toml"], "");
    assert_eq!((finished.code, finished.err.as_str()), (Some(0), ""));
    assert!(finished.out.contains("  ? \"x\" => f64 / nil,  ; in V\n"), "{}", finished.out);
    let finished = run(&place, &["export", "--to", "json-schema", "a.toml"], "");
    assert!(finished.out.contains("\"x-unit\": \"V\""), "{}", finished.out);
    assert!(!finished.err.contains("narrower") && finished.err.contains("2^53"), "{}", finished.err);
    let finished = run(&place, &["export", "--to", "viewer-schema", "a.toml"], "");
    assert!(finished.out.contains("\"x-unit\": \"V\""), "{}", finished.out);
    let lines: Vec<&str> = finished.err.lines().collect();
    assert!(
        lines.iter().any(|line| line.contains("NaN and infinities are refused") && line.ends_with("(x, y)"))
    );
    assert!(
        lines
            .iter()
            .any(|line| line.contains("narrower than the schema: null is refused") && line.ends_with("(x)"))
    );
}

#[test]
fn infer_reads_files_of_every_form() {
    let place = tempfile::tempdir().unwrap();
    file(&place, "readings.jsonl", READINGS);
    let lines = run(&place, &["infer", "readings.jsonl"], "");
    assert_eq!(lines.code, Some(0), "{}", lines.err);
    for expected in [
        "# inferred from 2 messages\nname = \"readings\"",
        "# optional? in 1 of 2 messages",
        "# integer or float? 1 of 2",
    ] {
        assert!(lines.out.contains(expected), "{}", lines.out);
    }
    file(&place, "readings.json", "{\n  \"watts\": 1.5\n}\n");
    let one = run(&place, &["infer", "readings.json"], "");
    assert!(one.out.contains("# inferred from 1 message\n"), "{} {}", one.out, one.err);
    // Two consecutive CBOR messages: {"watts": 1.5} and {"watts": 2}.
    let sequence = b"\xa1\x65watts\xfb\x3f\xf8\0\0\0\0\0\0\xa1\x65watts\x02";
    std::fs::write(place.path().join("readings.cbor"), sequence).unwrap();
    let cbor = run(&place, &["infer", "readings.cbor", "--name", "other"], "");
    assert!(cbor.out.contains("# inferred from 2 messages\nname = \"other\""), "{} {}", cbor.out, cbor.err);
    // An error contains the message's number, the path in it if there is one, and the file's byte.
    for (length, places) in
        [(20, ["cut.cbor, message 2: ", ", at byte 17"]), (23, [", at path watts", ", at byte 23"])]
    {
        std::fs::write(place.path().join("cut.cbor"), &sequence[..length]).unwrap();
        let cut = run(&place, &["infer", "cut.cbor"], "");
        assert!(cut.code == Some(1) && places.iter().all(|text| cut.err.contains(text)), "{}", cut.err);
    }
    file(&place, "bad.jsonl", &format!("{READINGS}{{oops\n"));
    let bad = run(&place, &["infer", "bad.jsonl"], "");
    assert!(bad.code == Some(1) && bad.err.contains("bad.jsonl:3:2: "), "{}", bad.err);
}

#[test]
fn infer_refuses_bad_files_with_their_place() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    std::fs::create_dir(at("folder")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(at("fifo")).status().unwrap().success());
    std::fs::write(at("second.json"), "{\"a\":1}\n{\"a\":}\n").unwrap();
    std::fs::write(at("whole.json"), "{\n \"a\": 1,\n \"é\": ?\n}\n").unwrap();
    std::fs::write(at("cut.json"), b"{\"a\":1}\n{\"a\":\"\xe2\x84").unwrap();
    std::fs::write(at("deep.json"), "[".repeat(200_000)).unwrap();
    std::fs::write(at("digits.json"), format!("{{\"a\":{}}}\n{{\"a\":}}", "9".repeat(100_000))).unwrap();
    std::fs::write(at("nul.json"), b"{\"a\":1}\n\0\n").unwrap();
    std::fs::write(at("cut.cbor"), b"\xa1\x61a\x19").unwrap();
    for (name, text) in [
        ("folder", "folder: a directory is not a text file: name a file in it"),
        ("fifo", "fifo: a FIFO is not a text file"),
        ("second.json", "second.json:2:6: "),
        ("whole.json", "whole.json:3:7: "),
        ("cut.json", "cut.json:2:"),
        ("deep.json", "deep.json:1:"),
        ("digits.json", "digits.json:1:6: over the integer limit"),
        ("nul.json", "nul.json:2:1: "),
        ("cut.cbor", "cut.cbor, message 1: "),
    ] {
        let finished = run(&place, &["infer", name], "");
        assert!(
            finished.code == Some(1) && finished.out.is_empty() && finished.err.contains(text),
            "{name}: {:?} {}",
            finished.code,
            finished.err
        );
    }
}

#[test]
fn infer_widens_what_it_inferred() {
    let place = tempfile::tempdir().unwrap();
    let first = run(&place, &["infer", "-", "--name", "a"], READINGS);
    file(&place, "a.toml", &first.out);
    let same = run(&place, &["infer", "-", "--widen", "a.toml"], READINGS);
    assert_eq!(same.err, "");
    file(&place, "same.toml", &same.out);
    let schema = |name: &str| Schema::from_file(place.path().join(name).to_str().unwrap()).unwrap();
    assert_eq!(schema("a.toml").fingerprint().unwrap(), schema("same.toml").fingerprint().unwrap());
    let wider =
        run(&place, &["infer", "-", "--widen", "a.toml"], "{\"watts\": 1, \"n\": 1.5, \"more\": true}\n");
    file(&place, "wider.toml", &wider.out);
    assert!(schema("wider.toml").cannot_read(&schema("a.toml")).is_empty());
    assert!(wider.err.contains("2 changes are marked by comments"), "{}", wider.err);
    for line in READINGS.lines().chain(["{\"watts\": 1, \"n\": 1.5, \"more\": true}"]) {
        schema("wider.toml").check(&codec::decode(line.as_bytes(), Encoding::Json).unwrap()).unwrap();
    }
}

#[test]
fn infer_reads_a_journal_and_leaves_nothing_in_it() {
    let place = tempfile::tempdir().unwrap();
    let journal = format!("journal:{}/orders", place.path().display());
    let publisher = Publisher::new(&journal, &Options::default()).unwrap();
    for line in READINGS.lines() {
        publisher.send(&codec::decode(line.as_bytes(), Encoding::Json).unwrap()).unwrap();
    }
    publisher.close(Wait::default()).unwrap();
    let names = || {
        let mut names: Vec<String> = Vec::new();
        let mut folders = vec![place.path().to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                names.push(path.display().to_string());
                if path.is_dir() {
                    folders.push(path);
                }
            }
        }
        names.sort();
        names
    };
    let before = names();
    for _ in 0..2 {
        let finished = run(&place, &["infer", &journal, "--name", "orders", "--timeout", "0.5"], "");
        assert!(
            finished.out.contains("# inferred from 2 messages\nname = \"orders\""),
            "{} {}",
            finished.out,
            finished.err
        );
    }
    assert_eq!(names(), before);
}

#[test]
fn import_prints_a_schema_or_the_place_that_it_refuses() {
    let place = tempfile::tempdir().unwrap();
    file(
        &place,
        "a.proto",
        "syntax = \"proto3\";\npackage lab;\nmessage A {\n  // In volts\n  double x = 1;\n}\n",
    );
    let finished = run(&place, &["import", "--from", "proto", "a.proto"], "");
    let expected =
        "name = \"lab.A\"\nversion = 1\n\n[fields.x]\ntype = \"f64\"\ndefault = 0.0\ndoc = \"In volts\"\n";
    assert_eq!((finished.code, finished.out.as_str()), (Some(0), expected), "{}", finished.err);
    file(&place, "A.msg", "uint8 ON=1\nstring[2] names\nfloat64 y\nNone z\n");
    let finished = run(&place, &["import", "--from", "ros", "A.msg"], "");
    assert!(
        finished.code == Some(4) && finished.err.contains("A.msg:4:1: no file defines"),
        "{:?} {}",
        finished.code,
        finished.err
    );
    file(&place, "None.msg", "bool b\n");
    let finished = run(&place, &["import", "--from", "ros", "A.msg"], "");
    assert!(
        finished.code == Some(0) && finished.out.contains("[fields.z.fields.b]\ntype = \"bool\"\n"),
        "{}",
        finished.err
    );
    assert!(
        finished.err.contains("A.msg:1:1: a schema has no constants, these are left out: ON"),
        "{}",
        finished.err
    );
    assert!(finished.err.contains("A.msg:2:1: shorter lists are accepted, too"), "{}", finished.err);
}

#[test]
fn infer_reads_what_a_name_publishes() {
    let place = tempfile::tempdir().unwrap();
    let name = format!("unix:{}/power", place.path().display());
    let publisher = Publisher::new(&name, &Options::default()).unwrap();
    publisher.send(&codec::decode(b"{\"watts\": 1.5}", Encoding::Json).unwrap()).unwrap();
    let finished = run(&place, &["infer", &name, "-n", "1", "--name", "lab.power"], "");
    let expected = "# inferred from 1 message\nname = \"lab.power\"";
    assert!(
        finished.out.starts_with(expected) && finished.out.contains("[fields.watts]\ntype = \"f64\""),
        "{} {}",
        finished.out,
        finished.err
    );
}

#[test]
fn a_file_that_does_not_exist_is_an_error_in_the_command_line() {
    let place = tempfile::tempdir().unwrap();
    for words in [&["infer", "lab/x", "--widen", "nofile"][..], &["import", "--from", "ros", "nofile.msg"]] {
        let finished = run(&place, words, "");
        assert!(
            finished.code == Some(2) && finished.err.starts_with("linkspan: NotFound (103)"),
            "{words:?}: {}",
            finished.err
        );
    }
    let finished = run(&place, &["import"], "");
    assert!(
        finished.code == Some(2) && finished.err.contains("linkspan schema import --from"),
        "{}",
        finished.err
    );
}
