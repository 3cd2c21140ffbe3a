//! Encodes values without a form in JSON, BSON or Smile as escapes.
//!
//! An escape is a map with exactly one key that begins with `$`. `unescape` reads escapes back. CBOR has a form for
//! every value and uses neither.
//!
//! | escape | value |
//! |---|---|
//! | `{"$bytes": base64}` | bytes |
//! | `{"$int": digits}` | an integer that the encoding cannot hold |
//! | `{"$float": "nan" \| "inf" \| "-inf" \| "0x" and 16 hex digits}` | a float that the encoding cannot hold; the digits are its bits |
//! | `{"$time": RFC 3339}` | a timestamp |
//! | `{"$uuid": 8-4-4-4-12 hex digits}` | a UUID |
//! | `{"$decimal": text}` | a decimal number |
//! | `{"$ndarray": {"dtype", "shape", "order", "data"}}` | an N-d array; `data` is base64 in JSON, bytes elsewhere |
//! | `{"$map": {…}}` | a user's own map with one key that begins with `$` |
//! | `{"$map": [[key, value], …]}` | a map with a key that the encoding cannot hold |
//! | `{"$value": value}` | in BSON, whose top is always a document: any other value |

use std::borrow::Cow;

use crate::error::Result;
use crate::value::Stack;
use crate::value::{BigInt, Decimal, NdArrayRef, Sink, Timestamp};

pub(crate) mod name {
    pub(crate) const BYTES: &str = "$bytes";
    pub(crate) const INT: &str = "$int";
    pub(crate) const FLOAT: &str = "$float";
    pub(crate) const TIME: &str = "$time";
    pub(crate) const UUID: &str = "$uuid";
    pub(crate) const DECIMAL: &str = "$decimal";
    pub(crate) const NDARRAY: &str = "$ndarray";
    pub(crate) const MAP: &str = "$map";
    pub(crate) const VALUE: &str = "$value";
}

/// The bits of the NaN that is written `"nan"`: quiet, positive, without payload.
pub(crate) const PLAIN_NAN: u64 = 0x7ff8_0000_0000_0000;

/// The events that an encoding writes itself, for [`Escape`].
///
/// A method that returns `false` has written nothing; [`Escape`] then writes an escape.
pub(crate) trait Plain {
    fn null(&mut self) -> Result<()>;
    fn bool(&mut self, value: bool) -> Result<()>;
    fn int(&mut self, value: i64) -> Result<()>;
    fn text(&mut self, value: &str) -> Result<()>;
    fn begin_array(&mut self, len: usize) -> Result<()>;
    fn end_array(&mut self) -> Result<()>;
    fn begin_map(&mut self, len: usize) -> Result<()>;
    fn key(&mut self, key: &str) -> Result<()>;
    fn end_map(&mut self) -> Result<()>;

    /// Writes the elements of an N-d array, or the bytes in `$bytes`: as base64 or bytes.
    fn elements(&mut self, value: &[u8]) -> Result<()>;

    fn float(&mut self, value: f64) -> Result<bool>;
    fn uint(&mut self, _: u64) -> Result<bool> {
        Ok(false)
    }
    fn big_int(&mut self, _: &BigInt) -> Result<bool> {
        Ok(false)
    }
    fn bytes(&mut self, _: &[u8]) -> Result<bool> {
        Ok(false)
    }
    fn timestamp(&mut self, _: Timestamp) -> Result<bool> {
        Ok(false)
    }
    fn uuid(&mut self, _: [u8; 16]) -> Result<bool> {
        Ok(false)
    }
    fn decimal(&mut self, _: &Decimal) -> Result<bool> {
        Ok(false)
    }

    /// BSON cannot write a key with a zero byte.
    fn holds_key(&self, _: &str) -> bool {
        true
    }
    fn try_key(&mut self, key: &str) -> Result<bool> {
        if self.holds_key(key) { self.key(key).map(|()| true) } else { Ok(false) }
    }
    /// As [`Plain::try_key`], with a text after the key.
    fn try_text_entry(&mut self, key: &str, value: &str) -> Result<bool> {
        if self.try_key(key)? { self.text(value).map(|()| true) } else { Ok(false) }
    }
    /// Replaces the innermost map by `{"$map": [[key, value], …]}`, with the list open.
    ///
    /// Called after `holds_key` returned false.
    fn turn_into_pairs(&mut self) -> Result<()> {
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq)]
enum MapForm {
    Plain,
    /// As a map inside `$map`.
    Wrapped,
    /// A list of pairs inside `$map`; whether a pair is open.
    Pairs(bool),
}

/// The Sink before an encoding that lacks some values: writes these values as escapes.
///
/// It holds a map of one entry back until its key decides about `$map`.
pub(crate) struct Escape<P> {
    plain: P,
    maps: Stack<MapForm>,
    /// Whether a map of one entry is held back.
    undecided: bool,
    /// Whether the innermost map is a list of pairs, as in `maps`.
    in_pairs: bool,
}

impl<P: Plain> Escape<P> {
    pub(crate) fn new(plain: P) -> Escape<P> {
        Escape { plain, maps: Stack::new(), undecided: false, in_pairs: false }
    }

    pub(crate) fn plain_mut(&mut self) -> &mut P {
        &mut self.plain
    }

    fn begin(&mut self, name: &str) -> Result<()> {
        self.plain.begin_map(1)?;
        self.plain.key(name)
    }

    fn scalar(&mut self, name: &str, text: &str) -> Result<()> {
        self.begin(name)?;
        self.plain.text(text)?;
        self.plain.end_map()
    }

    fn pair(&mut self, key: &str) -> Result<()> {
        if let Some(MapForm::Pairs(open)) = self.maps.last_mut()
            && std::mem::replace(open, true)
        {
            self.plain.end_array()?;
        }
        self.plain.begin_array(2)?;
        self.plain.text(key)
    }

    #[inline(never)]
    fn decide(&mut self, key: &str) -> Result<()> {
        self.undecided = false;
        if key.starts_with('$') && self.plain.holds_key(key) {
            self.begin(name::MAP)?;
            if let Some(last) = self.maps.last_mut() {
                *last = MapForm::Wrapped;
            }
        }
        self.plain.begin_map(1)
    }

    /// Continues the innermost map as a list of pairs.
    #[cold]
    fn unusual_key(&mut self, key: &str) -> Result<()> {
        self.plain.turn_into_pairs()?;
        if let Some(last) = self.maps.last_mut() {
            *last = MapForm::Pairs(false);
        }
        self.in_pairs = true;
        self.pair(key)
    }
}

impl<P: Plain> Sink for Escape<P> {
    fn null(&mut self) -> Result<()> {
        self.plain.null()
    }

    fn bool(&mut self, value: bool) -> Result<()> {
        self.plain.bool(value)
    }

    fn int(&mut self, value: i64) -> Result<()> {
        self.plain.int(value)
    }

    fn uint(&mut self, value: u64) -> Result<()> {
        if self.plain.uint(value)? {
            Ok(())
        } else {
            self.scalar(name::INT, itoa::Buffer::new().format(value))
        }
    }

    fn big_int(&mut self, value: &BigInt) -> Result<()> {
        if self.plain.big_int(value)? { Ok(()) } else { self.scalar(name::INT, &value.to_string()) }
    }

    fn float(&mut self, value: f64) -> Result<()> {
        if self.plain.float(value)? {
            return Ok(());
        }
        self.scalar(name::FLOAT, &float_text(value))
    }

    fn text(&mut self, value: &str) -> Result<()> {
        self.plain.text(value)
    }

    fn bytes(&mut self, value: &[u8]) -> Result<()> {
        if self.plain.bytes(value)? {
            return Ok(());
        }
        self.begin(name::BYTES)?;
        self.plain.elements(value)?;
        self.plain.end_map()
    }

    fn timestamp(&mut self, value: Timestamp) -> Result<()> {
        if self.plain.timestamp(value)? { Ok(()) } else { self.scalar(name::TIME, &value.to_string()) }
    }

    fn uuid(&mut self, value: [u8; 16]) -> Result<()> {
        if self.plain.uuid(value)? {
            return Ok(());
        }
        self.scalar(name::UUID, &uuid_text(value))
    }

    fn decimal(&mut self, value: &Decimal) -> Result<()> {
        if self.plain.decimal(value)? { Ok(()) } else { self.scalar(name::DECIMAL, value.as_str()) }
    }

    fn ndarray(&mut self, value: NdArrayRef<'_>) -> Result<()> {
        self.begin(name::NDARRAY)?;
        self.plain.begin_map(4)?;
        self.plain.key("dtype")?;
        self.plain.text(value.dtype.name())?;
        self.plain.key("shape")?;
        self.plain.begin_array(value.shape.len())?;
        for dimension in value.shape {
            match i64::try_from(*dimension) {
                Ok(n) => self.plain.int(n)?,
                // Only an empty array is so long; the escape has its digits.
                Err(_) if self.plain.uint(*dimension)? => {}
                Err(_) => self.plain.text(itoa::Buffer::new().format(*dimension))?,
            }
        }
        self.plain.end_array()?;
        self.plain.key("order")?;
        self.plain.text(value.order.name())?;
        self.plain.key("data")?;
        self.plain.elements(value.data)?;
        self.plain.end_map()?;
        self.plain.end_map()
    }

    fn begin_array(&mut self, len: usize) -> Result<()> {
        self.plain.begin_array(len)
    }

    fn end_array(&mut self) -> Result<()> {
        self.plain.end_array()
    }

    fn begin_map(&mut self, len: usize) -> Result<()> {
        self.maps.push(MapForm::Plain);
        self.in_pairs = false;
        if len == 1 {
            self.undecided = true;
            return Ok(());
        }
        self.plain.begin_map(len)
    }

    fn key(&mut self, key: &str) -> Result<()> {
        if self.undecided {
            self.decide(key)?;
        }
        if self.in_pairs {
            return self.pair(key);
        }
        if self.plain.try_key(key)? { Ok(()) } else { self.unusual_key(key) }
    }

    fn end_map(&mut self) -> Result<()> {
        let ended = self.maps.pop();
        self.in_pairs = matches!(self.maps.last(), Some(MapForm::Pairs(_)));
        match ended {
            Some(MapForm::Wrapped) => self.plain.end_map()?,
            Some(MapForm::Pairs(open)) => {
                if open {
                    self.plain.end_array()?;
                }
                self.plain.end_array()?;
            }
            _ => {}
        }
        self.plain.end_map()
    }
}

/// The content of `$float`: a name, else the bits in hex.
pub(crate) fn float_text(value: f64) -> Cow<'static, str> {
    if value == f64::INFINITY {
        "inf".into()
    } else if value == f64::NEG_INFINITY {
        "-inf".into()
    } else if value.to_bits() == PLAIN_NAN {
        "nan".into()
    } else {
        format!("{:#018x}", value.to_bits()).into()
    }
}

pub(crate) fn uuid_text(value: [u8; 16]) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(36);
    for (i, byte) in value.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push(char::from(HEX[usize::from(byte >> 4)]));
        text.push(char::from(HEX[usize::from(byte & 15)]));
    }
    text
}
