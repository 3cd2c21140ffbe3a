//! Values to Smile: the [`Plain`] part; `Escape` handles the other kinds before it.
//!
//! Names are shared, because messages repeat keys. Values are not shared, because finding repeated
//! values costs more than it saves.

use super::names::NameTable;
use super::number::{put, put_bits, put_safe, put_signed, to_twos_complement};
use super::{
    BEGIN_ARRAY, BEGIN_OBJECT, BIG_INTEGER, EMPTY, END_ARRAY, END_OBJECT, END_OF_TEXT, FALSE, FLOAT64, INT32,
    INT64, LONG_ASCII, LONG_NAME, LONG_TEXT, MAGIC, NULL, RAW_BINARY, SMALL_INT, TRUE, feature,
};
use crate::codec::output::Output;
use crate::error::Result;
use crate::value::BigInt;
use crate::value::escape::Plain;

pub(crate) struct Encoder<'a> {
    out: Output<'a>,
    names: NameTable,
}

impl<'a> Encoder<'a> {
    pub(crate) fn new(mut out: Output<'a>) -> Encoder<'a> {
        out.put(&MAGIC);
        out.push(feature::SHARED_NAMES | feature::RAW_BINARY);
        Encoder { out, names: NameTable::default() }
    }

    pub(crate) fn finish(&self) -> Result<()> {
        self.out.finish()
    }

    fn big(&mut self, negative: bool, magnitude: &[u8]) {
        self.out.push(BIG_INTEGER);
        put_safe(&mut self.out, &to_twos_complement(negative, magnitude));
    }
}

impl Plain for Encoder<'_> {
    fn null(&mut self) -> Result<()> {
        self.out.push(NULL);
        Ok(())
    }

    fn bool(&mut self, value: bool) -> Result<()> {
        self.out.push(if value { TRUE } else { FALSE });
        Ok(())
    }

    /// Integers from -16 to 15 are one byte, others a token and seven bits a byte.
    fn int(&mut self, value: i64) -> Result<()> {
        if (-16..16).contains(&value) {
            self.out.push(SMALL_INT | ((value << 1) ^ (value >> 63)) as u8);
            return Ok(());
        }
        self.out.push(if i32::try_from(value).is_ok() { INT32 } else { INT64 });
        put_signed(&mut self.out, value);
        Ok(())
    }

    /// Smile lacks integers without sign, so this writes a BigInteger.
    fn uint(&mut self, value: u64) -> Result<bool> {
        self.big(false, &value.to_be_bytes());
        Ok(true)
    }

    fn big_int(&mut self, value: &BigInt) -> Result<bool> {
        self.big(value.is_negative(), value.magnitude());
        Ok(true)
    }

    /// 64 bits in ten bytes of seven, so that no byte looks like a marker.
    fn float(&mut self, value: f64) -> Result<bool> {
        self.out.push(FLOAT64);
        put_bits::<10>(&mut self.out, value.to_bits());
        Ok(true)
    }

    /// Text of up to 64 bytes has its length in the token; longer text has an end marker.
    ///
    /// The token also tells whether the text is ASCII, which a reader checks.
    fn text(&mut self, value: &str) -> Result<()> {
        let ascii = value.is_ascii();
        // Four ranges of short tokens: ASCII from one byte, other text from two bytes.
        match (value.len(), ascii) {
            (0, _) => {
                self.out.push(EMPTY);
                return Ok(());
            }
            (n @ 1..=32, true) => self.out.push(0x40 + (n - 1) as u8),
            (n @ 33..=64, true) => self.out.push(0x60 + (n - 33) as u8),
            (n @ 2..=33, false) => self.out.push(0x80 + (n - 2) as u8),
            (n @ 34..=64, false) => self.out.push(0xa0 + (n - 34) as u8),
            _ => {
                self.out.push(if ascii { LONG_ASCII } else { LONG_TEXT });
                self.out.block(value.as_bytes())?;
                self.out.push(END_OF_TEXT);
                return Ok(());
            }
        }
        self.out.block(value.as_bytes())
    }

    fn bytes(&mut self, value: &[u8]) -> Result<bool> {
        self.elements(value).map(|()| true)
    }

    fn elements(&mut self, value: &[u8]) -> Result<()> {
        self.out.push(RAW_BINARY);
        put(&mut self.out, value.len() as u64);
        self.out.block(value)
    }

    /// Containers have a marker at each end and no length.
    fn begin_array(&mut self, _: usize) -> Result<()> {
        self.out.push(BEGIN_ARRAY);
        Ok(())
    }

    fn end_array(&mut self) -> Result<()> {
        self.out.push(END_ARRAY);
        Ok(())
    }

    fn begin_map(&mut self, _: usize) -> Result<()> {
        self.out.push(BEGIN_OBJECT);
        Ok(())
    }

    /// Keys have other tokens than values.
    fn key(&mut self, key: &str) -> Result<()> {
        if key.is_empty() {
            self.out.push(EMPTY);
            return Ok(());
        }
        match self.names.find(key, self.out.pieces()) {
            Some(number @ 0..64) => {
                self.out.push(0x40 + number as u8);
                return Ok(());
            }
            Some(number) => {
                self.out.put(&[0x30 | (number >> 8) as u8, number as u8]);
                return Ok(());
            }
            None => {}
        }
        let long = match (key.len(), key.is_ascii()) {
            (n @ 1..=64, true) => {
                self.out.push(0x80 + (n - 1) as u8);
                false
            }
            (n @ 2..=56, false) => {
                self.out.push(0xc0 + (n - 2) as u8);
                false
            }
            _ => {
                self.out.push(LONG_NAME);
                true
            }
        };
        let at = self.out.position();
        self.out.block(key.as_bytes())?;
        if long {
            self.out.push(END_OF_TEXT);
        }
        self.names.add(at, key.len(), self.out.pieces());
        Ok(())
    }

    fn end_map(&mut self) -> Result<()> {
        self.out.push(END_OBJECT);
        Ok(())
    }
}
