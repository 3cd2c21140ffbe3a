//! The input of a decoder: a position, errors with an offset, and floats of fewer bytes.
//!
//! Every encoding has one rule for the offset of an error:
//!
//! - a byte that is not allowed at its position: that byte;
//! - bytes that end before the value does: their length (in BSON, the end of the document);
//! - a length or count that exceeds the bytes: the first byte of the item that claims it (in BSON, the length itself);
//! - an item that is well formed but refused (a repeated key, a type without a form, a limit): its first byte. For a
//!   map of one entry in JSON, BSON and Smile it is the key, which distinguishes a map from an escape;
//! - text that is not UTF-8: the first invalid byte.

use crate::body::Parts;
use crate::error::{Error, ErrorKind, Result};
use crate::value::Sink;

#[derive(Clone)]
pub(crate) struct Input<'a> {
    /// All bytes of the message, or up to the end of the innermost BSON document.
    bytes: &'a [u8],
    pub(crate) at: usize,
    /// The separately stored blocks between these bytes that were not taken yet.
    parts: Parts<'a>,
}

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Input<'a> {
        Input { bytes, at: 0, parts: Parts::default() }
    }

    pub(crate) fn with_parts(self, parts: Parts<'a>) -> Input<'a> {
        Input { parts, ..self }
    }

    pub(crate) fn up_to(&self, end: usize) -> Input<'a> {
        Input { bytes: &self.bytes[..end], at: self.at, parts: self.parts }
    }

    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Takes the next byte; `Malformed` at the end.
    pub(crate) fn byte(&mut self) -> Result<u8> {
        match self.bytes.get(self.at) {
            Some(byte) => {
                self.at += 1;
                Ok(*byte)
            }
            None => Err(self.ended()),
        }
    }

    /// Takes the next `N` bytes; `Malformed` if fewer follow.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self.bytes[self.at..].first_chunk::<N>() {
            Some(bytes) => {
                self.at += N;
                Ok(*bytes)
            }
            None => Err(self.ended()),
        }
    }

    /// Takes a whole CBOR float of 64 bits, the only form that this library writes.
    pub(crate) fn double(&mut self) -> Option<f64> {
        let [0xfb, bits @ ..] = self.bytes.get(self.at..)?.first_chunk::<9>()? else { return None };
        self.at += 9;
        Some(f64::from_bits(u64::from_be_bytes(*bits)))
    }

    /// Takes the next `count` bytes, which the item at `claimed_at` claims; `Malformed` if fewer follow.
    #[inline]
    pub(crate) fn take(&mut self, count: u64, claimed_at: usize) -> Result<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        match usize::try_from(count).ok().and_then(|count| rest.get(..count)) {
            Some(bytes) => {
                self.at += bytes.len();
                Ok(bytes)
            }
            None => Err(self.past_the_end(count, claimed_at)),
        }
    }

    /// Takes the elements of an array, which may be stored elsewhere.
    ///
    /// Another process may change that memory, so no check depends on its content.
    pub(crate) fn elements(&mut self, count: u64, claimed_at: usize) -> Result<&'a [u8]> {
        match self.parts.list.split_first() {
            // The next part must belong exactly here; any other place is the sender's error.
            Some((part, rest_of_parts)) if part.at == self.at => {
                if part.bytes.len() as u64 != count {
                    let text = format!(
                        "{count} bytes are stored separately, and {} were received",
                        part.bytes.len()
                    );
                    return Err(malformed(claimed_at, text));
                }
                self.parts.list = rest_of_parts;
                Ok(&part.bytes)
            }
            _ => self.take(count, claimed_at),
        }
    }

    /// Takes a byte string, stored elsewhere only if [`Body::of_opaque_parts`] allows it.
    pub(crate) fn byte_string(&mut self, count: u64, claimed_at: usize) -> Result<&'a [u8]> {
        if self.parts.are_opaque { self.elements(count, claimed_at) } else { self.take(count, claimed_at) }
    }

    /// Takes the next `count` bytes as text; `Malformed` if they are not UTF-8.
    #[inline]
    pub(crate) fn text(&mut self, count: u64, claimed_at: usize) -> Result<&'a str> {
        let bytes = self.take(count, claimed_at)?;
        let from = self.at - bytes.len();
        utf8(bytes, from)
    }

    pub(crate) fn since(&self, from: usize) -> &'a [u8] {
        &self.bytes[from..self.at]
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// `Malformed` if bytes or parts remain.
    pub(crate) fn finish(&self) -> Result<()> {
        if let Some(part) = self.parts.list.first() {
            return Err(malformed(part.at, "a block that is stored separately belongs to no value"));
        }
        match self.remaining() {
            0 => Ok(()),
            remaining => Err(malformed(
                self.at,
                format!("{remaining} bytes follow the value; a message holds one value"),
            )),
        }
    }

    #[cold]
    pub(crate) fn ended(&self) -> Error {
        malformed(self.bytes.len(), "the bytes end before the value does")
    }

    #[cold]
    fn past_the_end(&self, count: u64, claimed_at: usize) -> Error {
        malformed(
            claimed_at,
            format!("a length of {count} bytes is claimed and {} are left", self.remaining()),
        )
    }
}

pub(crate) fn utf8(bytes: &[u8], at: usize) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|e| malformed(at + e.valid_up_to(), "text is not UTF-8"))
}

#[cold]
pub(crate) fn malformed(at: usize, text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Malformed, text).at(at)
}

#[cold]
pub(crate) fn unsupported(at: usize, text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unsupported, text).at(at)
}

/// The number of items of each container, in the order in which the containers open.
///
/// A sink needs exact lengths, which JSON, BSON, Smile and CBOR's indefinite forms lack, so a first pass counts. It
/// stops at bytes that it cannot follow; the second pass reports the error there.
#[derive(Default)]
pub(crate) struct ItemCounts {
    /// One count, saturating, for each container that the first pass has opened.
    counts: Vec<u32>,
    next: usize,
    most: usize,
}

impl ItemCounts {
    pub(crate) fn up_to(most: u64) -> ItemCounts {
        ItemCounts { most: usize::try_from(most).unwrap_or(usize::MAX), ..ItemCounts::default() }
    }

    /// Returns the next container's number; `None` above the greatest, or beyond the sink's budget.
    pub(crate) fn open<S: Sink>(&mut self, sink: &mut S) -> Option<usize> {
        if self.counts.len() == self.counts.capacity() {
            self.grow(sink)?;
        }
        self.counts.push(0);
        Some(self.counts.len() - 1)
    }

    #[cold]
    fn grow<S: Sink>(&mut self, sink: &mut S) -> Option<()> {
        let before = self.counts.capacity();
        // At least 16 at once, within the greatest number.
        let more = before.max(16).min(self.most.checked_sub(before)?);
        sink.hold((before + more) * size_of::<u32>()).ok().filter(|()| more > 0)?;
        self.counts.try_reserve_exact(more).ok()?;
        sink.release(before * size_of::<u32>());
        Some(())
    }

    pub(crate) fn add(&mut self, container: usize) {
        self.counts[container] = self.counts[container].saturating_add(1);
    }

    /// Stores a length, in bytes, as this count.
    pub(crate) fn set(&mut self, string: usize, length: usize) {
        self.counts[string] = u32::try_from(length).unwrap_or(u32::MAX);
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.next == self.counts.len()
    }

    pub(crate) fn clear(&mut self) {
        self.counts.clear();
        self.next = 0;
    }

    /// Takes the next container's count; `None` if the first pass stopped before it.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<usize> {
        let count = *self.counts.get(self.next)?;
        self.next += 1;
        Some(count as usize)
    }
}

/// Returns a binary32's binary64. Unlike the processor, keeps a NaN's payload and signalling bit.
pub(crate) fn from_f32(bits: u32) -> f64 {
    let value = f32::from_bits(bits);
    if !value.is_nan() {
        return value.into();
    }
    let sign = u64::from(bits >> 31) << 63;
    f64::from_bits(sign | 0x7ff0_0000_0000_0000 | u64::from(bits & 0x007f_ffff) << 29)
}

pub(crate) fn f16_to_f32(bits: u16) -> u32 {
    let sign = u32::from(bits >> 15) << 31;
    let exponent = u32::from(bits >> 10 & 0x1f);
    let fraction = u32::from(bits & 0x3ff);
    sign | match (exponent, fraction) {
        (0, 0) => 0,
        (0, _) => {
            // Subnormal: shifts the leading one to the omitted bit.
            let shift = fraction.leading_zeros() - 21;
            (113 - shift) << 23 | (fraction << (shift + 13) & 0x007f_ffff)
        }
        // Infinity or NaN: the greatest exponent of binary32, with the fraction in its high bits.
        (31, _) => 0x7f80_0000 | fraction << 13,
        _ => (exponent + 112) << 23 | fraction << 13,
    }
}

pub(crate) fn from_f16(bits: u16) -> f64 {
    from_f32(f16_to_f32(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary16_widens_as_its_definition() {
        // The standard library's `powi` is not exact.
        let power_of_two = |exponent: i32| f64::from_bits(((1023 + exponent) as u64) << 52);
        // A sample for Miri, with every exponent and both signs.
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
