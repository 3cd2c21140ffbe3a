//! The state of the C generator.

use crate::generate::plan::Plan;

/// Writes the C of one schema. The other files of this folder contain its methods.
pub(super) struct C<'p> {
    pub(super) plan: &'p Plan<'p>,
    /// The schema's name, which prefixes files and functions.
    pub(super) name: String,
}
