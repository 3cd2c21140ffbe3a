//! Python objects as a Source: dispatch on the exact built-in type, straight into whatever Sink is there.

use std::cell::Cell;
use std::ffi::c_int;
use std::ptr;

use linkspan::value::{Sink, Source};
use linkspan::{BigInt, Error, ErrorKind, Result};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyList, PyString, PyTuple};

use crate::errors::{Failure, Outcome};
use crate::foreign;

/// One Python object, to be walked once.
pub struct Walk<'a, 'py> {
    object: &'a Bound<'py, PyAny>,
    raised: Raised,
}

/// Where an exception that Python code raised in the middle of a walk is kept.
pub type Raised = Cell<Option<PyErr>>;

impl<'a, 'py> Walk<'a, 'py> {
    /// Gives the object's events to whoever `consume` hands the Source to.
    pub fn with<T>(object: &'a Bound<'py, PyAny>, consume: impl FnOnce(&Self) -> Result<T>) -> Outcome<T> {
        let walk = Walk { object, raised: Cell::new(None) };
        consume(&walk).map_err(|error| match walk.raised.take() {
            Some(raised) => Failure::Python(placed(object.py(), raised, error.path())),
            None => Failure::Core(error),
        })
    }
}

/// Says in a note, and in the attribute that our own exceptions have for it, where in the value Python code raised.
#[cold]
fn placed(py: Python<'_>, raised: PyErr, path: Option<&str>) -> PyErr {
    if let Some(path) = path {
        let raised = raised.value(py);
        let noted = raised.call_method1("add_note", (format!("in the value at path {path}"),));
        let named =
            if raised.hasattr("path").unwrap_or(false) { raised.setattr("path", path) } else { Ok(()) };
        // An exception that takes neither is still the one that was raised.
        drop((noted, named));
    }
    raised
}

impl Source for Walk<'_, '_> {
    fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<()> {
        object(self.object, sink, &self.raised)
    }
}

/// Keeps what Python code raised; the walk is ended by an error that stands for it.
#[cold]
pub fn hold(raised: &Raised, error: PyErr) -> Error {
    let text = format!("reading a Python object raised {error}");
    raised.set(Some(error));
    Error::new(ErrorKind::Internal, text)
}

/// The events of one object.
pub fn object<S: Sink + ?Sized>(object: &Bound<'_, PyAny>, sink: &mut S, raised: &Raised) -> Result<()> {
    let this = object.as_ptr();
    // SAFETY: the object is alive; types are compared by address only.
    let kind = unsafe { ffi::Py_TYPE(this) };
    let is = |other: *mut ffi::PyTypeObject| ptr::eq(kind, other);
    if is(&raw mut ffi::PyUnicode_Type) {
        // SAFETY: its exact type has just been seen; the same for the casts below.
        text(unsafe { object.cast_unchecked() }, sink)
    } else if is(&raw mut ffi::PyFloat_Type) {
        // SAFETY: an exact float, which cannot fail.
        sink.float(unsafe { ffi::PyFloat_AsDouble(this) })
    } else if is(&raw mut ffi::PyLong_Type) {
        integer(object, sink, raised)
    } else if is(&raw mut ffi::PyDict_Type) {
        // SAFETY: as above.
        dict(unsafe { object.cast_unchecked() }, sink, raised)
    } else if is(&raw mut ffi::PyList_Type) {
        // SAFETY: as above.
        list(unsafe { object.cast_unchecked() }, sink, raised)
    } else if is(&raw mut ffi::PyBool_Type) {
        // SAFETY: True is a constant of the interpreter.
        sink.bool(ptr::eq(this, unsafe { ffi::Py_True() }))
    } else if object.is_none() {
        sink.null()
    } else if is(&raw mut ffi::PyTuple_Type) {
        // SAFETY: as above.
        tuple(unsafe { object.cast_unchecked() }, sink, raised)
    } else if is(&raw mut ffi::PyBytes_Type) {
        // SAFETY: as above.
        sink.bytes(unsafe { object.cast_unchecked::<PyBytes>() }.as_bytes())
    } else if is(&raw mut ffi::PyByteArray_Type) {
        // SAFETY: as above; no Python code runs while the sink copies, so nothing resizes it.
        sink.bytes(unsafe { object.cast_unchecked::<PyByteArray>().as_bytes() })
    } else {
        foreign::object(object, sink, raised)
    }
}

/// The UTF-8 that the interpreter keeps with the text.
#[inline]
fn utf8<'a>(text: &'a Bound<'_, PyString>) -> Result<&'a str> {
    text.to_str().map_err(|error| {
        let text =
            format!("text with half a surrogate pair has no UTF-8 and no form in any encoding: {error}");
        Error::new(ErrorKind::Unsupported, text)
    })
}

/// Text, of `str` or a class made from it.
pub fn text<S: Sink + ?Sized>(text: &Bound<'_, PyString>, sink: &mut S) -> Result<()> {
    sink.text(utf8(text)?)
}

/// An integer of any length, of `int` or a class made from it.
pub fn integer<S: Sink + ?Sized>(object: &Bound<'_, PyAny>, sink: &mut S, raised: &Raised) -> Result<()> {
    let mut overflow: c_int = 0;
    // SAFETY: an int, which is alive; -1 with no overflow is a value, because an int cannot fail here.
    let small = unsafe { ffi::PyLong_AsLongLongAndOverflow(object.as_ptr(), &mut overflow) };
    if overflow == 0 {
        return sink.int(small);
    }
    if overflow > 0
        && let Ok(large) = object.extract::<u64>()
    {
        return sink.uint(large);
    }
    let magnitude = || -> PyResult<Bound<'_, PyAny>> {
        let absolute = object.abs()?;
        let bits: usize = absolute.call_method0("bit_length")?.extract()?;
        absolute.call_method1("to_bytes", (bits.div_ceil(8), "big"))
    };
    let bytes = magnitude().map_err(|error| hold(raised, error))?;
    let bytes = bytes.cast::<PyBytes>().map_err(|error| hold(raised, error.into()))?;
    BigInt::from_parts(overflow < 0, bytes.as_bytes())?.walk(sink)
}

/// A list. What it becomes while Python code runs in the middle is seen, and refused if it got shorter.
pub fn list<S: Sink + ?Sized>(list: &Bound<'_, PyList>, sink: &mut S, raised: &Raised) -> Result<()> {
    let len = list.len();
    sink.begin_array(len)?;
    for i in 0..len {
        let item = list.get_item(i).map_err(|_| changed("list"))?;
        object(&item, sink, raised).map_err(|e| e.under_index(i))?;
    }
    sink.end_array()
}

/// A tuple.
pub fn tuple<S: Sink + ?Sized>(tuple: &Bound<'_, PyTuple>, sink: &mut S, raised: &Raised) -> Result<()> {
    sink.begin_array(tuple.len())?;
    for i in 0..tuple.len() {
        let item = tuple.get_borrowed_item(i).map_err(|error| hold(raised, error))?;
        object(&item, sink, raised).map_err(|e| e.under_index(i))?;
    }
    sink.end_array()
}

/// A dict in its own order.
pub fn dict<S: Sink + ?Sized>(dict: &Bound<'_, PyDict>, sink: &mut S, raised: &Raised) -> Result<()> {
    let py = dict.py();
    let len = dict.len();
    sink.begin_map(len)?;
    let (mut at, mut count) = (0, 0);
    let (mut key, mut value) = (ptr::null_mut(), ptr::null_mut());
    // pyo3's own iterator panics where the dict changes in between; here that is an error.
    // SAFETY: the dict is alive and the interpreter attached; `at` is only ever what the call left there.
    while unsafe { ffi::PyDict_Next(dict.as_ptr(), &mut at, &mut key, &mut value) } != 0 {
        count += 1;
        if count > len {
            return Err(changed("dict"));
        }
        // SAFETY: both are borrowed from the dict and made our own at once, before any Python code can run.
        let (key, value) =
            unsafe { (Bound::from_borrowed_ptr(py, key), Bound::from_borrowed_ptr(py, value)) };
        let name = key.cast::<PyString>().map_err(|_| not_text(&key))?;
        let name = utf8(name)?;
        sink.key(name).and_then(|()| object(&value, sink, raised)).map_err(|e| e.under_key(name))?;
    }
    if count < len {
        return Err(changed("dict"));
    }
    sink.end_map()
}

#[cold]
fn changed(what: &str) -> Error {
    Error::new(ErrorKind::InvalidState, format!("the {what} was changed while it was being read"))
}

#[cold]
fn not_text(key: &Bound<'_, PyAny>) -> Error {
    let kind = foreign::type_name(key);
    let shown = key.repr().map_or_else(|_| kind.clone(), |text| text.to_string());
    let text = format!("the keys of a map are text, here is {shown}, which is {kind}: give it as str");
    Error::new(ErrorKind::Unsupported, text).under_key(&shown)
}
