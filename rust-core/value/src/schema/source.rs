//! The text of a schema, and errors with file, line and column.

use std::ops::Range;

use crate::error::{Error, ErrorKind, quoted};

/// The greatest length of the text of one file in bytes. Parsing takes a multiple of this memory.
pub(super) const MAX_TEXT: usize = 256 << 10;
pub(super) const DIVIDE: &str = "divide it into files and include them";

pub(super) struct Source {
    pub(super) file: String,
    /// The whole text, including a byte order mark.
    pub(super) text: String,
}

impl Source {
    /// Returns a `Malformed` error at this position, as `FILE:LINE:COLUMN: text`.
    ///
    /// Lines and columns count from 1, columns in characters.
    #[cold]
    pub(super) fn error(&self, span: &Range<usize>, text: impl AsRef<str>) -> Error {
        self.refuse(ErrorKind::Malformed, span, text)
    }

    #[cold]
    pub(super) fn refuse(&self, kind: ErrorKind, span: &Range<usize>, text: impl AsRef<str>) -> Error {
        let start = span.start.min(self.text.len());
        let text = format!("{}: {}", self.place(start), text.as_ref());
        Error::new(kind, text).at(start)
    }

    /// Returns a position as `FILE:LINE:COLUMN`, without counting a byte order mark at the start.
    pub(super) fn place(&self, start: usize) -> String {
        let start = start.min(self.text.len());
        let start = (0..=start).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or(0);
        let before = &self.text[..start];
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let shown = &before[before.rfind('\n').map_or(0, |end| end + 1)..];
        let mark = usize::from(line == 1 && shown.starts_with('\u{feff}'));
        format!("{}:{line}:{}", self.file, shown.chars().count() + 1 - mark)
    }
}

/// Returns a replacement for `word`: the nearest of `known` if one is close, else a list.
pub(super) fn proposal<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    // A long word is not a typing error, and its comparison with each known name would take time.
    let compared = if word.len() <= 64 { known.as_slice() } else { &[] };
    let nearest = compared.iter().map(|name| (strsim::osa_distance(word, name), *name)).min();
    match nearest {
        // A proposal has few differences relative to its length.
        Some((far, name)) if far <= 1 + name.len() / 4 => format!("did you mean {}?", quoted(name)),
        _ if known.is_empty() => "there is none".to_owned(),
        _ => {
            let names: Vec<&str> = known.iter().take(24).copied().collect();
            let more = if known.len() > 24 { ", …" } else { "" };
            format!("there are {}{more}", names.join(", "))
        }
    }
}

/// Returns whether this is a valid name of a field: at most 63 characters, as in Fortran.
pub(super) fn is_field_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.len() <= 63
}

pub(super) fn is_schema_name(name: &str) -> bool {
    name.len() <= 128 && name.split('.').all(is_field_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_names_line_and_column_in_characters() {
        let source = Source { file: "a.toml".into(), text: "é = 1\nüü = x\n".into() };
        let at = source.text.find('x').unwrap();
        let error = source.error(&(at..at + 1), "no value");
        assert_eq!(error.text(), "a.toml:2:6: no value");
        assert_eq!(error.offset(), Some(at as u64));
        // A span beyond the end, or inside a character, still has a position.
        assert!(source.error(&(1..2), "x").text().starts_with("a.toml:1:1: "));
        assert!(source.error(&(999..1000), "x").text().starts_with("a.toml:3:1: "));
    }

    #[test]
    fn proposal_is_near_or_all() {
        assert_eq!(proposal("optinal", ["optional", "unit"]), "did you mean \"optional\"?");
        assert_eq!(proposal("zzz", ["optional", "unit"]), "there are optional, unit");
    }
}
