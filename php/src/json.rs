//! JSON for people: what `echo $message` prints, as PHP's own `json_encode` writes it.

use ext_php_rs::boxed::ZBox;
use ext_php_rs::convert::IntoZval;
use ext_php_rs::types::{ZendCallable, ZendClassObject, ZendHashTable, ZendObject, Zval};
use ext_php_rs::zend::ClassEntry;
use linkspan::{Error, ErrorKind, Result};

use crate::call::call_php;
use crate::from_wire::insert;
use crate::ndarray::NdArray;
use crate::scalars::Text;
use crate::zend::{self, Entries, Key};

/// The JSON of a value. What has no form in JSON is null in it: bytes that are no text, NAN and INF.
pub fn printed(value: &Zval) -> Result<Text> {
    // JSON_PARTIAL_OUTPUT_ON_ERROR makes null of bytes that are no text, and 0 of NAN and INF.
    let json = encoded(value)?;
    let is_whole = zend::call_function("json_last_error").is_some_and(|code| code.long() == Some(0));
    if is_whole { Ok(json) } else { encoded(&finite(value)) }
}

fn encoded(value: &Zval) -> Result<Text> {
    // JSON_UNESCAPED_SLASHES, JSON_UNESCAPED_UNICODE, JSON_PARTIAL_OUTPUT_ON_ERROR, JSON_PRESERVE_ZERO_FRACTION
    const FLAGS: i64 = 64 | 256 | 512 | 1024;
    let encoded = call_php(|| {
        ZendCallable::try_from_name("json_encode").and_then(|f| f.try_call(vec![value, &FLAGS]))
    })?
    .map_err(|e| Error::new(ErrorKind::Internal, format!("PHP could not read the value: {e}")))?;
    Ok(Text::of(encoded.str().unwrap_or("null")))
}

/// A value of a message with null in the place of each NAN and INF; arrays of numbers as lists.
pub fn finite(value: &Zval) -> Zval {
    if value.double().is_some_and(|number| !number.is_finite()) {
        return Zval::null();
    }
    if let Some(table) = value.array() {
        let mut zval = Zval::new();
        zval.set_hashtable(finite_entries(table));
        return zval;
    }
    let Some(object) = value.object() else { return value.shallow_clone() };
    if let Some(array) = ZendClassObject::<NdArray>::from_zend_obj(object) {
        return array.to_array().map_or_else(|_| value.shallow_clone(), |items| finite(&items));
    }
    match (is_std_class(object), object.get_properties()) {
        (true, Ok(properties)) => {
            let mut made = ZendObject::new_stdclass();
            for (key, property) in Entries::new(properties) {
                // The keys of a map that is no PHP array are numbers from 0, which any object takes.
                let key = match key {
                    Key::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                    Key::Number(number) => number.to_string(),
                };
                if made.set_property(&key, finite(property)).is_err() {
                    // As it is: `json_encode` shows what it can of it.
                    return value.shallow_clone();
                }
            }
            made.into_zval(false).unwrap_or_else(|_| value.shallow_clone())
        }
        _ => value.shallow_clone(),
    }
}

fn finite_entries(table: &ZendHashTable) -> ZBox<ZendHashTable> {
    let mut made = ZendHashTable::with_capacity(u32::try_from(table.len()).unwrap_or(u32::MAX));
    for (key, value) in Entries::new(table) {
        match key {
            Key::Text(bytes) => insert(&mut made, bytes, finite(value)),
            // Only a full table refuses, and this one is as long as the other.
            Key::Number(number) => drop(made.insert_at_index(number, finite(value))),
        }
    }
    made
}

fn is_std_class(object: &ZendObject) -> bool {
    ClassEntry::try_find("stdClass").is_some_and(|class| std::ptr::eq(object.get_class_entry(), class))
}
