//! JSON's numbers: integers of any size, floats exact to the bit.
//!
//! The standard library parses floats to the nearest value; integers of up to 18 digits are
//! computed here, since most are short.

use crate::codec::input::malformed;
use crate::error::{Error, ErrorKind, Result};
use crate::value::{BigInt, Sink, Source};

/// Sends the number that begins at `at`; returns the offset behind it.
///
/// # Errors
///
/// `Malformed` with the offset, `OutOfRange` for a float beyond 64 bits, `TooLarge` for an integer
/// beyond [`BigInt::LIMIT`].
#[inline]
pub(super) fn send<S: Sink>(text: &str, at: usize, sink: &mut S) -> Result<usize> {
    let bytes = text.as_bytes();
    let first = at + usize::from(bytes[at] == b'-');
    let mut end = match bytes.get(first) {
        // A zero at the start stands alone: 01 is not a number.
        Some(b'0') => first + 1,
        Some(b'1'..=b'9') => digits(bytes, first),
        Some(_) => return Err(malformed(first, "a digit is expected")),
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
    // A point or an exponent makes it a float.
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

/// The number of digits that always fits 64 bits with a sign.
const FIT: usize = 18;

/// Returns the offset behind the digits at `from`.
#[inline]
fn digits(bytes: &[u8], from: usize) -> usize {
    from + bytes[from..].iter().take_while(|c| c.is_ascii_digit()).count()
}

/// As [`digits`], with at least one digit required.
fn some_digits(bytes: &[u8], from: usize) -> Result<usize> {
    match bytes.get(from) {
        Some(b'0'..=b'9') => Ok(digits(bytes, from)),
        Some(_) => Err(malformed(from, "a digit is expected")),
        None => Err(ended(bytes)),
    }
}

/// Returns the error of a text that ends within a number.
#[cold]
fn ended(bytes: &[u8]) -> Error {
    malformed(bytes.len(), "the bytes end before the value does")
}

/// Sends an integer of more than `FIT` digits.
#[inline]
fn send_integer<S: Sink>(text: &str, sink: &mut S) -> Result<()> {
    if let Ok(n) = text.parse::<i64>() {
        return sink.int(n);
    }
    BigInt::parse(text)?.walk(sink)
}

/// Sends a float.
fn send_float<S: Sink>(text: &str, sink: &mut S) -> Result<()> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => sink.float(value),
        _ => {
            let start: String = text.chars().take(40).collect();
            Err(Error::new(ErrorKind::OutOfRange, format!("{start} does not fit a 64-bit float")))
        }
    }
}
