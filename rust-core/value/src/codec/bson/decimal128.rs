//! IEEE 754 decimal128 in the form of BSON: binary integer significand, little-endian.
//!
//! Layout from the top: a sign bit, 14 bits of biased exponent, 113 bits of coefficient. A number that decimal128
//! cannot hold exactly is written as an escape, so the codec rounds nothing.

use crate::error::Result;
use crate::value::{Decimal, DecimalParts};

const BIAS: i32 = 6176;
const LARGEST_EXPONENT: i32 = 6111;
const DIGITS: usize = 34;
const LARGEST_COEFFICIENT: u128 = 10u128.pow(34) - 1;

const SIGN: u128 = 1 << 127;
// The five bits after the sign, for numbers that are not finite.
const NAN: u128 = 0b11111 << 122;
const INFINITY: u128 = 0b11110 << 122;

/// Returns the number of these bytes. Drops the sign and payload of a NaN: a [`Decimal`] has one NaN.
pub(super) fn read(bytes: [u8; 16]) -> Result<Decimal> {
    let bits = u128::from_le_bytes(bytes);
    let negative = bits & SIGN != 0;
    // Five ones: NaN; four ones and a zero: infinity.
    if bits & NAN == NAN {
        return "NaN".parse();
    }
    if bits & NAN == INFINITY {
        return if negative { "-Infinity".parse() } else { "Infinity".parse() };
    }
    // Two ones after the sign mark the second form.
    let (exponent, coefficient) = if bits >> 125 & 3 == 3 {
        // The second form has coefficients from 2^113. All have more than 34 digits; the standard reads them as zero.
        (bits >> 111 & 0x3fff, 0)
    } else {
        (bits >> 113 & 0x3fff, bits & ((1 << 113) - 1))
    };
    let coefficient = if coefficient > LARGEST_COEFFICIENT { 0 } else { coefficient };
    Decimal::from_parts(negative, &coefficient.to_string(), exponent as i32 - BIAS)
}

/// Returns the bytes of exactly this number; `None` if decimal128 cannot hold it.
pub(super) fn write(decimal: &Decimal) -> Option<[u8; 16]> {
    let (negative, bits) = match decimal.parts() {
        DecimalParts::Nan => (false, NAN),
        DecimalParts::Infinite(negative) => (negative, INFINITY),
        DecimalParts::Finite { negative, coefficient, exponent } => {
            if coefficient.len() > DIGITS || !(-BIAS..=LARGEST_EXPONENT).contains(&exponent) {
                return None;
            }
            let coefficient: u128 = coefficient.parse().ok()?;
            (negative, u128::from((exponent + BIAS).cast_unsigned()) << 113 | coefficient)
        }
    };
    Some((bits | if negative { SIGN } else { 0 }).to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal128_round_trips_and_refuses_inexact_numbers() {
        let longest = "9".repeat(34);
        for text in ["0", "-0", "1.10", "-1E-6176", "9.999E+6114", "NaN", "Infinity", "-Infinity", &longest] {
            let decimal: Decimal = text.parse().unwrap();
            assert_eq!(read(write(&decimal).unwrap()).unwrap(), decimal, "{text}");
        }
        for text in ["1E-6177", "1E+6112", &"9".repeat(35)] {
            assert_eq!(write(&text.parse().unwrap()), None, "{text}");
        }
    }
}
