//! Puts one value, or begins and ends an array or a map.

use std::ffi::c_char;

use linkspan::value::{Decimal, Source};
use linkspan::{Result, Value};

use super::source::Putting;
use super::{linkspan_writer, step};
use crate::argument::{block, handle, named, utf8};
use crate::array::linkspan_array;
use crate::message::linkspan_message;
use crate::status::linkspan_status;
use crate::tape::{Event, Tape};

/// Puts the event that `event` returns.
///
/// # Safety
/// As for [`step`].
unsafe fn put(
    writer: *mut linkspan_writer,
    key: *const c_char,
    event: impl FnOnce(&mut Tape) -> Result<Event>,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        step(writer, key, |writer, key| {
            let key = writer.place(key)?;
            let event = event(&mut writer.tape)?;
            writer.tape.push(key, event);
            Ok(())
        })
    }
}

/// Puts null. Every `linkspan_writer_put_` and `linkspan_writer_begin_` function writes one value: with its
/// key in a map, with `key` NULL in an array and as the whole value.
///
/// # Safety
/// `writer` is live, `key` is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_put_null(
    writer: *mut linkspan_writer,
    key: *const c_char,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { put(writer, key, |_| Ok(Event::Null)) }
}

/// Puts a boolean.
///
/// # Safety
/// As for `linkspan_writer_put_null`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_put_bool(
    writer: *mut linkspan_writer,
    key: *const c_char,
    value: bool,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { put(writer, key, |_| Ok(Event::Bool(value))) }
}

/// Puts an integer.
///
/// # Safety
/// As for `linkspan_writer_put_null`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_put_i64(
    writer: *mut linkspan_writer,
    key: *const c_char,
    value: i64,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { put(writer, key, |_| Ok(Event::Int(value))) }
}

/// Puts an unsigned integer.
///
/// # Safety
/// As for `linkspan_writer_put_null`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_put_u64(
    writer: *mut linkspan_writer,
    key: *const c_char,
    value: u64,
) -> linkspan_status {
    let event = i64::try_from(value).map_or(Event::Uint(value), Event::Int);
    // SAFETY: as the caller promises.
    unsafe { put(writer, key, |_| Ok(event)) }
}

/// Puts a float.
///
/// # Safety
/// As for `linkspan_writer_put_null`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_put_f64(
    writer: *mut linkspan_writer,
    key: *const c_char,
    value: f64,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { put(writer, key, |_| Ok(Event::Float(value))) }
}

/// Puts text of `length` bytes, copied; `Malformed` if it is not UTF-8.
///
/// # Safety
/// As for `linkspan_writer_put_null`; `text` points to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_put_text(
    writer: *mut linkspan_writer,
    key: *const c_char,
    text: *const c_char,
    length: usize,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        put(writer, key, |tape| {
            Ok(Event::Text(tape.keep(utf8(block(text.cast(), length, "text")?, "text")?.as_bytes())))
        })
    }
}

/// Puts bytes, copied.
///
/// # Safety
/// As for `linkspan_writer_put_null`; `bytes` points to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_put_bytes(
    writer: *mut linkspan_writer,
    key: *const c_char,
    bytes: *const u8,
    length: usize,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { put(writer, key, |tape| Ok(Event::Bytes(tape.keep(block(bytes, length, "bytes")?)))) }
}

/// Puts a timestamp: nanoseconds since 1970-01-01T00:00:00Z.
///
/// # Safety
/// As for `linkspan_writer_put_null`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_put_timestamp(
    writer: *mut linkspan_writer,
    key: *const c_char,
    nanoseconds: i64,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { put(writer, key, |_| Ok(Event::Timestamp(nanoseconds))) }
}

/// Puts a UUID: 16 bytes, most significant first.
///
/// # Safety
/// As for `linkspan_writer_put_null`; `uuid` points to 16 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_put_uuid(
    writer: *mut linkspan_writer,
    key: *const c_char,
    uuid: *const u8,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { put(writer, key, |_| Ok(Event::Uuid(*named(uuid.cast::<[u8; 16]>(), "uuid")?))) }
}

/// Puts an exact decimal number, written like `1.10`, `-2E+3`, `NaN`.
///
/// # Safety
/// As for `linkspan_writer_put_null`; `text` points to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_put_decimal(
    writer: *mut linkspan_writer,
    key: *const c_char,
    text: *const c_char,
    length: usize,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        put(writer, key, |tape| {
            let number: Decimal = utf8(block(text.cast(), length, "text")?, "a decimal number")?.parse()?;
            Ok(Event::Decimal(tape.keep(number.as_str().as_bytes())))
        })
    }
}

/// Puts an N-d array, copied: `dtype`, `order`, `rank`, `dims` and `data` describe it, `length` is ignored.
///
/// # Safety
/// As for `linkspan_writer_put_null`; `array->data` points to as many elements as `array->dims` say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_put_array(
    writer: *mut linkspan_writer,
    key: *const c_char,
    array: *const linkspan_array,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        step(writer, key, |writer, key| {
            let array = handle(array)?.lend()?;
            let key = writer.place(key)?;
            writer.tape.push_array(key, array)
        })
    }
}

/// Puts the value of a message, copied; NULL stands for null.
///
/// # Safety
/// As for `linkspan_writer_put_null`; `value` is NULL or a live message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_put_message(
    writer: *mut linkspan_writer,
    key: *const c_char,
    value: *const linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        step(writer, key, |writer, key| {
            let value = if value.is_null() { Value::Null } else { handle(value)?.copy()? };
            value.walk(&mut Putting { writer, key: key.map(str::to_owned) })
        })
    }
}

/// Begins a map: the following values are put into it, each with its key, until `linkspan_writer_end`. A
/// repeated key is `Malformed`.
///
/// # Safety
/// As for `linkspan_writer_put_null`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_begin_map(
    writer: *mut linkspan_writer,
    key: *const c_char,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { step(writer, key, |writer, key| writer.begin(key, true)) }
}

/// Begins an array of values: the following values are put into it with `key` NULL, until
/// `linkspan_writer_end`.
///
/// # Safety
/// As for `linkspan_writer_put_null`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_begin_array(
    writer: *mut linkspan_writer,
    key: *const c_char,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { step(writer, key, |writer, key| writer.begin(key, false)) }
}

/// Ends the innermost open map or array.
///
/// # Safety
/// `writer` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_end(writer: *mut linkspan_writer) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { step(writer, std::ptr::null(), |writer, _| writer.end()) }
}

/// Puts the value of the source that `source` returns.
///
/// # Safety
/// As for [`step`].
pub(crate) unsafe fn put_source<T: Source>(
    writer: *mut linkspan_writer,
    key: *const c_char,
    source: impl FnOnce() -> Result<T>,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        step(writer, key, |writer, key| {
            let first = key.map(str::to_owned);
            source()?.walk(&mut Putting { writer, key: first })
        })
    }
}
