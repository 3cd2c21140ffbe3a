//! The state of the C generator: the plan of the schema, and what several parts of a file share.

use crate::generate::plan::Plan;

/// Writes the C of one schema. Its methods are in the files of this folder, each beside what it writes.
pub(super) struct C<'p> {
    pub(super) plan: &'p Plan<'p>,
    /// The schema's name, the prefix of the names of its files and functions.
    pub(super) name: String,
}
