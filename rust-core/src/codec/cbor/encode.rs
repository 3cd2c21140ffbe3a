//! Values to CBOR: a Sink that appends.

use super::{
    BIG, BIG_NEGATIVE, COLUMN_MAJOR, COMPLEX, DECIMAL, DECIMAL_OBJECT, HOMOGENEOUS, OBJECT, ROW_MAJOR,
    TIME_EXTENDED, UUID, typed_array,
};
use crate::codec::output::Output;
use crate::error::Result;
use crate::value::{BigInt, DType, Decimal, DecimalParts, NdArrayRef, Order, Sink, Source, Timestamp};

/// Where array elements are placed when alignment is asked for: at a multiple of this many bytes.
const ALIGN: usize = 8;

/// Appends one value.
pub(crate) struct Encoder<'a> {
    out: Output<'a>,
    align: bool,
}

impl<'a> Encoder<'a> {
    pub(crate) fn new(out: Output<'a>, align: bool) -> Encoder<'a> {
        Encoder { out, align }
    }

    pub(crate) fn finish(self) -> Result<()> {
        self.out.finish()
    }

    #[inline]
    fn head(&mut self, major: u8, n: u64) {
        let major = major << 5;
        if n < 24 {
            self.out.push(major | n as u8);
        } else {
            self.long_head(major, n);
        }
    }

    fn long_head(&mut self, major: u8, n: u64) {
        if let Ok(n) = u8::try_from(n) {
            self.out.put(&[major | 24, n]);
        } else if let Ok(n) = u16::try_from(n) {
            let [a, b] = n.to_be_bytes();
            self.out.put(&[major | 25, a, b]);
        } else if let Ok(n) = u32::try_from(n) {
            let [a, b, c, d] = n.to_be_bytes();
            self.out.put(&[major | 26, a, b, c, d]);
        } else {
            let mut bytes = [major | 27; 9];
            bytes[1..].copy_from_slice(&n.to_be_bytes());
            self.out.put(&bytes);
        }
    }

    fn tag(&mut self, tag: u64) {
        self.head(6, tag);
    }

    /// A byte string whose content begins at a multiple of [`ALIGN`] when that is asked for.
    fn aligned(&mut self, content: &[u8]) -> Result<()> {
        self.out.room(content.len())?;
        let head = head_length(content.len() as u64);
        if !self.align || content.is_empty() || (self.out.written() + head).is_multiple_of(ALIGN) {
            self.head(2, content.len() as u64);
            self.out.put(content);
            return Ok(());
        }
        // An indefinite byte string in chunks: as many empty ones as it takes, then the whole content, then the break.
        self.out.push(0x5f);
        while !(self.out.written() + head).is_multiple_of(ALIGN) {
            self.out.push(0x40);
        }
        self.head(2, content.len() as u64);
        self.out.put(content);
        self.out.push(0xff);
        Ok(())
    }
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
    #[inline]
    fn null(&mut self) -> Result<()> {
        self.out.push(0xf6);
        Ok(())
    }

    #[inline]
    fn bool(&mut self, value: bool) -> Result<()> {
        self.out.push(if value { 0xf5 } else { 0xf4 });
        Ok(())
    }

    #[inline]
    fn int(&mut self, value: i64) -> Result<()> {
        if value >= 0 {
            self.head(0, value.cast_unsigned());
        } else {
            self.head(1, !value.cast_unsigned());
        }
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
        // A negative one is written as -1 - n.
        let mut n = value.magnitude().to_vec();
        for byte in n.iter_mut().rev() {
            let (less, borrow) = byte.overflowing_sub(1);
            *byte = less;
            if !borrow {
                break;
            }
        }
        let zeros = n.iter().take_while(|b| **b == 0).count();
        let n = &n[zeros..];
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
        let mut bytes = [0xfb; 9];
        bytes[1..].copy_from_slice(&value.to_bits().to_be_bytes());
        self.out.put(&bytes);
        Ok(())
    }

    #[inline]
    fn text(&mut self, value: &str) -> Result<()> {
        self.head(3, value.len() as u64);
        self.out.block(value.as_bytes())
    }

    fn bytes(&mut self, value: &[u8]) -> Result<()> {
        self.head(2, value.len() as u64);
        self.out.block(value)
    }

    fn timestamp(&mut self, value: Timestamp) -> Result<()> {
        let (seconds, nanoseconds) = value.parts();
        self.tag(TIME_EXTENDED);
        self.out.put(&[0xa2, 0x01]);
        self.int(seconds)?;
        self.out.push(0x28); // -9
        self.head(0, nanoseconds.into());
        Ok(())
    }

    fn uuid(&mut self, value: [u8; 16]) -> Result<()> {
        self.tag(UUID);
        self.head(2, 16);
        self.out.block(&value)
    }

    fn decimal(&mut self, value: &Decimal) -> Result<()> {
        match value.parts() {
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
        self.tag(match value.order {
            Order::Row => ROW_MAJOR,
            Order::Column => COLUMN_MAJOR,
        });
        self.head(4, 2);
        self.head(4, value.shape.len() as u64);
        for dimension in value.shape {
            self.head(0, *dimension);
        }
        let Some(tag) = typed_array(value.dtype) else {
            self.tag(HOMOGENEOUS);
            self.head(4, value.data.len() as u64);
            self.out.room(value.data.len())?;
            self.out.bytes.extend(value.data.iter().map(|b| 0xf4 | (b & 1)));
            return Ok(());
        };
        if matches!(value.dtype, DType::C64 | DType::C128) {
            self.tag(COMPLEX);
        }
        self.tag(tag);
        self.aligned(value.data)
    }

    #[inline]
    fn begin_array(&mut self, len: usize) -> Result<()> {
        self.head(4, len as u64);
        Ok(())
    }

    #[inline]
    fn end_array(&mut self) -> Result<()> {
        Ok(())
    }

    #[inline]
    fn begin_map(&mut self, len: usize) -> Result<()> {
        self.head(5, len as u64);
        Ok(())
    }

    #[inline]
    fn key(&mut self, key: &str) -> Result<()> {
        self.text(key)
    }

    #[inline]
    fn end_map(&mut self) -> Result<()> {
        Ok(())
    }
}
