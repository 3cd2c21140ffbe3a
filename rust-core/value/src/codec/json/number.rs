//! JSON's numbers: integers of any size, floats exact to the bit.
//!
//! Numbers of up to fifteen digits, which are most, are computed here: such a float is one division of two exact floats
//! (W. D. Clinger, "How to Read Floating Point Numbers Accurately", 1990). The standard library parses the others.

use crate::codec::input::malformed;
use crate::error::{Error, ErrorKind, Result};
use crate::value::{BigInt, Sink, Source};

pub(super) enum Number {
    Int(i64),
    Float(f64),
}

/// Returns the number at `at` and the offset after it; `None` for an exponent or over fifteen digits.
#[inline(always)]
pub(super) fn short(bytes: &[u8], at: usize) -> Option<(Number, usize)> {
    let negative = bytes[at] == b'-';
    let first = at + usize::from(negative);
    let (whole, point) = read_digits(bytes, first, 0);
    // A zero at the start must be the only digit before the point.
    if point == first || (bytes[first] == b'0' && point > first + 1) {
        return None;
    }
    let (digits, end) =
        if bytes.get(point) == Some(&b'.') { read_digits(bytes, point + 1, whole) } else { (whole, point) };
    // The length includes the point, so floats have one digit less.
    if end - first > MOST || matches!(bytes.get(end), Some(b'e' | b'E')) {
        return None;
    }
    if end == point {
        let number = digits as i64;
        return Some((Number::Int(if negative { -number } else { number }), end));
    }
    // Both floats are exact, so their quotient is the float nearest to the decimal.
    let size = digits as f64 / *POWERS.get((end - point).checked_sub(2)?)?;
    Some((Number::Float(if negative { -size } else { size }), end))
}

const MOST: usize = 15;

/// Powers of ten; as floats they are exact up to the 22nd.
const POWERS: [f64; 14] = [1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14];

/// Appends the digits at `at` to `number`. Returns the number and the offset after the digits.
///
/// Beyond nineteen digits the number is wrong.
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

/// Sends the number at `at`. Returns the offset after it.
///
/// # Errors
///
/// `Malformed` with the offset, `OutOfRange` for a float beyond 64 bits, `TooLarge` for an integer beyond
/// [`BigInt::LIMIT`].
pub(super) fn send<S: Sink>(text: &str, at: usize, sink: &mut S) -> Result<usize> {
    let bytes = text.as_bytes();
    match short(bytes, at) {
        Some((Number::Int(number), end)) => return sink.int(number).map(|()| end),
        Some((Number::Float(number), end)) => return sink.float(number).map(|()| end),
        None => {}
    }
    let first = at + usize::from(bytes[at] == b'-');
    let mut end = match bytes.get(first) {
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
    if end > whole {
        send_float(&text[at..end], sink)?;
    } else {
        send_integer(&text[at..end], sink)?;
    }
    Ok(end)
}

fn digits(bytes: &[u8], from: usize) -> usize {
    from + bytes[from..].iter().take_while(|c| c.is_ascii_digit()).count()
}

fn some_digits(bytes: &[u8], from: usize) -> Result<usize> {
    match bytes.get(from) {
        Some(b'0'..=b'9') => Ok(digits(bytes, from)),
        Some(_) => Err(malformed(from, "a digit is expected")),
        None => Err(ended(bytes)),
    }
}

#[cold]
fn ended(bytes: &[u8]) -> Error {
    malformed(bytes.len(), "the bytes end before the value does")
}

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
