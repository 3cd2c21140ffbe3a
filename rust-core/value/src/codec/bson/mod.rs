//! BSON 1.1: a document of typed elements, each document and array with its length in front.
//!
//! | value | written as | also read |
//! |---|---|---|
//! | null, bool, text, map, array | null, boolean, string, document, array | |
//! | integer | int32 if it fits, else int64; escape above that | int64 for small ones |
//! | float | double | |
//! | bytes | binary, subtype 0x00 | |
//! | timestamp | binary, subtype 0x80: nanoseconds since 1970 as int64 | datetime |
//! | UUID | binary, subtype 0x04 | |
//! | decimal | decimal128 if exact, else escape | |
//! | N-d array | escape, elements in binary, subtype 0x00 | |
//! | anything but a map at the top | `{"$value": …}` | |
//! | a map with a key that holds NUL | `{"$map": [[key, value], …]}` | |
//!
//! The other types and subtypes of BSON, such as ObjectId and regular expressions, have no form in Linkspan and are
//! `Unsupported`. The keys of an array are ignored.
//!
//! Decoder, first pass and encoder share the functions of this file, so they agree on the extent of an element.

mod count;
mod decimal128;
mod decode;
mod encode;

pub(crate) use decode::decode;
pub(crate) use encode::Encoder;

use memchr::memchr;

use crate::codec::input::{Input, malformed};
use crate::error::Result;

const DOUBLE: u8 = 0x01;
const STRING: u8 = 0x02;
const DOCUMENT: u8 = 0x03;
const ARRAY: u8 = 0x04;
const BINARY: u8 = 0x05;
const BOOLEAN: u8 = 0x08;
const DATETIME: u8 = 0x09;
const NULL: u8 = 0x0a;
const INT32: u8 = 0x10;
const INT64: u8 = 0x12;
const DECIMAL128: u8 = 0x13;

mod subtype {
    pub(super) const GENERIC: u8 = 0x00;
    // Obsolete: a second length is inside.
    pub(super) const OLD_BINARY: u8 = 0x02;
    pub(super) const UUID: u8 = 0x04;
    /// The first subtype for applications: here a timestamp.
    pub(super) const TIMESTAMP: u8 = 0x80;
}

fn cstring<'a>(input: &mut Input<'a>) -> Result<&'a [u8]> {
    let Some(length) = memchr(0, input.rest()) else {
        return Err(input.ended());
    };
    let bytes = input.take(length as u64, input.at)?;
    input.at += 1;
    Ok(bytes)
}

/// Takes a length of four bytes with sign, which must be at least `least`.
#[inline]
fn length(input: &mut Input<'_>, least: i32) -> Result<u64> {
    let at = input.at;
    let length = i32::from_le_bytes(input.array()?);
    if length < least {
        return Err(malformed(at, format!("a length of {length} is claimed, the least is {least}")));
    }
    Ok(u64::from(length.cast_unsigned()))
}

/// Takes the content of a string. Returns its bytes without the NUL at the end.
#[inline]
fn string<'a>(input: &mut Input<'a>) -> Result<&'a [u8]> {
    let at = input.at;
    let length = length(input, 1)?;
    match input.take(length, at)?.split_last() {
        Some((0, text)) => Ok(text),
        _ => Err(malformed(input.at - 1, "a string ends with a NUL")),
    }
}

fn binary<'a>(input: &mut Input<'a>) -> Result<(u8, &'a [u8])> {
    let at = input.at;
    let length = length(input, 0)?;
    let kind = input.byte()?;
    let bytes = input.take(length, at)?;
    if kind == subtype::OLD_BINARY {
        // Its content begins with a second length, of the rest.
        let mut inner = Input::new(bytes);
        let inner_length =
            self::length(&mut inner, 0).map_err(|_| malformed(at + 5, "a length is negative or cut off"))?;
        if inner_length != inner.remaining() as u64 {
            return Err(malformed(at + 5, "the two lengths of an old binary disagree"));
        }
    }
    Ok((kind, bytes))
}

/// Takes the content of an element of any type, with or without a form here.
fn skip(input: &mut Input<'_>, kind: u8) -> Result<()> {
    let at = input.at;
    // The length of the content, for types of a fixed length.
    let fixed = match kind {
        NULL | 0x06 | 0x7f | 0xff => 0,
        BOOLEAN => 1,
        INT32 => 4,
        DOUBLE | DATETIME | INT64 | 0x11 => 8,
        0x07 => 12,
        DECIMAL128 => 16,
        STRING | 0x0d | 0x0e => return string(input).map(drop),
        BINARY => return binary(input).map(drop),
        0x0b => return cstring(input).and_then(|_| cstring(input)).map(drop),
        0x0c => {
            string(input)?;
            12
        }
        // Documents, arrays and code with scope have a length that includes its own four bytes.
        DOCUMENT | ARRAY | 0x0f => {
            let length = length(input, 5)?;
            length - 4
        }
        _ => return Err(malformed(at, format!("no type of element has the number {kind:#04x}"))),
    };
    input.take(fixed, at).map(drop)
}

/// Returns the name of a type without a form here; `None` for a type that does not exist.
fn unsupported_name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        0x06 => "undefined",
        0x07 => "an ObjectId",
        0x0b => "a regular expression",
        0x0c => "a DBPointer",
        0x0d => "JavaScript code",
        0x0e => "a symbol",
        0x0f => "JavaScript code with its scope",
        0x11 => "MongoDB's own timestamp",
        0x7f => "the max key",
        0xff => "the min key",
        _ => return None,
    })
}
