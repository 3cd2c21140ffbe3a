//! Packed records: slots of an instance to bytes of a message, and back.
//!
//! For values that do not fit the plan, two functions of the package raise the exception with field and reason.

use linkspan::value::plan::{FieldPosition, FieldValue, Form};
use linkspan::{Error, Timestamp};
use pyo3::exceptions::{PyException, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyType};

use crate::class_plan::{Class, Slot};
use crate::{made, timestamp, uuid};

/// Packs and unpacks instances of a class.
#[pyclass(frozen, module = "linkspan.packed")]
pub struct PackedPlan {
    size: usize,
    record: Record,
    /// Packs an instance that does not fit the plan, or raises.
    pack: Py<PyAny>,
    /// Unpacks bytes that do not fit the plan, or raises.
    unpack: Py<PyAny>,
}

struct Record {
    class: Class,
    members: Vec<(Slot, Member)>,
}

enum Member {
    Record(Record),
    Field(FieldPosition, Parts),
}

enum Parts {
    Nothing,
    /// The members of an enum, in order.
    Enum(Vec<Py<PyAny>>),
    /// The functions that convert an array to bytes, and back.
    Array(Py<PyAny>, Py<PyAny>),
}

/// The package's description of an attribute: a class with attributes, or a field.
#[derive(FromPyObject)]
enum Item<'py> {
    Record(Bound<'py, PyType>, Vec<(String, Item<'py>)>),
    Field(String, usize, usize, Vec<Bound<'py, PyAny>>),
}

enum Unfit {
    Other,
    Raised(PyErr),
}

impl From<Error> for Unfit {
    fn from(_: Error) -> Unfit {
        Unfit::Other
    }
}

impl From<PyErr> for Unfit {
    fn from(raised: PyErr) -> Unfit {
        Unfit::Raised(raised)
    }
}

impl Unfit {
    /// The fallback functions raise an ordinary exception again, with the path of the field.
    fn by_package(py: Python<'_>, raised: PyErr) -> Unfit {
        if raised.is_instance_of::<PyException>(py) { Unfit::Other } else { Unfit::Raised(raised) }
    }
}

#[pymethods]
impl PackedPlan {
    fn __repr__(&self) -> String {
        format!("<linkspan._native.PackedPlan of {} bytes>", self.size)
    }

    #[new]
    fn new(
        root: &Bound<'_, PyType>,
        size: usize,
        attributes: Vec<(String, Item<'_>)>,
        pack: Py<PyAny>,
        unpack: Py<PyAny>,
    ) -> PyResult<PackedPlan> {
        // Finding the class of instants may run Python code, so it is done here.
        timestamp::class(root.py())?;
        let record = record(root, attributes, size)?;
        Ok(PackedPlan { size, record, pack, unpack })
    }

    /// Returns the bytes of a record.
    fn pack<'py>(&self, record: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = record.py();
        let mut unfit = None;
        let block = PyBytes::new_with(py, self.size, |block| {
            unfit = self.record.put(record, block).err();
            Ok(())
        })?;
        match unfit {
            None => Ok(block.into_any()),
            Some(Unfit::Other) => self.pack.bind(py).call1((record,)),
            Some(Unfit::Raised(raised)) => Err(raised),
        }
    }

    /// Makes a record of this class from bytes.
    fn unpack<'py>(
        &self,
        cls: &Bound<'py, PyType>,
        block: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let is_own = self.record.class.0.is(cls);
        match if is_own { self.made(block) } else { Err(Unfit::Other) } {
            Ok(made) => Ok(made),
            Err(Unfit::Other) => self.unpack.bind(cls.py()).call1((cls, block)),
            Err(Unfit::Raised(raised)) => Err(raised),
        }
    }
}

impl PackedPlan {
    #[inline]
    fn made<'py>(&self, block: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>, Unfit> {
        match block.cast_exact::<PyBytes>() {
            Ok(bytes) if bytes.as_bytes().len() == self.size => {
                self.record.take(block.py(), bytes.as_bytes())
            }
            _ => Err(Unfit::Other),
        }
    }
}

fn record(class: &Bound<'_, PyType>, attributes: Vec<(String, Item<'_>)>, size: usize) -> PyResult<Record> {
    let member = |(name, item): (String, Item<'_>)| {
        let member = match item {
            Item::Record(class, attributes) => Member::Record(record(&class, attributes, size)?),
            Item::Field(kind, length, offset, parts) => field(&kind, length, offset, parts, size)?,
        };
        Ok((Slot::new(class, &name)?, member))
    };
    let members = attributes.into_iter().map(member).collect::<PyResult<_>>()?;
    Ok(Record { class: Class::new(class)?, members })
}

fn field(
    kind: &str,
    length: usize,
    offset: usize,
    parts: Vec<Bound<'_, PyAny>>,
    size: usize,
) -> PyResult<Member> {
    let wrong =
        || PyValueError::new_err(format!("no field is {kind} of {length} bytes at {offset} of {size}"));
    let place = |form: Form| match FieldPosition::new(form, offset, size) {
        Ok(place) if form.size() == length => Ok(place),
        _ => Err(wrong()),
    };
    let form = match kind {
        "bool" => Form::Bool,
        "signed" => Form::Signed(length),
        "unsigned" => Form::Unsigned(length),
        "float" if length == 4 => Form::F32,
        "float" => Form::F64,
        "timestamp" => Form::Timestamp,
        "uuid" => Form::Uuid,
        "enum" => {
            let count = u32::try_from(parts.len()).map_err(|_| wrong())?;
            let place = place(Form::Member { size: length, count })?;
            return Ok(Member::Field(place, Parts::Enum(parts.into_iter().map(Bound::unbind).collect())));
        }
        "array" | "truths" => {
            let form = if kind == "array" { Form::Elements(length) } else { Form::Truths(length) };
            let [write, read]: [Bound<'_, PyAny>; 2] = parts.try_into().map_err(|_| wrong())?;
            return Ok(Member::Field(place(form)?, Parts::Array(write.unbind(), read.unbind())));
        }
        _ => return Err(wrong()),
    };
    Ok(Member::Field(place(form)?, Parts::Nothing))
}

impl Record {
    fn put(&self, instance: &Bound<'_, PyAny>, block: &mut [u8]) -> Result<(), Unfit> {
        let py = instance.py();
        // Other classes and subclasses may define attributes freely.
        if !instance.get_type().is(&self.class.0) {
            return Err(Unfit::Other);
        }
        for (slot, member) in &self.members {
            let value = slot.get(instance)?;
            match member {
                Member::Record(record) => record.put(&value, block)?,
                Member::Field(place, Parts::Nothing) => put(place, &value, block)?,
                Member::Field(place, Parts::Enum(members)) => {
                    let at = members.iter().position(|member| member.is(&value)).ok_or(Unfit::Other)?;
                    place.put(FieldValue::Member(at as u32), block)?;
                }
                Member::Field(place, Parts::Array(write, _)) => {
                    let made = write.bind(py).call1((value,));
                    let made = made.map_err(|raised| Unfit::by_package(py, raised))?;
                    let bytes = made.cast::<PyBytes>().map_err(|_| Unfit::Other)?;
                    place.put(FieldValue::Bytes(bytes.as_bytes()), block)?;
                }
            }
        }
        Ok(())
    }

    fn take<'py>(&self, py: Python<'py>, block: &[u8]) -> Result<Bound<'py, PyAny>, Unfit> {
        let instance = self.class.instance(py)?;
        for (slot, member) in &self.members {
            let value = match member {
                Member::Record(record) => record.take(py, block)?,
                Member::Field(place, parts) => match (place.take(block)?, parts) {
                    (FieldValue::Float(number), _) => made::float(py, number).map_err(made::raised)?,
                    (FieldValue::Int(number), _) => made::int(py, number).map_err(made::raised)?,
                    (FieldValue::Uint(number), _) => made::uint(py, number).map_err(made::raised)?,
                    (FieldValue::Bool(truth), _) => PyBool::new(py, truth).to_owned().into_any(),
                    (FieldValue::Timestamp(at), _) => timestamp::object(py, at)?,
                    (FieldValue::Member(at), Parts::Enum(members)) => members[at as usize].bind(py).clone(),
                    (FieldValue::Bytes(bytes), Parts::Array(_, read)) => {
                        let bytes = made::bytes(py, bytes).map_err(made::raised)?;
                        let made = read.bind(py).call1((bytes,));
                        made.map_err(|raised| Unfit::by_package(py, raised))?
                    }
                    (FieldValue::Bytes(bytes), _) => uuid::object(py, bytes)?,
                    (FieldValue::Member(_), _) => return Err(Unfit::Other),
                },
            };
            // SAFETY: the instance is new and has the class of the slots.
            unsafe { slot.set_first(&instance, value) };
        }
        Ok(instance)
    }
}

/// Writes a value whose type is exactly that of its field.
fn put(place: &FieldPosition, value: &Bound<'_, PyAny>, block: &mut [u8]) -> Result<(), Unfit> {
    let py = value.py();
    if let Ok(number) = value.cast_exact::<PyFloat>() {
        place.put(FieldValue::Float(number.value()), block)?;
    } else if let Ok(truth) = value.cast_exact::<PyBool>() {
        place.put(FieldValue::Bool(truth.is_true()), block)?;
    } else if value.is_exact_instance_of::<PyInt>() {
        place.put(integer(value)?, block)?;
    } else if place.form() == Form::Timestamp {
        let nanoseconds = timestamp::nanoseconds(value)?.ok_or(Unfit::Other)?;
        let FieldValue::Int(nanoseconds) = integer(&nanoseconds)? else { return Err(Unfit::Other) };
        place.put(FieldValue::Timestamp(Timestamp(nanoseconds)), block)?;
    } else if place.form() == Form::Uuid && value.get_type().is(uuid::class(py)?) {
        let bytes = uuid::bytes(value)?;
        let bytes = bytes.cast::<PyBytes>().map_err(|_| Unfit::Other)?;
        place.put(FieldValue::Bytes(bytes.as_bytes()), block)?;
    } else {
        return Err(Unfit::Other);
    }
    Ok(())
}

fn integer(value: &Bound<'_, PyAny>) -> Result<FieldValue<'static>, Unfit> {
    if !value.is_exact_instance_of::<PyInt>() {
        return Err(Unfit::Other);
    }
    let mut overflow = 0;
    // SAFETY: a live int. -1 without overflow is a value, because the call cannot fail for an int.
    let small = unsafe { ffi::PyLong_AsLongLongAndOverflow(value.as_ptr(), &mut overflow) };
    match overflow {
        0 => Ok(FieldValue::Int(small)),
        _ => value.extract().map(FieldValue::Uint).map_err(|_| Unfit::Other),
    }
}
