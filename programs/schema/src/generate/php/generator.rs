//! The state of the PHP generator: the plan of the schema, and what several parts of a file share.

use crate::generate::plan::Plan;

/// Writes the PHP of one schema. Its methods are in the files of this folder, each beside what it writes.
pub(super) struct Php<'a> {
    pub(super) plan: &'a Plan<'a>,
    /// The class that reads values.
    pub(super) reader: String,
}
