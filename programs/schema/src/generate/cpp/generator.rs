//! The state of the C++ generator: the plan of the schema, and what several parts of a file share.

use crate::generate::plan::Plan;

/// Writes the C++ of one schema. Its methods are in the files of this folder, each beside what it writes.
pub(super) struct Cpp<'p> {
    pub(super) plan: &'p Plan<'p>,
}
