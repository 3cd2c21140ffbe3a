//! Values to CBOR: a Sink that appends.
//!
//! Except for aligned arrays the encoding is deterministic: shortest heads, definite lengths, floats of 64 bits. Map
//! keys keep their order, because a map has an order here. Ends of arrays and maps write nothing.

use super::{
    BIG, BIG_NEGATIVE, COLUMN_MAJOR, COMPLEX, DECIMAL, DECIMAL_OBJECT, HOMOGENEOUS, OBJECT, ROW_MAJOR,
    TIME_EXTENDED, UUID, typed_array,
};
use bytes::Bytes;

use crate::codec::output::{Output, SHORT, copy_short};
use crate::error::Result;
use crate::value::{
    BigInt, DType, Decimal, DecimalParts, NdArray, NdArrayRef, Order, Sink, Source, Timestamp,
};

const ALIGN: usize = 8;

pub(crate) struct Encoder<'a> {
    out: Output<'a>,
    align: bool,
}

impl<'a> Encoder<'a> {
    pub(crate) fn new(out: Output<'a>, align: bool) -> Encoder<'a> {
        Encoder { out, align }
    }

    pub(crate) fn finish(&self) -> Result<()> {
        self.out.finish()
    }

    #[inline]
    pub(super) fn head(&mut self, major: u8, n: u64) {
        if n < 24 {
            self.out.push(major << 5 | n as u8);
        } else {
            self.long_head(major, n);
        }
    }

    fn long_head(&mut self, major: u8, n: u64) {
        self.out.put_item(|to| put_head(to, major, n));
    }

    fn tag(&mut self, tag: u64) {
        self.head(6, tag);
    }

    /// Appends a byte string of elements, aligned to [`ALIGN`] if the options request it.
    ///
    /// Receivers use aligned elements as numbers without a copy. `shared` is the content with its owner, if the caller
    /// has it.
    ///
    /// # Errors
    ///
    /// `TooLarge` over the limit of the message, `OutOfMemory` if the buffer cannot grow.
    fn aligned(&mut self, content: &[u8], shared: Option<&Bytes>) -> Result<()> {
        self.out.check_room(content.len())?;
        let head = head_length(content.len() as u64);
        if !self.align || content.is_empty() || (self.out.written() + head).is_multiple_of(ALIGN) {
            self.head(2, content.len() as u64);
            return self.out.elements(content, shared);
        }
        // Padding: an indefinite byte string of empty chunks (one byte each), one chunk with the whole content, and the
        // break.
        self.out.push(0x5f);
        while !(self.out.written() + head).is_multiple_of(ALIGN) {
            self.out.push(0x40);
        }
        self.head(2, content.len() as u64);
        self.out.elements(content, shared)?;
        self.out.push(0xff);
        Ok(())
    }

    /// As [`Sink::ndarray`], with the owner of the elements, which a placer may keep.
    pub(super) fn shared_ndarray(&mut self, value: &NdArray) -> Result<()> {
        self.put_ndarray(value.as_ref(), Some(&value.data))
    }

    fn put_ndarray(&mut self, value: NdArrayRef<'_>, shared: Option<&Bytes>) -> Result<()> {
        self.tag(match value.order {
            Order::Row => ROW_MAJOR,
            Order::Column => COLUMN_MAJOR,
        });
        self.head(4, 2);
        self.head(4, value.shape.len() as u64);
        for dimension in value.shape {
            self.head(0, *dimension);
        }
        // RFC 8746 has typed arrays only of numbers. Bools are a homogeneous array of simple values, one byte each.
        let Some(tag) = typed_array(value.dtype) else {
            self.tag(HOMOGENEOUS);
            self.head(4, value.data.len() as u64);
            self.out.check_room(value.data.len())?;
            // The buffer grows by some kB at a time, for messages that leave it in pieces.
            for truths in value.data.chunks(1 << 14) {
                let room = self.out.room(truths.len())?;
                for (to, byte) in room.iter_mut().zip(truths) {
                    *to = 0xf4 | (byte & 1);
                }
            }
            return Ok(());
        };
        if matches!(value.dtype, DType::C64 | DType::C128) {
            self.tag(COMPLEX);
        }
        self.tag(tag);
        self.aligned(value.data, shared)
    }
}

pub(crate) fn put_head(to: &mut [u8; 9], major: u8, n: u64) -> usize {
    let power = match n {
        0..24 => {
            to[0] = major << 5 | n as u8;
            return 1;
        }
        24..0x100 => 0,
        0x100..0x1_0000 => 1,
        0x1_0000..0x1_0000_0000 => 2,
        _ => 3,
    };
    let length = 1 << power;
    to[0] = major << 5 | (24 + power);
    to[1..].copy_from_slice(&(n << (64 - 8 * length)).to_be_bytes());
    1 + length
}

/// Returns the head of a byte string of this length, and its length in bytes.
#[inline]
pub fn byte_string_head(length: u64) -> ([u8; 9], usize) {
    let mut head = [0; 9];
    let count = put_head(&mut head, 2, length);
    (head, count)
}

/// Returns the major type and number of an integer: 0 and n, or 1 and -1 - n, the complement.
fn int_parts(value: i64) -> (u8, u64) {
    if value >= 0 { (0, value.cast_unsigned()) } else { (1, !value.cast_unsigned()) }
}

pub(crate) fn put_byte(to: &mut [u8; 1], byte: u8) -> usize {
    *to = [byte];
    1
}

pub(crate) fn put_int(to: &mut [u8; 9], value: i64) -> usize {
    let (major, n) = int_parts(value);
    put_head(to, major, n)
}

/// Writes a float: major type 7 with information 27, 8 bytes big-endian. Returns its length in bytes.
///
/// A shorter form would need a test of each value.
pub(crate) fn put_float(to: &mut [u8; 9], value: f64) -> usize {
    to[0] = 0xfb;
    to[1..].copy_from_slice(&value.to_bits().to_be_bytes());
    9
}

/// Writes text of at most [`SHORT`] bytes and returns its length with its head of one byte.
pub(crate) fn put_short_text(to: &mut [u8; 1 + SHORT], value: &[u8]) -> usize {
    to[0] = 3 << 5 | value.len() as u8;
    copy_short(value, &mut to[1..]);
    1 + value.len()
}

pub(crate) fn put_timestamp(to: &mut [u8; 24], value: Timestamp) -> usize {
    let (seconds, nanoseconds) = value.parts();
    let [above, below] = (TIME_EXTENDED as u16).to_be_bytes();
    to[..5].copy_from_slice(&[6 << 5 | 25, above, below, 5 << 5 | 2, 1]);
    let mut put =
        |at: usize, (major, n)| to[at..].first_chunk_mut().map_or(at, |item| at + put_head(item, major, n));
    // The seconds take at most 9 bytes and the key 1, so the last number also has room for 9 bytes.
    let at = put(5, int_parts(seconds));
    let at = put(at, int_parts(-9));
    put(at, (0, nanoseconds.into()))
}

pub(crate) const NULL: u8 = 0xf6;

pub(crate) const fn bool_byte(value: bool) -> u8 {
    if value { 0xf5 } else { 0xf4 }
}

const fn head_length(n: u64) -> usize {
    match n {
        0..24 => 1,
        24..0x100 => 2,
        0x100..0x1_0000 => 3,
        0x1_0000..0x1_0000_0000 => 5,
        _ => 9,
    }
}

impl Sink for Encoder<'_> {
    fn null(&mut self) -> Result<()> {
        self.out.push(NULL);
        Ok(())
    }

    #[inline]
    fn bool(&mut self, value: bool) -> Result<()> {
        self.out.push(bool_byte(value));
        Ok(())
    }

    #[inline]
    fn int(&mut self, value: i64) -> Result<()> {
        let (major, n) = int_parts(value);
        self.head(major, n);
        Ok(())
    }

    fn uint(&mut self, value: u64) -> Result<()> {
        self.head(0, value);
        Ok(())
    }

    fn big_int(&mut self, value: &BigInt) -> Result<()> {
        if !value.is_negative() {
            self.tag(BIG);
            self.head(2, value.magnitude().len() as u64);
            return self.out.block(value.magnitude());
        }
        let mut n = value.magnitude().to_vec();
        for byte in n.iter_mut().rev() {
            // The magnitude is never zero here.
            let (less, borrow) = byte.overflowing_sub(1);
            *byte = less;
            if !borrow {
                break;
            }
        }
        let zeros = n.iter().take_while(|b| **b == 0).count();
        let n = &n[zeros..];
        // The magnitude of -2^64 needs more than 64 bits, but its n does not.
        if n.len() <= 8 {
            self.head(1, n.iter().fold(0, |sum, b| sum << 8 | u64::from(*b)));
            return Ok(());
        }
        self.tag(BIG_NEGATIVE);
        self.head(2, n.len() as u64);
        self.out.block(n)
    }

    #[inline]
    fn float(&mut self, value: f64) -> Result<()> {
        self.out.put_item(|to| put_float(to, value));
        Ok(())
    }

    #[inline]
    fn text(&mut self, value: &str) -> Result<()> {
        if value.len() <= SHORT {
            return self.out.block_around([3 << 5 | value.len() as u8], value.as_bytes(), []);
        }
        // The head of a text of some kB is written with it, as one block.
        if let (256.., Ok(length)) = (value.len(), u16::try_from(value.len())) {
            let [a, b] = length.to_be_bytes();
            return self.out.block_around([3 << 5 | 25, a, b], value.as_bytes(), []);
        }
        self.head(3, value.len() as u64);
        self.out.block(value.as_bytes())
    }

    fn bytes(&mut self, value: &[u8]) -> Result<()> {
        self.head(2, value.len() as u64);
        self.out.byte_string(value)
    }

    fn timestamp(&mut self, value: Timestamp) -> Result<()> {
        self.out.put_item(|to| put_timestamp(to, value));
        Ok(())
    }

    fn uuid(&mut self, value: [u8; 16]) -> Result<()> {
        self.tag(UUID);
        self.head(2, 16);
        self.out.block(&value)
    }

    fn decimal(&mut self, value: &Decimal) -> Result<()> {
        match value.parts() {
            // Tag 4 has integers, which cannot be minus zero.
            DecimalParts::Finite { negative, coefficient, exponent } if !(negative && coefficient == "0") => {
                self.tag(DECIMAL);
                self.head(4, 2);
                self.int(exponent.into())?;
                let sign = if negative { "-" } else { "" };
                BigInt::parse(&[sign, &coefficient].concat())?.walk(self)
            }
            _ => {
                self.tag(OBJECT);
                self.head(4, 2);
                self.text(DECIMAL_OBJECT)?;
                self.text(value.as_str())
            }
        }
    }

    fn ndarray(&mut self, value: NdArrayRef<'_>) -> Result<()> {
        self.put_ndarray(value, None)
    }

    fn begin_array(&mut self, len: usize) -> Result<()> {
        self.head(4, len as u64);
        Ok(())
    }

    fn end_array(&mut self) -> Result<()> {
        Ok(())
    }

    #[inline]
    fn begin_map(&mut self, len: usize) -> Result<()> {
        self.head(5, len as u64);
        Ok(())
    }

    fn key(&mut self, key: &str) -> Result<()> {
        self.text(key)
    }

    fn end_map(&mut self) -> Result<()> {
        Ok(())
    }
}
