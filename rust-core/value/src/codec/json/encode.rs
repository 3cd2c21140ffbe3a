//! Values to JSON text: the [`Plain`] part; `Escape` handles the other kinds before it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{digits, string};
use crate::codec::output::{Output, SHORT};
use crate::error::Result;
use crate::value::escape::Plain;

/// Appends one value, without white space.
#[derive(Debug)]
pub struct Encoder<'a> {
    out: Output<'a>,
    /// Whether the innermost array or map has an item: the next item then needs a comma.
    has_item: bool,
}

impl<'a> Encoder<'a> {
    pub(crate) fn new(out: Output<'a>) -> Encoder<'a> {
        Encoder { out, has_item: false }
    }

    pub(crate) fn finish(&self) -> Result<()> {
        self.out.finish()
    }

    pub(crate) fn written(&self) -> usize {
        self.out.written()
    }

    pub(crate) fn after_item(self) -> Encoder<'a> {
        Encoder { has_item: true, ..self }
    }

    pub(crate) fn output_for_key(&mut self) -> &mut Output<'a> {
        self.has_item = false;
        &mut self.out
    }

    fn separate(&mut self) {
        if std::mem::replace(&mut self.has_item, true) {
            self.out.push(b',');
        }
    }
}

impl Encoder<'_> {
    #[inline]
    fn number(&mut self, digits: &str) {
        if digits.len() <= SHORT {
            self.out.put_around([], 0, digits.as_bytes(), []);
        } else {
            self.out.put_all(digits.as_bytes());
        }
    }

    /// As [`Plain::float`], for floats that are not short decimals.
    #[inline(never)]
    fn any_float(&mut self, value: f64) {
        self.number(zmij::Buffer::new().format_finite(value));
    }
}

impl Plain for Encoder<'_> {
    fn null(&mut self) -> Result<()> {
        self.separate();
        self.out.put(b"null");
        Ok(())
    }

    #[inline]
    fn bool(&mut self, value: bool) -> Result<()> {
        self.separate();
        if value {
            self.out.put(b"true");
        } else {
            self.out.put(b"false");
        }
        Ok(())
    }

    #[inline]
    fn int(&mut self, value: i64) -> Result<()> {
        self.separate();
        if !self.out.try_write(|to| Some(digits::int(to, value))) {
            self.number(itoa::Buffer::new().format(value));
        }
        Ok(())
    }

    fn uint(&mut self, value: u64) -> Result<bool> {
        self.separate();
        self.number(itoa::Buffer::new().format(value));
        Ok(true)
    }

    /// The shortest text of this float. A point or an exponent makes readers see a float.
    #[inline]
    fn float(&mut self, value: f64) -> Result<bool> {
        // JSON lacks infinities and NaN: they become `$float`.
        if !value.is_finite() {
            return Ok(false);
        }
        self.separate();
        if !self.out.try_write(|to| digits::decimal(to, value)) {
            self.any_float(value);
        }
        Ok(true)
    }

    #[inline]
    fn text(&mut self, value: &str) -> Result<()> {
        let comma = std::mem::replace(&mut self.has_item, true);
        string::write(&mut self.out, comma, value, b"\"")
    }

    /// Base64 in quotes: standard alphabet, padded.
    fn elements(&mut self, value: &[u8]) -> Result<()> {
        self.separate();
        // Whole groups of three bytes. A long block leaves the buffer in steps of a few kB.
        const AT_ONCE: usize = 3 << 12;
        let length = |bytes: usize| bytes.div_ceil(3) * 4;
        self.out.check_room(length(value.len()) + 2)?;
        self.out.push(b'"');
        for block in value.chunks(AT_ONCE) {
            let written = STANDARD.encode_slice(block, self.out.room(length(block.len()))?);
            debug_assert_eq!(written, Ok(length(block.len())));
        }
        self.out.push(b'"');
        Ok(())
    }

    /// JSON marks both ends, so the length is not written.
    fn begin_array(&mut self, _: usize) -> Result<()> {
        self.separate();
        self.has_item = false;
        self.out.push(b'[');
        Ok(())
    }

    fn end_array(&mut self) -> Result<()> {
        self.has_item = true;
        self.out.push(b']');
        Ok(())
    }

    fn begin_map(&mut self, _: usize) -> Result<()> {
        self.separate();
        self.has_item = false;
        self.out.push(b'{');
        Ok(())
    }

    #[inline]
    fn key(&mut self, key: &str) -> Result<()> {
        let comma = std::mem::replace(&mut self.has_item, false);
        string::write(&mut self.out, comma, key, b"\":")
    }

    fn end_map(&mut self) -> Result<()> {
        self.has_item = true;
        self.out.push(b'}');
        Ok(())
    }
}
