//! Constructors of integers of any size: each returns the smallest kind of value for the integer.
//!
//! `from_parts` and `parse` check the length before they convert, because codecs call them with a
//! peer's bytes.

use std::str::FromStr;

use num_bigint::{BigInt as Number, Sign};

use super::{BigInt, Value};
use crate::error::{Error, ErrorKind, Result, quoted};

impl BigInt {
    /// The greatest length of a decimal text in bytes: a sign and the 2467 digits of 256^1024 - 1.
    ///
    /// A longer text is refused first, because the conversion takes more than linear time.
    const TEXT_LIMIT: usize = 2468;

    /// Returns the integer with this sign and magnitude: a plain integer if it fits 64 bits.
    ///
    /// The most significant byte of the magnitude is first; leading zeros are ignored. Minus zero
    /// is zero.
    ///
    /// # Errors
    ///
    /// `TooLarge` if more than [`BigInt::LIMIT`] bytes remain without leading zeros.
    pub fn from_parts(negative: bool, magnitude: &[u8]) -> Result<Value> {
        let zeros = magnitude.iter().take_while(|b| **b == 0).count();
        let magnitude = &magnitude[zeros..];
        if magnitude.len() <= 8 {
            let small = magnitude.iter().fold(0u64, |n, b| n << 8 | u64::from(*b));
            if !negative {
                return Ok(Value::from(small));
            }
            if small <= 1 << 63 {
                return Ok(Value::Int((small as i64).wrapping_neg()));
            }
        }
        if magnitude.len() > Self::LIMIT {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("over the integer limit: {} bytes asked, {} allowed", magnitude.len(), Self::LIMIT),
            ));
        }
        Ok(Value::BigInt(BigInt { negative, magnitude: magnitude.to_vec() }))
    }

    /// Returns the integer of this decimal text: a plain integer if it fits 64 bits.
    ///
    /// # Errors
    ///
    /// `TooLarge` if the text or the magnitude is too long. `Malformed` unless the text is an
    /// optional minus sign and at least one digit; `num-bigint` would also accept `+` and `_`.
    pub fn parse(text: &str) -> Result<Value> {
        if text.len() > Self::TEXT_LIMIT {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!(
                    "over the integer limit: {} characters asked, {} allowed",
                    text.len(),
                    Self::TEXT_LIMIT
                ),
            ));
        }
        let digits = text.strip_prefix('-').unwrap_or(text);
        let plain = !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit());
        match Number::from_str(text) {
            Ok(number) if plain => {
                BigInt::from_parts(number.sign() == Sign::Minus, &number.magnitude().to_bytes_be())
            }
            _ => Err(Error::new(
                ErrorKind::Malformed,
                format!("{text} is not a decimal integer", text = quoted(text)),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_64_bits_become_plain_values() {
        assert_eq!(BigInt::parse("-9223372036854775808").unwrap(), Value::Int(i64::MIN));
        assert_eq!(BigInt::parse("18446744073709551615").unwrap(), Value::Uint(u64::MAX));
        assert_eq!(BigInt::from_parts(true, &[0, 0]).unwrap(), Value::Int(0));
    }

    #[test]
    fn integers_beyond_64_bits_keep_sign_and_digits() {
        for text in ["18446744073709551616", "-9223372036854775809", &format!("-1{}", "0".repeat(2000))] {
            let Value::BigInt(big) = BigInt::parse(text).unwrap() else { panic!("{text}") };
            assert_eq!(big.to_string(), text);
        }
        assert_eq!(BigInt::parse(&"9".repeat(2467)).unwrap_err().kind(), ErrorKind::TooLarge);
        assert_eq!(BigInt::parse("1_000").unwrap_err().kind(), ErrorKind::Malformed);
    }
}
