//! Smile's tokens: the meaning of a first byte as a value, and as a key.
//!
//! Decoder and first pass share these functions, so they agree on the extent of each value.

use memchr::memchr;

use super::number::{safe_length, take};
use super::{
    BEGIN_ARRAY, BEGIN_OBJECT, BIG_DECIMAL, BIG_INTEGER, EMPTY, END_ARRAY, END_OBJECT, END_OF_TEXT, FALSE,
    FLOAT32, FLOAT64, INT32, INT64, LONG_ASCII, LONG_NAME, LONG_TEXT, MAGIC, NULL, RAW_BINARY, SAFE_BINARY,
    TRUE, feature,
};
use crate::codec::input::{Input, malformed, unsupported, utf8};
use crate::error::Result;

/// Takes the optional header. Returns the features.
pub(super) fn header(input: &mut Input<'_>) -> Result<u8> {
    if input.peek() != Some(MAGIC[0]) {
        return Ok(feature::SHARED_NAMES);
    }
    for expected in MAGIC {
        if input.byte()? != expected {
            return Err(malformed(input.at - 1, "a Smile document begins with the bytes 3a 29 0a"));
        }
    }
    let last = input.byte()?;
    if last >> 4 != 0 {
        return Err(unsupported(
            input.at - 1,
            format!("this is Smile version {}; version 0 is read", last >> 4),
        ));
    }
    // The specification requires readers to ignore the reserved fourth bit.
    Ok(last & 7)
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum ValueToken {
    /// A text of the table of values, by its number.
    Reference(usize),
    /// The high byte of a reference; the low byte follows.
    LongReference(usize),
    Empty,
    Null,
    Bool(bool),
    Int(i64),
    Int32,
    Int64,
    BigInteger,
    BigDecimal,
    Float32,
    Float64,
    /// Text of this number of bytes; the flag tells whether it must be ASCII.
    Short(u64, bool),
    /// Text up to its end marker; the flag tells whether it must be ASCII.
    Long(bool),
    SafeBinary,
    RawBinary,
    BeginArray,
    EndArray,
    BeginObject,
}

impl ValueToken {
    pub(super) fn of(byte: u8) -> Option<ValueToken> {
        let low = u64::from(byte & 0x1f);
        Some(match byte {
            0x01..=0x1f => ValueToken::Reference(low as usize - 1),
            EMPTY => ValueToken::Empty,
            NULL => ValueToken::Null,
            FALSE => ValueToken::Bool(false),
            TRUE => ValueToken::Bool(true),
            INT32 => ValueToken::Int32,
            INT64 => ValueToken::Int64,
            BIG_INTEGER => ValueToken::BigInteger,
            FLOAT32 => ValueToken::Float32,
            FLOAT64 => ValueToken::Float64,
            BIG_DECIMAL => ValueToken::BigDecimal,
            // ASCII of 1 to 32 and of 33 to 64 bytes.
            0x40..=0x5f => ValueToken::Short(low + 1, true),
            0x60..=0x7f => ValueToken::Short(low + 33, true),
            // Other text of 2 to 33 and of 34 to 65 bytes.
            0x80..=0x9f => ValueToken::Short(low + 2, false),
            0xa0..=0xbf => ValueToken::Short(low + 34, false),
            // Integers from -16 to 15, in zigzag form.
            0xc0..=0xdf => ValueToken::Int((low >> 1).cast_signed() ^ -((low & 1).cast_signed())),
            LONG_ASCII => ValueToken::Long(true),
            LONG_TEXT => ValueToken::Long(false),
            SAFE_BINARY => ValueToken::SafeBinary,
            0xec..=0xef => ValueToken::LongReference(usize::from(byte & 3) << 8),
            BEGIN_ARRAY => ValueToken::BeginArray,
            END_ARRAY => ValueToken::EndArray,
            BEGIN_OBJECT => ValueToken::BeginObject,
            RAW_BINARY => ValueToken::RawBinary,
            _ => return None,
        })
    }

    /// Takes the rest of a value that is not a container, without validating its content.
    pub(super) fn skip(self, input: &mut Input<'_>) -> Result<()> {
        let at = input.at;
        let rest = match self {
            ValueToken::LongReference(_) => 1,
            ValueToken::Int32 | ValueToken::Int64 => return take(input).map(drop),
            ValueToken::Float32 => 5,
            ValueToken::Float64 => 10,
            ValueToken::Short(length, _) => length,
            ValueToken::Long(_) => return long_text(input).map(drop),
            ValueToken::RawBinary => take(input)?,
            ValueToken::BigDecimal => {
                take(input)?;
                return ValueToken::SafeBinary.skip(input);
            }
            ValueToken::BigInteger | ValueToken::SafeBinary => {
                let length = take(input)?;
                safe_length(length).unwrap_or(u64::MAX)
            }
            _ => 0,
        };
        input.take(rest, at).map(drop)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum KeyToken {
    Empty,
    Reference(usize),
    LongReference(usize),
    Short(u64, bool),
    Long,
    EndObject,
}

impl KeyToken {
    pub(super) fn of(byte: u8) -> Option<KeyToken> {
        Some(match byte {
            EMPTY => KeyToken::Empty,
            0x30..=0x33 => KeyToken::LongReference(usize::from(byte & 3) << 8),
            LONG_NAME => KeyToken::Long,
            0x40..=0x7f => KeyToken::Reference(usize::from(byte - 0x40)),
            // ASCII of 1 to 64 bytes, then other text of 2 to 57 bytes.
            0x80..=0xbf => KeyToken::Short(u64::from(byte - 0x80) + 1, true),
            0xc0..=0xf7 => KeyToken::Short(u64::from(byte - 0xc0) + 2, false),
            END_OBJECT => KeyToken::EndObject,
            _ => return None,
        })
    }

    pub(super) fn skip(self, input: &mut Input<'_>) -> Result<()> {
        let at = input.at;
        match self {
            KeyToken::LongReference(_) => input.byte().map(drop),
            KeyToken::Short(length, _) => input.take(length, at).map(drop),
            KeyToken::Long => long_text(input).map(drop),
            _ => Ok(()),
        }
    }
}

pub(super) fn long_text<'a>(input: &mut Input<'a>) -> Result<&'a [u8]> {
    let Some(length) = memchr(END_OF_TEXT, input.rest()) else {
        return Err(input.ended());
    };
    let bytes = input.take(length as u64, input.at)?;
    input.at += 1;
    Ok(bytes)
}

/// Returns these bytes, at offset `at`, as text; `Malformed` if they contradict their token.
pub(super) fn text(bytes: &[u8], at: usize, ascii: bool) -> Result<&str> {
    if ascii
        && !bytes.is_ascii()
        && let Some(i) = bytes.iter().position(|b| !b.is_ascii())
    {
        return Err(malformed(at + i, "text that is declared as ASCII is not ASCII"));
    }
    utf8(bytes, at)
}
