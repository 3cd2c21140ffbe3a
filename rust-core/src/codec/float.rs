//! Shorter floats widened bit by bit, so that a NaN keeps its payload and its signalling bit; a
//! conversion by the processor would make it quiet.

/// Returns a binary32, given as its bits, as binary64.
#[inline]
pub(crate) fn from_f32(bits: u32) -> f64 {
    let value = f32::from_bits(bits);
    // Only NaN is changed by the processor's conversion.
    if !value.is_nan() {
        return value.into();
    }
    let sign = u64::from(bits >> 31) << 63;
    f64::from_bits(sign | 0x7ff0_0000_0000_0000 | u64::from(bits & 0x007f_ffff) << 29)
}

/// Returns the bits of a binary16 as those of the equal binary32.
pub(crate) fn f16_to_f32(bits: u16) -> u32 {
    let sign = u32::from(bits >> 15) << 31;
    let exponent = u32::from(bits >> 10 & 0x1f);
    let fraction = u32::from(bits & 0x3ff);
    sign | match (exponent, fraction) {
        (0, 0) => 0,
        (0, _) => {
            // Subnormal: shift until the leading one is where binary32 does not write it.
            let shift = fraction.leading_zeros() - 21;
            (113 - shift) << 23 | (fraction << (shift + 13) & 0x007f_ffff)
        }
        // Infinity or NaN: the greatest exponent of binary32, with the fraction in its high bits.
        (31, _) => 0x7f80_0000 | fraction << 13,
        _ => (exponent + 112) << 23 | fraction << 13,
    }
}

/// Returns a binary16, given as its bits, as binary64.
pub(crate) fn from_f16(bits: u16) -> f64 {
    from_f32(f16_to_f32(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary16_widens_as_its_definition() {
        // The standard library promises no exact `powi`.
        let power_of_two = |exponent: i32| f64::from_bits(((1023 + exponent) as u64) << 52);
        // Under Miri, which is slow, a sample of all values: the step covers every exponent and both signs.
        for bits in (0..=u16::MAX).step_by(if cfg!(miri) { 61 } else { 1 }) {
            let exponent = i32::from(bits >> 10 & 0x1f);
            let fraction = f64::from(bits & 0x3ff);
            let magnitude = match exponent {
                0 => fraction * power_of_two(-24),
                31 if fraction == 0.0 => f64::INFINITY,
                31 => f64::NAN,
                e => (1.0 + fraction / 1024.0) * power_of_two(e - 15),
            };
            let expected = if bits >> 15 == 1 { -magnitude } else { magnitude };
            let found = from_f16(bits);
            if expected.is_nan() {
                assert_eq!(
                    found.to_bits() >> 42,
                    0x7ff << 10 | u64::from(bits >> 15) << 21 | u64::from(bits & 0x3ff)
                );
            } else {
                assert_eq!(found.to_bits(), expected.to_bits(), "{bits:#06x}");
            }
        }
    }

    #[test]
    fn signalling_nan_keeps_its_bits() {
        assert_eq!(from_f32(0x7f80_0001).to_bits(), 0x7ff0_0000_2000_0000);
    }
}
