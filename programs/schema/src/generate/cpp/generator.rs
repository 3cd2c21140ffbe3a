//! The state of the C++ generator.

use crate::generate::plan::Plan;

pub(super) struct Cpp<'p> {
    pub(super) plan: &'p Plan<'p>,
}
