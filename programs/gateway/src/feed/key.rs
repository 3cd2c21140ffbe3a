//! A key: a name or pattern that a client asks for, with the first number of a journal.

use crate::names::Name;

/// The most known names of all tokens. One token gets half.
pub const NAMES: usize = 8_192;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub name: Name,
    /// The first number, for a journal.
    pub from: Option<u64>,
}
