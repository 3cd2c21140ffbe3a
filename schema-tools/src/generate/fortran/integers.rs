//! Kinds and literals of integers in Fortran, which has no unsigned ones.

use linkspan::schema::Width;

/// The kind of an integer that holds every number of this width; an unsigned 64-bit integer has the kind with the same
/// bits.
pub(super) fn kind(width: Width) -> &'static str {
    match width {
        Width::I8 => "int8",
        Width::I16 | Width::U8 => "int16",
        Width::I32 | Width::U16 => "int32",
        _ => "int64",
    }
}

/// An integer with its kind.
pub(super) fn integer_of(width: Width, value: i128) -> String {
    if kind(width) == "int64" { whole(value) } else { format!("{value}_{}", kind(width)) }
}

/// An integer of 64 bits; the least one has no literal, so it is an expression.
pub(super) fn whole(value: i128) -> String {
    if value == i128::from(i64::MIN) {
        "(-huge(0_int64) - 1_int64)".to_owned()
    } else {
        format!("{value}_int64")
    }
}
