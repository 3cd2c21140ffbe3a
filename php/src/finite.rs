//! Values without NAN and INF, which JSON does not have.

use ext_php_rs::boxed::ZBox;
use ext_php_rs::convert::IntoZval;
use ext_php_rs::types::{ZendHashTable, ZendObject, Zval};
use ext_php_rs::zend::ClassEntry;

use crate::zend::{Entries, Key, insert};

/// Replaces an object of a class by another value; `None` keeps the object.
pub type Replaced<'a> = &'a dyn Fn(&ZendObject) -> Option<Zval>;

/// Replaces each NAN and INF by null.
pub fn without_special_floats(value: &Zval, replaced: Replaced<'_>) -> Zval {
    if value.double().is_some_and(|number| !number.is_finite()) {
        return Zval::null();
    }
    if let Some(table) = value.array() {
        let mut zval = Zval::new();
        zval.set_hashtable(entries_without_special_floats(table, replaced));
        return zval;
    }
    let Some(object) = value.object() else { return value.shallow_clone() };
    if let Some(made) = replaced(object) {
        return made;
    }
    match (is_std_class(object), object.get_properties()) {
        (true, Ok(properties)) => {
            let mut made = ZendObject::new_stdclass();
            for (key, property) in Entries::new(properties) {
                // Other keys are numbers from 0, which any object accepts.
                let key = match key {
                    Key::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                    Key::Number(number) => number.to_string(),
                };
                if made.set_property(&key, without_special_floats(property, replaced)).is_err() {
                    // Unchanged: `json_encode` shows the parts that it can.
                    return value.shallow_clone();
                }
            }
            made.into_zval(false).unwrap_or_else(|_| value.shallow_clone())
        }
        _ => value.shallow_clone(),
    }
}

fn entries_without_special_floats(table: &ZendHashTable, replaced: Replaced<'_>) -> ZBox<ZendHashTable> {
    let mut made = ZendHashTable::with_capacity(u32::try_from(table.len()).unwrap_or(u32::MAX));
    for (key, value) in Entries::new(table) {
        match key {
            Key::Text(bytes) => insert(&mut made, bytes, without_special_floats(value, replaced)),
            // Only a full table fails, and this table is as long as the other.
            Key::Number(number) => {
                drop(made.insert_at_index(number, without_special_floats(value, replaced)))
            }
        }
    }
    made
}

fn is_std_class(object: &ZendObject) -> bool {
    ClassEntry::try_find("stdClass").is_some_and(|class| std::ptr::eq(object.get_class_entry(), class))
}
