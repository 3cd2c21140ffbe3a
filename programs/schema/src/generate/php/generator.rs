//! The state of the PHP generator.

use crate::generate::plan::Plan;

pub(super) struct Php<'a> {
    pub(super) plan: &'a Plan<'a>,
    pub(super) reader: String,
}
