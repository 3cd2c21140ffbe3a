//! Smile's numbers: seven bits in a byte, so that no byte looks like a marker.

use crate::codec::input::{Input, malformed};
use crate::codec::output::Output;
use crate::error::{Result, memory};
use crate::value::{BigInt, Sink};

/// Writes an integer without sign: seven bits a byte, most significant first.
///
/// The last byte has six bits and its high bit set.
pub(super) fn put(out: &mut Output<'_>, n: u64) {
    let mut bytes = [0; 10];
    bytes[9] = 0x80 | (n & 0x3f) as u8;
    let mut first = 9;
    let mut rest = n >> 6;
    while rest > 0 {
        first -= 1;
        bytes[first] = (rest & 0x7f) as u8;
        rest >>= 7;
    }
    out.put_all(&bytes[first..]);
}

/// Writes an integer with sign in zigzag form: the sign in the lowest bit.
pub(super) fn put_signed(out: &mut Output<'_>, n: i64) {
    put(out, ((n << 1) ^ (n >> 63)).cast_unsigned());
}

pub(super) fn take(input: &mut Input<'_>) -> Result<u64> {
    let at = input.at;
    let mut n: u64 = 0;
    loop {
        let byte = input.byte()?;
        // The byte with the high bit is the last and has six bits.
        let (bits, low) = if byte & 0x80 == 0 { (7, byte) } else { (6, byte & 0x3f) };
        if byte & 0xc0 == 0xc0 || n >> (64 - bits) != 0 {
            return Err(malformed(
                at,
                "an integer has more than 64 bits or ends in a byte that cannot end one",
            ));
        }
        n = n << bits | u64::from(low);
        if byte & 0x80 != 0 {
            return Ok(n);
        }
    }
}

pub(super) fn take_signed(input: &mut Input<'_>) -> Result<i64> {
    let n = take(input)?;
    Ok((n >> 1).cast_signed() ^ -((n & 1).cast_signed()))
}

pub(super) fn put_bits<const COUNT: usize>(out: &mut Output<'_>, bits: u64) {
    let mut bytes = [0; COUNT];
    for (i, byte) in bytes.iter_mut().rev().enumerate() {
        *byte = (bits >> (7 * i) & 0x7f) as u8;
    }
    out.put(&bytes);
}

/// Takes `COUNT` bytes of seven bits.
///
/// Ignores bits beyond `width`, because old encoders extend the sign there.
pub(super) fn take_bits<const COUNT: usize>(input: &mut Input<'_>, width: u32) -> Result<u64> {
    let at = input.at;
    let bytes: [u8; COUNT] = input.array()?;
    let mut bits: u128 = 0;
    for (i, byte) in bytes.iter().enumerate() {
        if byte & 0x80 != 0 {
            return Err(malformed(at + i, "a byte of a float has its high bit set"));
        }
        bits = bits << 7 | u128::from(*byte);
    }
    Ok((bits & ((1 << width) - 1)) as u64)
}

pub(super) fn safe_length(bytes: u64) -> Option<u64> {
    // Seven bytes take eight; a shorter group takes one byte more than it has.
    let whole = (bytes / 7).checked_mul(8)?;
    Some(whole + if bytes.is_multiple_of(7) { 0 } else { bytes % 7 + 1 })
}

/// Takes the content of 7-bit binary, whose item begins at `item_at`.
///
/// The sink counts the returned bytes until the caller releases them.
pub(super) fn take_safe<S: Sink>(input: &mut Input<'_>, item_at: usize, sink: &mut S) -> Result<Vec<u8>> {
    let length = take(input)?;
    // The length is only a claim until the bytes are there.
    let packed = input.take(safe_length(length).unwrap_or(u64::MAX), item_at)?;
    let from = input.at - packed.len();
    if let Some(i) = packed.iter().position(|b| b & 0x80 != 0) {
        return Err(malformed(from + i, "a byte of 7-bit binary has its high bit set"));
    }
    sink.hold(length as usize)?;
    let mut bytes = Vec::new();
    memory::reserve(&mut bytes, length as usize)?;
    for group in packed.chunks(8) {
        let bits = group.iter().fold(0u64, |bits, b| bits << 7 | u64::from(*b));
        let count = group.len() - 1;
        // The last byte of a short group of n bytes has n bits; the last byte of a whole group has seven.
        let bits = if count == 7 { bits } else { (bits >> 7) << count | bits & 0x7f };
        bytes.extend_from_slice(&bits.to_be_bytes()[8 - count..]);
    }
    Ok(bytes)
}

pub(super) fn put_safe(out: &mut Output<'_>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    for group in bytes.chunks(7) {
        let bits = group.iter().fold(0u64, |bits, b| bits << 8 | u64::from(*b));
        let count = group.len();
        for i in 1..=count {
            out.push((bits >> (8 * count - 7 * i) & 0x7f) as u8);
        }
        out.push((bits & ((1 << count) - 1)) as u8);
    }
}

pub(super) fn to_twos_complement(negative: bool, magnitude: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(magnitude.len() + 1);
    bytes.push(0);
    bytes.extend_from_slice(magnitude);
    if negative {
        negate(&mut bytes);
    }
    // The first byte is needed only if the second does not show the sign.
    let needed = bytes.get(1).is_none_or(|second| (second & 0x80 != 0) != negative);
    if needed { bytes } else { bytes.split_off(1) }
}

/// Returns the integer of this two's complement: a plain integer if it fits.
pub(super) fn from_twos_complement(mut bytes: Vec<u8>) -> Result<crate::value::Value> {
    let negative = bytes.first().is_some_and(|b| b & 0x80 != 0);
    if negative {
        negate(&mut bytes);
    }
    BigInt::from_parts(negative, &bytes)
}

fn negate(bytes: &mut [u8]) {
    let mut carry = true;
    for byte in bytes.iter_mut().rev() {
        let (sum, more) = (!*byte).overflowing_add(carry.into());
        *byte = sum;
        carry = more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Unread;
    use crate::value::Limits;

    #[test]
    fn integers_and_binary_round_trip() {
        let mut bytes = Vec::new();
        let mut out = Output::new(&mut bytes, &Limits::default());
        let numbers = [0, 1, -1, 31, 32, -64, 8191, i64::MAX, i64::MIN];
        numbers.iter().for_each(|n| put_signed(&mut out, *n));
        let blocks: Vec<Vec<u8>> = (0..30u8).map(|n| (0..n).map(|i| 0xff - 3 * i).collect()).collect();
        blocks.iter().for_each(|block| put_safe(&mut out, block));
        drop(out);
        let mut input = Input::new(&bytes);
        for n in numbers {
            assert_eq!(take_signed(&mut input).unwrap(), n);
        }
        for block in blocks {
            assert_eq!(take_safe(&mut input, 0, &mut Unread).unwrap(), block);
        }
        assert_eq!(input.remaining(), 0);
    }

    #[test]
    fn take_refuses_an_integer_beyond_64_bits() {
        let mut input = Input::new(&[0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x80]);
        assert_eq!(take(&mut input).unwrap_err().offset(), Some(0));
    }
}
