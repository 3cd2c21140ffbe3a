//! What a client asks for: a name or a pattern, and of a journal the first number.

use crate::names::Name;

/// Names of which the gateway knows something at once, for all tokens. One token has half of them.
pub const NAMES: usize = 8_192;

/// A name or a pattern that a client asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub name: Name,
    /// For a journal: the number with which it begins.
    pub from: Option<u64>,
}
