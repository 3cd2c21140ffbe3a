//! The table of a struct in C.

use std::ffi::{c_char, c_void};

use super::access::linkspan_record_access;
use crate::array::{linkspan_dtype, linkspan_order};
use crate::life::Checked;

/// A kind of `linkspan_record_type`: `bool`.
pub const LINKSPAN_RECORD_BOOL: i32 = 1;
/// `int8_t`.
pub const LINKSPAN_RECORD_I8: i32 = 2;
/// `int16_t`.
pub const LINKSPAN_RECORD_I16: i32 = 3;
/// `int32_t`.
pub const LINKSPAN_RECORD_I32: i32 = 4;
/// `int64_t`.
pub const LINKSPAN_RECORD_I64: i32 = 5;
/// `uint8_t`.
pub const LINKSPAN_RECORD_U8: i32 = 6;
/// `uint16_t`.
pub const LINKSPAN_RECORD_U16: i32 = 7;
/// `uint32_t`.
pub const LINKSPAN_RECORD_U32: i32 = 8;
/// `uint64_t`.
pub const LINKSPAN_RECORD_U64: i32 = 9;
/// `float`.
pub const LINKSPAN_RECORD_F32: i32 = 10;
/// `double`.
pub const LINKSPAN_RECORD_F64: i32 = 11;
/// `linkspan_text`.
pub const LINKSPAN_RECORD_TEXT: i32 = 12;
/// `linkspan_bytes`.
pub const LINKSPAN_RECORD_BYTES: i32 = 13;
/// `int64_t`, nanoseconds since 1970-01-01T00:00:00Z.
pub const LINKSPAN_RECORD_TIMESTAMP: i32 = 14;
/// `linkspan_uuid`.
pub const LINKSPAN_RECORD_UUID: i32 = 15;
/// `linkspan_text` with a decimal number.
pub const LINKSPAN_RECORD_DECIMAL: i32 = 16;
/// `linkspan_message *`, any value.
pub const LINKSPAN_RECORD_ANY: i32 = 17;
/// An enum, sent as one of `names`.
pub const LINKSPAN_RECORD_ENUM: i32 = 18;
/// A struct of `items`, a pointer to values of `of`, and `count`.
pub const LINKSPAN_RECORD_LIST: i32 = 19;
/// A list whose items are structs of `key`, a `linkspan_text`, and `value`.
pub const LINKSPAN_RECORD_MAP: i32 = 20;
/// A struct with these fields.
pub const LINKSPAN_RECORD_STRUCT: i32 = 21;
/// A struct of an enum, and a union of the fields that the enum selects.
pub const LINKSPAN_RECORD_UNION: i32 = 22;
/// `linkspan_array`; the struct owns its elements.
pub const LINKSPAN_RECORD_ARRAY: i32 = 23;
/// The elements of an array with a fixed shape, in C's order unless `order` is `LINKSPAN_COLUMN`.
pub const LINKSPAN_RECORD_ELEMENTS: i32 = 24;
/// A list of booleans without addresses, reached by functions.
pub const LINKSPAN_RECORD_BOOLS: i32 = 25;
/// A boolean of `size` bytes. `count` is the number for true; every number except 0 is read as true.
pub const LINKSPAN_RECORD_LOGICAL: i32 = 26;

/// A type of values in structs. Members that its `kind` does not need are zero.
#[repr(C)]
pub struct linkspan_record_type {
    /// One of `LINKSPAN_RECORD_`.
    pub kind: i32,
    /// `sizeof` a value. The size of a map's entry is `item_size`.
    pub size: usize,
    /// `sizeof` an item of a list, or an entry of a map.
    pub item_size: usize,
    /// `sizeof` the enum that selects the field of a union.
    pub kind_size: usize,
    /// The type of a list's items, or of a map's values; NULL for a map whose entries are `fields`.
    pub of: *const linkspan_record_type,
    /// The fields of a struct or a union, or the key and the value of a map's entries.
    pub fields: *const linkspan_record_field,
    /// The names of an enum's values, from 0 on.
    pub names: *const *const c_char,
    /// The number of fields or names.
    pub count: usize,
    /// The element type of an array.
    pub dtype: linkspan_dtype,
    /// The required order of an array, or -1.
    pub order: linkspan_order,
    /// The required number of dimensions of an array, or -1.
    pub rank: i32,
    /// The lengths of the dimensions; `UINT64_MAX` means any length. NULL for rank 0 and -1.
    pub dims: *const u64,
    /// The functions that read and create values whose layout a table cannot describe, or NULL.
    pub access: *const linkspan_record_access,
    /// A number that those functions get.
    pub which: usize,
}

/// A field of a struct, or a variant of a union.
#[repr(C)]
pub struct linkspan_record_field {
    /// The key in messages.
    pub key: *const c_char,
    /// Older keys, ended by NULL; NULL without any.
    pub aliases: *const *const c_char,
    /// The offset of the value in the struct.
    pub offset: usize,
    /// Whether the field may be missing.
    ///
    /// `presence` is then the offset of a `bool` that is true if it is present; unused with `access`.
    pub optional: bool,
    /// See `optional`.
    pub presence: usize,
    /// The type of the value.
    pub of: *const linkspan_record_type,
    /// The default of a missing field, in CBOR; NULL without a default.
    pub default_value: *const u8,
    /// The length of `default_value` in bytes.
    pub default_length: usize,
    /// `find` and `make` for an optional value or a variant that is not stored at `offset`, or NULL.
    ///
    /// Both get the address at `offset`.
    pub access: *const linkspan_record_access,
    /// A number that those functions get.
    pub which: usize,
}

/// The memory layout of a struct, as `linkspan schema generate` writes it.
///
/// The table must stay unchanged at its address while the program runs.
#[repr(C)]
pub struct linkspan_record {
    /// `sizeof(linkspan_record)`.
    pub size: usize,
    /// The type of the whole struct.
    pub of: *const linkspan_record_type,
    /// NULL; the library keeps the checked table here.
    pub prepared: *mut c_void,
}

impl Checked for linkspan_record {}
