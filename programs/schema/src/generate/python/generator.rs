//! The state of the Python generator: the plan of the schema, and what several parts of a file share.

use crate::generate::naming::Case;
use crate::generate::plan::{Plan, TypeDef};

/// Writes the Python of one schema. Its methods are in the files of this folder, each beside what it writes.
pub(super) struct Python<'a> {
    pub(super) plan: &'a Plan<'a>,
}

/// The name of a private helper of a type.
pub(super) fn private(of: &TypeDef) -> String {
    format!("_{}", Case::Upper.join(&of.path))
}
