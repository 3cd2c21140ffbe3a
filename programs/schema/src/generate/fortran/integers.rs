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
    of_kind(kind(width), value)
}

/// An integer of 64 bits.
pub(super) fn whole(value: i128) -> String {
    of_kind("int64", value)
}

/// An integer of a kind; the least one of each has no literal, and no range that is symmetric, so it is a bit.
pub(super) fn of_kind(kind: &str, value: i128) -> String {
    let bits = match kind {
        "int8" => 8,
        "int16" => 16,
        "int32" => 32,
        _ => 64,
    };
    if value == -1 << (bits - 1) {
        format!("ibset(0_{kind}, {})", bits - 1)
    } else {
        format!("{value}_{kind}")
    }
}
