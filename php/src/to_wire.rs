//! PHP values as a Source. A walk runs no user code, so the values cannot change during the walk.

use ext_php_rs::types::{ZendClassObject, ZendHashTable, ZendObject, Zval};
use ext_php_rs::zend::{ClassEntry, ce};
use linkspan::codec::append_text;
use linkspan::value::{Keys, Meter, Sink, Source, ValueBuilder};
use linkspan::{Error, ErrorKind, Limits, Result, Value};

use crate::bytes_loan::BytesLoan;
use crate::classes::{self, Form, SentClass, SentField};
use crate::date_time::timestamp_of;
use crate::flat;
use crate::ndarray::NdArray;
use crate::received::{Answer, Message, Request};
use crate::scalars::{BigInt, Bytes, Decimal, Timestamp, Uuid};
use crate::utf8;
use crate::zend::{self, Entries, Key};

pub struct PhpValue<'a>(pub &'a Zval);

impl PhpValue<'_> {
    pub fn to_value(&self) -> Result<Value> {
        // Limits depth and size: with references, an array can contain itself.
        let mut meter = Meter::new(ValueBuilder::new(), Limits::default(), Keys::Trust);
        self.walk(&mut meter)?;
        meter.into_inner().finish()
    }
}

impl Source for PhpValue<'_> {
    fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<()> {
        let zval = self.0.dereference();
        if let Some(v) = zval.long() {
            sink.int(v)
        } else if let Some(v) = zval.zend_str() {
            sink.text(text(
                v.as_bytes(),
                "a string that is not UTF-8: give it as new Linkspan\\Bytes($string)",
            )?)
        } else if let Some(v) = zval.double() {
            sink.float(v)
        } else if let Some(v) = zval.array() {
            if is_list(v) { walk_list(v, sink) } else { walk_map(v, sink) }
        } else if let Some(v) = zval.object() {
            walk_object(v, sink)
        } else if let Some(v) = zval.bool() {
            sink.bool(v)
        } else if zval.is_null() {
            sink.null()
        } else {
            Err(unsupported("a resource has no form outside this process"))
        }
    }
    fn append_cbor(&self, out: &mut Vec<u8>) -> bool {
        if let Some(text) = self.0.dereference().zend_str() {
            let text = text.as_bytes();
            return utf8::is_valid(text) && append_text(out, text);
        }
        let Some(object) = self.0.object() else { return false };
        classes::last_sent(object).is_some_and(|class| flat::append(object, &class, out))
    }
    fn size_hint(&self) -> usize {
        // A text with its header.
        self.0.dereference().zend_str().map_or(0, |text| text.len() + 9)
    }
}

#[cold]
fn unsupported(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unsupported, text)
}

fn text<'a>(bytes: &'a [u8], otherwise: &str) -> Result<&'a str> {
    std::str::from_utf8(bytes)
        .map_err(|e| unsupported(format!("{otherwise} (byte {} of it)", e.valid_up_to())))
}

/// An empty array is also a list.
fn is_list(table: &ZendHashTable) -> bool {
    Entries::new(table).enumerate().all(|(i, (key, _))| matches!(key, Key::Number(n) if n == i as i64))
}

fn walk_list<S: Sink + ?Sized>(table: &ZendHashTable, sink: &mut S) -> Result<()> {
    sink.begin_array(table.len())?;
    for (i, (_, item)) in Entries::new(table).enumerate() {
        PhpValue(item).walk(sink).map_err(|e| e.under_index(i))?;
    }
    sink.end_array()
}

fn walk_map<S: Sink + ?Sized>(table: &ZendHashTable, sink: &mut S) -> Result<()> {
    walk_entries(table, sink, |value, sink| PhpValue(value).walk(sink))
}

/// Sends an array as a map with any keys.
fn walk_entries<S: Sink + ?Sized>(
    table: &ZendHashTable,
    sink: &mut S,
    walk: impl Fn(&Zval, &mut S) -> Result<()>,
) -> Result<()> {
    sink.begin_map(table.len())?;
    for (key, value) in Entries::new(table) {
        let mut digits = itoa::Buffer::new();
        let key = match key {
            Key::Number(number) => digits.format(number),
            Key::Text(bytes) => text(bytes, "a key that is not UTF-8")
                .map_err(|e| e.under_key(&String::from_utf8_lossy(bytes)))?,
        };
        sink.key(key).and_then(|()| walk(value, sink)).map_err(|e| e.under_key(key))?;
    }
    sink.end_map()
}

fn walk_object<S: Sink + ?Sized>(object: &ZendObject, sink: &mut S) -> Result<()> {
    if let Some(class) = classes::last_sent(object) {
        return walk_instance(object, &class, sink);
    }
    macro_rules! ours {
        ($($class:ty: $v:ident => $walk:expr;)*) => {
            $(if let Some($v) = ZendClassObject::<$class>::from_zend_obj(object) {
                return $walk;
            })*
        };
    }
    ours! {
        NdArray: v => sink.ndarray(v.0.as_ref());
        Timestamp: v => sink.timestamp(v.0);
        Bytes: v => sink.bytes(v.bytes());
        BytesLoan: v => v.walk(sink);
        BigInt: v => v.0.walk(sink);
        Decimal: v => sink.decimal(&v.0);
        Uuid: v => sink.uuid(v.0);
        Message: v => v.message().value()?.walk(sink);
        Request: v => v.message().value()?.walk(sink);
        Answer: v => v.0.to_value().walk(sink);
    }
    if let Some(class) = classes::sent(object)? {
        return walk_instance(object, &class, sink);
    }
    let class = object.get_class_entry();
    if std::ptr::eq(class, ext_php_rs::zend::ce::stdclass()) {
        return match object.get_properties() {
            Ok(properties) => walk_map(properties, sink),
            Err(_) => sink.begin_map(0).and_then(|()| sink.end_map()),
        };
    }
    if class.ce_flags & ext_php_rs::ffi::ZEND_ACC_ENUM != 0 {
        return match zend::enum_value(object) {
            Some(value) => PhpValue(value).walk(sink),
            None => Err(unsupported(format!(
                "{} is an enum without values: only backed enums travel",
                name(class)
            ))),
        };
    }
    if class.instance_of(zend::date_time_interface()) {
        return sink.timestamp(timestamp_of(object)?);
    }
    // The walk calls no method of the program, which could change the value.
    for (interface, instead) in [
        (zend::json_serializable(), "give $object->jsonSerialize()"),
        (ce::traversable(), "give iterator_to_array($object), or a list of its items"),
    ] {
        if class.instance_of(interface) {
            return Err(unsupported(format!("an object of class {}: {instead}", name(class))));
        }
    }
    if is_or_extends(class, "DateInterval") {
        return Err(unsupported(format!(
            "an object of class {}, whose months and years have no fixed length: give seconds as a number, such as (new DateTimeImmutable('@0'))->add($interval)->getTimestamp()",
            name(class)
        )));
    }
    Err(unsupported(format!(
        "an object of class {}: give an array, a stdClass or one of Linkspan's value classes",
        name(class)
    )))
}

fn walk_instance<S: Sink + ?Sized>(object: &ZendObject, class: &SentClass, sink: &mut S) -> Result<()> {
    let is_left_out = |field: &SentField| field.is_optional && field.property.of(object).is_null();
    let left_out = class.fields.iter().filter(|field| is_left_out(field)).count();
    sink.begin_map(class.fields.len() - left_out)?;
    for field in &class.fields {
        let value = field.property.of(object);
        if field.is_optional && value.is_null() {
            continue;
        }
        if zend::is_unset(value) {
            let text = format!("the property ${} is not set: make the object by its constructor", field.name);
            return Err(Error::new(ErrorKind::InvalidState, text).under_key(&field.key));
        }
        sink.key(&field.key)
            .and_then(|()| walk_as(value, &field.form, sink))
            .map_err(|error| error.under_key(&field.key))?;
    }
    sink.end_map()
}

fn walk_as<S: Sink + ?Sized>(value: &Zval, form: &Form, sink: &mut S) -> Result<()> {
    if let Form::Plain = form {
        return PhpValue(value).walk(sink);
    }
    let value = value.dereference();
    match (form, value.array()) {
        (Form::MapOf(item), Some(table)) => {
            walk_entries(table, sink, |value, sink| walk_as(value, item, sink))
        }
        (Form::ListOf(item), Some(table)) if is_list(table) => {
            sink.begin_array(table.len())?;
            for (i, (_, value)) in Entries::new(table).enumerate() {
                walk_as(value, item, sink).map_err(|error| error.under_index(i))?;
            }
            sink.end_array()
        }
        (Form::ListOf(item), Some(table)) => {
            walk_entries(table, sink, |value, sink| walk_as(value, item, sink))
        }
        _ => PhpValue(value).walk(sink),
    }
}

fn is_or_extends(class: &ClassEntry, wanted: &str) -> bool {
    let mut class = Some(class);
    while let Some(each) = class {
        if name(each) == wanted {
            return true;
        }
        class = each.parent();
    }
    false
}

fn name(class: &ClassEntry) -> &str {
    class.name().unwrap_or("?")
}
