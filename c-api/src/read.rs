//! Reads a message by path: keys and zero-based positions joined by `/`, `""` for the whole value.

use std::ffi::c_char;

use linkspan::codec::FlatValue;
use linkspan::value::NdArrayRef;
use linkspan::{BigInt, Error, ErrorKind, Result, Value};

use crate::argument::{Nothing, Place, c_text, give_text, handle, out, place, query};
use crate::array::linkspan_array;
use crate::error::guard;
use crate::message::linkspan_message;
use crate::status::{LINKSPAN_OK, linkspan_status};

impl Nothing for linkspan_array {
    const NOTHING: linkspan_array = linkspan_array::NOTHING;
}

/// The type of a value.
pub type linkspan_type = i32;
/// Null.
pub const LINKSPAN_TYPE_NULL: linkspan_type = 0;
/// A boolean.
pub const LINKSPAN_TYPE_BOOL: linkspan_type = 1;
/// An integer that fits `int64_t`.
pub const LINKSPAN_TYPE_INT: linkspan_type = 2;
/// A larger integer that fits `uint64_t`.
pub const LINKSPAN_TYPE_UINT: linkspan_type = 3;
/// An integer that fits neither.
pub const LINKSPAN_TYPE_BIG_INT: linkspan_type = 4;
/// A float.
pub const LINKSPAN_TYPE_FLOAT: linkspan_type = 5;
/// Text.
pub const LINKSPAN_TYPE_TEXT: linkspan_type = 6;
/// Bytes.
pub const LINKSPAN_TYPE_BYTES: linkspan_type = 7;
/// A timestamp.
pub const LINKSPAN_TYPE_TIMESTAMP: linkspan_type = 8;
/// A UUID.
pub const LINKSPAN_TYPE_UUID: linkspan_type = 9;
/// An exact decimal number.
pub const LINKSPAN_TYPE_DECIMAL: linkspan_type = 10;
/// An N-d array of numbers.
pub const LINKSPAN_TYPE_NDARRAY: linkspan_type = 11;
/// An array of values.
pub const LINKSPAN_TYPE_ARRAY: linkspan_type = 12;
/// A map.
pub const LINKSPAN_TYPE_MAP: linkspan_type = 13;

pub(crate) fn type_of(value: &Value) -> Result<linkspan_type> {
    Ok(match value {
        Value::Null => LINKSPAN_TYPE_NULL,
        Value::Bool(_) => LINKSPAN_TYPE_BOOL,
        Value::Int(_) => LINKSPAN_TYPE_INT,
        Value::Uint(_) => LINKSPAN_TYPE_UINT,
        Value::BigInt(_) => LINKSPAN_TYPE_BIG_INT,
        Value::Float(_) => LINKSPAN_TYPE_FLOAT,
        Value::Text(_) => LINKSPAN_TYPE_TEXT,
        Value::Bytes(_) => LINKSPAN_TYPE_BYTES,
        Value::Timestamp(_) => LINKSPAN_TYPE_TIMESTAMP,
        Value::Uuid(_) => LINKSPAN_TYPE_UUID,
        Value::Decimal(_) => LINKSPAN_TYPE_DECIMAL,
        Value::NdArray(_) => LINKSPAN_TYPE_NDARRAY,
        Value::Array(_) => LINKSPAN_TYPE_ARRAY,
        Value::Map(_) => LINKSPAN_TYPE_MAP,
        other => {
            let text = format!("this library is older than {}", other.type_name());
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
    })
}

/// Returns the count that `linkspan_message_count` describes.
pub(crate) fn count_of(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.len(),
        Value::Map(entries) => entries.len(),
        Value::NdArray(array) => array.data.len() / array.dtype.size(),
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 1,
    }
}

/// Reads a bool. Returns `None`, like the next functions, if the tree must convert or refuse the value.
fn flat_bool(value: FlatValue<'_>) -> Option<bool> {
    if let FlatValue::Bool(value) = value { Some(value) } else { None }
}

fn flat_i64(value: FlatValue<'_>) -> Option<i64> {
    if let FlatValue::Int(value) = value { Some(value) } else { None }
}

fn flat_u64(value: FlatValue<'_>) -> Option<u64> {
    flat_i64(value).and_then(|value| u64::try_from(value).ok())
}

fn flat_f64(value: FlatValue<'_>) -> Option<f64> {
    match value {
        FlatValue::Float(value) => Some(value),
        FlatValue::Int(value) => Value::Int(value).as_f64().ok(),
        _ => None,
    }
}

fn big_int(value: &Value) -> Result<&BigInt> {
    match value {
        Value::BigInt(big) => Ok(big),
        other => Err(wrong_type(other, "an integer beyond 64 bits")),
    }
}

fn wrong_type(value: &Value, requested: &str) -> Error {
    Error::new(ErrorKind::WrongType, format!("expected {requested}, found {}", value.type_name()))
}

/// # Safety
/// `message` is NULL or a live message, `path` NULL or NUL-terminated, `to` NULL or writable.
unsafe fn read<T: Nothing>(
    message: *const linkspan_message,
    path: *const c_char,
    to: Place<T>,
    what: impl FnOnce(&linkspan_message, &Value) -> Result<T>,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        query(message, to, |message| message.look_at(c_text(path, "path")?, |value| what(message, value)))
    }
}

/// Reads a scalar, without a tree for a flat map.
///
/// # Safety
/// As for [`read`].
#[inline]
unsafe fn scalar<T: Nothing>(
    message: *const linkspan_message,
    path: *const c_char,
    to: Place<T>,
    flat: impl FnOnce(FlatValue<'_>) -> Option<T>,
    what: impl FnOnce(&Value) -> Result<T>,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        query(message, to, |message| {
            let path = c_text(path, "path")?;
            match message.look_flat(path, flat) {
                Some(value) => Ok(value),
                None => message.look_at(path, what),
            }
        })
    }
}

fn flat_kind(value: FlatValue<'_>) -> (linkspan_type, usize) {
    match value {
        FlatValue::Null => (LINKSPAN_TYPE_NULL, 1),
        FlatValue::Bool(_) => (LINKSPAN_TYPE_BOOL, 1),
        FlatValue::Int(_) => (LINKSPAN_TYPE_INT, 1),
        FlatValue::Float(_) => (LINKSPAN_TYPE_FLOAT, 1),
        FlatValue::Text(text) => (LINKSPAN_TYPE_TEXT, text.len()),
    }
}

/// # Safety
/// As for [`read`].
unsafe fn view<T>(
    message: *const linkspan_message,
    path: *const c_char,
    to: Place<*const T>,
    length: Place<usize>,
    what: impl FnOnce(&Value) -> Result<&[u8]>,
) -> linkspan_status {
    // SAFETY: by contract.
    guard(|| unsafe {
        let (to, length) = (out(to)?, out(length)?);
        handle(message)?.look_at(c_text(path, "path")?, |value| {
            let view = what(value)?;
            (*to, *length) = (view.as_ptr().cast(), view.len());
            Ok(())
        })
    })
}

/// Gets the type of the value at a path: keys and zero-based positions joined by `/` (`rows/0/name`).
///
/// In a key `~1` means `/` and `~0` means `~`. `""` is the whole value. Every `_get_` function returns `Missing`
/// without a value and `WrongType` for another type, with zero or NULL in its results.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_type(
    message: *const linkspan_message,
    path: *const c_char,
    r#type: *mut linkspan_type,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { scalar(message, path, place!(r#type), |flat| Some(flat_kind(flat).0), type_of) }
}

/// Gets the count of values in an array or map, elements in an N-d array, or bytes in text or bytes.
///
/// It is 1 for other values.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_count(
    message: *const linkspan_message,
    path: *const c_char,
    count: *mut usize,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        scalar(message, path, place!(count), |flat| Some(flat_kind(flat).1), |value| Ok(count_of(value)))
    }
}

/// Gets the key at a zero-based position of the map at a path: a view, not NUL-terminated.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_key(
    message: *const linkspan_message,
    path: *const c_char,
    position: usize,
    key: *mut *const c_char,
    length: *mut usize,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        view(message, path, place!(key), place!(length), |value| match value.as_map()?.get_index(position) {
            Some((name, _)) => Ok(name.as_bytes()),
            None => {
                let text = format!("no key at position {position} in a map of {}", count_of(value));
                Err(Error::new(ErrorKind::Missing, text))
            }
        })
    }
}

/// Reads a boolean.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_bool(
    message: *const linkspan_message,
    path: *const c_char,
    value: *mut bool,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { scalar(message, path, place!(value), flat_bool, |value| value.as_bool()) }
}

/// Reads an integer; `OutOfRange` if it does not fit.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_i64(
    message: *const linkspan_message,
    path: *const c_char,
    value: *mut i64,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { scalar(message, path, place!(value), flat_i64, |value| value.as_i64()) }
}

/// Reads an unsigned integer; `OutOfRange` if it does not fit.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_u64(
    message: *const linkspan_message,
    path: *const c_char,
    value: *mut u64,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { scalar(message, path, place!(value), flat_u64, |value| value.as_u64()) }
}

/// Reads an integer beyond 64 bits: sign and a view of the magnitude, most significant byte first.
///
/// `WrongType` for smaller integers.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_big_int(
    message: *const linkspan_message,
    path: *const c_char,
    negative: *mut bool,
    magnitude: *mut *const u8,
    length: *mut usize,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        let sign = read(message, path, place!(negative), |_, value| Ok(big_int(value)?.is_negative()));
        let digits =
            view(message, path, place!(magnitude), place!(length), |value| Ok(big_int(value)?.magnitude()));
        if sign == LINKSPAN_OK { digits } else { sign }
    }
}

/// Reads a float, or an integer that a `double` holds exactly, else `OutOfRange`.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_f64(
    message: *const linkspan_message,
    path: *const c_char,
    value: *mut f64,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { scalar(message, path, place!(value), flat_f64, |value| value.as_f64()) }
}

/// Reads text: a view of `length` bytes of UTF-8, not NUL-terminated.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_text(
    message: *const linkspan_message,
    path: *const c_char,
    text: *mut *const c_char,
    length: *mut usize,
) -> linkspan_status {
    // SAFETY: by contract.
    guard(|| unsafe {
        let (to, length) = (out(place!(text))?, out(place!(length))?);
        let (message, path) = (handle(message)?, c_text(path, "path")?);
        let mut give = |text: &str| give_text(text, to, length);
        let flat = |value: FlatValue<'_>| match value {
            FlatValue::Text(text) => {
                give(text);
                Some(())
            }
            _ => None,
        };
        match message.look_flat(path, flat) {
            Some(()) => Ok(()),
            None => message.look_at(path, |value| value.as_text().map(give)),
        }
    })
}

/// Reads bytes: a view.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_bytes(
    message: *const linkspan_message,
    path: *const c_char,
    bytes: *mut *const u8,
    length: *mut usize,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { view(message, path, place!(bytes), place!(length), |value| Ok(value.as_bytes()?)) }
}

/// Reads a timestamp: nanoseconds since 1970-01-01T00:00:00Z.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_timestamp(
    message: *const linkspan_message,
    path: *const c_char,
    nanoseconds: *mut i64,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { read(message, path, place!(nanoseconds), |_, value| Ok(value.as_timestamp()?.nanoseconds())) }
}

/// Reads a UUID into 16 bytes, most significant first.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_uuid(
    message: *const linkspan_message,
    path: *const c_char,
    uuid: *mut u8,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        read(message, path, place!(uuid).cast::<[u8; 16]>(), |_, value| match value {
            Value::Uuid(uuid) => Ok(*uuid),
            other => Err(wrong_type(other, "a UUID")),
        })
    }
}

/// Reads an exact decimal number: a view of its text, not NUL-terminated.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_decimal(
    message: *const linkspan_message,
    path: *const c_char,
    text: *mut *const c_char,
    length: *mut usize,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        view(message, path, place!(text), place!(length), |value| match value {
            Value::Decimal(decimal) => Ok(decimal.as_str().as_bytes()),
            other => Err(wrong_type(other, "a decimal number")),
        })
    }
}

/// Reads an N-d array: a view.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_array(
    message: *const linkspan_message,
    path: *const c_char,
    array: *mut linkspan_array,
) -> linkspan_status {
    // SAFETY: by contract.
    guard(|| unsafe {
        let to = out(place!(array))?;
        array_in_place(handle(message)?, c_text(path, "path")?, to, |_| Ok(()))
    })
}

/// Calls `check` first. `to` must be empty.
pub(crate) fn array_in_place(
    message: &linkspan_message,
    path: &str,
    to: &mut linkspan_array,
    check: impl Fn(&NdArrayRef<'_>) -> Result<()>,
) -> Result<()> {
    let mut view = |array: NdArrayRef<'_>| {
        check(&array)?;
        to.view(array, || message.aligned())
    };
    match message.look_array(path, &mut view) {
        Some(seen) => seen,
        None => message.look_at(path, |value| view(value.as_ndarray()?.as_ref())),
    }
}

/// Copies the value at a path into a new message, which the caller releases.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_message(
    message: *const linkspan_message,
    path: *const c_char,
    value: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { read(message, path, place!(value), |_, value| Ok(linkspan_message::of(value.clone()))) }
}
