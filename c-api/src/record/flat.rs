//! Encodes structs of scalars as CBOR without a walk, with keys encoded once per table.
//!
//! The walk handles other structs, and makes all errors: too many fields, invalid UTF-8, an enum number without a name.

use linkspan::codec::FlatRecord;

use super::layout::{Field, Fields, Kind};
use super::part::{bytes, number, place};
use crate::argument::utf8;

/// Returns false, and appends nothing, if the struct needs a walk.
///
/// # Safety
/// A struct with these fields is at `at`, with all its pointees.
pub(super) unsafe fn append(fields: &Fields, at: *const u8, out: &mut Vec<u8>) -> bool {
    fields.is_flat
        && FlatRecord::append(out, |record| {
            // SAFETY: by contract.
            fields.all.iter().try_for_each(|field| unsafe { append_field(record, field, at) })
        })
}

/// Appends a field if it is present; `None` if it lacks a flat form.
///
/// # Safety
/// As for [`append`].
#[inline]
unsafe fn append_field(record: &mut FlatRecord<'_>, field: &Field, at: *const u8) -> Option<()> {
    // SAFETY: by contract.
    let Some(at) = unsafe { place(field, at) }.ok()? else { return Some(()) };
    let (key, of) = (field.flat_key.as_ref()?, &field.of);
    macro_rules! read {
        ($kind:ty) => {
            // SAFETY: by contract; the layout was checked to be within the struct.
            unsafe { at.cast::<$kind>().read_unaligned() }
        };
    }
    match &of.kind {
        Kind::Bool => record.bool(key, read!(u8) != 0),
        Kind::I8 => record.int(key, read!(i8).into()),
        Kind::I16 | Kind::WideU8 => record.int(key, read!(i16).into()),
        Kind::I32 | Kind::WideU16 => record.int(key, read!(i32).into()),
        Kind::I64 | Kind::WideU32 => record.int(key, read!(i64)),
        Kind::U8 => record.int(key, read!(u8).into()),
        Kind::U16 => record.int(key, read!(u16).into()),
        Kind::U32 => record.int(key, read!(u32).into()),
        Kind::U64 => match i64::try_from(read!(u64)) {
            Ok(value) => record.int(key, value),
            Err(_) => record.uint(key, read!(u64)),
        },
        // SAFETY: as above.
        Kind::Logical(_) => record.bool(key, unsafe { number(at, of.size) } != 0),
        Kind::F32 => record.float(key, read!(f32).into()),
        Kind::F64 => record.float(key, read!(f64)),
        Kind::Timestamp => record.timestamp(key, linkspan::Timestamp(read!(i64))),
        Kind::Text => {
            // SAFETY: as above.
            let text = unsafe { bytes(of, at, "text") }.ok()?;
            record.text(key, utf8(text, "text").ok()?)
        }
        // SAFETY: as above.
        Kind::Bytes => record.bytes(key, unsafe { bytes(of, at, "bytes") }.ok()?),
        // SAFETY: as above.
        Kind::Enum(names) => record.text(key, names.get(unsafe { number(at, of.size) })?),
        _ => None,
    }
}
