//! The first pass over a BSON document: the number of elements of each document and array in it.
//!
//! BSON has lengths in bytes, but a sink needs the number of items.

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

fn walk<S: Sink>(input: &mut Input<'_>, counts: &mut ItemCounts, levels: usize, sink: &mut S) -> Option<()> {
    length(input, 5).ok()?;
    let mut open = Stack::new();
    open.push(counts.open(sink)?);
    while let Some(container) = open.last().copied() {
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
            length(input, 5).ok()?;
            open.push(counts.open(sink)?);
        } else {
            skip(input, kind).ok()?;
        }
    }
    Some(())
}
