//! Kinds and literals of integers in Fortran, which only has signed ones.

use linkspan::schema::Width;

/// Returns a kind that holds every number of this width. An unsigned 64-bit integer gets the kind with equal bits.
pub(super) fn kind(width: Width) -> &'static str {
    match width {
        Width::I8 => "int8",
        Width::I16 | Width::U8 => "int16",
        Width::I32 | Width::U16 => "int32",
        _ => "int64",
    }
}

pub(super) fn integer_of(width: Width, value: i128) -> String {
    of_kind(kind(width), value)
}

pub(super) fn whole(value: i128) -> String {
    of_kind("int64", value)
}

/// Returns an integer of a kind. The least integer lacks a literal, so it is written as a bit.
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
