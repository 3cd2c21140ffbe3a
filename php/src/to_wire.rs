//! PHP's values walk into any Sink. No code of the user's runs on the way, so what is walked cannot change meanwhile.

use ext_php_rs::types::{ZendClassObject, ZendHashTable, ZendObject, Zval};
use ext_php_rs::zend::ClassEntry;
use linkspan::value::{Keys, Meter, Sink, Source, ValueBuilder};
use linkspan::{Error, ErrorKind, Limits, Result, Value};

use crate::edge::call_php;
use crate::message::{Message, Request};
use crate::ndarray::NdArray;
use crate::scalars::{BigInt, Bytes, Decimal, Timestamp, Uuid};
use crate::service::Answer;
use crate::zend::{self, Entries, Key};

/// A PHP value as a source of events.
pub struct PhpValue<'a>(pub &'a Zval);

impl PhpValue<'_> {
    /// The value as a tree of the core's.
    pub fn to_value(&self) -> Result<Value> {
        // Limited in depth as in size: by references an array may hold itself.
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
}

#[cold]
fn unsupported(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unsupported, text)
}

fn text<'a>(bytes: &'a [u8], otherwise: &str) -> Result<&'a str> {
    std::str::from_utf8(bytes)
        .map_err(|e| unsupported(format!("{otherwise} (byte {} of it)", e.valid_up_to())))
}

/// Whether the keys are 0 to n-1 in order; an empty array is a list too.
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
    sink.begin_map(table.len())?;
    for (key, value) in Entries::new(table) {
        let mut digits = itoa::Buffer::new();
        let key = match key {
            Key::Number(number) => digits.format(number),
            Key::Text(bytes) => text(bytes, "a key that is not UTF-8")
                .map_err(|e| e.under_key(&String::from_utf8_lossy(bytes)))?,
        };
        sink.key(key).and_then(|()| PhpValue(value).walk(sink)).map_err(|e| e.under_key(key))?;
    }
    sink.end_map()
}

fn walk_object<S: Sink + ?Sized>(object: &ZendObject, sink: &mut S) -> Result<()> {
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
        BigInt: v => v.0.walk(sink);
        Decimal: v => sink.decimal(&v.0);
        Uuid: v => sink.uuid(v.0);
        Message: v => v.message().value()?.walk(sink);
        Request: v => v.message().value()?.walk(sink);
        Answer: v => v.0.to_value().walk(sink);
    }
    let class = object.get_class_entry();
    if std::ptr::eq(class, ext_php_rs::zend::ce::stdclass()) {
        return match object.get_properties() {
            Ok(properties) => walk_map(properties, sink),
            Err(_) => sink.begin_map(0).and_then(|()| sink.end_map()),
        };
    }
    if class.ce_flags & ext_php_rs::ffi::ZEND_ACC_ENUM != 0 {
        return match enum_value(object) {
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
    Err(unsupported(format!(
        "an object of class {}: give an array, a stdClass or one of Linkspan's value classes",
        name(class)
    )))
}

fn name(class: &ClassEntry) -> &str {
    class.name().unwrap_or("?")
}

/// The value of a case of a backed enum: its second declared property, after the name.
fn enum_value(object: &ZendObject) -> Option<&Zval> {
    let class = object.get_class_entry();
    // SAFETY: an object has room for as many declared properties as its class says.
    (class.default_properties_count >= 2).then(|| unsafe { &*object.properties_table.as_ptr().add(1) })
}

/// The instant of a `\DateTimeInterface`, to the microsecond, asked by PHP's own methods even where a class of the
/// user's overrides them.
pub fn timestamp_of(object: &ZendObject) -> Result<linkspan::Timestamp> {
    let mut class = object.get_class_entry();
    // Only classes of PHP's own and of extensions are internal.
    const INTERNAL: std::ffi::c_char = 1;
    while class.type_ != INTERNAL {
        match class.parent() {
            Some(parent) => class = parent,
            None => break,
        }
    }
    let answer = call_php(|| {
        let format = ext_php_rs::convert::IntoZval::into_zval("U u", false).unwrap_or_default();
        let mut arguments = [format];
        let mut answer = Zval::new();
        // SAFETY: the function comes from the class's own table and is called on an object of that class.
        unsafe {
            let function = ext_php_rs::ffi::zend_hash_str_find_ptr_lc(
                &raw const class.function_table,
                c"format".as_ptr(),
                6,
            );
            if !function.is_null() {
                ext_php_rs::ffi::zend_call_known_function(
                    function.cast(),
                    std::ptr::from_ref(object).cast_mut(),
                    std::ptr::from_ref(class).cast_mut(),
                    &raw mut answer,
                    1,
                    arguments.as_mut_ptr(),
                    std::ptr::null_mut(),
                );
            }
        }
        answer
    })?;
    let parts = answer.str().and_then(|text| text.split_once(' '));
    let numbers = parts.and_then(|(s, us)| Some((s.parse::<i64>().ok()?, us.parse::<i64>().ok()?)));
    match numbers {
        Some((seconds, microseconds)) => linkspan::Timestamp::from_parts(seconds, microseconds * 1000),
        None => {
            Err(Error::new(ErrorKind::Internal, "DateTimeInterface::format did not answer with two numbers"))
        }
    }
}
