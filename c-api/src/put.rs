//! Puts values at the cursor of a message.

use std::ffi::c_char;

use linkspan::codec::FlatValue;
use linkspan::value::{Decimal, Map};
use linkspan::{BigInt, Error, Result, Timestamp, Value};

use crate::argument::{apply, block, c_text_or_none, handle, named, utf8};
use crate::array::linkspan_array;
use crate::message::linkspan_message;
use crate::status::linkspan_status;
use crate::tree::Tree;

/// # Safety
/// `message` is NULL or a live message, `key` NULL or NUL-terminated.
pub(crate) unsafe fn at_key(
    message: *mut linkspan_message,
    key: *const c_char,
    what: impl FnOnce(&linkspan_message, Option<&str>) -> Result<()>,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { apply(message, |message| what(message, c_text_or_none(key, "key")?)) }
}

pub(crate) fn under(error: Error, key: Option<&str>) -> Error {
    match key {
        Some(key) => error.under_key(key),
        None => error,
    }
}

/// # Safety
/// As for [`at_key`].
pub(crate) unsafe fn put(
    message: *mut linkspan_message,
    key: *const c_char,
    value: impl FnOnce() -> Result<Value>,
) -> linkspan_status {
    let put = |message: &linkspan_message, key: Option<&str>| {
        let value = value().map_err(|e| under(e, key))?;
        message.build(|tree| tree.put(key, value).map(|_| ()))
    };
    // SAFETY: by contract.
    unsafe { at_key(message, key, put) }
}

/// Puts a scalar, in place if the message is a short map of scalars.
///
/// # Safety
/// As for [`at_key`].
#[inline]
unsafe fn put_flat<'a>(
    message: *mut linkspan_message,
    key: *const c_char,
    value: impl FnOnce() -> FlatValue<'a>,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { at_key(message, key, |message, key| put_scalar(message, key, value())) }
}

/// The length from which a text makes the value a tree, with the text in a separate block.
const LONG: usize = 64 << 10;

#[inline]
fn put_scalar(message: &linkspan_message, key: Option<&str>, value: FlatValue<'_>) -> Result<()> {
    let is_long = matches!(value, FlatValue::Text(text) if text.len() >= LONG);
    if let Some(key) = key
        && !is_long
        && message.put_flat(key, value)?
    {
        return Ok(());
    }
    let value = match value {
        // Missing memory for a long text is an error.
        FlatValue::Text(text) => Value::Text(linkspan::copy_text(text)?),
        short => short.to_value(),
    };
    message.build(|tree| tree.put(key, value).map(|_| ()))
}

/// Puts null. Every `_put_` and `_begin_` function puts one value, at this place:
///
/// In a map under `key`, replacing an existing value. In an array at the end, with `key` NULL. In an empty message as
/// the whole value, with `key` NULL; a key makes its value a map.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_put_null(
    message: *mut linkspan_message,
    key: *const c_char,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { put_flat(message, key, || FlatValue::Null) }
}

/// Puts a boolean.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_put_bool(
    message: *mut linkspan_message,
    key: *const c_char,
    value: bool,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { put_flat(message, key, || FlatValue::Bool(value)) }
}

/// Puts an integer.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_put_i64(
    message: *mut linkspan_message,
    key: *const c_char,
    value: i64,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { put_flat(message, key, || FlatValue::Int(value)) }
}

/// Puts an unsigned integer.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_put_u64(
    message: *mut linkspan_message,
    key: *const c_char,
    value: u64,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { put(message, key, || Ok(Value::from(value))) }
}

/// Puts an integer of up to 1 KiB: sign and absolute value, most significant byte first.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_put_big_int(
    message: *mut linkspan_message,
    key: *const c_char,
    negative: bool,
    magnitude: *const u8,
    length: usize,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { put(message, key, || BigInt::from_parts(negative, block(magnitude, length, "magnitude")?)) }
}

/// Puts a float. 7.0 stays a float.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_put_f64(
    message: *mut linkspan_message,
    key: *const c_char,
    value: f64,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { put_flat(message, key, || FlatValue::Float(value)) }
}

/// Puts a copy of `length` bytes of text; `Malformed` if they are not UTF-8.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_put_text(
    message: *mut linkspan_message,
    key: *const c_char,
    text: *const c_char,
    length: usize,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        at_key(message, key, |message, key| {
            let text = block(text.cast(), length, "text").and_then(|text| utf8(text, "text"));
            put_scalar(message, key, FlatValue::Text(text.map_err(|e| under(e, key))?))
        })
    }
}

/// Puts a copy of bytes.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_put_bytes(
    message: *mut linkspan_message,
    key: *const c_char,
    bytes: *const u8,
    length: usize,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        put(message, key, || {
            linkspan::copy_bytes(block(bytes, length, "bytes")?).map(|copy| Value::Bytes(copy.into()))
        })
    }
}

/// Puts a timestamp: nanoseconds since 1970-01-01T00:00:00Z.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_put_timestamp(
    message: *mut linkspan_message,
    key: *const c_char,
    nanoseconds: i64,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { put(message, key, || Ok(Value::Timestamp(Timestamp(nanoseconds)))) }
}

/// Puts a UUID: 16 bytes, most significant first.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_put_uuid(
    message: *mut linkspan_message,
    key: *const c_char,
    uuid: *const u8,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { put(message, key, || Ok(Value::Uuid(*named(uuid.cast::<[u8; 16]>(), "uuid")?))) }
}

/// Puts an exact decimal number, written like `1.10`, `-2E+3`, `NaN`.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_put_decimal(
    message: *mut linkspan_message,
    key: *const c_char,
    text: *const c_char,
    length: usize,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        put(message, key, || {
            let text = utf8(block(text.cast(), length, "text")?, "a decimal number")?;
            Ok(Value::Decimal(text.parse::<Decimal>()?))
        })
    }
}

/// Puts a copy of an N-d array; `array->length` is ignored.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_put_array(
    message: *mut linkspan_message,
    key: *const c_char,
    array: *const linkspan_array,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { put(message, key, || handle(array)?.lend()?.try_to_owned().map(Value::NdArray)) }
}

/// Puts a copy of another message's whole value.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_put_message(
    message: *mut linkspan_message,
    key: *const c_char,
    value: *const linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { put(message, key, || named(value, "value")?.copy()) }
}

/// Begins a map for the following values, until `linkspan_message_end`.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_begin_map(
    message: *mut linkspan_message,
    key: *const c_char,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        at_key(message, key, |message, key| message.build(|tree| tree.begin(key, Value::Map(Map::new()))))
    }
}

/// Begins an array for the following values, put with `key` NULL, until `linkspan_message_end`.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_begin_array(
    message: *mut linkspan_message,
    key: *const c_char,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        at_key(message, key, |message, key| message.build(|tree| tree.begin(key, Value::Array(Vec::new()))))
    }
}

/// Ends the innermost open map or array. The map that the first key created needs no end.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_end(message: *mut linkspan_message) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { apply(message, |message| message.build(Tree::end)) }
}
