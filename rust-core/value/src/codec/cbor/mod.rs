//! CBOR (RFC 8949), with RFC 8746 for N-d arrays and RFC 9581 for instants: the default encoding.
//!
//! | value | written as | also read |
//! |---|---|---|
//! | null, bool, text, bytes, array, map | their major types, shortest heads, definite lengths | any head, indefinite lengths |
//! | integer | major type 0 or 1; tag 2 or 3 beyond 64 bits | tag 2 or 3 for small ones |
//! | float | float64 | float16, float32 |
//! | timestamp | tag 1001 `{1: seconds, -9: nanoseconds}` | `-3`, `-6` there; tags 0 and 1 |
//! | UUID | tag 37 | |
//! | decimal | tag 4; tag 27 `["decimal", text]` for -0, NaN and infinity | |
//! | N-d array | tag 40 or 1040 around `[shape, typed array]` | a typed array alone; big-endian; float16; plain numbers |
//! | N-d array of bool | tag 41 for the elements | plain bools |
//! | N-d array of complex | tag 43001 around the typed array of real and imaginary parts | |
//!
//! Decoding skips tag 55799 (this is CBOR). Every other tag, `undefined`, other simple values and keys that are not
//! text have no form in Linkspan and are `Unsupported`.

mod around_array;
mod array;
mod byte_string;
mod count;
mod cursor;
mod decode;
mod encode;
mod fields;
mod flat_arrays;
mod flat_lookup;
mod flat_map;
mod head;
mod outline;
mod tag;

pub(crate) use around_array::{
    AroundArray, write as write_around_array, write_alone as write_around_lone_array,
};
pub(crate) use byte_string::read as read_byte_string;
pub use cursor::FlatValue;
pub(crate) use cursor::{
    LONGEST_WITH_MAPS, MAP, MOST_ENTRIES as MOST_FLAT_ENTRIES, is_within as is_flat_within,
};
pub(crate) use decode::{decode, decode_first};
pub use encode::byte_string_head;
pub(crate) use encode::{
    Encoder, NULL, bool_byte, put_byte, put_float, put_head, put_int, put_short_text, put_timestamp,
};
pub use fields::FlatField;
pub(crate) use flat_arrays::{
    append as append_flat_arrays, append_alone as append_long_array, is_flat as is_flat_with_arrays, is_long,
    read as read_flat_arrays, read_alone as read_long_array,
};
pub use flat_lookup::{FlatItem, find as find_in_flat_arrays};
pub use flat_map::text_alone;
pub use flat_map::{FlatMap, FlatMapBuilder, append_text};
pub use outline::{LEFT_OUT_FROM, Outline, outline};

use crate::value::DType;

// Tags, with the registry's numbers.
const TIME_TEXT: u64 = 0;
const TIME_SECONDS: u64 = 1;
const BIG: u64 = 2;
const BIG_NEGATIVE: u64 = 3;
const DECIMAL: u64 = 4;
const OBJECT: u64 = 27;
const UUID: u64 = 37;
const ROW_MAJOR: u64 = 40;
const HOMOGENEOUS: u64 = 41;
const TIME_EXTENDED: u64 = 1001;
const COLUMN_MAJOR: u64 = 1040;
const COMPLEX: u64 = 43_001;
const SELF_DESCRIBED: u64 = 55_799;

const DECIMAL_OBJECT: &str = "decimal";

/// Returns the tag of the little-endian typed array of these elements; `None` for bool.
///
/// For complex elements it is the tag of their parts.
const fn typed_array(dtype: DType) -> Option<u64> {
    Some(match dtype {
        DType::Bool => return None,
        DType::U8 => 64,
        DType::U16 => 69,
        DType::U32 => 70,
        DType::U64 => 71,
        DType::I8 => 72,
        DType::I16 => 77,
        DType::I32 => 78,
        DType::I64 => 79,
        DType::F32 | DType::C64 => 85,
        DType::F64 | DType::C128 => 86,
    })
}
