//! Packed records: converts the properties of an instance to the bytes of a message, and back.
//!
//! The constant `LINKSPAN_PACKED` of a generated class has each property's first byte and type, as in
//! `LINKSPAN_FIELDS`; the root's `SIZE` is the total size. For a null result, the methods of the classes throw the
//! reason.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use ext_php_rs::prelude::*;
use ext_php_rs::types::{ZendClassObject, ZendHashTable, ZendObject, Zval};
use ext_php_rs::zend::ClassEntry;
use linkspan::schema::Width;
use linkspan::value::NdArrayRef;
use linkspan::value::plan::{FieldPosition, FieldValue, Form};
use linkspan::{DType, Order, Result, Value};

use crate::class_plan::{ClassName, cases, class};
use crate::classes::wrong;
use crate::edge::{PhpResult, edge};
use crate::ndarray::NdArray;
use crate::room::{OBJECT, Size, within_limit};
use crate::scalars::{BigInt, Bytes, Text, Timestamp, Uuid};
use crate::scratch;
use crate::zend::{self, Entries, Key, Property, into_zval, made};

struct Packing {
    size: usize,
    record: Record,
}

struct Record {
    class: &'static ClassEntry,
    members: Vec<(Property, Member)>,
}

enum Member {
    Record(Record),
    Field(FieldPosition, Parts),
}

/// The data of a field's type besides its offset.
enum Parts {
    Nothing,
    /// The cases of an enum, in order.
    Cases(Vec<Zval>),
    Array {
        dtype: DType,
        shape: Vec<u64>,
        order: Order,
    },
}

thread_local! {
    static PACKINGS: RefCell<HashMap<*const ClassEntry, Rc<Packing>>> = RefCell::default();
}

pub fn forget() {
    // Taken out of the cell first: dropping may destroy PHP objects.
    drop(PACKINGS.take());
}

/// Returns null if the instance does not fit.
#[php_function]
#[php(name = "Linkspan\\pack_instance")]
pub fn pack_instance(record: &ZendObject) -> PhpResult<Option<Text>> {
    edge(|| {
        let packing = packing(record.get_class_entry())?;
        let mut fits = true;
        let write = |bytes: &mut Vec<u8>| {
            bytes.resize(packing.size, 0);
            fits = packing.record.put(record, bytes).is_some();
            Ok(())
        };
        let text = scratch::written(write, |bytes| Text::within_limit(bytes))??;
        Ok(fits.then_some(text))
    })
}

/// Returns null if the bytes do not fit.
#[php_function]
#[php(name = "Linkspan\\unpack_instance")]
pub fn unpack_instance(class: ClassName<'_>, block: &Zval) -> PhpResult<Zval> {
    edge(|| {
        let packing = packing(class.entry()?)?;
        let object = block.object().and_then(ZendClassObject::<Bytes>::from_zend_obj);
        let bytes =
            object.map(|object| object.bytes()).or_else(|| block.zend_str().map(|text| text.as_bytes()));
        let Some(bytes) = bytes.filter(|bytes| bytes.len() == packing.size) else { return Ok(Zval::null()) };
        // Checked before the creation of the object: no code may see an object with only some properties.
        if !packing.record.fits(bytes) {
            return Ok(Zval::null());
        }
        let refused = |_, left| {
            format!(
                "an instance of {} packed bytes does not fit the {left} bytes that memory_limit leaves: raise it",
                bytes.len()
            )
        };
        // Each property takes at least one byte, and text is at most as long as the record.
        let size = Size::Roughly(bytes.len().saturating_mul(OBJECT));
        within_limit(size, || 0, refused, || packing.record.instance(bytes))
    })
}

pub fn functions(module: ModuleBuilder) -> ModuleBuilder {
    module.function(wrap_function!(pack_instance)).function(wrap_function!(unpack_instance))
}

/// Fails with `WrongType` if the class's constants are invalid.
fn packing(class: &'static ClassEntry) -> Result<&'static Packing> {
    let at = std::ptr::from_ref(class);
    let known = PACKINGS.with_borrow(|packings| packings.get(&at).map(Rc::as_ptr));
    let found = match known {
        Some(known) => known,
        None => {
            let size = zend::constant(class, "SIZE").and_then(Zval::long);
            let size = size.and_then(|size| usize::try_from(size).ok());
            let size = size.ok_or_else(|| wrong(class, "no constant SIZE"))?;
            let made = Rc::new(Packing { size, record: record(class, 0, size)? });
            let known = Rc::as_ptr(&made);
            PACKINGS.with_borrow_mut(|packings| packings.insert(at, made));
            known
        }
    };
    // SAFETY: a plan in the table stays there until the request ends, as classes do. It has no reference count,
    // because a fatal error would leak the count.
    Ok(unsafe { &*found })
}

fn record(class: &'static ClassEntry, start: usize, size: usize) -> Result<Record> {
    let rows = zend::constant(class, "LINKSPAN_PACKED").and_then(Zval::array);
    let rows = rows.ok_or_else(|| wrong(class, "no LINKSPAN_PACKED"))?;
    let row = |(name, row): (Key<'_>, &Zval)| {
        member(class, name, row, start, size)?
            .ok_or_else(|| wrong(class, "a row of LINKSPAN_PACKED that describes none of its properties"))
    };
    Ok(Record { class, members: Entries::new(rows).map(row).collect::<Result<_>>()? })
}

/// Returns `None` for an invalid row.
fn member(
    entry: &'static ClassEntry,
    name: Key<'_>,
    row: &Zval,
    start: usize,
    size: usize,
) -> Result<Option<(Property, Member)>> {
    let parsed = || {
        let Key::Text(name) = name else { return None };
        let row = row.array()?;
        let offset = usize::try_from(row.get_index(0)?.long()?).ok()?.checked_add(start)?;
        Some((zend::property(entry, std::str::from_utf8(name).ok()?)?, offset, row.get_index(1)?))
    };
    let Some((property, offset, of)) = parsed() else { return Ok(None) };
    let parts = of.array();
    let part = |at| parts.and_then(|parts| parts.get_index(at)).and_then(Zval::str);
    let (form, parts) = match (of.str().or(part(0)), part(1)) {
        (Some("class"), Some(name)) => {
            return Ok(Some((property, Member::Record(record(class(name)?, offset, size)?))));
        }
        (Some("enum"), Some(name)) => {
            let cases = cases(class(name)?)?;
            let count = cases.len() as u32;
            let size = match count {
                0..=0x100 => 1,
                0x101..=0x1_0000 => 2,
                _ => 4,
            };
            (Form::Member { size, count }, Parts::Cases(cases))
        }
        (Some("ndarray"), Some(dtype)) => {
            let parts = parts.and_then(|parts| array(dtype, parts.get_index(2)?.array()?, part(3)));
            let Some((form, parts)) = parts else { return Ok(None) };
            (form, parts)
        }
        (Some(name), None) => match number(name) {
            Some(form) => (form, Parts::Nothing),
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    Ok(FieldPosition::new(form, offset, size).ok().map(|place| (property, Member::Field(place, parts))))
}

fn number(name: &str) -> Option<Form> {
    Some(match name {
        "bool" => Form::Bool,
        "f32" => Form::F32,
        "f64" => Form::F64,
        "timestamp" => Form::Timestamp,
        "uuid" => Form::Uuid,
        name => {
            let (low, high) = Width::ALL.into_iter().find(|width| width.name() == name)?.bounds();
            let size = (high - low).checked_ilog2()? as usize / 8 + 1;
            if low < 0 { Form::Signed(size) } else { Form::Unsigned(size) }
        }
    })
}

fn array(dtype: &str, lengths: &ZendHashTable, order: Option<&str>) -> Option<(Form, Parts)> {
    let dtype = DType::from_name(dtype)?;
    let order = order.map_or(Some(Order::Row), Order::from_name)?;
    let shape: Vec<u64> =
        Entries::new(lengths).map(|(_, length)| length.long()?.try_into().ok()).collect::<Option<_>>()?;
    let size = usize::try_from(NdArrayRef::byte_length(dtype, &shape).ok()?).ok()?;
    let form = if dtype == DType::Bool { Form::Truths(size) } else { Form::Elements(size) };
    Some((form, Parts::Array { dtype, shape, order }))
}

impl Record {
    /// Writes into zeroed bytes; returns `None` if the instance does not fit.
    fn put(&self, instance: &ZendObject, bytes: &mut [u8]) -> Option<()> {
        if !std::ptr::eq(instance.get_class_entry(), self.class) {
            return None;
        }
        for (property, member) in &self.members {
            let value = property.of(instance);
            match member {
                Member::Record(record) => record.put(value.object()?, bytes)?,
                Member::Field(place, parts) => place.put(held(value, parts)?, bytes).ok()?,
            }
        }
        Some(())
    }

    fn fits(&self, bytes: &[u8]) -> bool {
        self.members.iter().all(|(_, member)| match member {
            Member::Record(record) => record.fits(bytes),
            Member::Field(place, _) => place.take(bytes).is_ok(),
        })
    }

    /// Creates an instance from bytes that fit.
    fn instance(&self, bytes: &[u8]) -> Zval {
        // If PHP refuses a value, it throws after this function has returned.
        let mut instance = zend::instance(self.class);
        if let Some(object) = instance.object_mut() {
            for (property, member) in &self.members {
                let value = match member {
                    Member::Record(record) => record.instance(bytes),
                    Member::Field(place, parts) => {
                        place.take(bytes).map_or_else(|_| Zval::null(), |held| value(held, parts))
                    }
                };
                property.set(object, value);
            }
        }
        instance
    }
}

/// Returns `None` for a value that does not fit any field.
fn held<'a>(value: &'a Zval, parts: &'a Parts) -> Option<FieldValue<'a>> {
    let value = value.dereference();
    if let Some(number) = value.double() {
        return Some(FieldValue::Float(number));
    }
    if let Some(number) = value.long() {
        return Some(FieldValue::Int(number));
    }
    if let Some(truth) = value.bool() {
        return Some(FieldValue::Bool(truth));
    }
    let object = value.object()?;
    if let Parts::Cases(cases) = parts {
        let is_it = |case: &Zval| case.object().is_some_and(|case| std::ptr::eq(case, object));
        return Some(FieldValue::Member(cases.iter().position(is_it)? as u32));
    }
    if let Some(at) = ZendClassObject::<Timestamp>::from_zend_obj(object) {
        return Some(FieldValue::Timestamp(at.0));
    }
    if let Some(uuid) = ZendClassObject::<Uuid>::from_zend_obj(object) {
        return Some(FieldValue::Bytes(&uuid.0));
    }
    if let Some(number) = ZendClassObject::<BigInt>::from_zend_obj(object) {
        return match number.0 {
            Value::Int(number) => Some(FieldValue::Int(number)),
            Value::Uint(number) => Some(FieldValue::Uint(number)),
            _ => None,
        };
    }
    let array = &ZendClassObject::<NdArray>::from_zend_obj(object)?.0;
    let Parts::Array { dtype, shape, order } = parts else { return None };
    (array.dtype == *dtype && array.shape == *shape && array.order == *order)
        .then_some(FieldValue::Bytes(&array.data))
}

fn value(held: FieldValue<'_>, parts: &Parts) -> Zval {
    let mut zval = Zval::new();
    match (held, parts) {
        (FieldValue::Float(number), _) => zval.set_double(number),
        (FieldValue::Int(number), _) => zval.set_long(number),
        (FieldValue::Bool(truth), _) => zval.set_bool(truth),
        (FieldValue::Timestamp(at), _) => return into_zval(made(|| Timestamp(at))),
        (FieldValue::Uint(number), _) => return into_zval(made(|| BigInt(Value::Uint(number)))),
        (FieldValue::Member(at), Parts::Cases(cases)) => return cases[at as usize].shallow_clone(),
        (FieldValue::Bytes(bytes), Parts::Array { dtype, shape, order }) => {
            return into_zval(made(|| {
                let data = bytes::Bytes::copy_from_slice(bytes);
                NdArray(linkspan::NdArray { dtype: *dtype, order: *order, shape: shape.clone(), data })
            }));
        }
        (FieldValue::Bytes(bytes), _) => {
            let mut uuid = [0; 16];
            uuid.copy_from_slice(bytes);
            return into_zval(made(|| Uuid(uuid)));
        }
        (FieldValue::Member(_), _) => zval.set_null(),
    }
    zval
}
