//! Rewrites the errors of the TOML parser with the position and the remedy.
//!
//! A repeated key gets both positions.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::error::{Error, quoted};
use crate::schema::source::Source;

/// A name that cannot occur in a schema: names contain only letters, digits and underscores.
const OTHER: &str = "\"\\n\"";

const PARSED_DEPTH: usize = 80;

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

/// Returns whether the parser's message is about depth. The parser gives only a text, not a code.
fn is_depth(message: &str) -> bool {
    message.contains("recurs")
}

/// Returns the line with the first key of too many parts. The parser gives no position for it.
///
/// It is the last line of the shortest beginning of the text that the parser refuses for its depth.
fn first_deep_key(text: &str) -> Range<usize> {
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).chain([text.len()]).collect();
    let refused = ends.partition_point(|end| {
        let (_, errors) = DeTable::parse_recoverable(&text[..*end]);
        !errors.iter().any(|error| is_depth(error.message()))
    });
    let start = refused.checked_sub(1).map_or(0, |line| ends[line]);
    start..start
}

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

/// Returns the position of the first occurrence of a repeated key.
///
/// With the second key renamed, the parser accepts the text and gives the table with both keys.
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

/// Returns the table with a key at this offset, in this table or below it.
fn table_with_key_at<'a>(table: &'a DeTable<'a>, offset: usize) -> Option<&'a DeTable<'a>> {
    if table.keys().any(|key| key.span().start == offset) {
        return Some(table);
    }
    table.values().find_map(|value| below(value.get_ref(), offset))
}

fn below<'a>(value: &'a DeValue<'a>, offset: usize) -> Option<&'a DeTable<'a>> {
    match value {
        DeValue::Table(table) => table_with_key_at(table, offset),
        DeValue::Array(items) => items.iter().find_map(|item| below(item.get_ref(), offset)),
        _ => None,
    }
}
