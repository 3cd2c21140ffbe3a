//! The state of the PHP generator.

use crate::generate::plan::Plan;

/// Writes the PHP of one schema. The other files of this folder contain its methods.
pub(super) struct Php<'a> {
    pub(super) plan: &'a Plan<'a>,
    /// The class that reads values.
    pub(super) reader: String,
}
