//! The first pass over a BSON document: how many elements it and every document and array inside it have.

use super::element::{cstring, length, skip};
use super::{ARRAY, DOCUMENT};
use crate::codec::input::{Counts, Input};
use crate::value::Sink;
use crate::value::stack::Stack;

/// Counts the elements of every document and array, up to `levels` deep and `most` of them.
pub(super) fn count<S: Sink>(bytes: &[u8], levels: usize, most: u64, sink: &mut S) -> Counts {
    let mut counts = Counts::up_to(most);
    let mut input = Input::new(bytes);
    // Stopping early is no harm: see Counts.
    let _: Option<()> = walk(&mut input, &mut counts, levels, sink);
    counts
}

fn walk<S: Sink>(input: &mut Input<'_>, counts: &mut Counts, levels: usize, sink: &mut S) -> Option<()> {
    length(input, 5).ok()?;
    let mut open = Stack::new(0);
    open.push(counts.open(sink)?);
    while let Some(container) = open.last() {
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
