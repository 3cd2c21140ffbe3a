//! Smile 1.0.6, Jackson's binary JSON: a byte for each value's type; repeated keys are references.
//!
//! | value | written as | also read |
//! |---|---|---|
//! | null, bool, text, array, map | their tokens; keys that repeat as references | shared values |
//! | integer | small, 32 or 64 bits, the shortest; BigInteger beyond | any of them for any |
//! | float | double | float |
//! | bytes | raw binary | 7-bit binary |
//! | decimal | escape | BigDecimal |
//! | timestamp, UUID | escape | |
//! | N-d array | escape, elements in raw binary | |
//!
//! The encoder writes a header (names shared, values not, raw binary) and no end marker. The decoder accepts documents
//! with and without each. Without a header, names are shared, values are not, and binary is 7-bit. Encoder and decoder
//! must agree on the table of names: each new name gets the next number, and a full table is cleared.

mod count;
mod decode;
mod encode;
mod names;
mod number;
mod token;

pub(crate) use decode::decode;
pub(crate) use encode::Encoder;

const MAGIC: [u8; 3] = *b":)\n";

/// The bits of the header's fourth byte. The high four are the version, zero.
mod feature {
    pub(super) const SHARED_NAMES: u8 = 1;
    pub(super) const SHARED_VALUES: u8 = 2;
    pub(super) const RAW_BINARY: u8 = 4;
}

// The first bytes of values; `token` has the first bytes of keys.
const EMPTY: u8 = 0x20;
const NULL: u8 = 0x21;
const FALSE: u8 = 0x22;
const TRUE: u8 = 0x23;
const INT32: u8 = 0x24;
const INT64: u8 = 0x25;
const BIG_INTEGER: u8 = 0x26;
const FLOAT32: u8 = 0x28;
const FLOAT64: u8 = 0x29;
const BIG_DECIMAL: u8 = 0x2a;
const SMALL_INT: u8 = 0xc0;
const LONG_ASCII: u8 = 0xe0;
const LONG_TEXT: u8 = 0xe4;
const SAFE_BINARY: u8 = 0xe8;
const BEGIN_ARRAY: u8 = 0xf8;
const END_ARRAY: u8 = 0xf9;
const BEGIN_OBJECT: u8 = 0xfa;
const END_OBJECT: u8 = 0xfb;
const END_OF_TEXT: u8 = 0xfc;
const RAW_BINARY: u8 = 0xfd;
const END_OF_CONTENT: u8 = 0xff;

/// As a key: a name of any length, up to [`END_OF_TEXT`].
const LONG_NAME: u8 = 0x34;

/// The number of entries of a table of shared names or values; a full table is cleared.
const TABLE: usize = 1024;
