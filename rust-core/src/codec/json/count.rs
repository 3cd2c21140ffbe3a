//! The first pass over JSON text: how many items each array and object has.

use memchr::memchr2;

use crate::codec::input::Counts;

/// Counts the items of every array and object in the text, up to `levels` deep and `most` of them.
pub(super) fn count(text: &[u8], levels: usize, most: u64) -> Counts {
    let mut counts = Counts::default();
    let mut open: Vec<usize> = Vec::with_capacity(16);
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' => at = skip_string(text, at),
            b'[' | b'{' => {
                if open.len() >= levels || counts.containers() as u64 >= most {
                    break;
                }
                let container = counts.open();
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
fn skip_string(text: &[u8], mut at: usize) -> usize {
    while let Some(found) = memchr2(b'"', b'\\', text.get(at..).unwrap_or_default()) {
        at += found;
        if text[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    text.len()
}
