//! Integers beyond 64 bits: sign and magnitude, at most 1 KiB.

use std::fmt;
use std::str::FromStr;

use num_bigint::{BigInt as Number, Sign};

use super::Value;
use crate::error::{Error, ErrorKind, Result, quoted};

/// An integer that fits neither `i64` nor `u64`, at most 1 KiB long.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BigInt {
    negative: bool,
    magnitude: Vec<u8>,
}

impl BigInt {
    /// The longest magnitude in bytes.
    pub const LIMIT: usize = 1024;

    /// The longest decimal text that can fit: a sign and the digits of 256^1024 - 1.
    const TEXT_LIMIT: usize = 2468;

    /// The integer with this sign and magnitude (most significant byte first): a plain integer where it fits 64 bits.
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

    /// The integer that this decimal text writes: a plain integer where it fits 64 bits.
    pub fn parse(text: &str) -> Result<Value> {
        if text.len() > Self::TEXT_LIMIT {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("over the integer limit: {} digits asked, 2466 allowed", text.len()),
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

    /// Whether it is below zero.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// The absolute value, most significant byte first, without leading zeros.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_ones_are_plain_integers() {
        assert_eq!(BigInt::parse("-9223372036854775808").unwrap(), Value::Int(i64::MIN));
        assert_eq!(BigInt::parse("18446744073709551615").unwrap(), Value::Uint(u64::MAX));
        assert_eq!(BigInt::from_parts(true, &[0, 0]).unwrap(), Value::Int(0));
    }

    #[test]
    fn large_ones_keep_sign_and_digits() {
        for text in ["18446744073709551616", "-9223372036854775809", &format!("-1{}", "0".repeat(2000))] {
            let Value::BigInt(big) = BigInt::parse(text).unwrap() else { panic!("{text}") };
            assert_eq!(big.to_string(), text);
        }
        assert_eq!(BigInt::parse(&"9".repeat(2467)).unwrap_err().kind(), ErrorKind::TooLarge);
        assert_eq!(BigInt::parse("1_000").unwrap_err().kind(), ErrorKind::Malformed);
    }
}
