//! The first pass over JSON text: the items of arrays and objects, the lengths of escaped strings.
//!
//! Text that is not JSON gives wrong counts, but the second pass finds the error before they
//! matter.

use super::scan::{skip_string, unescaped_run};
use crate::codec::input::ItemCounts;
use crate::value::Sink;
use crate::value::Stack;

/// Counts the items of every array and object and the bytes of every string with a backslash.
///
/// The counts are in the order in which the items begin, up to `levels` deep; at most `most`
/// counts.
pub(super) fn count<S: Sink>(text: &[u8], levels: usize, most: u64, sink: &mut S) -> ItemCounts {
    let mut counts = ItemCounts::up_to(most);
    let mut open: Stack<usize> = Stack::new();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' => {
                let from = at;
                at = unescaped_run(text, at);
                // Strings without escapes are borrowed and need no count.
                if text.get(at) == Some(&b'\\') {
                    at = skip_string(text, at);
                    let Some(string) = counts.open(sink) else { break };
                    counts.set(string, at - from);
                } else {
                    at += 1;
                }
            }
            b'[' | b'{' => {
                // The second pass refuses deeper containers.
                if open.len() >= levels {
                    break;
                }
                let Some(container) = counts.open(sink) else { break };
                open.push(container);
                while matches!(text.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
                    at += 1;
                }
                // A container that is not empty has one item more than commas.
                if !matches!(text.get(at), Some(b']' | b'}')) {
                    counts.add(container);
                }
            }
            b',' => {
                if let Some(container) = open.last().copied() {
                    counts.add(container);
                }
            }
            // The second pass checks the kind of the bracket.
            b']' | b'}' => {
                open.pop();
            }
            _ => {
                while text.get(at).is_some_and(|byte| !COUNTED[usize::from(*byte)]) {
                    at += 1;
                }
            }
        }
    }
    counts
}

const COUNTED: [bool; 256] = {
    let mut counted = [false; 256];
    let mut i = 0;
    while i < b"\"[]{},".len() {
        counted[b"\"[]{},"[i] as usize] = true;
        i += 1;
    }
    counted
};
