//! JSON's strings, in both directions.
//!
//! A string without escapes is borrowed from the text. A string with escapes is built in a buffer; the first pass has
//! computed its size, and the sink counts it.

use std::borrow::Cow;

use super::scan::{is_short_and_plain, plain_run, skip_string};
use crate::codec::input::malformed;
use crate::codec::output::Output;
use crate::error::{Error, Result, memory};

/// Returns the letter of this byte's escape: 0 for no escape, `u` for four hexadecimal digits.
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

/// Writes a comma if `comma` is set, the text in quotes, and `after`.
///
/// `after` begins with the closing quote.
///
/// # Errors
///
/// `TooLarge` over the limit of the message.
#[inline(always)]
pub(super) fn write<const N: usize>(
    out: &mut Output<'_>,
    comma: bool,
    text: &str,
    after: &[u8; N],
) -> Result<()> {
    let bytes = text.as_bytes();
    // Most strings and nearly all keys are short and need no escape. This path for them calls no other function.
    let before = if comma { *b",\"" } else { *b"\"\0" };
    if out.has_room(bytes.len())
        && is_short_and_plain(bytes)
        && out.try_around(before, 1 + usize::from(comma), bytes, *after)
    {
        return Ok(());
    }
    write_long(out, comma, bytes, after)
}

#[inline(never)]
fn write_long(out: &mut Output<'_>, comma: bool, bytes: &[u8], after: &[u8]) -> Result<()> {
    out.check_room(bytes.len() + 2)?;
    if comma {
        out.push(b',');
    }
    out.push(b'"');
    let plain = plain_run(bytes);
    out.put_all(&bytes[..plain]);
    if plain < bytes.len() {
        write_escaped(out, bytes, plain);
    }
    out.put_all(after);
    // Escapes make the text up to six times as long, so this checks the limit again.
    if plain < bytes.len() { out.check_room(0) } else { Ok(()) }
}

fn write_escaped(out: &mut Output<'_>, bytes: &[u8], mut from: usize) {
    loop {
        let plain = plain_run(&bytes[from..]);
        out.put_all(&bytes[from..from + plain]);
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

/// Reads the string whose opening quote is at `at`. Returns the text and the offset after it.
///
/// Text with escapes is a copy. `room` gets the offset of the first backslash and returns an upper bound of the copy's
/// length.
///
/// # Errors
///
/// `Malformed` with the offset; the errors of `room`; `OutOfMemory`.
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
            let max_length = room(end)?;
            let mut whole = String::new();
            whole.try_reserve_exact(max_length).map_err(|_| memory::out_of_memory(max_length))?;
            read_escaped(text, from, end, whole)
        }
        _ => Err(unfinished(bytes, end)),
    }
}

/// Returns an upper bound of the length of the decoded string.
///
/// The content begins at `from` and has a backslash at `at`. Each escape is at least as long as its character.
pub(super) fn max_length(text: &str, from: usize, at: usize) -> usize {
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

/// Copies the string from `from` on into `whole`; the bytes up to `plain` need no decoding.
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
                // A character beyond 16 bits is two escapes: a high and a low surrogate.
                0xd800..0xdc00 => {
                    // The high surrogate has six bytes; the low surrogate must follow at once.
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

    fn written(comma: bool, text: &str, limit: u64) -> Result<String> {
        let mut bytes = Vec::new();
        let mut out = Output::new(&mut bytes, &Limits::for_message(limit));
        let done = write(&mut out, comma, text, b"\":");
        drop(out);
        done.map(|()| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn write_counts_escapes_for_the_limit() {
        let text = "\u{1}\u{2}\u{3}";
        assert_eq!(written(true, text, 21).unwrap_err().kind(), ErrorKind::TooLarge);
        assert_eq!(written(true, text, 22).unwrap(), r#","\u0001\u0002\u0003":"#);
        assert_eq!(written(false, "abcd", 5).unwrap_err().kind(), ErrorKind::TooLarge);
    }

    #[test]
    fn write_escapes_special_characters_at_every_place() {
        for length in (0..40).step_by(if cfg!(miri) { 3 } else { 1 }) {
            let plain: String = ('a'..='z').cycle().take(length).collect();
            for comma in [false, true] {
                let start = if comma { ",\"" } else { "\"" };
                assert_eq!(written(comma, &plain, 1000).unwrap(), [start, &plain, "\":"].concat());
                for (special, escaped) in [('"', "\\\""), ('\\', "\\\\"), ('\u{1f}', "\\u001f"), ('é', "é")]
                {
                    for place in 0..length {
                        let (before, after) = (&plain[..place], &plain[place + 1..]);
                        let text = format!("{before}{special}{after}");
                        let expected = [start, before, escaped, after, "\":"].concat();
                        assert_eq!(written(comma, &text, 1000).unwrap(), expected);
                    }
                }
            }
        }
    }

    #[test]
    fn plain_run_ends_at_the_first_special_byte() {
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
