//! The state of the Python generator.

use crate::generate::naming::Case;
use crate::generate::plan::{Plan, TypeDef};

pub(super) struct Python<'a> {
    pub(super) plan: &'a Plan<'a>,
}

pub(super) fn private(of: &TypeDef) -> String {
    format!("_{}", Case::Upper.join(&of.path))
}
