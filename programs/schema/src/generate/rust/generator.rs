//! The state of the Rust generator.

use crate::generate::plan::Plan;

pub(super) struct Rust<'a> {
    pub(super) plan: &'a Plan<'a>,
}
