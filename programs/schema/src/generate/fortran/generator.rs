//! The state of the Fortran generator.

use crate::generate::plan::{Plan, Shape};

pub(super) struct Fortran<'p> {
    pub(super) plan: &'p Plan<'p>,
    /// The types for values of lists and maps that the module needs so far.
    pub(super) holders: Vec<Holder>,
}

/// A type for values of a list or map whose own type cannot be an array's element.
pub(super) struct Holder {
    pub name: String,
    pub shape: Shape,
    pub has_key: bool,
}
