//! Objects of other types, such as instants, arrays, NumPy scalars, enums, dataclasses, mappings.

use linkspan::value::{NdArrayRef, Sink};
use linkspan::{DType, Decimal, Error, ErrorKind, Order, Result, Timestamp};
use pyo3::exceptions::PyImportError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{
    PyBytes, PyComplex, PyComplexMethods, PyDict, PyFloat, PyInt, PyList, PyMapping, PyString, PyTuple,
    PyType,
};

use crate::array::{self, BorrowedArray, NdArray, is_exact_ndarray};
use crate::builtin::{self, type_name};
use crate::bytes_loan::BytesLoan;
use crate::enum_member;
use crate::errors::{Failure, imported};
use crate::loan;
use crate::message::Message;
use crate::numpy::{self, Form};
use crate::numpy_api;
use crate::sent_class::{self, SentClass};
use crate::timestamp;
use crate::uuid;
use crate::walker::Walker;

#[cold]
#[inline(never)]
pub fn object<S: Sink + ?Sized, W: Walker>(
    object: &Bound<'_, PyAny>,
    sink: &mut S,
    walker: &W,
) -> Result<()> {
    let raise = |error: PyErr| walker.hold(error);
    let failed = |failure: Failure| match failure {
        Failure::Core(error) => error,
        Failure::Python(error) => walker.hold(error),
    };
    // First, because the checks below cost more than sending a long lent array.
    // SAFETY: no Python code runs while the sink takes the elements.
    if let Some(elements) = unsafe { numpy_api::elements(object) } {
        return lent(object, elements.array()?, sink, walker);
    }
    if is_exact_ndarray(object) {
        return formed(object, &numpy::form_exact(object).map_err(failed)?, sink, walker);
    }
    if let Some(class) = sent_class::known(object) {
        return sent(&class, object, sink, walker);
    }
    if let Some(plain) = enum_member::known(object) {
        return walker.object(&plain, sink);
    }
    if let Some(nanoseconds) = timestamp::nanoseconds(object).map_err(raise)? {
        // The attribute may hold any int, but the wire format has 64 bits.
        return match nanoseconds.extract() {
            Ok(nanoseconds) => sink.timestamp(Timestamp(nanoseconds)),
            Err(_) => Err(Error::new(
                ErrorKind::OutOfRange,
                format!("{nanoseconds} ns since 1970 do not fit a timestamp"),
            )),
        };
    }
    if let Ok(array) = object.cast_exact::<NdArray>() {
        return sink.ndarray(array.get().lend());
    }
    if let Ok(loan) = object.cast_exact::<BytesLoan>() {
        return loan.get().walk(sink);
    }
    if let Ok(message) = object.cast::<Message>() {
        return walker.object(message.get().decoded(object.py()).map_err(failed)?, sink);
    }
    if let Some(fields) =
        object.get_type().getattr_opt(intern!(object.py(), "__linkspan_fields__")).map_err(raise)?
    {
        if let Some(class) = sent_class::learn(&object.get_type(), &fields) {
            return sent(&class, object, sink, walker);
        }
        return generated(object, &fields, sink, walker);
    }
    match kind(object).map_err(raise)? {
        Kind::Scalar => {
            // The kind of the dtype decides, because the item of a datetime64 is an int without a unit.
            let letter = object.getattr("dtype").and_then(|d| d.getattr("kind")).map_err(raise)?;
            match letter.extract::<char>() {
                Ok('M' | 'm' | 'V') => return stand_in(object, sink, walker),
                // Complex numbers have no scalar form; they become arrays without dimensions.
                Ok('c') => return sink.ndarray(numpy::lend(object).map_err(failed)?.array()?),
                _ => {}
            }
            let known = letter.extract::<char>().is_ok_and(|letter| "biufUS".contains(letter));
            let plain = object.call_method0("item").map_err(raise)?;
            if !known || plain.get_type().is(object.get_type()) {
                return Err(refused(object, "no Python number stands for it"));
            }
            walker.object(&plain, sink)
        }
        Kind::Enum => {
            let plain = enum_member::value(object).map_err(raise)?;
            if plain
                .is_instance(imported(object.py(), &ENUM, "enum", "Enum").map_err(raise)?)
                .map_err(raise)?
            {
                return Err(refused(object, "its value is an enum again"));
            }
            walker.object(&plain, sink)
        }
        Kind::Buffer => {
            if numpy_generic(object.py()).map_err(raise)?.is_some() {
                array::learn_numpy(object.py()).map_err(raise)?;
            }
            formed(object, &numpy::form(object).map_err(failed)?, sink, walker)
        }
        Kind::Text => builtin::text(object.cast().map_err(|e| raise(e.into()))?, sink),
        Kind::Int => builtin::integer(object, sink, walker),
        Kind::Float => sink.float(object.extract().map_err(raise)?),
        Kind::Complex => {
            let number = object.cast::<PyComplex>().map_err(|e| raise(e.into()))?;
            let parts = [number.real().to_le_bytes(), number.imag().to_le_bytes()].concat();
            sink.ndarray(NdArrayRef::new(DType::C128, Order::Row, &[], &parts)?)
        }
        Kind::Bytes => sink.bytes(object.cast::<PyBytes>().map_err(|e| raise(e.into()))?.as_bytes()),
        Kind::List => builtin::list(object.cast().map_err(|e| raise(e.into()))?, sink, walker),
        Kind::Tuple => builtin::tuple(object.cast().map_err(|e| raise(e.into()))?, sink, walker),
        Kind::Datetime => {
            // pandas' NaT is a datetime and unequal to itself; it becomes null.
            if object.eq(object).map_err(raise)? {
                let class = timestamp::class(object.py()).map_err(raise)?;
                walker.object(&class.call_method1("from_datetime", (object,)).map_err(raise)?, sink)
            } else {
                sink.null()
            }
        }
        Kind::Uuid => sink.uuid(uuid::bytes(object).and_then(|b| b.extract()).map_err(raise)?),
        Kind::Decimal => {
            let text = object.str().map_err(raise)?.to_string();
            let decimal: Decimal =
                text.parse().map_err(|_| refused(object, &format!("{text} has no form")))?;
            sink.decimal(&decimal)
        }
        Kind::Dataclass => fields(object, sink, walker),
        Kind::Mapping => {
            // A copy keeps count and keys consistent, even if the class runs code during the walk.
            let items = object.cast::<PyMapping>().map_err(|e| raise(e.into()))?.items().map_err(raise)?;
            let entries = PyDict::from_sequence(items.as_any()).map_err(raise)?;
            builtin::dict(&entries, sink, walker)
        }
        Kind::Other => stand_in(object, sink, walker),
    }
}

/// A loan that something else could still write is copied.
fn lent<S: Sink + ?Sized, W: Walker>(
    object: &Bound<'_, PyAny>,
    array: NdArrayRef<'_>,
    sink: &mut S,
    walker: &W,
) -> Result<()> {
    if loan::note(object, array.data, walker.references(object)) {
        return sink.ndarray(array);
    }
    let copy = array::copy_of(array.data)?;
    sink.ndarray(NdArrayRef { data: &copy, ..array })
}

fn formed<S: Sink + ?Sized, W: Walker>(
    object: &Bound<'_, PyAny>,
    form: &Form<'_>,
    sink: &mut S,
    walker: &W,
) -> Result<()> {
    match form {
        Form::Array(elements) => lent(object, elements.array()?, sink, walker),
        Form::Instants(elements) => {
            let array = elements.array()?;
            instants(array.shape, &mut array.data.as_chunks::<8>().0.iter(), sink)
        }
        Form::Other(other) => walker.object(other, sink),
    }
}

/// Sends instants as nested lists; the least number becomes null.
fn instants<S: Sink + ?Sized>(
    shape: &[u64],
    elements: &mut std::slice::Iter<'_, [u8; 8]>,
    sink: &mut S,
) -> Result<()> {
    let Some((length, inner)) = shape.split_first() else {
        return match elements.next().map(|bytes| i64::from_le_bytes(*bytes)) {
            Some(i64::MIN) | None => sink.null(),
            Some(nanoseconds) => sink.timestamp(Timestamp(nanoseconds)),
        };
    };
    let length = usize::try_from(*length).unwrap_or(usize::MAX);
    sink.begin_array(length)?;
    for at in 0..length {
        instants(inner, elements, sink).map_err(|error| error.under_index(at))?;
    }
    sink.end_array()
}

fn stand_in<S: Sink + ?Sized, W: Walker>(object: &Bound<'_, PyAny>, sink: &mut S, walker: &W) -> Result<()> {
    let other = numpy::stand_in(object).map_err(|error| walker.hold(error))?;
    if other.is(object.py().NotImplemented()) {
        return Err(refused(object, "give what it holds as dict, list, str, a number, bytes or an array"));
    }
    walker.object(&other, sink)
}

#[derive(Clone, Copy)]
enum Kind {
    Scalar,
    Enum,
    Buffer,
    Text,
    Int,
    Float,
    Complex,
    Bytes,
    List,
    Tuple,
    Datetime,
    Uuid,
    Decimal,
    Dataclass,
    Mapping,
    Other,
}

static ENUM: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// The most specific kind: a NumPy `float64` is also a `float`, and a `StrEnum` member also a `str`.
fn kind(object: &Bound<'_, PyAny>) -> PyResult<Kind> {
    static DECIMAL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static DATETIME: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = object.py();
    if let Some(generic) = numpy_generic(py)?
        && object.is_instance(generic)?
    {
        return Ok(Kind::Scalar);
    }
    if object.is_instance(imported(py, &ENUM, "enum", "Enum")?)? {
        return Ok(Kind::Enum);
    }
    Ok(if object.is_instance_of::<PyString>() {
        Kind::Text
    } else if object.is_instance_of::<PyInt>() {
        Kind::Int
    } else if object.is_instance_of::<PyFloat>() {
        Kind::Float
    } else if object.is_instance_of::<PyComplex>() {
        Kind::Complex
    } else if object.is_instance_of::<PyBytes>() {
        Kind::Bytes
    } else if object.is_instance_of::<PyList>() {
        Kind::List
    } else if object.is_instance_of::<PyTuple>() {
        Kind::Tuple
    } else if BorrowedArray::possible(object) {
        Kind::Buffer
    } else if object.is_instance(imported(py, &DATETIME, "datetime", "datetime")?)? {
        Kind::Datetime
    } else if object.is_instance(uuid::class(py)?)? {
        Kind::Uuid
    } else if object.is_instance(imported(py, &DECIMAL, "decimal", "Decimal")?)? {
        Kind::Decimal
    } else if object.is_instance_of::<PyMapping>() {
        Kind::Mapping
    } else if !object.is_instance_of::<PyType>() && object.get_type().hasattr("__dataclass_fields__")? {
        Kind::Dataclass
    } else {
        Kind::Other
    })
}

/// Returns `None` until the program has imported NumPy.
fn numpy_generic(py: Python<'_>) -> PyResult<Option<&Bound<'_, PyAny>>> {
    static GENERIC: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if let Some(found) = GENERIC.get(py) {
        return Ok(Some(found.bind(py)));
    }
    static MODULES: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if !imported(py, &MODULES, "sys", "modules")?.contains("numpy")? {
        return Ok(None);
    }
    match imported(py, &GENERIC, "numpy", "generic") {
        Ok(found) => Ok(Some(found)),
        // A foreign module named numpy, or an unfinished import.
        Err(error) if error.is_instance_of::<PyImportError>(py) => Ok(None),
        Err(error) if error.is_instance_of::<pyo3::exceptions::PyAttributeError>(py) => Ok(None),
        Err(error) => Err(error),
    }
}

fn sent<S: Sink + ?Sized, W: Walker>(
    class: &SentClass,
    object: &Bound<'_, PyAny>,
    sink: &mut S,
    walker: &W,
) -> Result<()> {
    let values = class.values(object).map_err(|error| walker.hold(error))?;
    sink.begin_map(values.len())?;
    for (key, value) in &values {
        sink.key(key).and_then(|()| walker.object(value, sink)).map_err(|error| error.under_key(key))?;
    }
    sink.end_map()
}

/// `fields` lists attribute, key, and whether None is omitted. A packed record is sent as bytes.
fn generated<S: Sink + ?Sized, W: Walker>(
    object: &Bound<'_, PyAny>,
    fields: &Bound<'_, PyAny>,
    sink: &mut S,
    walker: &W,
) -> Result<()> {
    let raise = |error: PyErr| walker.hold(error);
    let packed = object.get_type().getattr_opt(intern!(object.py(), "__linkspan_packed__")).map_err(raise)?;
    if packed.is_some() {
        let block = object.call_method0(intern!(object.py(), "pack")).map_err(raise)?;
        return sink.bytes(block.cast::<PyBytes>().map_err(|error| raise(error.into()))?.as_bytes());
    }
    let fields = fields.cast::<PyTuple>().map_err(|error| raise(error.into()))?;
    let mut values = Vec::with_capacity(fields.len());
    for field in fields.iter_borrowed() {
        let field = field.cast::<PyTuple>().map_err(|error| raise(error.into()))?;
        let name = field.get_borrowed_item(0).map_err(raise)?;
        let value =
            object.getattr(name.cast::<PyString>().map_err(|error| raise(error.into()))?).map_err(raise)?;
        if !(value.is_none()
            && field.get_borrowed_item(2).and_then(|optional| optional.is_truthy()).map_err(raise)?)
        {
            values.push((field.get_item(1).map_err(raise)?, value));
        }
    }
    sink.begin_map(values.len())?;
    for (key, value) in &values {
        let key = key.cast::<PyString>().map_err(|error| raise(error.into()))?;
        let key = key.to_str().map_err(raise)?;
        sink.key(key).and_then(|()| walker.object(value, sink)).map_err(|error| error.under_key(key))?;
    }
    sink.end_map()
}

fn fields<S: Sink + ?Sized, W: Walker>(object: &Bound<'_, PyAny>, sink: &mut S, walker: &W) -> Result<()> {
    static FIELDS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let names = || -> PyResult<Vec<Bound<'_, PyString>>> {
        let fields = imported(object.py(), &FIELDS, "dataclasses", "fields")?.call1((object,))?;
        let fields = fields.cast::<PyTuple>()?;
        fields.iter().map(|field| Ok(field.getattr("name")?.cast_into::<PyString>()?)).collect()
    };
    let names = names().map_err(|error| walker.hold(error))?;
    sink.begin_map(names.len())?;
    for name in &names {
        let text = name.to_str().map_err(|error| walker.hold(error))?;
        let value = object.getattr(name).map_err(|error| walker.hold(error))?;
        sink.key(text).and_then(|()| walker.object(&value, sink)).map_err(|e| e.under_key(text))?;
    }
    sink.end_map()
}

#[cold]
fn refused(object: &Bound<'_, PyAny>, why: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{} has no form in any encoding: {why}", type_name(object)))
}
