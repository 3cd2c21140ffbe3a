//! The first pass over JSON text: how many items each array and object has, and how long each string with escapes is.

use memchr::memchr2;

use super::string::quotes_and_backslashes;
use crate::codec::input::Counts;
use crate::value::Sink;
use crate::value::stack::Stack;

/// Counts the items of every array and object in the text, up to `levels` deep, and the bytes of every string with a
/// backslash, in the order in which they begin; `most` of them.
pub(super) fn count<S: Sink>(text: &[u8], levels: usize, most: u64, sink: &mut S) -> Counts {
    let mut counts = Counts::up_to(most);
    let mut open: Stack<usize> = Stack::new(0);
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' => {
                let from = at;
                at = unescaped_run(text, at);
                if text.get(at) == Some(&b'\\') {
                    at = skip_string(text, at);
                    let Some(string) = counts.open(sink) else { break };
                    counts.set(string, at - from);
                } else {
                    at += 1;
                }
            }
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
                    counts.add(container);
                }
            }
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

/// Which bytes say anything about counts.
const COUNTED: [bool; 256] = {
    let mut counted = [false; 256];
    let mut i = 0;
    while i < b"\"[]{},".len() {
        counted[b"\"[]{},"[i] as usize] = true;
        i += 1;
    }
    counted
};

/// The offset behind the closing quote of the string of which this offset is in the content.
pub(super) fn skip_string(text: &[u8], mut at: usize) -> usize {
    loop {
        at = unescaped_run(text, at);
        match text.get(at) {
            Some(b'"') => return at + 1,
            // The byte behind a backslash ends nothing.
            Some(_) => at += 2,
            None => return text.len(),
        }
    }
}

/// The offset of the next quote or backslash, or the text's end.
#[inline]
fn unescaped_run(text: &[u8], mut at: usize) -> usize {
    // Most strings are short: a call is not worth its while for them.
    for _ in 0..SHORT / 8 {
        let Some(chunk) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) else { break };
        let found = quotes_and_backslashes(u64::from_le_bytes(*chunk));
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = text.get(at..).unwrap_or_default();
    memchr2(b'"', b'\\', rest).map_or(text.len(), |found| at + found)
}

/// Bytes up to which a string counts as short.
const SHORT: usize = 64;
