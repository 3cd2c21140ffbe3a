//! BSON 1.1: a document of typed elements, each document and array with its length in front.
//!
//! | value | written as | also read |
//! |---|---|---|
//! | null, bool, text, map, array | null, boolean, string, document, array | |
//! | integer | int32 where it fits, else int64; escape above that | int64 for small ones |
//! | float | double | |
//! | bytes | binary, subtype 0x00 | |
//! | timestamp | binary, subtype 0x80: nanoseconds since 1970 as int64 | datetime |
//! | UUID | binary, subtype 0x04 | |
//! | decimal | decimal128 where that keeps it exactly, else escape | |
//! | N-d array | escape, elements in binary, subtype 0x00 | |
//! | anything but a map at the top | `{"$value": …}` | |
//! | a map with a key that holds NUL | `{"$map": [[key, value], …]}` | |
//!
//! Undefined, ObjectId, regular expressions, DBPointer, code, symbol, MongoDB's own timestamp, min and max
//! key and other subtypes of binary have no form in Linkspan and are `Unsupported`. The keys of an array are
//! ignored.

mod count;
mod decimal128;
mod decode;
mod element;
mod encode;

pub(crate) use decode::decode;
pub(crate) use encode::Encoder;

// The types of elements that have a form here.
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

/// Subtypes of binary.
mod subtype {
    // Bytes.
    pub(super) const GENERIC: u8 = 0x00;
    // Obsolete: a second length is inside.
    pub(super) const OLD_BINARY: u8 = 0x02;
    pub(super) const UUID: u8 = 0x04;
    /// The first subtype for applications: here a timestamp.
    pub(super) const TIMESTAMP: u8 = 0x80;
}
