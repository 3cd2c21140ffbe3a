//! The first pass over a Smile document: the number of items of each array and object.
//!
//! Smile marks only the ends of containers, but a sink needs the number of items.

use super::token::{KeyToken, ValueToken};
use crate::codec::input::{Input, ItemCounts};
use crate::value::Sink;

/// Counts the items of every array and object from here on, up to `levels` deep; at most `most`
/// counts.
pub(super) fn count<S: Sink>(mut input: Input<'_>, levels: usize, most: u64, sink: &mut S) -> ItemCounts {
    let mut counts = ItemCounts::up_to(most);
    let _: Option<()> = walk(&mut input, &mut counts, levels, sink);
    counts
}

fn walk<S: Sink>(input: &mut Input<'_>, counts: &mut ItemCounts, levels: usize, sink: &mut S) -> Option<()> {
    // The numbers of the open containers, and whether each is an object.
    let mut open: Vec<(usize, bool)> = Vec::with_capacity(16);
    loop {
        if let Some((container, true)) = open.last() {
            let name = KeyToken::of(input.byte().ok()?)?;
            if name == KeyToken::EndObject {
                open.pop();
                if open.is_empty() {
                    return Some(());
                }
                continue;
            }
            counts.add(*container);
            name.skip(input).ok()?;
        }
        let token = ValueToken::of(input.byte().ok()?)?;
        match (token, open.last()) {
            (ValueToken::EndArray, Some((_, false))) => {
                open.pop();
            }
            (ValueToken::EndArray, _) => return None,
            (_, Some((container, false))) => counts.add(*container),
            _ => {}
        }
        match token {
            ValueToken::BeginArray | ValueToken::BeginObject => {
                if open.len() >= levels {
                    return None;
                }
                open.push((counts.open(sink)?, token == ValueToken::BeginObject));
            }
            token => token.skip(input).ok()?,
        }
        if open.is_empty() {
            return Some(());
        }
    }
}
