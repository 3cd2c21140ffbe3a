//! Values to JSON text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::string;
use crate::codec::output::Output;
use crate::error::Result;
use crate::value::escape::Plain;

/// Appends one value, without any white space.
pub(crate) struct Encoder<'a> {
    out: Output<'a>,
    /// Whether an item of the innermost array or map stands before the next.
    follows: bool,
}

impl<'a> Encoder<'a> {
    pub(crate) fn new(out: Output<'a>) -> Encoder<'a> {
        Encoder { out, follows: false }
    }

    pub(crate) fn finish(self) -> Result<()> {
        self.out.finish()
    }

    /// Separates the next item from the one before, if there is one.
    #[inline]
    fn separate(&mut self) {
        if std::mem::replace(&mut self.follows, true) {
            self.out.push(b',');
        }
    }
}

impl Plain for Encoder<'_> {
    fn null(&mut self) -> Result<()> {
        self.separate();
        self.out.put(b"null");
        Ok(())
    }

    fn bool(&mut self, value: bool) -> Result<()> {
        self.separate();
        self.out.put(if value { b"true" } else { b"false" });
        Ok(())
    }

    #[inline]
    fn int(&mut self, value: i64) -> Result<()> {
        self.separate();
        self.out.put(itoa::Buffer::new().format(value).as_bytes());
        Ok(())
    }

    fn uint(&mut self, value: u64) -> Result<bool> {
        self.separate();
        self.out.put(itoa::Buffer::new().format(value).as_bytes());
        Ok(true)
    }

    #[inline]
    fn float(&mut self, value: f64) -> Result<bool> {
        if !value.is_finite() {
            return Ok(false);
        }
        self.separate();
        self.out.put(zmij::Buffer::new().format_finite(value).as_bytes());
        Ok(true)
    }

    #[inline]
    fn text(&mut self, value: &str) -> Result<()> {
        let comma = std::mem::replace(&mut self.follows, true);
        string::write(&mut self.out, comma, value, b"\"")
    }

    fn elements(&mut self, value: &[u8]) -> Result<()> {
        self.separate();
        let length = value.len().div_ceil(3) * 4;
        self.out.room(length + 2)?;
        self.out.push(b'"');
        let from = self.out.bytes.len();
        self.out.bytes.resize(from + length, 0);
        let written = STANDARD.encode_slice(value, &mut self.out.bytes[from..]);
        debug_assert_eq!(written, Ok(length));
        self.out.push(b'"');
        Ok(())
    }

    fn begin_array(&mut self, _: usize) -> Result<()> {
        self.separate();
        self.follows = false;
        self.out.push(b'[');
        Ok(())
    }

    fn end_array(&mut self) -> Result<()> {
        self.follows = true;
        self.out.push(b']');
        Ok(())
    }

    fn begin_map(&mut self, _: usize) -> Result<()> {
        self.separate();
        self.follows = false;
        self.out.push(b'{');
        Ok(())
    }

    #[inline]
    fn key(&mut self, key: &str) -> Result<()> {
        let comma = std::mem::replace(&mut self.follows, false);
        string::write(&mut self.out, comma, key, b"\":")
    }

    fn end_map(&mut self) -> Result<()> {
        self.follows = true;
        self.out.push(b'}');
        Ok(())
    }
}
