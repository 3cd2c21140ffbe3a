//! Building a message: a tree with a cursor, and the functions that put values at it.

use std::ffi::c_char;

use bytes::Bytes;
use linkspan::value::{Decimal, Map};
use linkspan::{BigInt, Error, ErrorKind, Limits, Result, Timestamp, Value};

use crate::argument::{block, c_text_or_none, handle, tell, utf8};
use crate::array::linkspan_array;
use crate::message::linkspan_message;
use crate::status::linkspan_status;

/// A value that is being built: the arrays and maps that are open lie on one path from the root.
#[derive(Default)]
pub(crate) struct Tree {
    root: Option<Value>,
    /// Positions from the root to the innermost open array or map; none where nothing is open.
    open: Option<Vec<usize>>,
    /// Whether the root was opened by the first key that was put, so that nobody has to end it.
    implied: bool,
}

static NULL: Value = Value::Null;

impl Tree {
    /// A whole value.
    pub fn of(value: Value) -> Tree {
        Tree { root: Some(value), open: None, implied: false }
    }

    /// What is there, be it whole or not.
    pub fn so_far(&self) -> &Value {
        self.root.as_ref().unwrap_or(&NULL)
    }

    /// The value, once everything that was begun has ended.
    pub fn whole(&self) -> Result<&Value> {
        let open = self.open.as_ref().map_or(0, |open| open.len() + usize::from(!self.implied));
        if open > 0 {
            let text = format!("{open} arrays or maps are still open; call linkspan_message_end for each");
            return Err(Error::new(ErrorKind::InvalidState, text));
        }
        Ok(self.so_far())
    }

    fn depth(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.len() + 1)
    }

    /// Puts a value at the cursor and gives its position.
    pub fn put(&mut self, key: Option<&str>, value: Value) -> Result<usize> {
        let limit = Limits::default().depth as usize;
        if self.depth() + depth_within(&value, limit) > limit {
            let text =
                format!("over the depth limit: arrays and maps inside each other, {limit} levels allowed");
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        match (&mut self.root, key) {
            (root @ None, None) => {
                *root = Some(value);
                return Ok(0);
            }
            (root @ None, Some(_)) => *root = Some(Value::Map(Map::new())),
            _ => {}
        }
        let Some(mut here) = self.root.as_mut() else { unreachable!("the root was made above") };
        if self.open.is_none() {
            if !matches!(here, Value::Map(_)) {
                return Err(state(
                    "the message holds a whole value already; call linkspan_message_clear first",
                ));
            }
            self.open = Some(Vec::new());
            self.implied = true;
        }
        for position in self.open.iter().flatten() {
            here = match here {
                Value::Array(items) => &mut items[*position],
                Value::Map(entries) => &mut entries[*position],
                _ => unreachable!("only arrays and maps are opened"),
            };
        }
        match (here, key) {
            (Value::Map(entries), Some(key)) => Ok(entries.insert_full(key.to_owned(), value).0),
            (Value::Array(items), None) => {
                items.push(value);
                Ok(items.len() - 1)
            }
            (Value::Map(_), None) => Err(state("a value in a map needs a key, NULL was given")),
            (_, Some(key)) => Err(state(&format!("an array's items have a NULL key, {key:?} was given"))),
            _ => unreachable!("only arrays and maps are opened"),
        }
    }

    /// Puts an empty array or map and moves the cursor into it.
    pub fn begin(&mut self, key: Option<&str>, empty: Value) -> Result<()> {
        let at_root = self.root.is_none() && key.is_none();
        let position = self.put(key, empty)?;
        match &mut self.open {
            Some(open) => open.push(position),
            None if at_root => self.open = Some(Vec::new()),
            None => unreachable!("putting into a map opens it"),
        }
        Ok(())
    }

    /// Moves the cursor out of the innermost array or map.
    pub fn end(&mut self) -> Result<()> {
        match &mut self.open {
            Some(open) if !open.is_empty() => {
                open.pop();
                Ok(())
            }
            Some(_) if !self.implied => {
                self.open = None;
                Ok(())
            }
            _ => Err(state("no array or map is open")),
        }
    }
}

#[cold]
fn state(text: &str) -> Error {
    Error::new(ErrorKind::InvalidState, text)
}

/// How many arrays and maps lie inside each other, counted to one more than `limit`.
fn depth_within(value: &Value, limit: usize) -> usize {
    let inner = |values: &mut dyn Iterator<Item = &Value>| {
        if limit == 0 { 1 } else { 1 + values.map(|v| depth_within(v, limit - 1)).max().unwrap_or(0) }
    };
    match value {
        Value::Array(items) => inner(&mut items.iter()),
        Value::Map(entries) => inner(&mut entries.values()),
        _ => 0,
    }
}

/// Builds at a key.
///
/// # Safety
/// `message` is NULL or a live message, `key` NULL or NUL-terminated.
unsafe fn at_key(
    message: *mut linkspan_message,
    key: *const c_char,
    what: impl FnOnce(&linkspan_message, Option<&str>) -> Result<()>,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { tell(message, |message| what(message, c_text_or_none(key, "a key")?)) }
}

/// Puts what `value` gives under `key`.
///
/// # Safety
/// As for [`at_key`].
unsafe fn put(
    message: *mut linkspan_message,
    key: *const c_char,
    value: impl FnOnce() -> Result<Value>,
) -> linkspan_status {
    let put = |message: &linkspan_message, key: Option<&str>| {
        let value = value().map_err(|e| match key {
            Some(key) => e.under_key(key),
            None => e,
        })?;
        message.build(|tree| tree.put(key, value).map(|_| ()))
    };
    // SAFETY: as the caller promises.
    unsafe { at_key(message, key, put) }
}

/// Puts null. Every `_put_` and `_begin_` function puts one value: under `key` in a map (a key that is there already
/// gets the new value), at the end with `key` NULL in an array, and with `key` NULL as the message's whole value in
/// an empty message. The first key that is put into an empty message makes its value a map.
///
/// # Safety
/// `message` is a live message, `key` is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_put_null(
    message: *mut linkspan_message,
    key: *const c_char,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { put(message, key, || Ok(Value::Null)) }
}

/// Puts a truth value.
///
/// # Safety
/// As for `linkspan_message_put_null`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_put_bool(
    message: *mut linkspan_message,
    key: *const c_char,
    value: bool,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { put(message, key, || Ok(Value::Bool(value))) }
}

/// Puts an integer.
///
/// # Safety
/// As for `linkspan_message_put_null`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_put_i64(
    message: *mut linkspan_message,
    key: *const c_char,
    value: i64,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { put(message, key, || Ok(Value::Int(value))) }
}

/// Puts an integer without a sign.
///
/// # Safety
/// As for `linkspan_message_put_null`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_put_u64(
    message: *mut linkspan_message,
    key: *const c_char,
    value: u64,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { put(message, key, || Ok(Value::from(value))) }
}

/// Puts an integer of any size up to 1 KiB: its sign and its absolute value, most significant byte first.
///
/// # Safety
/// As for `linkspan_message_put_null`; `magnitude` points to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_put_big_int(
    message: *mut linkspan_message,
    key: *const c_char,
    negative: bool,
    magnitude: *const u8,
    length: usize,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { put(message, key, || BigInt::from_parts(negative, block(magnitude, length, "magnitude")?)) }
}

/// Puts a float. 7.0 stays a float: it never becomes the integer 7.
///
/// # Safety
/// As for `linkspan_message_put_null`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_put_f64(
    message: *mut linkspan_message,
    key: *const c_char,
    value: f64,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { put(message, key, || Ok(Value::Float(value))) }
}

/// Puts text of `length` bytes, copied; `Malformed` where it is not UTF-8. `LINKSPAN_ZSTR(text)` gives pointer and
/// length of a NUL-terminated text.
///
/// # Safety
/// As for `linkspan_message_put_null`; `text` points to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_put_text(
    message: *mut linkspan_message,
    key: *const c_char,
    text: *const c_char,
    length: usize,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        put(message, key, || Ok(Value::Text(utf8(block(text.cast(), length, "text")?, "text")?.to_owned())))
    }
}

/// Puts bytes, copied.
///
/// # Safety
/// As for `linkspan_message_put_null`; `bytes` points to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_put_bytes(
    message: *mut linkspan_message,
    key: *const c_char,
    bytes: *const u8,
    length: usize,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { put(message, key, || Ok(Value::Bytes(Bytes::copy_from_slice(block(bytes, length, "bytes")?)))) }
}

/// Puts an instant: nanoseconds since 1970-01-01T00:00:00Z.
///
/// # Safety
/// As for `linkspan_message_put_null`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_put_timestamp(
    message: *mut linkspan_message,
    key: *const c_char,
    nanoseconds: i64,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { put(message, key, || Ok(Value::Timestamp(Timestamp(nanoseconds)))) }
}

/// Puts a UUID: 16 bytes, most significant first.
///
/// # Safety
/// As for `linkspan_message_put_null`; `uuid` points to 16 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_put_uuid(
    message: *mut linkspan_message,
    key: *const c_char,
    uuid: *const u8,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { put(message, key, || Ok(Value::Uuid(*handle(uuid.cast::<[u8; 16]>())?))) }
}

/// Puts an exact decimal number, written such as `1.10`, `-2E+3`, `NaN`.
///
/// # Safety
/// As for `linkspan_message_put_null`; `text` points to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_put_decimal(
    message: *mut linkspan_message,
    key: *const c_char,
    text: *const c_char,
    length: usize,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        put(message, key, || {
            let text = utf8(block(text.cast(), length, "text")?, "a decimal number")?;
            Ok(Value::Decimal(text.parse::<Decimal>()?))
        })
    }
}

/// Puts an N-d array, copied: `dtype`, `order`, `rank`, `dims` and `data` say all, `length` is not looked at.
///
/// # Safety
/// As for `linkspan_message_put_null`; `array->data` points to as many elements as `array->dims` say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_put_array(
    message: *mut linkspan_message,
    key: *const c_char,
    array: *const linkspan_array,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { put(message, key, || Ok(Value::NdArray(handle(array)?.lend()?.to_owned()))) }
}

/// Puts the whole value of another message, copied.
///
/// # Safety
/// As for `linkspan_message_put_null`; `value` is a live message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_put_message(
    message: *mut linkspan_message,
    key: *const c_char,
    value: *const linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { put(message, key, || handle(value)?.copy()) }
}

/// Begins a map: what follows goes into it, until `linkspan_message_end`.
///
/// # Safety
/// As for `linkspan_message_put_null`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_begin_map(
    message: *mut linkspan_message,
    key: *const c_char,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        at_key(message, key, |message, key| message.build(|tree| tree.begin(key, Value::Map(Map::new()))))
    }
}

/// Begins an array of values: what follows goes into it with `key` NULL, until `linkspan_message_end`.
///
/// # Safety
/// As for `linkspan_message_put_null`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_begin_array(
    message: *mut linkspan_message,
    key: *const c_char,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        at_key(message, key, |message, key| message.build(|tree| tree.begin(key, Value::Array(Vec::new()))))
    }
}

/// Ends the innermost map or array that is open. The map that the first key made needs no end.
///
/// # Safety
/// `message` is a live message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_end(message: *mut linkspan_message) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { tell(message, |message| message.build(Tree::end)) }
}
