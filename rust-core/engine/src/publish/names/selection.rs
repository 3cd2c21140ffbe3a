//! The names that match: those of a subscriber's patterns, or the program's current selection.

use crate::error::Result;
use crate::sys::directory::Directory;
use crate::transport::endpoint::Endpoint;
use crate::transport::kind::NameDirectory;
use crate::transport::name_pattern::{NamePattern, can_fit};

/// Returns whether a program wants the messages of an endpoint now.
pub type Wanted = Box<dyn Fn(&str) -> bool + Send + Sync>;

pub enum Selection {
    Patterns(Vec<NamePattern>),
    Wanted(Wanted),
}

impl Selection {
    pub fn is_empty(&self) -> bool {
        matches!(self, Selection::Patterns(patterns) if patterns.is_empty())
    }

    pub fn fits(&self, endpoint: &Endpoint) -> bool {
        match self {
            Selection::Patterns(patterns) => patterns.iter().any(|pattern| pattern.is_like(endpoint)),
            Selection::Wanted(wanted) => can_fit(endpoint) && wanted(&endpoint.to_string()),
        }
    }

    pub(super) fn directories(&self) -> Result<Vec<Directory>> {
        let is_of = |folder: NameDirectory| match self {
            Selection::Patterns(patterns) => patterns.iter().any(|pattern| {
                pattern.transport().map_or(NameDirectory::Runtime, |one| one.names()) == folder
            }),
            Selection::Wanted(_) => true,
        };
        let mut directories = Vec::new();
        if is_of(NameDirectory::Runtime) || is_of(NameDirectory::RuntimeOrState) {
            directories.push(Directory::runtime()?);
        }
        if is_of(NameDirectory::State) {
            directories.push(Directory::state()?);
        }
        Ok(directories)
    }
}
