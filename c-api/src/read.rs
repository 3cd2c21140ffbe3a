//! Reading a message by path: keys and zero-based positions joined by `/`, `""` for the whole value.

use std::ffi::{c_char, c_void};
use std::ptr;

use linkspan::{Error, ErrorKind, Result, Value};

use crate::argument::{c_text, handle, out};
use crate::array::{LINKSPAN_MAX_RANK, linkspan_array};
use crate::error::guard;
use crate::message::{State, give_text, linkspan_message};
use crate::put::Tree;
use crate::status::linkspan_status;

/// The kind of a value.
pub type linkspan_type = i32;
/// Null.
pub const LINKSPAN_TYPE_NULL: linkspan_type = 0;
/// A truth value.
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
/// An instant.
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

/// The number of a value's kind.
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

/// How many values lie in an array or map, elements in an N-d array, bytes in text or bytes; 1 for anything else.
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

fn is_there(value: &Value, asked: &str) -> Error {
    Error::new(ErrorKind::WrongType, format!("{} is there, {asked} was asked for", value.type_name()))
}

/// Reads at a path.
///
/// # Safety
/// `message` is NULL or a live message, `path` NULL or NUL-terminated.
unsafe fn read(
    message: *const linkspan_message,
    path: *const c_char,
    what: impl FnOnce(&linkspan_message, &Value) -> Result<()>,
) -> Result<()> {
    // SAFETY: as the caller promises.
    let (message, path) = unsafe { (handle(message, "message")?, c_text(path, "a path")?) };
    message.look_at(path, |value| what(message, value))
}

/// The kind of the value at a path. Every `_get_` function gives `Missing` where nothing is at the path, `WrongType`
/// where something else is, and leaves zero or NULL in its results when it fails.
///
/// # Safety
/// `message` is a live message, `path` is NUL-terminated, the results may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_type(
    message: *const linkspan_message,
    path: *const c_char,
    r#type: *mut linkspan_type,
) -> linkspan_status {
    guard(|| {
        // SAFETY: as the caller promises.
        unsafe {
            let to = out(r#type, LINKSPAN_TYPE_NULL, "type")?;
            read(message, path, |_, value| type_of(value).map(|t| *to = t))
        }
    })
}

/// How many values lie in the array or map at a path, elements in the N-d array, bytes in the text or bytes; 1 for
/// anything else.
///
/// # Safety
/// As for `linkspan_message_get_type`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_count(
    message: *const linkspan_message,
    path: *const c_char,
    count: *mut usize,
) -> linkspan_status {
    guard(|| {
        // SAFETY: as the caller promises.
        unsafe {
            let to = out(count, 0, "count")?;
            read(message, path, |_, value| {
                *to = count_of(value);
                Ok(())
            })
        }
    })
}

/// The key at a position, counted from zero, of the map at a path: a view, not NUL-terminated.
///
/// # Safety
/// As for `linkspan_message_get_type`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_key(
    message: *const linkspan_message,
    path: *const c_char,
    position: usize,
    key: *mut *const c_char,
    length: *mut usize,
) -> linkspan_status {
    guard(|| {
        // SAFETY: as the caller promises.
        unsafe {
            let (key, length) = (out(key, ptr::null(), "key")?, out(length, 0, "length")?);
            read(message, path, |_, value| match value.as_map()?.get_index(position) {
                Some((name, _)) => {
                    give_text(name, key, length);
                    Ok(())
                }
                None => {
                    let text = format!("no key at position {position} in a map of {}", count_of(value));
                    Err(Error::new(ErrorKind::Missing, text))
                }
            })
        }
    })
}

/// Reads a truth value.
///
/// # Safety
/// As for `linkspan_message_get_type`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_bool(
    message: *const linkspan_message,
    path: *const c_char,
    value: *mut bool,
) -> linkspan_status {
    guard(|| {
        // SAFETY: as the caller promises.
        unsafe {
            let to = out(value, false, "value")?;
            read(message, path, |_, value| value.as_bool().map(|v| *to = v))
        }
    })
}

/// Reads an integer; `OutOfRange` where it does not fit.
///
/// # Safety
/// As for `linkspan_message_get_type`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_i64(
    message: *const linkspan_message,
    path: *const c_char,
    value: *mut i64,
) -> linkspan_status {
    guard(|| {
        // SAFETY: as the caller promises.
        unsafe {
            let to = out(value, 0, "value")?;
            read(message, path, |_, value| value.as_i64().map(|v| *to = v))
        }
    })
}

/// Reads an integer without a sign; `OutOfRange` where it does not fit.
///
/// # Safety
/// As for `linkspan_message_get_type`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_u64(
    message: *const linkspan_message,
    path: *const c_char,
    value: *mut u64,
) -> linkspan_status {
    guard(|| {
        // SAFETY: as the caller promises.
        unsafe {
            let to = out(value, 0, "value")?;
            read(message, path, |_, value| value.as_u64().map(|v| *to = v))
        }
    })
}

/// Reads an integer beyond 64 bits: its sign and a view of its absolute value, most significant byte first.
/// `WrongType` for smaller ones, which `_get_i64` and `_get_u64` read.
///
/// # Safety
/// As for `linkspan_message_get_type`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_big_int(
    message: *const linkspan_message,
    path: *const c_char,
    negative: *mut bool,
    magnitude: *mut *const u8,
    length: *mut usize,
) -> linkspan_status {
    guard(|| {
        // SAFETY: as the caller promises.
        unsafe {
            let (negative, magnitude) =
                (out(negative, false, "negative")?, out(magnitude, ptr::null(), "magnitude")?);
            let length = out(length, 0, "length")?;
            read(message, path, |_, value| match value {
                Value::BigInt(big) => {
                    *negative = big.is_negative();
                    *magnitude = big.magnitude().as_ptr();
                    *length = big.magnitude().len();
                    Ok(())
                }
                other => Err(is_there(other, "an integer beyond 64 bits")),
            })
        }
    })
}

/// Reads a number: a float, or an integer that a `double` holds exactly, else `OutOfRange`.
///
/// # Safety
/// As for `linkspan_message_get_type`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_f64(
    message: *const linkspan_message,
    path: *const c_char,
    value: *mut f64,
) -> linkspan_status {
    guard(|| {
        // SAFETY: as the caller promises.
        unsafe {
            let to = out(value, 0.0, "value")?;
            read(message, path, |_, value| value.as_f64().map(|v| *to = v))
        }
    })
}

/// Reads text: a view of `length` bytes of UTF-8, not NUL-terminated.
///
/// # Safety
/// As for `linkspan_message_get_type`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_text(
    message: *const linkspan_message,
    path: *const c_char,
    text: *mut *const c_char,
    length: *mut usize,
) -> linkspan_status {
    guard(|| {
        // SAFETY: as the caller promises.
        unsafe {
            let (text, length) = (out(text, ptr::null(), "text")?, out(length, 0, "length")?);
            read(message, path, |_, value| {
                give_text(value.as_text()?, text, length);
                Ok(())
            })
        }
    })
}

/// Reads bytes: a view.
///
/// # Safety
/// As for `linkspan_message_get_type`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_bytes(
    message: *const linkspan_message,
    path: *const c_char,
    bytes: *mut *const u8,
    length: *mut usize,
) -> linkspan_status {
    guard(|| {
        // SAFETY: as the caller promises.
        unsafe {
            let (bytes, length) = (out(bytes, ptr::null(), "bytes")?, out(length, 0, "length")?);
            read(message, path, |_, value| {
                let view = value.as_bytes()?;
                *bytes = view.as_ptr();
                *length = view.len();
                Ok(())
            })
        }
    })
}

/// Reads an instant: nanoseconds since 1970-01-01T00:00:00Z.
///
/// # Safety
/// As for `linkspan_message_get_type`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_timestamp(
    message: *const linkspan_message,
    path: *const c_char,
    nanoseconds: *mut i64,
) -> linkspan_status {
    guard(|| {
        // SAFETY: as the caller promises.
        unsafe {
            let to = out(nanoseconds, 0, "nanoseconds")?;
            read(message, path, |_, value| value.as_timestamp().map(|v| *to = v.nanoseconds()))
        }
    })
}

/// Reads a UUID into 16 bytes, most significant first.
///
/// # Safety
/// As for `linkspan_message_get_type`; `uuid` has room for 16 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_uuid(
    message: *const linkspan_message,
    path: *const c_char,
    uuid: *mut u8,
) -> linkspan_status {
    guard(|| {
        // SAFETY: as the caller promises.
        unsafe {
            let to = out(uuid.cast::<[u8; 16]>(), [0; 16], "uuid")?;
            read(message, path, |_, value| match value {
                Value::Uuid(uuid) => {
                    *to = *uuid;
                    Ok(())
                }
                other => Err(is_there(other, "a UUID")),
            })
        }
    })
}

/// Reads an exact decimal number: a view of its text, not NUL-terminated.
///
/// # Safety
/// As for `linkspan_message_get_type`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_decimal(
    message: *const linkspan_message,
    path: *const c_char,
    text: *mut *const c_char,
    length: *mut usize,
) -> linkspan_status {
    guard(|| {
        // SAFETY: as the caller promises.
        unsafe {
            let (text, length) = (out(text, ptr::null(), "text")?, out(length, 0, "length")?);
            read(message, path, |_, value| match value {
                Value::Decimal(decimal) => {
                    give_text(decimal.as_str(), text, length);
                    Ok(())
                }
                other => Err(is_there(other, "a decimal number")),
            })
        }
    })
}

/// Reads an N-d array: a view.
///
/// # Safety
/// As for `linkspan_message_get_type`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_array(
    message: *const linkspan_message,
    path: *const c_char,
    array: *mut linkspan_array,
) -> linkspan_status {
    const NOTHING: linkspan_array = linkspan_array {
        dtype: 0,
        order: 0,
        rank: 0,
        dims: [0; LINKSPAN_MAX_RANK],
        data: ptr::null::<c_void>(),
        length: 0,
    };
    guard(|| {
        // SAFETY: as the caller promises.
        unsafe {
            let to = out(array, NOTHING, "array")?;
            read(message, path, |message, value| {
                *to = linkspan_array::of(value.as_ndarray()?.as_ref(), &mut message.aligned());
                Ok(())
            })
        }
    })
}

/// Copies the value at a path into a new message, which the caller releases.
///
/// # Safety
/// As for `linkspan_message_get_type`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_message(
    message: *const linkspan_message,
    path: *const c_char,
    value: *mut *mut linkspan_message,
) -> linkspan_status {
    guard(|| {
        // SAFETY: as the caller promises.
        unsafe {
            let to = out(value, ptr::null_mut(), "value")?;
            read(message, path, |_, value| {
                *to = linkspan_message::give(State::Tree(Tree::of(value.clone())));
                Ok(())
            })
        }
    })
}
