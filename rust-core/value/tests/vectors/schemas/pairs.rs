//! Pairs of schemas: whether a program with one reads the messages of a program with the other.

use super::texts::READING;

/// The reader's schema, the writer's schema, and whether the reader reads it.
pub struct Pair {
    pub name: String,
    pub writer: String,
    pub reader: String,
    pub fits: bool,
}

/// A change of a schema; whether the new program reads the old one's messages; the reverse.
const CHANGES: &[(&str, &str, bool, bool)] = &[
    ("unit = \"W\"", "unit = \"J/s\"", true, true),
    ("unit = \"W\"", "unit = \"kW\"", false, false),
    ("unit = \"W\"\n", "", false, false),
    ("[0, 20000]", "[0, 30000]", true, false),
    ("range = [0, 20000]", "", true, false),
    ("\"L3\"]", "\"L3\", \"N\"]", true, true),
    ("\"L3\"]\ndefault = \"L1\"", "\"L3\", \"N\"]\ndefault = \"L1\"", true, true),
    ("\"list of text\"\ndefault = []", "\"list of text\"\noptional = true", true, true),
    ("\"list of text\"\ndefault = []", "\"list of text\"", false, true),
    ("[fields.notes]", "[fields.note]", true, true),
    ("started = \"u32\"", "started = \"u64\"", true, false),
    ("started = \"u32\"", "started = \"u32\"\nother = \"u8\"", true, false),
    ("\"n\", 3", "\"*\", 3", true, true),
    ("\"n\", 3", "\"n\", 4", false, false),
    ("dtype = \"f32\"", "dtype = \"f64\"", false, false),
    ("type = \"place\"\nalias = \"location\"", "type = \"place\"", true, true),
    (
        "[fields.site]\ntype = \"place\"\nalias = \"location\"",
        "[fields.spot]\ntype = \"place\"\nalias = \"site\"",
        true,
        false,
    ),
    ("max_length = 8", "max_length = 9", true, false),
    (
        "[fields.at]\ntype = \"timestamp\"",
        "[fields.at]\ntype = \"timestamp\"\n[fields.more]\ntype = \"u8\"",
        false,
        true,
    ),
    (
        "[fields.at]\ntype = \"timestamp\"",
        "[fields.at]\ntype = \"timestamp\"\n[fields.more]\ntype = \"u8\"\ndefault = 1",
        true,
        true,
    ),
    ("[fields.at]\ntype = \"timestamp\"", "[fields.at]\ntype = \"any\"", true, false),
    ("name = \"power.reading\"", "name = \"power.other\"", false, false),
    ("version = 2", "version = 3", true, true),
];

/// The writer's and the reader's type, and whether each number of the first is a number of the second.
const NUMBERS: &[(&str, &str, bool)] = &[
    ("i8", "i16", true),
    ("u8", "i16", true),
    ("i8", "u16", false),
    ("u32", "i64", true),
    ("i64", "i32", false),
    ("u64", "i64", false),
    ("i32", "f64", true),
    ("i64", "f64", false),
    ("i16", "f32", true),
    ("i32", "f32", false),
    ("f32", "f64", true),
    ("f64", "f32", false),
    ("f64", "i64", false),
    ("text", "bytes", false),
    ("u8", "any", true),
    ("any", "u8", false),
];

pub fn all() -> Vec<Pair> {
    let mut all = Vec::new();
    for (from, to, backward, forward) in CHANGES {
        assert!(READING.contains(from), "{from}");
        let (old, new) = (READING.to_owned(), READING.replacen(from, to, 1));
        let name = |which: &str| format!("{which}: {from} to {to}").replace('\n', " ");
        all.push(Pair { name: name("backward"), writer: old.clone(), reader: new.clone(), fits: *backward });
        all.push(Pair { name: name("forward"), writer: new, reader: old, fits: *forward });
    }
    for (writer, reader, fits) in NUMBERS {
        let schema = |of: &str| format!("name = \"n\"\n[fields.x]\ntype = \"{of}\"\n");
        let name = format!("{writer} read as {reader}");
        all.push(Pair { name, writer: schema(writer), reader: schema(reader), fits: *fits });
    }
    let packed = |of: &str| format!("name = \"p\"\nlayout = \"packed\"\n[fields]\na = \"{of}\"\n");
    let plain = packed("u8").replace("layout = \"packed\"\n", "");
    for (name, writer, reader, fits) in [
        ("packed read as the same", packed("u8"), packed("u8"), true),
        ("packed read as a wider number", packed("u8"), packed("u16"), false),
        ("packed read as a map", packed("u8"), plain.clone(), false),
        ("a map read as packed", plain, packed("u8"), false),
    ] {
        all.push(Pair { name: name.to_owned(), writer, reader, fits });
    }
    all
}
