//! Notes about differences between a notation and the schema.

use std::fmt;

use linkspan::schema::Type;
use linkspan::{Error, ErrorKind};

/// A difference between a notation and the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Note {
    /// The path of the field; empty for the message.
    pub path: String,
    /// Whether the notation accepts more or less there.
    pub change: Change,
    /// The difference: the accepted, refused or inexpressible values.
    pub text: String,
}

/// The difference between a notation and a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// The notation accepts values that the schema refuses.
    Looser,
    /// The notation refuses values that the schema accepts.
    Narrower,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let change = match self.change {
            Change::Looser => "looser",
            Change::Narrower => "narrower",
        };
        let path = if self.path.is_empty() { "the message" } else { &self.path };
        write!(f, "{path}: {change}: {}", self.text)
    }
}

#[derive(Default)]
pub(super) struct Notes {
    path: Vec<String>,
    pub(super) found: Vec<Note>,
}

impl Notes {
    pub(super) fn at(&self) -> String {
        if self.path.is_empty() { "the message".to_owned() } else { self.path.join("/") }
    }

    pub(super) fn looser(&mut self, text: impl Into<String>) {
        self.add(Change::Looser, text.into());
    }

    pub(super) fn narrower(&mut self, text: impl Into<String>) {
        self.add(Change::Narrower, text.into());
    }

    fn add(&mut self, change: Change, text: String) {
        self.found.push(Note { path: self.path.join("/"), change, text });
    }

    /// Enters a part of this name; `*` means the values of a list or a map.
    pub(super) fn enter(&mut self, name: &str) {
        self.path.push(name.to_owned());
    }

    pub(super) fn leave(&mut self) {
        self.path.pop();
    }
}

/// Returns the error for a type that this version cannot export, with the path of its field.
pub(super) fn unknown(of: &Type, notes: &Notes) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{}: a value of type {of} cannot be exported", notes.at()))
}
