//! Bytes from values and values from bytes: each encoding is an encoder and a decoder.
//!
//! | what | defined in |
//! |---|---|
//! | encode, decode, transcode by the encoding's name | `entry` |
//! | an encoding: an encoder, a decoder, and the pass that counts items | `json`, `cbor`, `bson`, `smile`, `raw`; escapes are in `value` |
//! | the input of decoders; the output of encoders | `input`, `output` |
//! | maps of few entries without a walk | written by `flat` and `flat_key`; read by `cbor::cursor` and `cbor::flat_*` |
//! | short trees without counting and escapes | `plain` |
//! | validation without a value | `unread` |
//! | the depth of documents | here |
//!
//! A decoder allocates only after [`Meter`](crate::value::Meter) or [`Sink::hold`](crate::value::Sink::hold) has
//! counted the bytes. The bytes may come from a hostile peer: decoding returns `Malformed`, `Unsupported` or
//! `TooLarge`, and never panics.
//!
//! ```
//! # extern crate linkspan_value as linkspan;
//! use linkspan::{Encoding, NdArray, Timestamp, Value};
//! use linkspan::codec::{decode, encode, transcode};
//!
//! let value = Value::map([("at", Value::from(Timestamp(0))), ("trace", NdArray::vector(&[1.5f32, -2.0]).into())]);
//! let bytes = encode(&value, Encoding::Cbor)?;
//! assert_eq!(decode(&bytes, Encoding::Cbor)?, value);
//!
//! let text = transcode(&bytes, Encoding::Cbor, Encoding::Json)?;
//! assert!(text.starts_with(br#"{"at":{"$time":"1970-01-01T00:00:00Z"},"trace":{"$ndarray":"#));
//!
//! let error = decode(b"[1, tru]", Encoding::Json).unwrap_err();
//! assert_eq!((error.offset(), error.path()), (Some(7), Some("1")));
//! # Ok::<(), linkspan::Error>(())
//! ```

mod bson;
mod cbor;
mod entry;
mod flat;
mod flat_key;
mod input;
mod json;
mod output;
mod plain;
mod raw;
mod smile;
mod unread;

pub use cbor::{FlatField, FlatItem, FlatMap, FlatMapBuilder, FlatValue, append_text};
#[doc(hidden)]
pub use cbor::{LEFT_OUT_FROM, Outline, byte_string_head, find_in_flat_arrays, outline, text_alone};
pub use flat::FlatRecord;
pub use flat_key::FlatKey;
pub use json::{items, members};
pub use unread::Unread;

pub use entry::{
    EncodeOptions, decode, decode_first, decode_into, decode_shared, encode, encode_into, transcode,
    transcode_within,
};
pub use entry::{decode_body, decode_body_shared, encode_placed, read_long_array, write_around_array};

use crate::error::{Error, ErrorKind, Result, quoted};
use crate::value::Limits;

/// The encoding of a message's body, named in its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Encoding {
    /// Bytes as they are: the value is one block of bytes.
    Raw = 0,
    /// JSON, RFC 8259.
    Json = 1,
    /// CBOR, RFC 8949, with RFC 8746 for arrays: the default.
    #[default]
    Cbor = 2,
    /// BSON 1.1.
    Bson = 3,
    /// Smile 1.0.6.
    Smile = 4,
}

impl Encoding {
    /// Every encoding, in the order of its number.
    // Indexed by the number in the header.
    pub const ALL: [Encoding; 5] =
        [Encoding::Raw, Encoding::Json, Encoding::Cbor, Encoding::Bson, Encoding::Smile];

    /// Returns the name in every language: `cbor`.
    pub const fn name(self) -> &'static str {
        match self {
            Encoding::Raw => "raw",
            Encoding::Json => "json",
            Encoding::Cbor => "cbor",
            Encoding::Bson => "bson",
            Encoding::Smile => "smile",
        }
    }

    /// Returns the encoding of this name, else `Unsupported`.
    pub fn from_name(name: &str) -> Result<Encoding> {
        // Called for each encoded value: comparisons with constants are fast.
        match name.as_bytes() {
            b"raw" => Ok(Encoding::Raw),
            b"json" => Ok(Encoding::Json),
            b"cbor" => Ok(Encoding::Cbor),
            b"bson" => Ok(Encoding::Bson),
            b"smile" => Ok(Encoding::Smile),
            _ => Err(unknown_encoding(name)),
        }
    }

    /// Returns the encoding of this number in a header.
    pub const fn from_number(number: u8) -> Option<Encoding> {
        if (number as usize) < Encoding::ALL.len() { Some(Encoding::ALL[number as usize]) } else { None }
    }
}

#[cold]
fn unknown_encoding(name: &str) -> Error {
    let text = format!(
        "no encoding is called {name}: there are raw, json, cbor, bson and smile",
        name = quoted(name)
    );
    Error::new(ErrorKind::Unsupported, text)
}

/// The greatest depth of arrays and maps that any limit allows.
///
/// Walks recurse; a greater [`Limits::depth`] is reduced.
pub const MAX_DEPTH: u32 = 256;

// Bounds the document around a `Meter`'s value, with escapes, for the decoders' stack and counts.

/// Levels of a document: three for each level in pairs, three for an N-d array, one around a non-map.
pub(crate) fn levels(limits: &Limits) -> u32 {
    limits.depth.saturating_mul(3).saturating_add(4)
}

/// Containers of a document: escapes take up to three for one value.
pub(crate) fn containers(limits: &Limits) -> u64 {
    limits.most_nodes().saturating_mul(3).saturating_add(8)
}

#[cold]
pub(crate) fn too_deep(at: usize) -> Error {
    Error::new(ErrorKind::TooLarge, "over the depth limit: arrays and maps are nested too deep").at(at)
}

#[cfg(test)]
mod fields_tests;
#[cfg(test)]
mod plan_tests;
#[cfg(test)]
mod typed_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{BigInt, Decimal, NdArray, Order, Timestamp, Value};

    #[test]
    fn documents_show_values() {
        let values = [
            ("null", Value::Null),
            ("true", true.into()),
            ("7", 7.into()),
            ("-300", (-300).into()),
            ("2^64 - 1", u64::MAX.into()),
            ("2^64", BigInt::parse("18446744073709551616").unwrap()),
            ("7.0", 7.0.into()),
            ("NaN", f64::NAN.into()),
            ("text", "é".into()),
            ("bytes", Value::Bytes(vec![1, 2].into())),
            ("1 s and 5 ns after 1970", Value::Timestamp(Timestamp(1_000_000_005))),
            ("UUID", Value::Uuid([0x11; 16])),
            ("decimal 1.50", Value::Decimal("1.50".parse::<Decimal>().unwrap())),
            ("list 1, 2", vec![1, 2].into()),
            ("map k: 1", Value::map([("k", 1)])),
            ("map $x: 1", Value::map([("$x", 1)])),
            (
                "N-d array f64, 2",
                Value::NdArray(NdArray::from_slice(&[1.5f64, -2.0], &[2], Order::Row).unwrap()),
            ),
        ];
        let hex = |bytes: Vec<u8>| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let mut text = String::new();
        for (name, value) in values {
            let json = String::from_utf8(encode(&value, Encoding::Json).unwrap()).unwrap();
            let [cbor, bson, smile] =
                [Encoding::Cbor, Encoding::Bson, Encoding::Smile].map(|e| hex(encode(&value, e).unwrap()));
            text += &format!("{name}\n  JSON   {json}\n  CBOR   {cbor}\n  BSON   {bson}\n  Smile  {smile}\n");
        }
        crate::documents::check("values", &crate::documents::fenced(&text));
    }
}
