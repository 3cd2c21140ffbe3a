//! JSON's numbers: integers of any size, floats exact to the bit.

use crate::codec::input::malformed;
use crate::error::{Error, ErrorKind, Result};
use crate::value::{BigInt, Sink, Source};

/// Sends the number that begins at `at`; gives the offset behind it.
#[inline]
pub(super) fn send<S: Sink>(text: &str, at: usize, sink: &mut S) -> Result<usize> {
    let bytes = text.as_bytes();
    let first = at + usize::from(bytes[at] == b'-');
    let mut end = match bytes.get(first) {
        Some(b'0') => first + 1,
        Some(b'1'..=b'9') => digits(bytes, first),
        Some(_) => return Err(malformed(first, "a digit is due")),
        None => return Err(ended(bytes)),
    };
    let whole = end;
    if bytes.get(end) == Some(&b'.') {
        end = some_digits(bytes, end + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(end) {
        let signed = matches!(bytes.get(end + 1), Some(b'+' | b'-'));
        end = some_digits(bytes, end + 1 + usize::from(signed))?;
    }
    if end > whole {
        send_float(&text[at..end], sink)?;
    } else if end - first <= FIT {
        let n = bytes[first..end].iter().fold(0, |n, digit| n * 10 + i64::from(digit - b'0'));
        sink.int(if first > at { -n } else { n })?;
    } else {
        send_integer(&text[at..end], sink)?;
    }
    Ok(end)
}

/// So many digits always fit 64 bits with a sign.
const FIT: usize = 18;

#[inline]
fn digits(bytes: &[u8], from: usize) -> usize {
    from + bytes[from..].iter().take_while(|c| c.is_ascii_digit()).count()
}

fn some_digits(bytes: &[u8], from: usize) -> Result<usize> {
    match bytes.get(from) {
        Some(b'0'..=b'9') => Ok(digits(bytes, from)),
        Some(_) => Err(malformed(from, "a digit is due")),
        None => Err(ended(bytes)),
    }
}

#[cold]
fn ended(bytes: &[u8]) -> Error {
    malformed(bytes.len(), "the bytes end before the value does")
}

#[inline]
fn send_integer<S: Sink>(text: &str, sink: &mut S) -> Result<()> {
    if let Ok(n) = text.parse::<i64>() {
        return sink.int(n);
    }
    BigInt::parse(text)?.walk(sink)
}

fn send_float<S: Sink>(text: &str, sink: &mut S) -> Result<()> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => sink.float(value),
        _ => {
            let start: String = text.chars().take(40).collect();
            Err(Error::new(ErrorKind::OutOfRange, format!("{start} does not fit a 64-bit float")))
        }
    }
}
