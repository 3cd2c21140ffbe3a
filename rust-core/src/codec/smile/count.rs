//! The first pass over a Smile document: how many items each array and object has.

use super::token::{Name, Token};
use crate::codec::input::{Counts, Input};
use crate::value::Sink;

/// Counts the items of every array and object from here on, up to `levels` deep and `most` of them.
pub(super) fn count<S: Sink>(mut input: Input<'_>, levels: usize, most: u64, sink: &mut S) -> Counts {
    let mut counts = Counts::up_to(most);
    // Stopping early is no harm: see Counts.
    let _: Option<()> = walk(&mut input, &mut counts, levels, sink);
    counts
}

fn walk<S: Sink>(input: &mut Input<'_>, counts: &mut Counts, levels: usize, sink: &mut S) -> Option<()> {
    // The containers that are open, and whether each is an object.
    let mut open: Vec<(usize, bool)> = Vec::with_capacity(16);
    loop {
        if let Some((container, true)) = open.last() {
            let name = Name::of(input.byte().ok()?)?;
            if name == Name::EndObject {
                open.pop();
                if open.is_empty() {
                    return Some(());
                }
                continue;
            }
            counts.add(*container);
            name.skip(input).ok()?;
        }
        let token = Token::of(input.byte().ok()?)?;
        match (token, open.last()) {
            (Token::EndArray, Some((_, false))) => {
                open.pop();
            }
            (Token::EndArray, _) => return None,
            (_, Some((container, false))) => counts.add(*container),
            _ => {}
        }
        match token {
            Token::BeginArray | Token::BeginObject => {
                if open.len() >= levels {
                    return None;
                }
                open.push((counts.open(sink)?, token == Token::BeginObject));
            }
            token => token.skip(input).ok()?,
        }
        if open.is_empty() {
            return Some(());
        }
    }
}
