//! Invalid files in every notation. Each error has file, line, column and advice, or the path for binary files.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use linkspan::ErrorKind::{self, Malformed, Missing, NotFound, TooLarge, Unsupported};
use linkspan_schema_convert::import::{Notation, Options, import};

const NOTATIONS: [(Notation, &str); 4] = [
    (Notation::Proto, "a.proto"),
    (Notation::Ros, "a.msg"),
    (Notation::JsonSchema, "a.json"),
    (Notation::Python, "a.py"),
];

const PROTO: &str = "syntax = \"proto3\";\nmessage A {\n int32 a = 1;\n}\n";
const ROS: &str = "float64 a\nint32 b\n";
const JSON: &str = "{\"type\":\"object\",\n\"properties\":{\"a\":{\"type\":\"number\"}}}\n";
const PYTHON: &str = "from dataclasses import dataclass\n@dataclass\nclass A:\n  a: int\n";

fn refusal(
    folder: &std::path::Path,
    notation: Notation,
    bytes: &[u8],
) -> Result<String, (ErrorKind, String)> {
    let name = NOTATIONS.iter().find(|(each, _)| *each == notation).unwrap().1;
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    refused_at(&path, notation)
}

fn refused_at(path: &std::path::Path, notation: Notation) -> Result<String, (ErrorKind, String)> {
    let folder = format!("{}/", path.parent().unwrap().display());
    import(notation, path, &Options::default())
        .map(|import| import.schema.to_toml())
        .map_err(|error| (error.kind(), error.text().replace(&folder, "")))
}

#[test]
fn bytes_that_are_no_text_are_refused_at_their_place_in_every_notation() {
    let folder = tempfile::tempdir().unwrap();
    for ((notation, name), good) in NOTATIONS.into_iter().zip([PROTO, ROS, JSON, PYTHON]) {
        for (text, is_read) in [
            (good.to_owned(), true),
            (format!("\u{feff}{good}"), true),
            (good.replace('\n', "\r\n"), true),
            (String::new(), false),
        ] {
            let found = refusal(folder.path(), notation, text.as_bytes());
            assert_eq!(found.is_ok(), is_read, "{name} {text:?}: {found:?}");
            if let Err((_, text)) = found {
                assert!(text.starts_with(&format!("{name}:1:1: ")), "{text}");
            }
        }
        let lines = good.lines().count();
        for (tail, kind, expected) in [
            (
                &b"ab\xe2\x84"[..],
                Malformed,
                "a character of which the end is missing stands here, which is not UTF-8: save",
            ),
            (b"ab\xff\n", Malformed, "the byte 0xff stands here, which is not UTF-8: save"),
            (b"ab\0\n", Malformed, "a NUL byte stands here, so this is not text: save"),
        ] {
            let (found, text) =
                refusal(folder.path(), notation, &[good.as_bytes(), tail].concat()).unwrap_err();
            assert_eq!(found, kind, "{text}");
            assert!(text.starts_with(&format!("{name}:{}:3: {expected}", lines + 1)), "{text}");
        }
        let (kind, text) =
            refusal(folder.path(), notation, &[good.as_bytes(), &vec![b' '; 10 << 20]].concat()).unwrap_err();
        let start = format!("{name}:{}:", lines + 1);
        assert!(
            kind == TooLarge
                && text.starts_with(&start)
                && text.ends_with("here: import the part that is needed"),
            "{text}"
        );
    }
}

#[test]
fn paths_that_are_no_text_file_are_refused_in_every_notation_without_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("folder")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(at("fifo")).status().unwrap().success());
    std::os::unix::fs::symlink("/dev/zero", at("device")).unwrap();
    std::os::unix::fs::symlink("link", at("link")).unwrap();
    for (notation, _) in NOTATIONS {
        for (name, kind, expected) in [
            ("folder", Unsupported, "folder: a directory is not a text file: name a file in it"),
            ("fifo", Unsupported, "fifo: a FIFO is not a text file: write its text to a file, and name that"),
            ("device", Unsupported, "device: a device is not a text file: name a file"),
            (
                "link",
                Unsupported,
                "link: a symbolic link that leads to itself is not a text file: name a file",
            ),
            ("nothing", NotFound, "check the path"),
        ] {
            let (found, text) = refused_at(&at(name), notation).unwrap_err();
            assert!(found == kind && text.contains(expected), "{text}");
        }
    }
}

#[test]
fn wrong_definitions_are_refused_with_place_and_remedy() {
    let digits = "9".repeat(100_000);
    let python = |body: &str| format!("from dataclasses import dataclass\n@dataclass\nclass A:\n{body}");
    let json = |of: &str| format!("{{\"type\":\"object\",\n\"properties\":{{\"a\":{of}}}}}");
    let cases: Vec<(Notation, String, ErrorKind, &str, &str)> = vec![
        (
            Notation::Proto,
            PROTO.replace(" int32 a = 1;", " int32 a = 1;\n int32 a = 2;"),
            Malformed,
            "a.proto:4:8",
            "rename one of both",
        ),
        (Notation::Proto, PROTO.replace("int32", "Volt"), Malformed, "a.proto:3:2", "'Volt' is not defined"),
        (
            Notation::Proto,
            PROTO.replace("int32", "A"),
            Unsupported,
            "a.proto:3:2",
            "contains itself, and schemas cannot describe recursive types: leave the field out",
        ),
        (Notation::Proto, PROTO.replace('1', &digits), Malformed, "a.proto:3:12", "integer is too large"),
        (
            Notation::Proto,
            PROTO.replace("int32", &format!("/*{}*/ int32 b c", "x".repeat(100_000))),
            Malformed,
            "a.proto:3:100015",
            "expected",
        ),
        (
            Notation::Proto,
            "message A {".repeat(20_000),
            TooLarge,
            "a.proto:1:715",
            "blocks lie deeper in each other than 64: give",
        ),
        (
            Notation::Proto,
            format!("{PROTO}message B {{}}\n"),
            Missing,
            "a.proto:1:1",
            "choose one with --message: A, B",
        ),
        (
            Notation::Proto,
            PROTO.replace("message", "import \"b.proto\";\nmessage"),
            Malformed,
            "a.proto:2:1",
            "import cycle detected: a.proto -> b.proto -> a.proto -> b.proto: remove one of these imports",
        ),
        (
            Notation::Proto,
            PROTO.replace("message", "import \"no.proto\";\nmessage"),
            Malformed,
            "a.proto:2:1",
            "not found: give its directory with --include",
        ),
        (Notation::Ros, "float64 a\nint32 a\n".into(), Malformed, "a.msg:2:1", "defined twice: rename one"),
        (
            Notation::Ros,
            "float64 a\nVolt b\n".into(),
            NotFound,
            "a.msg:2:1",
            "no file defines \"/Volt\": give the directory",
        ),
        (
            Notation::Ros,
            "float64 a\na c\n".into(),
            Unsupported,
            "a.msg:2:1",
            "contains itself, and schemas cannot describe recursive types: remove the field",
        ),
        (
            Notation::Ros,
            format!("float64 a\nfloat64[{digits}] b\n"),
            Malformed,
            "a.msg:2:1",
            "is not a length of an array",
        ),
        (
            Notation::Ros,
            format!("float64 a # {digits}\nfloat64\n"),
            Malformed,
            "a.msg:2:1",
            "a type and a name are expected",
        ),
        (
            Notation::JsonSchema,
            json("{\"type\":\"number\"},\n\"a\":{\"type\":\"string\"}"),
            Malformed,
            "a.json:3:1",
            "defined twice: rename one",
        ),
        (
            Notation::JsonSchema,
            json("{\"type\":\"volt\"}"),
            Unsupported,
            "a.json:2:19",
            "cannot be expressed",
        ),
        (
            Notation::JsonSchema,
            json("{\"type\":\"number\",\"unit\":\"Watt\"}"),
            Malformed,
            "a.json:2:43",
            "UCUM does not know the unit \"Watt\"",
        ),
        (
            Notation::JsonSchema,
            json("{\"$ref\":\"#\"}"),
            Unsupported,
            "a.json:2:27",
            "contains itself, and schemas cannot describe recursive types: use {}",
        ),
        (
            Notation::JsonSchema,
            json(&format!("{{\"type\":\"number\",\"maximum\":{digits}}}")),
            Malformed,
            "a.json:2:46",
            "maximum is beyond the range of f64: write a smaller number, or leave it out",
        ),
        (
            Notation::JsonSchema,
            json(&format!("{{\"type\":\"integer\",\"maximum\":{digits}}}")),
            Unsupported,
            "a.json:2:47",
            "the end of a range of integers",
        ),
        (
            Notation::JsonSchema,
            "[".repeat(200_000),
            TooLarge,
            "a.json:1:65",
            "blocks lie deeper in each other than 64: give",
        ),
        (
            Notation::Python,
            python("  a: int\n  a: str\n"),
            Malformed,
            "a.py:5:3",
            "the attribute \"a\" stands at a.py:4:3 already: remove one of both, or rename it",
        ),
        (
            Notation::Python,
            python("  a: Volt\n"),
            NotFound,
            "a.py:4:6",
            "no class, type or import is called Volt",
        ),
        (
            Notation::Python,
            python("  a: \"A\"\n"),
            Unsupported,
            "a.py:4:6",
            "contains itself, and schemas cannot describe recursive types: use Any",
        ),
        (
            Notation::Python,
            python(&format!("  a: int = {digits}\n")),
            Unsupported,
            "a.py:4:12",
            "write a literal, or None, or no default",
        ),
        (
            Notation::Python,
            python("  a: Annotated[float, SchemaType(unit=\"Watt\")]\n").replace(
                "from data",
                "from typing import Annotated\nfrom linkspan.generated import SchemaType\nfrom data",
            ),
            Malformed,
            "a.py:6:39",
            "UCUM does not know the unit \"Watt\"",
        ),
        (
            Notation::Python,
            format!("a = {}", "[".repeat(100_000)),
            Malformed,
            "a.py:1:1",
            "`python3 -m py_compile` gives the error",
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("b.proto"),
        PROTO.replace("message A", "import \"a.proto\";\nmessage B"),
    )
    .unwrap();
    let mut wrong = Vec::new();
    for (notation, text, kind, place, expected) in cases {
        match refusal(folder.path(), notation, text.as_bytes()) {
            Err((found, refusal))
                if found == kind
                    && refusal.starts_with(&format!("{place}: "))
                    && refusal.contains(expected) =>
            {
                assert!(refusal.len() < 1000, "{} bytes of text: {refusal}", refusal.len());
            }
            other => wrong.push(format!("{place}: {expected}: {other:.300?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
