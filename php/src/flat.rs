//! Encodes instances of generated classes without array properties directly to CBOR, without a walk.

use ext_php_rs::types::{ZendClassObject, ZendObject, Zval};
use linkspan::codec::{FlatKey, FlatRecord};

use crate::classes::SentClass;
use crate::scalars::{Bytes, Timestamp};

/// Appends nothing and returns false if the instance must be walked, also if the walk will fail.
pub fn append(object: &ZendObject, class: &SentClass, out: &mut Vec<u8>) -> bool {
    if !class.is_flat.get() {
        return false;
    }
    FlatRecord::append(out, |record| {
        for field in &class.fields {
            let value = field.property.of(object).dereference();
            if !(field.is_optional && value.is_null()) {
                let appended = entry(record, field.encoded.as_ref()?, value);
                class.is_flat.set(appended.is_some());
                appended?;
            }
        }
        Some(())
    })
}

/// Returns `None` for a value of another type, an unset property, and a string that is not UTF-8.
#[inline]
fn entry(record: &mut FlatRecord<'_>, key: &FlatKey, value: &Zval) -> Option<()> {
    if value.is_double() {
        record.float(key, value.double()?)
    } else if value.is_string() {
        record.text(key, std::str::from_utf8(value.zend_str()?.as_bytes()).ok()?)
    } else if value.is_long() {
        record.int(key, value.long()?)
    } else if value.is_true() || value.is_false() {
        record.bool(key, value.is_true())
    } else if value.is_null() {
        record.null(key)
    } else if let Some(at) = ZendClassObject::<Timestamp>::from_zend_obj(value.object()?) {
        record.timestamp(key, at.0)
    } else {
        record.bytes(key, ZendClassObject::<Bytes>::from_zend_obj(value.object()?)?.bytes())
    }
}
