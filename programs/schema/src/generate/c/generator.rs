//! The state of the C generator.

use crate::generate::plan::Plan;

pub(super) struct C<'p> {
    pub(super) plan: &'p Plan<'p>,
    pub(super) name: String,
}
