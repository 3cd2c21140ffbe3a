//! Integers beyond 64 bits: sign and magnitude, at most 1 KiB.
//!
//! Only the representation is here. The constructors are in `integer`, since they return a
//! [`Value`](super::Value): an integer that fits 64 bits never becomes a `BigInt`.

use std::fmt;

use num_bigint::{BigInt as Number, Sign};

/// An integer that fits neither `i64` nor `u64`, at most 1 KiB long.
///
/// Because smaller integers have their own kinds, equal integers have one representation each, and
/// the derived equality is that of the numbers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BigInt {
    /// Whether the integer is below zero.
    pub(super) negative: bool,
    /// The absolute value, big-endian, without leading zeros: 8 to `LIMIT` bytes.
    pub(super) magnitude: Vec<u8>,
}

impl BigInt {
    /// The greatest length of the magnitude, in bytes.
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

/// Writes the integer in decimal digits, with a minus sign where it is negative.
impl fmt::Display for BigInt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { Sign::Minus } else { Sign::Plus };
        Number::from_bytes_be(sign, &self.magnitude).fmt(f)
    }
}
