//! The first pass over a BSON document: the number of elements of it and of every document and
//! array inside it.
//!
//! BSON has lengths in bytes, and a sink needs numbers of items.

use super::{ARRAY, DOCUMENT, cstring, length, skip};
use crate::codec::input::{Input, ItemCounts};
use crate::value::Sink;
use crate::value::Stack;

/// Counts the elements of every document and array, up to `levels` deep; at most `most` counts.
pub(super) fn count<S: Sink>(bytes: &[u8], levels: usize, most: u64, sink: &mut S) -> ItemCounts {
    let mut counts = ItemCounts::up_to(most);
    let mut input = Input::new(bytes);
    // Stopping early is allowed, see `ItemCounts`.
    let _: Option<()> = walk(&mut input, &mut counts, levels, sink);
    counts
}

/// Walks without recursion over all elements. `None` where the bytes are invalid or the counts are
/// full.
fn walk<S: Sink>(input: &mut Input<'_>, counts: &mut ItemCounts, levels: usize, sink: &mut S) -> Option<()> {
    length(input, 5).ok()?;
    let mut open = Stack::new();
    open.push(counts.open(sink)?);
    while let Some(container) = open.last().copied() {
        // Type 0 is the end of the document.
        let kind = input.byte().ok()?;
        if kind == 0 {
            open.pop();
            continue;
        }
        counts.add(container);
        cstring(input).ok()?;
        if kind == DOCUMENT || kind == ARRAY {
            if open.len() >= levels {
                return None;
            }
            // A document has at least its length and its end.
            length(input, 5).ok()?;
            open.push(counts.open(sink)?);
        } else {
            skip(input, kind).ok()?;
        }
    }
    Some(())
}
