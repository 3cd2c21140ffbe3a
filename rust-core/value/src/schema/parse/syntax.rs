//! Errors of the TOML parser, rewritten with the position and the remedy: a repeated key is
//! reported with both positions.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::error::{Error, quoted};
use crate::schema::source::Source;

/// A name that no schema has, since names have no line breaks.
const OTHER: &str = "\"\\n\"";

/// The depth up to which the parser accepts tables, lists and keys with dots inside each other.
const PARSED_DEPTH: usize = 80;

/// Returns the parser's error as an error of the file.
#[cold]
pub(super) fn error(source: &Source, error: &toml::de::Error) -> Error {
    let message = error.message();
    if message.starts_with("duplicate key") {
        return repeated_key(source, &error.span().unwrap_or(0..0));
    }
    if is_depth(message) {
        let span = error.span().unwrap_or_else(|| first_deep_key(&source.text));
        let text = format!(
            "tables, lists or keys with dots lie deeper in each other than {PARSED_DEPTH}: define the inner types in [types.NAME] and name them"
        );
        return source.error(&span, text);
    }
    let text = format!("this is no TOML: {}", message.replace('\n', "; "));
    source.error(&error.span().unwrap_or(0..0), text)
}

/// Returns whether the parser's message is about depth. The parser has no code for it, so the text
/// is searched.
fn is_depth(message: &str) -> bool {
    message.contains("recurs")
}

/// Returns the line with the first key of too many parts, for which the parser reports no position:
/// the shortest beginning of the text that is refused for that ends in it.
fn first_deep_key(text: &str) -> Range<usize> {
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).chain([text.len()]).collect();
    let refused = ends.partition_point(|end| {
        let (_, errors) = DeTable::parse_recoverable(&text[..*end]);
        !errors.iter().any(|error| is_depth(error.message()))
    });
    let start = refused.checked_sub(1).map_or(0, |line| ends[line]);
    start..start
}

/// Returns the error of a key that its table has already.
fn repeated_key(source: &Source, second: &Range<usize>) -> Error {
    let written = source.text.get(second.clone()).unwrap_or_default();
    let first = first(source, second, written);
    let earlier = first.map(|at| format!(" at {} already", source.place(at))).unwrap_or_default();
    let text = format!(
        "the key {} stands{earlier}, and a table has each key once: remove one of both, or rename it",
        quoted(written.trim_matches(['"', '\'']))
    );
    source.error(second, text)
}

/// Returns the position of the first occurrence of a repeated key. With the second one renamed the
/// parser accepts the text, and shows the table that has both.
fn first(source: &Source, second: &Range<usize>, written: &str) -> Option<usize> {
    let (before, after) = (source.text.get(..second.start)?, source.text.get(second.end..)?);
    let renamed = format!("{before}{OTHER}{after}");
    let (root, _) = DeTable::parse_recoverable(&renamed);
    let alone = format!("{written} = 0");
    let (with_key, _) = DeTable::parse_recoverable(&alone);
    let name = with_key.get_ref().iter().next()?.0.get_ref().to_string();
    let table = table_with_key_at(root.get_ref(), second.start)?;
    table.iter().find(|(key, _)| *key.get_ref() == name).map(|(key, _)| key.span().start)
}

/// Returns the table that has a key at this offset, in this table or in those below.
fn table_with_key_at<'a>(table: &'a DeTable<'a>, offset: usize) -> Option<&'a DeTable<'a>> {
    if table.keys().any(|key| key.span().start == offset) {
        return Some(table);
    }
    table.values().find_map(|value| below(value.get_ref(), offset))
}

/// The same in any value.
fn below<'a>(value: &'a DeValue<'a>, offset: usize) -> Option<&'a DeTable<'a>> {
    match value {
        DeValue::Table(table) => table_with_key_at(table, offset),
        DeValue::Array(items) => items.iter().find_map(|item| below(item.get_ref(), offset)),
        _ => None,
    }
}
