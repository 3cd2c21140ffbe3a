//! JSON's numbers: integers of any size, floats exact to the bit.
//!
//! The standard library parses floats to the nearest value; numbers of up to fifteen digits are computed here, since
//! most are short: a float of them is one division of two floats that have no error (W. D. Clinger, "How to Read
//! Floating Point Numbers Accurately", 1990).

use crate::codec::input::malformed;
use crate::error::{Error, ErrorKind, Result};
use crate::value::{BigInt, Sink, Source};

/// A number of at most fifteen digits.
pub(super) enum Number {
    Int(i64),
    Float(f64),
}

/// Returns the number that begins at `at`, and the offset behind it, where it has at most fifteen digits and no
/// exponent; `None` for any other text.
#[inline(always)]
pub(super) fn short(bytes: &[u8], at: usize) -> Option<(Number, usize)> {
    let negative = bytes[at] == b'-';
    let first = at + usize::from(negative);
    let (whole, point) = read_digits(bytes, first, 0);
    // A zero at the start stands alone.
    if point == first || (bytes[first] == b'0' && point > first + 1) {
        return None;
    }
    let (digits, end) =
        if bytes.get(point) == Some(&b'.') { read_digits(bytes, point + 1, whole) } else { (whole, point) };
    // The point is counted too, so this allows one digit less for floats.
    if end - first > MOST || matches!(bytes.get(end), Some(b'e' | b'E')) {
        return None;
    }
    if end == point {
        let number = digits as i64;
        return Some((Number::Int(if negative { -number } else { number }), end));
    }
    // Both are floats without an error, so their quotient is the float nearest to the decimal.
    let size = digits as f64 / *POWERS.get((end - point).checked_sub(2)?)?;
    Some((Number::Float(if negative { -size } else { size }), end))
}

/// The length of the longest number that [`short`] reads.
const MOST: usize = 15;

/// Powers of ten from the first one on: they are floats without an error up to the 22nd.
const POWERS: [f64; 14] = [1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14];

/// Reads digits from `at` on, which follow those of `number`; returns the number and the offset behind them. Beyond
/// nineteen digits the number is wrong.
fn read_digits(bytes: &[u8], mut at: usize, mut number: u64) -> (u64, usize) {
    while let Some(byte) = bytes.get(at) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    (number, at)
}

/// Sends the number that begins at `at`; returns the offset behind it.
///
/// # Errors
///
/// `Malformed` with the offset, `OutOfRange` for a float beyond 64 bits, `TooLarge` for an integer
/// beyond [`BigInt::LIMIT`].
pub(super) fn send<S: Sink>(text: &str, at: usize, sink: &mut S) -> Result<usize> {
    let bytes = text.as_bytes();
    match short(bytes, at) {
        Some((Number::Int(number), end)) => return sink.int(number).map(|()| end),
        Some((Number::Float(number), end)) => return sink.float(number).map(|()| end),
        None => {}
    }
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
    } else {
        send_integer(&text[at..end], sink)?;
    }
    Ok(end)
}

/// Returns the offset behind the digits at `from`.
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

/// Sends an integer of more digits than [`short`] reads.
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
