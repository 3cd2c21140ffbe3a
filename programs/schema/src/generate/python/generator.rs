//! The state of the Python generator.

use crate::generate::naming::Case;
use crate::generate::plan::{Plan, TypeDef};

/// Writes the Python of one schema. The other files of this folder contain its methods.
pub(super) struct Python<'a> {
    pub(super) plan: &'a Plan<'a>,
}

/// Returns the name of a type's private helper.
pub(super) fn private(of: &TypeDef) -> String {
    format!("_{}", Case::Upper.join(&of.path))
}
