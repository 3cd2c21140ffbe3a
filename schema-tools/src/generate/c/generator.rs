//! The state of what writes C: the plan of the schema, and what several parts of a file share.

use crate::generate::plan::Plan;

/// Writes the C of one schema. Its methods are in the files of this folder, each beside what it writes.
pub(super) struct C<'p> {
    pub(super) plan: &'p Plan<'p>,
    /// The schema's name, with which the names of its files and functions begin.
    pub(super) name: String,
}
