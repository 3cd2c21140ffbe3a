//! Integers and short decimal fractions to text, eight digits at a time.
//!
//! The digits are computed in the bytes of one integer ("SIMD within a register") and stored with it.

/// The memory for one number: every store is within it, even if the text is shorter.
pub(super) const ROOM: usize = 40;

const PLACES: u32 = 5;

/// The bound of [`decimal`]: with [`PLACES`], a decimal below it has at most fifteen digits.
///
/// No two decimals of at most fifteen digits have the same nearest float.
const MOST: f64 = 10u64.pow(15 - PLACES) as f64;

const INTEGERS: f64 = (1u64 << 52) as f64;

const SCALE: f64 = 10u32.pow(PLACES) as f64;

pub(super) fn int(to: &mut [u8; ROOM], value: i64) -> usize {
    to[0] = b'-';
    unsigned(to, usize::from(value < 0), value.unsigned_abs())
}

/// Writes the digits of an integer at the offset `at`, at most 1. Returns the offset after them.
pub(super) fn unsigned(to: &mut [u8; ROOM], at: usize, value: u64) -> usize {
    if value < EIGHT { first(to, at, value as u32) } else { long(to, at, value) }
}

#[inline(never)]
fn long(to: &mut [u8; ROOM], at: usize, value: u64) -> usize {
    let (above, last) = (value / EIGHT, (value % EIGHT) as u32);
    let end = if above < EIGHT {
        first(to, at, above as u32)
    } else {
        let end = first(to, at, (above / EIGHT) as u32);
        all(to, end, (above % EIGHT) as u32)
    };
    all(to, end, last)
}

/// Writes a finite float with at most five digits after its point and ten before it.
///
/// Returns the number of bytes, or `None` for another float. The text is the shortest text of this float, because no
/// other decimal of at most fifteen digits is read as it.
#[inline]
pub(super) fn decimal(to: &mut [u8; ROOM], value: f64) -> Option<usize> {
    let size = value.abs();
    if size >= MOST {
        return None;
    }
    let scaled = size * SCALE;
    // The nearest integer: a sum of this size has no bits after the point, so the addition rounds.
    let rounded = scaled + INTEGERS;
    let units = rounded - INTEGERS;
    // The first comparison excludes most other floats without waiting for a division. It is inexact, because the
    // product is rounded. The second is exact, because the quotient is the float nearest to the decimal.
    if (units - scaled).abs() > scaled * f64::EPSILON || units / SCALE != size {
        return None;
    }
    let units = rounded.to_bits() ^ INTEGERS.to_bits();
    let (whole, part) = (units / SCALE as u64, (units % SCALE as u64) as u32);
    to[0] = b'-';
    let at = unsigned(to, usize::from(value.is_sign_negative()), whole);
    to[at] = b'.';
    let digits = eight(part * 1000);
    let zeros = digits.leading_zeros() / 8;
    to[at + 1..at + 9].copy_from_slice(&(digits | ZEROS).to_le_bytes());
    Some(at + 9 - (zeros as usize).min(7))
}

const EIGHT: u64 = 100_000_000;

const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);

fn first(to: &mut [u8; ROOM], at: usize, value: u32) -> usize {
    let digits = eight(value);
    // The last digit stays even if it is zero.
    let zeros = (digits | 1 << 56).trailing_zeros() / 8;
    to[at..at + 8].copy_from_slice(&((digits | ZEROS) >> (zeros * 8)).to_le_bytes());
    at + 8 - zeros as usize
}

fn all(to: &mut [u8; ROOM], at: usize, value: u32) -> usize {
    to[at..at + 8].copy_from_slice(&(eight(value) | ZEROS).to_le_bytes());
    at + 8
}

/// Returns the eight digits of a number below 10^8, the first digit in the lowest byte.
fn eight(value: u32) -> u64 {
    // Each step divides all parts of the word at once, by a product whose high bits are the quotient. Two numbers of
    // four digits become four numbers of two, then eight of one.
    let four = u64::from(value / 10_000) | u64::from(value % 10_000) << 32;
    let hundreds = (four.wrapping_mul(10_486) >> 20) & 0x7f_0000_007f;
    let two = hundreds | four.wrapping_sub(hundreds.wrapping_mul(100)) << 16;
    let tens = (two.wrapping_mul(103) >> 10) & 0x000f_000f_000f_000f;
    tens | two.wrapping_sub(tens.wrapping_mul(10)) << 8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int_text(value: i64) -> String {
        let mut to = [0; ROOM];
        let length = int(&mut to, value);
        String::from_utf8(to[..length].to_vec()).unwrap()
    }

    fn decimal_text(value: f64) -> Option<String> {
        let mut to = [0; ROOM];
        decimal(&mut to, value).map(|length| String::from_utf8(to[..length].to_vec()).unwrap())
    }

    fn numbers() -> impl Iterator<Item = u64> {
        let count = if cfg!(miri) { 200 } else { 200_000 };
        (1..=count).map(|i: u64| {
            let mixed = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mixed = (mixed ^ mixed >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed ^ mixed >> 29
        })
    }

    #[test]
    fn integers_are_those_of_the_standard_library() {
        let edges = (0..19).flat_map(|digits| {
            let power = 10i64.pow(digits);
            [power - 1, power, power + 1, 5 * (power / 10)]
        });
        let random = numbers().map(|n| (n as i64) >> (n % 64));
        for value in edges.chain(random).chain([i64::MAX, i64::MIN]) {
            for value in [value, value.wrapping_neg()] {
                assert_eq!(int_text(value), value.to_string());
            }
        }
        let mut to = [0; ROOM];
        let length = unsigned(&mut to, 0, u64::MAX);
        assert_eq!(&to[..length], u64::MAX.to_string().as_bytes());
    }

    #[test]
    fn every_number_of_eight_digits_has_them_in_order() {
        for value in (0..100_000_000u32).step_by(if cfg!(miri) { 3_333_333 } else { 997 }) {
            assert_eq!((eight(value) | ZEROS).to_le_bytes().as_slice(), format!("{value:08}").as_bytes());
        }
    }

    #[test]
    fn decimals_are_the_shortest_text_of_their_float() {
        let mut written = 0;
        for n in numbers() {
            let short = ((n >> 8) >> (n % 56)) as f64 / 10f64.powi((n % 8) as i32);
            for value in [short, -short, short.next_up(), short.next_down(), f64::from_bits(n)] {
                if let Some(text) = decimal_text(value) {
                    assert_eq!(text, zmij::Buffer::new().format_finite(value), "{n}");
                    written += 1;
                }
            }
        }
        assert!(written > if cfg!(miri) { 100 } else { 100_000 }, "{written}");
    }

    #[test]
    fn decimals_of_few_places_are_written() {
        for text in [
            "0.0",
            "-0.0",
            "7.0",
            "-71.25",
            "0.00001",
            "0.1",
            "21.3",
            "1251082000.25",
            "1251082000.25012",
            "9999999999.0",
            "9999999999.99999",
        ] {
            assert_eq!(decimal_text(text.parse().unwrap()).as_deref().unwrap_or("none"), text);
        }
        for value in [
            1e-6,
            9e-6,
            1251082000.250123,
            1.0 / 3.0,
            1e10,
            1e300,
            f64::NAN,
            f64::INFINITY,
            -f64::INFINITY,
            5e-324,
        ] {
            assert_eq!(decimal_text(value), None, "{value}");
        }
    }
}
