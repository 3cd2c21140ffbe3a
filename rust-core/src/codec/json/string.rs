//! JSON's strings, both ways.

use std::borrow::Cow;

use super::count::skip_string;
use crate::codec::input::malformed;
use crate::codec::output::Output;
use crate::error::{Error, Result, memory};

/// What stands for a byte after the backslash; 0 for itself, `u` for four hex digits.
const fn escape(byte: u8) -> u8 {
    match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x09 => b't',
        0x0a => b'n',
        0x0c => b'f',
        0x0d => b'r',
        0..0x20 => b'u',
        _ => 0,
    }
}

/// Writes a comma if one is due, the text in quotes, and what stands behind, which begins with the closing quote.
#[inline]
pub(super) fn write<const N: usize>(
    out: &mut Output<'_>,
    comma: bool,
    text: &str,
    after: &[u8; N],
) -> Result<()> {
    out.room(text.len() + 2)?;
    let bytes = text.as_bytes();
    if comma {
        out.put(b",\"");
    } else {
        out.push(b'"');
    }
    let plain = plain_run(bytes);
    out.put(&bytes[..plain]);
    if plain < bytes.len() {
        write_escaped(out, bytes, plain);
    }
    out.put(after);
    // Escapes make the text up to six times as long.
    if plain < bytes.len() { out.room(0) } else { Ok(()) }
}

/// Writes the text from this byte on, which needs an escape.
fn write_escaped(out: &mut Output<'_>, bytes: &[u8], mut from: usize) {
    loop {
        let plain = plain_run(&bytes[from..]);
        out.put(&bytes[from..from + plain]);
        from += plain;
        let Some(byte) = bytes.get(from) else { break };
        match escape(*byte) {
            b'u' => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.put(&[b'\\', b'u', b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
            short => out.put(&[b'\\', short]),
        }
        from += 1;
    }
}

/// Which bytes stand for themselves in a string.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        plain[byte] = escape(byte as u8) == 0;
        byte += 1;
    }
    plain
};

/// How many bytes from the start are neither a quote, a backslash nor a control character.
#[inline]
pub(super) fn plain_run(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(chunk) = bytes[at..].first_chunk::<32>() {
        // Without a branch for each byte, so that the compiler takes many at once.
        if chunk.iter().fold(false, |odd, b| odd | (*b < 0x20) | (*b == b'"') | (*b == b'\\')) {
            break;
        }
        at += 32;
    }
    while let Some(chunk) = bytes[at..].first_chunk::<8>() {
        let found = odd_lanes(u64::from_le_bytes(*chunk));
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    // What is left is looked at together with bytes before it, which are known to be plain.
    if at == bytes.len() {
        return at;
    } else if let Some(last) = bytes.last_chunk::<8>() {
        let found = odd_lanes(u64::from_le_bytes(*last));
        return bytes.len() - 8 + if found == 0 { 8 } else { found.trailing_zeros() as usize / 8 };
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        // Four to seven bytes: those in the middle twice.
        let word = u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32;
        if odd_lanes(word) == 0 {
            return bytes.len();
        }
    }
    at + bytes[at..].iter().take_while(|b| PLAIN[usize::from(**b)]).count()
}

/// The high bit of each byte that is a quote, a backslash or a control character. The lowest of them is exact; above
/// it, borrows may set some too many.
#[inline]
fn odd_lanes(word: u64) -> u64 {
    quotes_and_backslashes(word) | (word.wrapping_sub(ONES * 0x20) & !word & HIGH)
}

const ONES: u64 = u64::MAX / 255;
const HIGH: u64 = ONES << 7;

/// The high bit of each byte that is a quote or a backslash, the lowest of them exact.
#[inline]
pub(super) fn quotes_and_backslashes(word: u64) -> u64 {
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    ((quote.wrapping_sub(ONES) & !quote) | (backslash.wrapping_sub(ONES) & !backslash)) & HIGH
}

/// Reads the string whose opening quote stands at `at`; gives the text and the offset behind the closing quote. Text
/// with escapes is a copy: `room`, given the offset of the first backslash, says how many bytes it takes at most.
#[inline]
pub(super) fn read(
    text: &str,
    at: usize,
    room: impl FnOnce(usize) -> Result<usize>,
) -> Result<(Cow<'_, str>, usize)> {
    let from = at + 1;
    let bytes = text.as_bytes();
    let end = from + plain_run(&bytes[from..]);
    match bytes.get(end) {
        Some(b'"') => Ok((Cow::Borrowed(&text[from..end]), end + 1)),
        Some(b'\\') => {
            let most = room(end)?;
            let mut whole = String::new();
            whole.try_reserve_exact(most).map_err(|_| memory::out_of_memory(most))?;
            read_escaped(text, from, end, whole)
        }
        _ => Err(unfinished(bytes, end)),
    }
}

/// The most bytes that the string takes whose content begins at `from` and has a backslash at `at`: no escape is shorter
/// than what it stands for.
pub(super) fn most(text: &str, from: usize, at: usize) -> usize {
    skip_string(text.as_bytes(), at) - from
}

#[cold]
fn unfinished(bytes: &[u8], at: usize) -> Error {
    if at < bytes.len() {
        malformed(at, "a control character in a string is written as an escape")
    } else {
        malformed(bytes.len(), "the bytes end before the value does")
    }
}

fn read_escaped(text: &str, from: usize, plain: usize, mut whole: String) -> Result<(Cow<'_, str>, usize)> {
    let bytes = text.as_bytes();
    let (mut from, mut at) = (from, plain);
    loop {
        whole.push_str(&text[from..at]);
        match bytes.get(at) {
            Some(b'"') => return Ok((Cow::Owned(whole), at + 1)),
            Some(b'\\') => at = read_escape(text, at, &mut whole)?,
            _ => return Err(unfinished(bytes, at)),
        }
        from = at;
        at += plain_run(&bytes[at..]);
    }
}

/// Reads the escape whose backslash stands at `at`; gives the offset behind it.
fn read_escape(text: &str, at: usize, whole: &mut String) -> Result<usize> {
    let bytes = text.as_bytes();
    let ended = || malformed(bytes.len(), "the bytes end before the value does");
    let c = match bytes.get(at + 1).ok_or_else(ended)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let first = hex(bytes, at + 2)?;
            let (code, end) = match first {
                0xd800..0xdc00 => {
                    if bytes.get(at + 6..at + 8) != Some(b"\\u") {
                        return Err(malformed(at, "the first half of a surrogate pair stands alone"));
                    }
                    let second = hex(bytes, at + 8)?;
                    if !(0xdc00..0xe000).contains(&second) {
                        return Err(malformed(at, "the first half of a surrogate pair stands alone"));
                    }
                    (0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00), at + 12)
                }
                0xdc00..0xe000 => {
                    return Err(malformed(at, "the second half of a surrogate pair stands alone"));
                }
                code => (code, at + 6),
            };
            whole.extend(char::from_u32(code));
            return Ok(end);
        }
        _ => return Err(malformed(at + 1, "no escape in a string is written like this")),
    };
    whole.push(c);
    Ok(at + 2)
}

fn hex(bytes: &[u8], at: usize) -> Result<u32> {
    let mut code = 0;
    for i in at..at + 4 {
        let byte =
            bytes.get(i).ok_or_else(|| malformed(bytes.len(), "the bytes end before the value does"))?;
        let digit = char::from(*byte).to_digit(16);
        code = code << 4 | digit.ok_or_else(|| malformed(i, "\\u is followed by four hex digits"))?;
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use crate::value::Limits;

    #[test]
    fn escapes_count_for_the_limit() {
        let mut bytes = Vec::new();
        let mut out = Output::new(&mut bytes, Limits::for_message(20));
        write(&mut out, true, "\u{1}\u{2}\u{3}", b"\"").unwrap_err();
        bytes.clear();
        let mut out = Output::new(&mut bytes, Limits::for_message(21));
        write(&mut out, true, "\u{1}\u{2}\u{3}", b"\"").unwrap();
        assert_eq!(bytes, br#","\u0001\u0002\u0003""#);
        let mut out = Output::new(&mut bytes, Limits::for_message(5));
        assert_eq!(write(&mut out, false, "abcd", b"\":").unwrap_err().kind(), ErrorKind::TooLarge);
    }

    #[test]
    fn a_plain_run_ends_at_the_first_byte_to_be_looked_at() {
        for byte in (0..=u8::MAX).step_by(if cfg!(miri) { 31 } else { 1 }) {
            for length in [1, 3, 4, 6, 7, 8, 9, 24, 33, 40, 70] {
                for place in 0..length {
                    for filler in [b'a', 0x21, 0x23, 0x5b, 0x5d, 0x80, 0xff] {
                        let mut bytes = vec![filler; length];
                        bytes[place] = byte;
                        let expected = if escape(byte) == 0 { length } else { place };
                        assert_eq!(plain_run(&bytes), expected, "{byte:#x} at {place} of {length}");
                    }
                }
            }
        }
    }
}
