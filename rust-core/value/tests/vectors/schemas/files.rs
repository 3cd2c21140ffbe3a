//! Files of schemas: accepted files, and refused files with the position, the reason and the remedy.
//!
//! Each language gets them as its option `schema`, and the shell program wherever it reads a schema.

use std::path::Path;

use linkspan::schema::Schema;
use linkspan::{ErrorKind, Value};

use super::{fields_of, row};
use crate::vectors::files::hex;
use crate::vectors::law::hold;

enum Entry {
    /// A file of these pieces, each with its number of repetitions.
    File(&'static str, Vec<(Vec<u8>, usize)>),
    Folder(&'static str),
    Fifo(&'static str),
    Link(&'static str, &'static str),
}

enum Expected {
    Read,
    Refused(ErrorKind, &'static str, &'static str),
}

struct Case {
    name: &'static str,
    entries: Vec<Entry>,
    expected: Expected,
}

fn case(name: &'static str, entries: Vec<Entry>, expected: Expected) -> Case {
    Case { name, entries, expected }
}

fn one(name: &'static str, bytes: impl AsRef<[u8]>, expected: Expected) -> Case {
    case(name, vec![Entry::File("a.toml", vec![(bytes.as_ref().to_vec(), 1)])], expected)
}

fn text(name: &'static str, text: &str) -> Entry {
    Entry::File(name, vec![(text.into(), 1)])
}

const START: &str = "name = \"x\"\n[fields.a]\ntype = \"u8\"\n";

fn cases() -> Vec<Case> {
    use Expected::{Read, Refused};
    let malformed = |place, expected| Refused(ErrorKind::Malformed, place, expected);
    // A text with `#` replaced by 100,000 digits, or `@` by 100,000 letters.
    let long = |name, text: &str, expected| {
        let (before, rest) = text.split_once(['#', '@']).unwrap();
        let one = if text.contains('#') { "9" } else { "é" };
        let pieces = vec![(before.into(), 1), (one.into(), 100_000), (rest.into(), 1)];
        case(name, vec![Entry::File("a.toml", pieces)], expected)
    };
    let piece = |text: &str| (text.as_bytes().to_vec(), 1);
    let often = |text: &str, times| (text.as_bytes().to_vec(), times);
    let mut all = vec![
        one("a file", START, Read),
        one("a byte order mark", format!("\u{feff}{START}"), Read),
        one("lines that end with CR LF", START.replace('\n', "\r\n"), Read),
        long("a line of 100,000 characters", &format!("doc = \"@\"\n{START}"), Read),
        one(
            "a byte order mark before an error",
            format!("\u{feff}nam = 1\n{START}"),
            malformed("1:1", "has no \"nam\": did you mean \"name\"?"),
        ),
        one(
            "CR LF before an error",
            START.replace("u8", "u9").replace('\n', "\r\n"),
            malformed("3:8", "did you mean"),
        ),
        long(
            "an error behind 100,000 characters",
            &format!("doc = [\"@\", 1, ]]\n{START}"),
            malformed("1:100016", "this is no TOML"),
        ),
        one("CR alone", START.replace('\n', "\r"), malformed("1:12", "this is no TOML")),
        one("an empty file", "", malformed("1:1", "a schema needs a name, such as")),
        one(
            "UTF-8 that is cut off",
            b"name = \"x\"\ndoc = \"\xe2\x84",
            malformed(
                "2:8",
                "a character of which the end is missing stands here, which is not UTF-8: save the file as UTF-8 text",
            ),
        ),
        one(
            "a byte that is not UTF-8",
            b"name = \"x\"\ndoc = \"\xc3\xa9\xff\"\n",
            malformed("2:9", "the byte 0xff stands here, which is not UTF-8: save"),
        ),
        one("UTF-16", b"\xff\xfen\0a\0m\0e\0", malformed("1:1", "with which UTF-16 begins")),
        one(
            "a NUL byte",
            "name = \"x\"\ndoc = \"a\0b\"\n",
            malformed("2:9", "a NUL byte stands here, so this is not text: save"),
        ),
        one(
            "a cycle of types",
            "name = \"x\"\n[fields.a]\ntype = \"t\"\n[types.t.fields]\nb = \"u\"\n[types.u.fields]\nc = \"list of t\"\n",
            malformed(
                "4:8",
                "the type \"t\" contains itself, and schemas cannot describe recursive types: break the cycle with",
            ),
        ),
        one(
            "a type that is not known",
            START.replace("u8", "volt"),
            malformed("3:8", "no type is called \"volt\""),
        ),
        one(
            "a unit that UCUM does not know",
            format!("{START}unit = \"Watt\"\n"),
            malformed("4:8", "UCUM does not know the unit \"Watt\""),
        ),
        one(
            "a field that stands twice",
            format!("{START}[fields.b]\ntype = \"u8\"\n[fields.a]\ntype = \"u16\"\n"),
            malformed(
                "6:9",
                "the key \"a\" stands at a.toml:2:9 already, and a table has each key once: remove one of both, or rename it",
            ),
        ),
        one(
            "a key that stands twice",
            format!("{START}unit = \"V\"\n[fields.b]\ntype = \"u8\"\nunit = \"A\"\nunit = \"W\"\n"),
            malformed("8:1", "the key \"unit\" stands at a.toml:7:1 already"),
        ),
        one(
            "a key in quotes that stands twice",
            "name = \"x\"\n\"n\\u0061me\" = \"y\"\nfields.a = \"u8\"\n",
            malformed("2:1", "stands at a.toml:1:1 already"),
        ),
        one(
            "a key that stands twice in an inline table",
            "name = \"x\"\n[fields]\na = { type = \"u8\", unit = \"V\", type = \"u8\" }\n",
            malformed("3:32", "the key \"type\" stands at a.toml:3:7 already"),
        ),
        one(
            "a key with dots that stands twice",
            "name = \"x\"\nfields.a.type = \"u8\"\nfields.b.type = \"u8\"\nfields.a.type = \"u8\"\n",
            malformed("4:10", "the key \"type\" stands at a.toml:2:10 already"),
        ),
        one("a text without end", "name = \"x", malformed("1:10", "this is no TOML")),
        long(
            "100,000 digits in a version",
            "name = \"x\"\nversion = #\nfields.a = \"u8\"\n",
            malformed("2:11", "write a smaller one"),
        ),
        long(
            "100,000 digits in a default",
            "name = \"x\"\n[fields.a]\ntype = \"u8\"\ndefault = #\n",
            malformed("4:11", "write a smaller one"),
        ),
        long(
            "100,000 digits in a range",
            "name = \"x\"\n[fields.a]\ntype = \"u8\"\nrange = [0, #]\n",
            malformed("4:13", "write a smaller one"),
        ),
        long(
            "100,000 digits of a float",
            "name = \"x\"\n[fields.a]\ntype = \"f64\"\nrange = [0, #.0]\n",
            malformed("4:13", "beyond the range of f64: write a smaller one"),
        ),
        long(
            "100,000 digits in a length",
            "name = \"x\"\n[fields.a]\ntype = \"text\"\nmax_length = #\n",
            malformed("4:14", "write a smaller one"),
        ),
        case(
            "a folder",
            vec![Entry::Folder("a.toml")],
            Refused(ErrorKind::Unsupported, "", "a directory is not a text file: name a file in it"),
        ),
        case(
            "a FIFO that nobody writes",
            vec![Entry::Fifo("a.toml")],
            Refused(ErrorKind::Unsupported, "", "a FIFO is not a text file: write its text to a file"),
        ),
        case(
            "a device without end",
            vec![Entry::Link("a.toml", "/dev/zero")],
            Refused(ErrorKind::Unsupported, "", "a device is not a text file: name a file"),
        ),
        case(
            "a path that names nothing",
            vec![],
            Refused(ErrorKind::NotFound, "", "check the path; one that does not begin with /"),
        ),
        case(
            "a link to itself",
            vec![Entry::Link("a.toml", "a.toml")],
            Refused(ErrorKind::Unsupported, "", "a symbolic link that leads to itself is not a text file"),
        ),
        case(
            "an include that names nothing",
            vec![text("a.toml", "name = \"x\"\ninclude = [\"b.toml\"]\nfields.a = \"u8\"\n")],
            Refused(ErrorKind::NotFound, "2:12", "this file is included here: reading"),
        ),
        case(
            "an include of a FIFO",
            vec![
                text("a.toml", "name = \"x\"\ninclude = [\"b.toml\"]\nfields.a = \"u8\"\n"),
                Entry::Fifo("b.toml"),
            ],
            Refused(ErrorKind::Unsupported, "2:12", "b.toml: a FIFO is not a text file"),
        ),
        case(
            "files that include each other",
            vec![
                text("a.toml", "name = \"x\"\ninclude = [\"b.toml\"]\nfields.a = \"y\"\n"),
                text("b.toml", "name = \"y\"\ninclude = [\"a.toml\"]\nfields.b = \"u8\"\n"),
            ],
            Read,
        ),
        case(
            "types of two files that contain each other",
            vec![
                text("a.toml", "name = \"x\"\ninclude = [\"b.toml\"]\nfields.a = \"y\"\n"),
                text("b.toml", "name = \"y\"\ninclude = [\"a.toml\"]\nfields.b = \"x\"\n"),
            ],
            malformed("", "the type of this file contains itself"),
        ),
        case(
            "10 MB of nested records",
            vec![Entry::File(
                "a.toml",
                vec![piece("name = \"x\"\n"), often("[fields.a.fields.b.fields]\nc = \"u8\"\n", 300_000)],
            )],
            Refused(
                ErrorKind::TooLarge,
                "14564:18",
                "the text crosses the limit of 262144 bytes here: divide it into files and include them",
            ),
        ),
        case(
            "10 MB in one line",
            vec![Entry::File("a.toml", vec![piece("name = \""), often("é", 5_000_000)])],
            Refused(ErrorKind::TooLarge, "1:131077", "the text crosses the limit of 262144 bytes here"),
        ),
        case(
            "10 MB in an include",
            vec![
                text("a.toml", "name = \"x\"\ninclude = [\"b.toml\"]\nfields.a = \"u8\"\n"),
                Entry::File("b.toml", vec![often("# comment\n", 1_000_000)]),
            ],
            Refused(ErrorKind::TooLarge, "", "the text crosses the limit"),
        ),
    ];
    let depth = |name, open: &str, times, expected| {
        case(
            name,
            vec![Entry::File("a.toml", vec![piece("name = \"x\"\nfields.a = "), often(open, times)])],
            expected,
        )
    };
    all.push(depth(
        "inline tables that lie deep in each other",
        "{fields={a=",
        23_000,
        malformed("2:452", "deeper in each other than 80: define"),
    ));
    all.push(depth(
        "lists that lie deep in each other",
        "[",
        250_000,
        malformed("2:92", "deeper in each other than 80: define"),
    ));
    all.push(case(
        "a name with 60,000 dots",
        vec![Entry::File(
            "a.toml",
            vec![piece("name = \"x\"\n[fields.a"), often(".b", 60_000), piece("]\ntype = \"u8\"\n")],
        )],
        malformed("2:1", "deeper in each other than 80: define"),
    ));
    all
}

fn make(folder: &Path, entries: &[Entry]) {
    for entry in entries {
        match entry {
            Entry::File(name, pieces) => {
                let bytes: Vec<u8> = pieces.iter().flat_map(|(piece, times)| piece.repeat(*times)).collect();
                std::fs::write(folder.join(name), bytes).unwrap();
            }
            Entry::Folder(name) => std::fs::create_dir(folder.join(name)).unwrap(),
            Entry::Fifo(name) => {
                rustix::fs::mkfifoat(rustix::fs::CWD, folder.join(name), rustix::fs::Mode::RWXU).unwrap();
            }
            Entry::Link(name, to) => std::os::unix::fs::symlink(to, folder.join(name)).unwrap(),
        }
    }
}

fn shown(entry: &Entry) -> Value {
    match entry {
        Entry::File(name, pieces) => {
            let pieces = pieces.iter().map(|(bytes, times)| {
                row([("hex", hex(bytes).into()), ("times", i64::try_from(*times).unwrap().into())])
            });
            row([
                ("make", "file".into()),
                ("name", (*name).into()),
                ("pieces", Value::Array(pieces.collect())),
            ])
        }
        Entry::Folder(name) => row([("make", "folder".into()), ("name", (*name).into())]),
        Entry::Fifo(name) => row([("make", "fifo".into()), ("name", (*name).into())]),
        Entry::Link(name, to) => {
            row([("make", "link".into()), ("name", (*name).into()), ("to", (*to).into())])
        }
    }
}

#[test]
fn files_are_schemas_or_are_refused_with_place_reason_and_remedy() {
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    for Case { name, entries, expected } in cases() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), &entries);
        let path = folder.path().join("a.toml");
        let mut more = Vec::new();
        match (Schema::from_file(path.to_str().unwrap()), expected) {
            (Ok(schema), Expected::Read) => {
                more.push(("fingerprint", schema.fingerprint().unwrap().to_string().into()))
            }
            (Ok(_), Expected::Refused(..)) => wrong.push(format!("{name}: it is read")),
            (Err(error), Expected::Read) => wrong.push(format!("{name}: {error}")),
            (Err(error), Expected::Refused(kind, place, expected)) => {
                let text = error.text().replace(&format!("{}/", folder.path().display()), "");
                let is_there = place.is_empty() || text.starts_with(&format!("a.toml:{place}"));
                if error.kind() != kind || !is_there || !text.contains(expected) || expected.is_empty() {
                    wrong.push(format!("{name}: {} {text:.400}", error.kind().name()));
                }
                more.extend(fields_of(&error));
                more.push(("text", text.into()));
            }
        }
        let start = [("name", name.into()), ("entries", Value::Array(entries.iter().map(shown).collect()))];
        rows.push(row(start.into_iter().chain(more)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    hold("schema_files.json", &rows);
}
