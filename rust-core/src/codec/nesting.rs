//! How deep arrays and maps lie in each other as they are written, escapes included.

use crate::error::{Error, ErrorKind};
use crate::value::Limits;

/// The levels that a document may have: a list of pairs takes three for each level of its value, an N-d array three
/// below the deepest, and the document of a value that is none takes one above.
///
/// What the value itself may have is the [`crate::value::Meter`]'s business; this bounds the recursion.
pub(crate) fn levels(limits: &Limits) -> u32 {
    limits.depth.saturating_mul(3).saturating_add(4)
}

/// The containers that a document may have: escapes take up to three for one value.
pub(crate) fn containers(limits: &Limits) -> u64 {
    limits.most_nodes().saturating_mul(3).saturating_add(8)
}

/// The error for what lies below that.
#[cold]
pub(crate) fn too_deep(at: usize) -> Error {
    Error::new(ErrorKind::TooLarge, "over the depth limit: arrays and maps lie too deep in each other").at(at)
}
