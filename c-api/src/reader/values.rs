//! The values of a reader, one by one.

use std::ffi::c_char;
use std::slice;

use linkspan::value::NdArrayRef;
use linkspan::{Error, ErrorKind, Order};

use super::names::Names;
use super::state::{out_of_range, wrong};
use super::{get, linkspan_reader, step, view};
use crate::argument::{Nothing, is_null, out, place};
use crate::array::{
    LINKSPAN_COLUMN, LINKSPAN_ROW, array_fits, linkspan_array, linkspan_dtype, linkspan_order,
};
use crate::message::linkspan_message;
use crate::status::linkspan_status;
use crate::tape::Event;

/// Reads a null; gives false, and does not consume the value, if the next value is another one.
///
/// # Safety
/// `reader` is live, `null` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_reader_get_null(
    reader: *mut linkspan_reader,
    null: *mut bool,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        let null = out(place!(null));
        step(reader, |reader| {
            let null = null?;
            let entry = reader.peek()?;
            if matches!(entry.event, Event::Null) {
                *null = true;
                reader.take(&entry);
            }
            Ok(())
        })
    }
}

/// Reads a boolean. Every `linkspan_reader_get_` function consumes the next value; `WrongType` if that has
/// another type.
///
/// # Safety
/// `reader` is live, the results may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_reader_get_bool(
    reader: *mut linkspan_reader,
    value: *mut bool,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        get(reader, place!(value), |_, event| match event {
            Event::Bool(value) => Ok(value),
            other => Err(wrong("a bool", other)),
        })
    }
}

/// Reads an integer from `least` to `greatest`; `OutOfRange` for any other.
///
/// # Safety
/// As for `linkspan_reader_get_bool`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_reader_get_i64(
    reader: *mut linkspan_reader,
    least: i64,
    greatest: i64,
    value: *mut i64,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        get(reader, place!(value), |_, event| match event {
            Event::Int(value) if (least..=greatest).contains(&value) => Ok(value),
            Event::Int(value) => Err(out_of_range(&format!("an integer in [{least}, {greatest}]"), value)),
            Event::Uint(value) => Err(out_of_range(&format!("an integer in [{least}, {greatest}]"), value)),
            other => Err(wrong("an integer", other)),
        })
    }
}

/// Reads an integer from 0 to `greatest`; `OutOfRange` for any other.
///
/// # Safety
/// As for `linkspan_reader_get_bool`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_reader_get_u64(
    reader: *mut linkspan_reader,
    greatest: u64,
    value: *mut u64,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        get(reader, place!(value), |_, event| {
            let number = match event {
                Event::Int(value) => u64::try_from(value).ok(),
                Event::Uint(value) => Some(value),
                other => return Err(wrong("an integer", other)),
            };
            number.filter(|number| *number <= greatest).ok_or_else(|| match event {
                Event::Uint(value) => out_of_range(&format!("an integer in [0, {greatest}]"), value),
                Event::Int(value) => out_of_range(&format!("an integer in [0, {greatest}]"), value),
                other => wrong("an integer", other),
            })
        })
    }
}

/// Reads a float, or an integer that a float holds exactly.
///
/// # Safety
/// As for `linkspan_reader_get_bool`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_reader_get_f64(
    reader: *mut linkspan_reader,
    value: *mut f64,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        get(reader, place!(value), |_, event| match event {
            Event::Float(value) => Ok(value),
            Event::Int(value) if value.unsigned_abs() <= 1 << 53 => Ok(value as f64),
            Event::Int(value) => Err(out_of_range("an integer that is an f64 exactly", value)),
            Event::Uint(value) => Err(out_of_range("an integer that is an f64 exactly", value)),
            other => Err(wrong("a float", other)),
        })
    }
}

impl Nothing for f32 {
    const NOTHING: f32 = 0.0;
}

/// Reads a float that fits 32 bits without overflow, or an integer that it holds exactly.
///
/// # Safety
/// As for `linkspan_reader_get_bool`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_reader_get_f32(
    reader: *mut linkspan_reader,
    value: *mut f32,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        get(reader, place!(value), |_, event| match event {
            Event::Float(value) if !value.is_finite() || (value as f32).is_finite() => Ok(value as f32),
            Event::Float(value) => Err(out_of_range("a float of 32 bits", value)),
            Event::Int(value) if value.unsigned_abs() <= 1 << 24 => Ok(value as f32),
            Event::Int(value) => Err(out_of_range("an integer that is an f32 exactly", value)),
            Event::Uint(value) => Err(out_of_range("an integer that is an f32 exactly", value)),
            other => Err(wrong("a float", other)),
        })
    }
}

/// Reads text: a view, not NUL-terminated.
///
/// # Safety
/// As for `linkspan_reader_get_bool`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_reader_get_text(
    reader: *mut linkspan_reader,
    text: *mut *const c_char,
    length: *mut usize,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        view(reader, place!(text), place!(length), |event| match event {
            Event::Text(text) => Ok(text),
            other => Err(wrong("text", other)),
        })
    }
}

/// Reads bytes: a view.
///
/// # Safety
/// As for `linkspan_reader_get_bool`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_reader_get_bytes(
    reader: *mut linkspan_reader,
    bytes: *mut *const u8,
    length: *mut usize,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        view(reader, place!(bytes), place!(length), |event| match event {
            Event::Bytes(bytes) => Ok(bytes),
            other => Err(wrong("bytes", other)),
        })
    }
}

/// Reads a timestamp: nanoseconds since 1970-01-01T00:00:00Z.
///
/// # Safety
/// As for `linkspan_reader_get_bool`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_reader_get_timestamp(
    reader: *mut linkspan_reader,
    nanoseconds: *mut i64,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        get(reader, place!(nanoseconds), |_, event| match event {
            Event::Timestamp(at) => Ok(at),
            other => Err(wrong("a timestamp", other)),
        })
    }
}

/// Reads a UUID: 16 bytes, most significant first.
///
/// # Safety
/// As for `linkspan_reader_get_bool`; 16 bytes may be written at `uuid`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_reader_get_uuid(
    reader: *mut linkspan_reader,
    uuid: *mut u8,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        get(reader, place!(uuid).cast::<[u8; 16]>(), |_, event| match event {
            Event::Uuid(uuid) => Ok(uuid),
            other => Err(wrong("a UUID", other)),
        })
    }
}

/// Reads an exact decimal number as text: a view, not NUL-terminated.
///
/// # Safety
/// As for `linkspan_reader_get_bool`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_reader_get_decimal(
    reader: *mut linkspan_reader,
    text: *mut *const c_char,
    length: *mut usize,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        view(reader, place!(text), place!(length), |event| match event {
            Event::Decimal(text) => Ok(text),
            other => Err(wrong("a decimal number", other)),
        })
    }
}

/// Reads text that is one of `count` names, and gives its position. Each name has `width` bytes, padded with
/// NUL or blanks. For any other text it gives `unknown`, or `WrongType` if `unknown` is negative.
///
/// # Safety
/// As for `linkspan_reader_get_bool`; `names` points to `count` times `width` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_reader_get_enum(
    reader: *mut linkspan_reader,
    names: *const c_char,
    width: usize,
    count: usize,
    unknown: i32,
    value: *mut i32,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        get(reader, place!(value), |reader, event| {
            let names = Names::of(names, width, count)?;
            let Event::Text(text) = event else {
                return Err(wrong(&format!("one of {}", names.list()), event));
            };
            match names.position(reader.tape.bytes(text)) {
                Some(position) => Ok(position as i32),
                None if unknown >= 0 => Ok(unknown),
                None => {
                    let text = format!(
                        "one of {} is expected, {:?} was found",
                        names.list(),
                        reader.tape.text(text)?
                    );
                    Err(Error::new(ErrorKind::WrongType, text))
                }
            }
        })
    }
}

/// Reads an N-d array of `dtype`: a view, whose elements need not be aligned. `WrongType` if it has another
/// element type, if `order` is not negative and the array has the other order, and if `rank` is not negative
/// and the array does not have `rank` dimensions with the lengths in `dims`, in which `UINT64_MAX` stands for
/// any length.
///
/// # Safety
/// As for `linkspan_reader_get_bool`; `dims` points to `rank` numbers where `rank` is above zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_reader_get_array(
    reader: *mut linkspan_reader,
    dtype: linkspan_dtype,
    order: linkspan_order,
    rank: i32,
    dims: *const u64,
    array: *mut linkspan_array,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        get(reader, place!(array), |reader, event| {
            let Event::NdArray { dtype: found, order: lies, rank: has, shape, data } = event else {
                return Err(wrong("an N-d array", event));
            };
            let shape = reader.tape.shape(shape, has);
            let lengths = match usize::try_from(rank) {
                Ok(0) => Some(&[][..]),
                Ok(_) if dims.is_null() => return Err(is_null("dims")),
                Ok(rank) => Some(slice::from_raw_parts(dims, rank)),
                Err(_) => None,
            };
            let there = NdArrayRef::new(found, lies, shape, reader.tape.bytes(data))?;
            let Some(dtype) = usize::try_from(dtype).ok().and_then(|n| linkspan::DType::ALL.get(n)) else {
                let text = format!("no N-d array has the dtype {dtype}");
                return Err(Error::new(ErrorKind::WrongType, text));
            };
            let order = match order {
                LINKSPAN_ROW => Some(Order::Row),
                LINKSPAN_COLUMN => Some(Order::Column),
                _ => None,
            };
            array_fits(&there, *dtype, order, lengths)?;
            Ok(linkspan_array::unaligned(there))
        })
    }
}

/// Reads any value as a new message, which the caller releases.
///
/// # Safety
/// As for `linkspan_reader_get_bool`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_reader_get_message(
    reader: *mut linkspan_reader,
    message: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        get(reader, place!(message), |reader, _| Ok(linkspan_message::of(reader.tape.value_at(reader.next)?)))
    }
}
