//! The first pass over an indefinite array or map: the items of each indefinite container in it.
//!
//! The decoder calls it at the first indefinite container without a count.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use super::head::{BREAK, Head, head};
use crate::codec::MAX_DEPTH;
use crate::codec::input::{Input, ItemCounts};
use crate::value::Sink;

/// The greatest depth of the walk; deeper containers are refused before their count is needed.
///
/// The tags of an N-d array and of an instant add a few levels to the deepest value.
const LEVELS: usize = MAX_DEPTH as usize + 8;

struct OpenContainer {
    remaining: u64,
    /// The number of an indefinite container, and whether two items make one entry.
    counted: Option<(usize, bool)>,
    /// Whether the last item was a key, whose value comes next.
    after_key: bool,
}

pub(super) fn count<S: Sink>(mut input: Input<'_>, counts: &mut ItemCounts, sink: &mut S) {
    let mut open: Vec<OpenContainer> = Vec::new();
    // Stopping early is allowed, see `ItemCounts`.
    while step(&mut input, &mut open, counts, sink).is_some() {
        if open.is_empty() || open.len() > LEVELS {
            return;
        }
    }
}

/// Passes over one item or one break. `None` if the bytes are invalid or the counts are full.
fn step<S: Sink>(
    input: &mut Input<'_>,
    open: &mut Vec<OpenContainer>,
    counts: &mut ItemCounts,
    sink: &mut S,
) -> Option<()> {
    // A break ends the innermost container, which must be indefinite and at the end of an entry.
    if input.peek()? == BREAK {
        let top = open.pop()?;
        top.counted?;
        if top.after_key {
            return None;
        }
        input.byte().ok()?;
        return completed(open);
    }
    // The item is counted at its start, so that the second pass reaches an item with invalid
    // content.
    if let Some(OpenContainer { counted: Some((container, map)), after_key, .. }) = open.last_mut() {
        *after_key = *map && !*after_key;
        if *after_key || !*map {
            counts.add(*container);
        }
    }
    let mut item = head(input).ok()?;
    // Tags are part of the item after them.
    while item.major == 6 {
        item = head(input).ok()?;
    }
    let remaining = match item.major {
        2 | 3 if item.is_indefinite() => {
            while input.peek()? != BREAK {
                let chunk = head(input).ok()?;
                if chunk.major != item.major || chunk.is_indefinite() {
                    return None;
                }
                content(input, chunk)?;
            }
            input.byte().ok()?;
            0
        }
        2 | 3 => {
            content(input, item)?;
            0
        }
        4 | 5 if item.is_indefinite() => {
            open.push(OpenContainer {
                remaining: 0,
                counted: Some((counts.open(sink)?, item.major == 5)),
                after_key: false,
            });
            return Some(());
        }
        4 => item.n,
        5 => item.n.checked_mul(2)?,
        _ => 0,
    };
    if remaining > 0 {
        open.push(OpenContainer { remaining, counted: None, after_key: false });
        return Some(());
    }
    completed(open)
}

fn content(input: &mut Input<'_>, string: Head) -> Option<()> {
    let passed =
        if string.major == 2 { input.elements(string.n, string.at) } else { input.take(string.n, string.at) };
    passed.ok().map(drop)
}

fn completed(open: &mut Vec<OpenContainer>) -> Option<()> {
    while let Some(top) = open.last_mut().filter(|top| top.counted.is_none()) {
        top.remaining = top.remaining.saturating_sub(1);
        if top.remaining > 0 {
            break;
        }
        open.pop();
    }
    Some(())
}
