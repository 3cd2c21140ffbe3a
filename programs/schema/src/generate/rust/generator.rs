//! The state of the Rust generator: the plan of the schema, and what several parts of a file share.

use crate::generate::plan::Plan;

/// Writes the Rust of one schema. Its methods are in the files of this folder, each beside what it writes.
pub(super) struct Rust<'a> {
    pub(super) plan: &'a Plan<'a>,
}
