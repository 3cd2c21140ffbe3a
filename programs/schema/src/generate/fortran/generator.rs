//! The state of the Fortran generator: the plan of the schema, and what several parts of a file share.

use crate::generate::plan::{Plan, Shape};

/// Writes the Fortran of one schema. Its methods are in the files of this folder, each beside what it writes.
pub(super) struct Fortran<'p> {
    pub(super) plan: &'p Plan<'p>,
    /// The types for values of lists and maps that the module needs so far.
    pub(super) holders: Vec<Holder>,
}

/// A type for the values of a list or a map that have no type of their own that could be the element of an array.
pub(super) struct Holder {
    pub name: String,
    pub shape: Shape,
    pub has_key: bool,
}
