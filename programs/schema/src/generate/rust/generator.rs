//! The state of the Rust generator.

use crate::generate::plan::Plan;

/// Writes the Rust of one schema. The other files of this folder contain its methods.
pub(super) struct Rust<'a> {
    pub(super) plan: &'a Plan<'a>,
}
