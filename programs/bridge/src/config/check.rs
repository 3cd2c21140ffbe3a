//! Checks single values of a configuration, with errors that contain their position in the file.

use std::fmt::Display;
use std::net::IpAddr;

use linkspan::{Error, ErrorKind};
use toml::de::{DeTable, DeValue};

/// Returns whether this can name a machine or a realm.
///
/// These names are parts of keys, subjects and certificates, so they contain no separators.
pub fn is_word(word: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !word.is_empty() && word.len() <= 64 && word.chars().all(allowed)
}

/// Returns whether a host is this machine: a loopback address or `localhost`.
pub fn is_here(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Returns the position of a byte as `LINE:COLUMN`, both from 1. Columns count characters.
pub fn place(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count().saturating_add(1);
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count().saturating_add(1);
    format!("{line}:{column}")
}

#[derive(Clone, Debug)]
pub enum Step {
    Key(String),
    Index(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Step {
        Step::Key(key.to_owned())
    }
}

impl From<&String> for Step {
    fn from(key: &String) -> Step {
        Step::Key(key.clone())
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Step {
        Step::Index(index)
    }
}

/// An error of validation, with the path to its value. The path is empty if a value is missing.
#[derive(Debug)]
pub struct Invalid {
    /// The problem and its remedy.
    pub error: Error,
    path: Vec<Step>,
}

pub type Checked = Result<(), Invalid>;

impl Invalid {
    pub fn at<const N: usize>(path: [Step; N], error: Error) -> Invalid {
        Invalid { error, path: path.into() }
    }

    pub fn within(mut self, table: &str) -> Invalid {
        self.path.insert(0, table.into());
        self
    }

    /// Returns the error with the file's name and the value's line and column, if the file has it.
    ///
    /// The path identifies the value, because its text may also occur elsewhere in the file.
    pub fn placed(self, text: &str, shown: &dyn Display) -> Error {
        // A file that cannot be parsed has an earlier error.
        let at = DeTable::parse(text).ok().and_then(|document| start(document.get_ref(), &self.path));
        let place = at.map_or_else(String::new, |at| format!("{}:", place(text, at)));
        Error::new(self.error.kind(), format!("{shown}:{place} {}", self.error.text()))
    }
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Error {
        invalid.error
    }
}

/// Returns the start of the value at `path`, or of the last existing table or list on it.
///
/// Returns `None` if the document lacks even the first step.
fn start(document: &DeTable<'_>, path: &[Step]) -> Option<usize> {
    let mut at = None;
    let mut inner: Option<&DeValue<'_>> = None;
    for step in path {
        let next = match (step, inner) {
            (Step::Key(key), None) => of_key(document, key),
            (Step::Key(key), Some(DeValue::Table(table))) => of_key(table, key),
            (Step::Index(index), Some(DeValue::Array(list))) => {
                list.get(*index).map(|one| (one.span().start, one.get_ref()))
            }
            _ => None,
        };
        let Some((start, value)) = next else { break };
        (at, inner) = (Some(start), Some(value));
    }
    at
}

/// Returns a key's value and its start. A table starts at its key in brackets.
fn of_key<'a, 'i>(table: &'a DeTable<'i>, key: &str) -> Option<(usize, &'a DeValue<'i>)> {
    let (name, value) = table.iter().find(|(name, _)| name.get_ref() == key)?;
    let start = if value.get_ref().is_table() { name.span().start } else { value.span().start };
    Some((start, value.get_ref()))
}

/// Returns the remedy for a value of the wrong type; empty if the parser's message suffices.
pub fn remedy(message: &str) -> &'static str {
    let expected = message.rsplit_once("expected ").map_or("", |(_, expected)| expected);
    match expected {
        "a sequence" => "; write a list, such as [\"lab/*\"]",
        "a boolean" => "; write true or false, without quotes",
        "f64" | "u64" | "i64" => "; write a number, without quotes",
        "a string" | "path string" => "; write a text in quotes",
        it if it.starts_with("struct") || it.starts_with("a map") => {
            "; write a table: its name in brackets on a line, keys below"
        }
        _ => "",
    }
}

pub fn wrong(text: String) -> Error {
    Error::new(ErrorKind::Malformed, text)
}
