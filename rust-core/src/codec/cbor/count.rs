//! The first pass over an indefinite array or map: how many items it and each indefinite one inside it have.

use super::head::{BREAK, head};
use crate::codec::entry::MAX_DEPTH;
use crate::codec::input::{Counts, Input};
use crate::value::Sink;

/// Levels that the walk follows: what lies deeper is refused before its count is asked for. The tags of an N-d array
/// and of an instant add a few to the deepest value.
const LEVELS: usize = MAX_DEPTH as usize + 8;

struct Open {
    /// The items still to come, for a definite one.
    left: u64,
    /// The container's number, for an indefinite one, and whether two items make one entry.
    counted: Option<(usize, bool)>,
    /// Whether a key has begun and its value has not.
    half: bool,
}

/// Counts from the indefinite array or map that `input` stands at, up to its end.
pub(super) fn count<S: Sink>(mut input: Input<'_>, counts: &mut Counts, sink: &mut S) {
    let mut open: Vec<Open> = Vec::new();
    // Stopping early is no harm: see Counts.
    while step(&mut input, &mut open, counts, sink).is_some() {
        if open.is_empty() || open.len() > LEVELS {
            return;
        }
    }
}

fn step<S: Sink>(
    input: &mut Input<'_>,
    open: &mut Vec<Open>,
    counts: &mut Counts,
    sink: &mut S,
) -> Option<()> {
    if input.peek()? == BREAK {
        let top = open.pop()?;
        top.counted?;
        if top.half {
            return None;
        }
        input.byte().ok()?;
        return completed(open);
    }
    // Counted where it begins, so that the second pass comes to whatever is wrong inside it.
    if let Some(Open { counted: Some((container, map)), half, .. }) = open.last_mut() {
        *half = *map && !*half;
        if *half || !*map {
            counts.add(*container);
        }
    }
    let mut item = head(input).ok()?;
    while item.major == 6 {
        item = head(input).ok()?;
    }
    let left = match item.major {
        2 | 3 if item.is_indefinite() => {
            while input.peek()? != BREAK {
                let chunk = head(input).ok()?;
                if chunk.major != item.major || chunk.is_indefinite() {
                    return None;
                }
                input.take(chunk.n, chunk.at).ok()?;
            }
            input.byte().ok()?;
            0
        }
        2 | 3 => {
            input.take(item.n, item.at).ok()?;
            0
        }
        4 | 5 if item.is_indefinite() => {
            open.push(Open { left: 0, counted: Some((counts.open(sink)?, item.major == 5)), half: false });
            return Some(());
        }
        4 => item.n,
        5 => item.n.checked_mul(2)?,
        _ => 0,
    };
    if left > 0 {
        open.push(Open { left, counted: None, half: false });
        return Some(());
    }
    completed(open)
}

/// An item has ended: the definite containers that it completes end with it.
fn completed(open: &mut Vec<Open>) -> Option<()> {
    while let Some(top) = open.last_mut().filter(|top| top.counted.is_none()) {
        top.left -= 1;
        if top.left > 0 {
            break;
        }
        open.pop();
    }
    Some(())
}
