//! Numbers without a type in most languages: integers beyond 64 bits, and exact decimal numbers.
//!
//! A decimal number is canonical text of the General Decimal Arithmetic specification, because the languages have
//! different types. Texts decide equality and hashing.

use std::fmt;
use std::str::FromStr;

use num_bigint::{BigInt as Number, Sign};

use crate::error::{Error, ErrorKind, Result, quoted};

/// An integer that fits neither `i64` nor `u64`, at most 1 KiB long.
///
/// Each integer thus has one representation, and the derived equality compares numbers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BigInt {
    pub(super) negative: bool,
    /// The absolute value, big-endian, without leading zeros: 8 to `LIMIT` bytes.
    pub(super) magnitude: Vec<u8>,
}

impl BigInt {
    /// The magnitude's greatest length, in bytes.
    pub const LIMIT: usize = 1024;

    /// Returns whether the integer is below zero.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// Returns the absolute value, most significant byte first, without leading zeros.
    pub fn magnitude(&self) -> &[u8] {
        &self.magnitude
    }
}

impl fmt::Display for BigInt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { Sign::Minus } else { Sign::Plus };
        Number::from_bytes_be(sign, &self.magnitude).fmt(f)
    }
}

/// A decimal number: a coefficient and an exponent of ten, or an infinity, or NaN.
///
/// 1.10 stays 1.10. The text is the scientific string, as in Python's `str(Decimal)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decimal(String);

/// The parts of a decimal number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecimalParts {
    /// `coefficient × 10^exponent`, negated if `negative` is set. Zero also has a sign.
    Finite {
        /// Below zero, or minus zero.
        negative: bool,
        /// Decimal digits without leading zeros; `0` for zero.
        coefficient: String,
        /// The power of ten.
        exponent: i32,
    },
    /// Infinity, negative if the flag is set.
    Infinite(bool),
    /// Not a number.
    Nan,
}

impl Decimal {
    /// The greatest number of digits of a coefficient.
    pub const DIGITS: usize = 1024;

    const TEXT_LIMIT: usize = 4096;

    /// Returns the canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the number with these parts. `coefficient` has only decimal digits.
    ///
    /// # Errors
    ///
    /// `TooLarge` above [`Decimal::DIGITS`] digits. `OutOfRange` if the first digit's exponent exceeds 32 bits.
    pub fn from_parts(negative: bool, coefficient: &str, exponent: i32) -> Result<Decimal> {
        let digits = coefficient.trim_start_matches('0');
        let digits = if digits.is_empty() { "0" } else { digits };
        if digits.len() > Self::DIGITS {
            let text = format!("over the decimal limit: {} digits, {} allowed", digits.len(), Self::DIGITS);
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        let mut text = String::with_capacity(digits.len() + 8);
        if negative {
            text.push('-');
        }
        let adjusted = i64::from(exponent) + digits.len() as i64 - 1;
        if i32::try_from(adjusted).is_err() {
            let text =
                format!("a decimal number has an exponent of at most E+{}, here is E{adjusted:+}", i32::MAX);
            return Err(Error::new(ErrorKind::OutOfRange, text));
        }
        // The specification's rule: no exponent from 0.000001 up, unless that adds zeros after the digits.
        if exponent <= 0 && adjusted >= -6 {
            let point = digits.len() as i64 + i64::from(exponent);
            if exponent == 0 {
                text.push_str(digits);
            } else if point > 0 {
                text.push_str(&digits[..point as usize]);
                text.push('.');
                text.push_str(&digits[point as usize..]);
            } else {
                text.push_str("0.");
                text.extend(std::iter::repeat_n('0', (-point) as usize));
                text.push_str(digits);
            }
        } else {
            text.push_str(&digits[..1]);
            if digits.len() > 1 {
                text.push('.');
                text.push_str(&digits[1..]);
            }
            text.push_str(&format!("E{adjusted:+}"));
        }
        Ok(Decimal(text))
    }

    /// Returns the sign, the digits and the exponent of the number.
    pub fn parts(&self) -> DecimalParts {
        match self.0.as_str() {
            "NaN" => DecimalParts::Nan,
            "Infinity" => DecimalParts::Infinite(false),
            "-Infinity" => DecimalParts::Infinite(true),
            text => match split(text) {
                Some((negative, coefficient, exponent)) => {
                    DecimalParts::Finite { negative, coefficient, exponent }
                }
                None => unreachable!("a Decimal is made of text that was taken apart before"),
            },
        }
    }
}

/// `None` if it is not finite or decimal, or the exponent exceeds 32 bits.
fn split(text: &str) -> Option<(bool, String, i32)> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (number, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], rest[at + 1..].parse::<i32>().ok()?),
        None => (rest, 0),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = [whole, part].concat();
    if digits.is_empty() || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let exponent = exponent.checked_sub(i32::try_from(part.len()).ok()?)?;
    let trimmed = digits.trim_start_matches('0');
    Some((negative, if trimmed.is_empty() { "0".into() } else { trimmed.into() }, exponent))
}

impl FromStr for Decimal {
    type Err = Error;

    /// Parses digits with an optional sign, point and exponent, or `nan`, `inf`, `infinity` in any case.
    ///
    /// # Errors
    ///
    /// `TooLarge` for a long text or coefficient, `OutOfRange` for a large exponent, else `Malformed`.
    fn from_str(text: &str) -> Result<Decimal> {
        if text.len() > Self::TEXT_LIMIT {
            let text = format!(
                "over the decimal limit: a text of {} bytes, {} allowed",
                text.len(),
                Self::TEXT_LIMIT
            );
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        let unsigned = text.trim_start_matches(['-', '+']);
        if text.len() - unsigned.len() <= 1 {
            let negative = text.starts_with('-');
            match unsigned.to_ascii_lowercase().as_str() {
                "nan" => return Ok(Decimal("NaN".into())),
                "inf" | "infinity" if negative => return Ok(Decimal("-Infinity".into())),
                "inf" | "infinity" => return Ok(Decimal("Infinity".into())),
                _ => {}
            }
        }
        match split(text) {
            Some((negative, coefficient, exponent)) => Decimal::from_parts(negative, &coefficient, exponent),
            None => Err(Error::new(
                ErrorKind::Malformed,
                format!("{text} is not a decimal number such as 1.10", text = quoted(text)),
            )),
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_text_is_canonical() {
        for (input, text) in [
            ("1.10", "1.10"),
            ("+007", "7"),
            ("-0", "-0"),
            ("0.0000001", "1E-7"),
            ("0.000001", "0.000001"),
            ("1e3", "1E+3"),
            ("12.5E+10", "1.25E+11"),
            (".5", "0.5"),
            ("-inf", "-Infinity"),
            ("0E+5", "0E+5"),
        ] {
            let decimal: Decimal = input.parse().unwrap();
            assert_eq!(decimal.as_str(), text);
            assert_eq!(text.parse::<Decimal>().unwrap(), decimal);
        }
    }

    #[test]
    fn decimal_parts_round_trip_at_extreme_exponents() {
        for exponent in [i32::MIN, i32::MIN + 1, -6, 0, i32::MAX - 1] {
            let number = Decimal::from_parts(true, "15", exponent).unwrap();
            let parts = DecimalParts::Finite { negative: true, coefficient: "15".into(), exponent };
            assert_eq!(number.parts(), parts, "{number}");
        }
        assert_eq!(Decimal::from_parts(false, "15", i32::MAX).unwrap_err().kind(), ErrorKind::OutOfRange);
    }

    #[test]
    fn decimal_text_too_long_is_refused_with_a_short_error() {
        let error = "9x".repeat(Decimal::TEXT_LIMIT).parse::<Decimal>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert!(error.text().len() < 100, "{error}");
        assert_eq!(format!("0.{}1", "0".repeat(4000)).parse::<Decimal>().unwrap().as_str(), "1E-4001");
    }

    #[test]
    fn decimal_refuses_text_that_is_not_a_number() {
        for text in ["", ".", "1..2", "e5", "1e", "--1", "0x1", "1 ", "1e99999999999"] {
            assert_eq!(text.parse::<Decimal>().unwrap_err().kind(), ErrorKind::Malformed, "{text:?}");
        }
    }
}
