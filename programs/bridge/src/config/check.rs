//! Checks single values of a configuration, and makes errors about them, with the place of the value in the
//! file.

use std::fmt::Display;
use std::net::IpAddr;

use linkspan::{Error, ErrorKind};
use toml::de::{DeTable, DeValue};

/// Returns whether this can be the name of a machine or of a realm. Such names are parts of keys, subjects
/// and certificates, so they have no separators.
pub fn is_word(word: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !word.is_empty() && word.len() <= 64 && word.chars().all(allowed)
}

/// Returns whether an address is one of this machine alone: a loopback address or `localhost`.
pub fn is_here(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Returns the place of a byte of a text, as `LINE:COLUMN`, both from 1. Columns count characters.
pub fn place(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count().saturating_add(1);
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count().saturating_add(1);
    format!("{line}:{column}")
}

/// A step of the path to a value in a configuration.
#[derive(Clone, Debug)]
pub enum Step {
    /// A key of a table.
    Key(String),
    /// An index of a list.
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

/// The error for a configuration that is not valid, and the path to the value that it is about. The path is
/// empty if the error is about something that is missing.
#[derive(Debug)]
pub struct Invalid {
    /// What is wrong, and what to write there.
    pub error: Error,
    path: Vec<Step>,
}

/// The outcome of a check.
pub type Checked = Result<(), Invalid>;

impl Invalid {
    /// Returns the error for the value that these steps lead to.
    pub fn at<const N: usize>(path: [Step; N], error: Error) -> Invalid {
        Invalid { error, path: path.into() }
    }

    /// Puts these steps before the path: of a table within the configuration.
    pub fn within(mut self, table: &str) -> Invalid {
        self.path.insert(0, table.into());
        self
    }

    /// Returns the error with the file's name, and line and column of the value if the file has it. The value
    /// is found by its path and not by its text, which may stand elsewhere in the file, too.
    pub fn placed(self, text: &str, shown: &dyn Display) -> Error {
        // A file that cannot be parsed has another error, which comes first.
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

/// Returns at which byte the value begins to which the path leads, or else the last table or list on the path;
/// `None` if the document has not even the first step.
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

/// Returns the value of a key, and where it begins: a table at its key, which stands in brackets on a line.
fn of_key<'a, 'i>(table: &'a DeTable<'i>, key: &str) -> Option<(usize, &'a DeValue<'i>)> {
    let (name, value) = table.iter().find(|(name, _)| name.get_ref() == key)?;
    let start = if value.get_ref().is_table() { name.span().start } else { value.span().start };
    Some((start, value.get_ref()))
}

/// Returns what to write for a value of the wrong type; empty if the message of the parser is sufficient.
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

/// Returns the error for a value that is not valid.
pub fn wrong(text: String) -> Error {
    Error::new(ErrorKind::Malformed, text)
}
