//! Values of the core become PHP's. Nothing here owns memory of Rust's while PHP allocates: a fatal error may jump out.
//!
//! That is why a message is decoded to a `Value` first, which sits in a PHP object or a guard, and not by a Sink that
//! allocates in PHP while a decoder's frames are below it: see docs/decisions.

use ext_php_rs::boxed::ZBox;
use ext_php_rs::convert::IntoZval;
use ext_php_rs::ffi::zend_hash_str_update;
use ext_php_rs::types::{ZendHashTable, ZendObject, ZendStr, Zval};
use linkspan::{Error, ErrorKind, Map, Result, Value};

use crate::ndarray::NdArray;
use crate::scalars::{BigInt, Bytes, Decimal, Timestamp, Uuid};
use crate::zend::{self, made};

/// The most memory of PHP's that one encoded byte can ask for: an empty map in a map takes about this much.
const MOST_PER_BYTE: usize = 256;

/// This value as PHP has it, or `OutOfMemory` where memory_limit cannot hold it. That is looked at beforehand because
/// running into the limit in the middle ends the script, or with some engines the process; `encoded` is the length of
/// what it was decoded from, and small messages are not looked at.
pub fn checked(value: &Value, encoded: usize) -> Result<Zval> {
    if let Some(left) = zend::memory_left().filter(|left| *left / MOST_PER_BYTE < encoded) {
        let needed = memory_of(value);
        if needed > left {
            return Err(Error::new(
                ErrorKind::OutOfMemory,
                format!(
                    "the value takes at least {needed} bytes and memory_limit leaves {left}: raise it, or ask for less at once"
                ),
            ));
        }
    }
    Ok(zval(value))
}

/// What a value takes at least in PHP's memory, beside the 16 bytes where it stands.
fn memory_of(value: &Value) -> usize {
    const STRING: usize = 24;
    const TABLE: usize = 56;
    const OBJECT: usize = 64;
    match value {
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => 0,
        Value::Text(text) => STRING + text.len(),
        Value::Array(items) => TABLE + 16 * items.len() + items.iter().map(memory_of).sum::<usize>(),
        Value::Map(map) => {
            let entries = map.iter().map(|(key, value)| 32 + STRING + key.len() + memory_of(value));
            TABLE + entries.sum::<usize>()
        }
        // The bytes of these stay in Rust's memory.
        _ => OBJECT,
    }
}

/// This value as PHP has it: maps as arrays, except those that would read back as lists, which are `stdClass`.
pub fn zval(value: &Value) -> Zval {
    let mut zval = Zval::new();
    match value {
        Value::Null => zval.set_null(),
        Value::Bool(v) => zval.set_bool(*v),
        Value::Int(v) => zval.set_long(*v),
        Value::Float(v) => zval.set_double(*v),
        Value::Text(v) => zval.set_zend_string(ZendStr::new(v, false)),
        Value::Array(items) => {
            let mut table = table_for(items.len());
            for item in items {
                // Only a full table (2^63 entries) refuses, which memory ends long before.
                let _ = table.push(self::zval(item));
            }
            zval.set_hashtable(table);
        }
        Value::Map(map) if reads_back_as_list(map) => put(&mut zval, object(map)),
        Value::Map(map) => zval.set_hashtable(array(map)),
        Value::Bytes(v) => put(&mut zval, made(|| Bytes::new(v.clone()))),
        Value::Timestamp(v) => put(&mut zval, made(|| Timestamp(*v))),
        Value::NdArray(v) => put(&mut zval, made(|| NdArray(v.clone()))),
        Value::Uint(_) | Value::BigInt(_) => put(&mut zval, made(|| BigInt(value.clone()))),
        Value::Decimal(v) => put(&mut zval, made(|| Decimal(v.clone()))),
        Value::Uuid(v) => put(&mut zval, made(|| Uuid(*v))),
        // The core's kinds are all above; a new one must show up here rather than vanish.
        _ => unreachable!("a kind of value that PHP does not know yet"),
    }
    zval
}

/// A map as an array whatever its keys; `None` for any other value.
pub fn table(value: &Value) -> Option<ZBox<ZendHashTable>> {
    match value {
        Value::Map(map) => Some(array(map)),
        _ => None,
    }
}

fn put(zval: &mut Zval, value: impl IntoZval) {
    // Objects and arrays of our own making are always accepted.
    let _ = value.set_zval(zval, false);
}

fn table_for(len: usize) -> ZBox<ZendHashTable> {
    ZendHashTable::with_capacity(u32::try_from(len).unwrap_or(u32::MAX))
}

/// Whether a PHP array of these entries would be a list: it has none, or its keys are 0 to n-1 in order.
fn reads_back_as_list(map: &Map) -> bool {
    map.keys().enumerate().all(|(i, key)| integer(key) == Some(i as i64))
}

/// The integer that PHP makes of such a key: decimal text of a 64-bit integer in its one shortest form.
fn integer(key: &str) -> Option<i64> {
    let digits = key.strip_prefix('-').unwrap_or(key);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let number = key.parse::<i64>().ok()?;
    (itoa::Buffer::new().format(number) == key).then_some(number)
}

fn array(map: &Map) -> ZBox<ZendHashTable> {
    let mut table = table_for(map.len());
    for (key, value) in map {
        let value = zval(value);
        match integer(key) {
            Some(number) => {
                let _ = table.insert_at_index(number, value);
            }
            None => insert(&mut table, key, value),
        }
    }
    table
}

fn insert(table: &mut ZendHashTable, key: &str, value: Zval) {
    let mut value = std::mem::ManuallyDrop::new(value);
    // SAFETY: the table is ours alone; it copies the key and takes over the value, which is not dropped here.
    unsafe { zend_hash_str_update(table, key.as_ptr().cast(), key.len(), &raw mut *value) };
}

fn object(map: &Map) -> ZBox<ZendObject> {
    let mut object = ZendObject::new_stdclass();
    for (key, value) in map {
        let value = zval(value);
        // A stdClass takes any property but one that begins with NUL, and these keys are digits.
        let _ = object.set_property(key, value);
    }
    object
}
