//! The depth and number of containers in an encoded document, escapes included.
//!
//! A [`Meter`](crate::value::Meter) enforces the limits on the value; these are the bounds of the
//! document around it, which protect the decoders' stack and the memory of their counts.

use crate::error::{Error, ErrorKind};
use crate::value::Limits;

/// The greatest depth of arrays and maps that any limit allows: the walks recurse, and a thread's
/// stack is finite. A greater [`Limits::depth`] is reduced to this.
pub const MAX_DEPTH: u32 = 256;

/// Returns the number of levels that a document may have: a list of pairs takes three for each
/// level of its value, an N-d array three below the deepest, and the document around a value that
/// is not a map takes one.
pub(crate) fn levels(limits: &Limits) -> u32 {
    limits.depth.saturating_mul(3).saturating_add(4)
}

/// Returns the number of containers that a document may have: escapes take up to three for one
/// value.
pub(crate) fn containers(limits: &Limits) -> u64 {
    limits.most_nodes().saturating_mul(3).saturating_add(8)
}

/// Returns the `TooLarge` error of a container below the last level.
#[cold]
pub(crate) fn too_deep(at: usize) -> Error {
    Error::new(ErrorKind::TooLarge, "over the depth limit: arrays and maps are nested too deep").at(at)
}
