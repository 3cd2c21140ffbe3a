//! Compares blocks of `docs/` with text that tests produce from the code, byte for byte.
//!
//! In a document, `<!-- checked: NAME -->` begins a block and `<!-- end -->` ends it. Tests call [`check`], so an
//! unintended change of the wire format fails a test. With `LINKSPAN_WRITE_DOCS=1` the tests called `documents` of all
//! crates below `linkspan` write the blocks (the command is in ARCHITECTURE.md). Review such a change as a change of
//! the wire.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

const WIRE: &str = "wire-format.md";
const TRANSPORTS: &str = "transports.md";
const LIFECYCLE: &str = "lifecycle.md";
const OPTIONS: &str = "options.md";

const BLOCKS: [(&str, &str); 33] = [
    ("values", WIRE),
    ("limits", WIRE),
    ("header", WIRE),
    ("header fields", WIRE),
    ("kinds", WIRE),
    ("encodings", WIRE),
    ("flags", WIRE),
    ("extension", WIRE),
    ("hello", WIRE),
    ("hello that asks", WIRE),
    ("hello with a schema", WIRE),
    ("refusal", WIRE),
    ("data", WIRE),
    ("acknowledgement", WIRE),
    ("withdrawal", WIRE),
    ("service words", WIRE),
    ("order", WIRE),
    ("client words", WIRE),
    ("errors", WIRE),
    ("capabilities", TRANSPORTS),
    ("options", OPTIONS),
    ("option effects", OPTIONS),
    ("lock bytes", TRANSPORTS),
    ("proof", TRANSPORTS),
    ("segment", TRANSPORTS),
    ("park word", TRANSPORTS),
    ("ring record", TRANSPORTS),
    ("journal block", TRANSPORTS),
    ("journal blocks", TRANSPORTS),
    ("journal record", TRANSPORTS),
    ("states", LIFECYCLE),
    ("lifecycle", LIFECYCLE),
    ("views", LIFECYCLE),
];

fn path(document: &str) -> PathBuf {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let found = folders.map(|folder| folder.join("docs").join(document)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("there is no docs/{document} above the crate"))
}

fn begin(block: &str) -> String {
    format!("<!-- checked: {block} -->\n")
}

const END: &str = "<!-- end -->\n";

fn between<'a>(text: &'a str, block: &str) -> Result<&'a str, String> {
    let mark = begin(block);
    let (_, rest) = text.split_once(&mark).ok_or_else(|| format!("there is no line {mark}"))?;
    if rest.contains(&mark) {
        return Err(format!("there are two lines {mark}"));
    }
    rest.split_once(END).map(|(inside, _)| inside).ok_or_else(|| format!("nothing ends {mark}"))
}

/// Compares a block with the text that the code produces, or writes it. Panics if they differ.
pub fn check(block: &str, expected: &str) {
    static WRITING: Mutex<()> = Mutex::new(());
    // Held until the block is written: parallel tests write to one file and must read each other's blocks.
    let _turn = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let document = BLOCKS.iter().find(|(name, _)| *name == block).map(|(_, document)| *document);
    let document = document.unwrap_or_else(|| panic!("{block} is not among the blocks"));
    // Read each time: another test may have written it.
    let text = std::fs::read_to_string(path(document)).unwrap();
    let found = between(&text, block).unwrap_or_else(|why| panic!("docs/{document}: {why}"));
    if found == expected {
        return;
    }
    if std::env::var_os("LINKSPAN_WRITE_DOCS").is_some() {
        let mark = begin(block);
        let new = text.replacen(&[&mark, found, END].concat(), &[&mark, expected, END].concat(), 1);
        std::fs::write(path(document), new).unwrap();
        return;
    }
    panic!("docs/{document} differs from the code in the block {block:?}, which has to be:\n\n{expected}");
}

pub fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut text = String::new();
    let mut line = |cells: &[String]| writeln!(text, "| {} |", cells.join(" | ")).unwrap();
    line(&head.map(str::to_owned));
    line(&head.map(|_| "---".to_owned()));
    rows.into_iter().for_each(|row| line(&row));
    text
}

pub fn fenced(text: &str) -> String {
    format!("```text\n{text}```\n")
}

/// Returns bytes in hexadecimal, 16 a line, with offsets.
pub fn dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (i, line) in bytes.chunks(16).enumerate() {
        let hex: Vec<String> = line.iter().map(|b| format!("{b:02x}")).collect();
        let shown: String =
            line.iter().map(|b| if b.is_ascii_graphic() { char::from(*b) } else { '.' }).collect();
        writeln!(text, "{:4}  {:47}  {shown}", i * 16, hex.join(" ")).unwrap();
    }
    text
}

/// Returns a drawing of fields (offset, bytes, label), 8 bytes a line. Fields are sorted and do not overlap.
pub fn drawing(fields: &[(usize, usize, &str)]) -> String {
    const CELL: usize = 8;
    let mut text = String::from("      ");
    (0..8).for_each(|i| write!(text, "+{i:<w$}", w = CELL - 1).unwrap());
    text.truncate(text.trim_end().len());
    text.push('\n');
    let whole = fields.iter().map(|(at, size, _)| at + size).max().unwrap_or(0);
    for row in (0..whole).step_by(8) {
        write!(text, "{row:4} ").unwrap();
        for (at, size, label) in fields {
            let (from, to) = ((*at).max(row), (at + size).min(row + 8));
            if from < to {
                let width = (to - from) * CELL - 1;
                // A field over several lines has its label in the first.
                let label = if from == *at { label } else { "" };
                write!(text, "|{label:^width$.width$}").unwrap();
            }
        }
        text.push_str("|\n");
    }
    text
}

/// Returns the range from the first to the last differing byte of two equally long blocks. Ignores `check`, the bytes
/// of a checksum.
pub fn difference(a: &[u8], b: &[u8], check: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let mut at = (0..a.len()).filter(|i| a[*i] != b[*i] && !check.contains(i));
    let first = at.next().expect("something differs");
    first..at.next_back().unwrap_or(first) + 1
}

#[test]
fn every_block_of_a_document_is_checked() {
    for document in [WIRE, TRANSPORTS, LIFECYCLE] {
        let text = std::fs::read_to_string(path(document)).unwrap();
        let named: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("<!-- checked: ")).collect();
        let known: Vec<String> = BLOCKS
            .iter()
            .filter(|(_, place)| *place == document)
            .map(|(name, _)| format!("{name} -->"))
            .collect();
        assert_eq!(named.len(), known.len(), "docs/{document}");
        named.iter().for_each(|n| assert!(known.iter().any(|k| k == n), "docs/{document}: {n}"));
    }
}

#[test]
fn links_of_documents_exist() {
    for document in [WIRE, TRANSPORTS, LIFECYCLE] {
        let text = std::fs::read_to_string(path(document)).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            assert!(
                link.is_empty() || path(document).with_file_name(link).exists(),
                "docs/{document}: {link}"
            );
        }
    }
}

#[test]
fn missing_and_unterminated_blocks_are_errors() {
    assert_eq!(between("a\n<!-- checked: x -->\nthis\n<!-- end -->\n", "x").unwrap(), "this\n");
    for text in ["", "<!-- checked: x -->\n", "<!-- checked: x -->\n<!-- checked: x -->\n<!-- end -->\n"] {
        between(text, "x").unwrap_err();
    }
    assert!(drawing(&[(0, 4, "a"), (4, 8, "b")]).contains("|               a               |"));
    assert_eq!(difference(b"0123", b"0xx4", 3..4), 1..3);
}
