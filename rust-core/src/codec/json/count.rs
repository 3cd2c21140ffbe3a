//! The first pass over JSON text: how many items each array and object has.

use memchr::memchr2;

use crate::codec::input::Counts;
use crate::value::Sink;

/// Counts the items of every array and object in the text, up to `levels` deep and `most` of them.
pub(super) fn count<S: Sink>(text: &[u8], levels: usize, most: u64, sink: &mut S) -> Counts {
    let mut counts = Counts::up_to(most);
    let mut open: Vec<usize> = Vec::with_capacity(16);
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' => at = skip_string(text, at),
            b'[' | b'{' => {
                if open.len() >= levels {
                    break;
                }
                let Some(container) = counts.open(sink) else { break };
                open.push(container);
                while matches!(text.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
                    at += 1;
                }
                if !matches!(text.get(at), Some(b']' | b'}')) {
                    counts.add(container);
                }
            }
            b',' => {
                if let Some(container) = open.last() {
                    counts.add(*container);
                }
            }
            b']' | b'}' => {
                open.pop();
            }
            _ => {}
        }
    }
    counts
}

/// The offset behind the closing quote of the string whose content begins at `at`.
#[inline]
pub(super) fn skip_string(text: &[u8], mut at: usize) -> usize {
    while let Some(found) = memchr2(b'"', b'\\', text.get(at..).unwrap_or_default()) {
        at += found;
        if text[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    text.len()
}
