//! Python objects as a Source: dispatch on the exact built-in type, directly into a Sink.

use std::any::Any;
use std::cell::Cell;
use std::ptr;
use std::rc::Rc;

use linkspan::value::{Sink, Source};
use linkspan::{Error, ErrorKind, Result};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict};

use crate::errors::{Failure, Outcome, imported_once};
use crate::flat::Form;
use crate::sent_class::SentClass;
use crate::walker::{Raised, Walker};
use crate::{builtin, bytes_loan, flat_dict, foreign, loan, sent_class};

pub struct Walk<'a, 'py> {
    object: &'a Bound<'py, PyAny>,
    raised: Raised,
}

impl<'a, 'py> Walk<'a, 'py> {
    /// Runs `consume` with the object as a Source; loans in it stay writable.
    ///
    /// An exception of Python code is the failure.
    pub fn with<T>(object: &'a Bound<'py, PyAny>, consume: impl FnOnce(&Self) -> Result<T>) -> Outcome<T> {
        let consumed = bytes_loan::keeping(|| Walk::run(object, consume));
        loan::kept();
        consumed
    }

    /// Like [`Walk::with`], for sending: loans in the object become read-only.
    pub fn to_send<T>(object: &'a Bound<'py, PyAny>, encode: impl FnOnce(&Self) -> Result<T>) -> Outcome<T> {
        loan::settled(object.py(), Walk::run(object, encode))
    }

    #[inline]
    fn run<T>(object: &'a Bound<'py, PyAny>, consume: impl FnOnce(&Self) -> Result<T>) -> Outcome<T> {
        let walk = Walk { object, raised: Cell::new(None) };
        consume(&walk).map_err(|error| match walk.raised.take() {
            Some(raised) => Failure::Python(placed(object.py(), raised, error.path())),
            None => Failure::Core(error),
        })
    }
}

/// Exceptions of Linkspan get the path as `path` and in their text, others as a note.
#[cold]
fn placed(py: Python<'_>, raised: PyErr, path: Option<&str>) -> PyErr {
    if let Some(path) = path {
        // If the exception accepts neither, it is raised without the path.
        let _ = place(raised.value(py), path);
    }
    raised
}

fn place(raised: &Bound<'_, PyAny>, path: &str) -> PyResult<()> {
    let py = raised.py();
    if raised.is_instance(imported_once!(py, "linkspan.errors", "Error")?)?
        && raised.getattr("path")?.is_none()
    {
        // Formats the text like the core's errors with a path.
        let placed = Error::new(ErrorKind::Internal, raised.str()?.to_string()).with_path(path);
        raised.setattr("args", (placed.to_string(),))?;
    } else {
        raised.call_method1("add_note", (format!("in the value at path {path}"),))?;
    }
    if raised.hasattr("path")? { raised.setattr("path", path) } else { Ok(()) }
}

pub enum Flat<'a, 'py> {
    Dict(&'a Bound<'py, PyDict>),
    Instance(Rc<SentClass>, &'a Bound<'py, PyAny>),
}

impl<'a, 'py> Flat<'a, 'py> {
    /// Returns `None` if the object is neither a dict nor an instance of a generated class.
    #[inline]
    pub fn of(object: &'a Bound<'py, PyAny>) -> Option<Flat<'a, 'py>> {
        match exact_dict(object) {
            Some(dict) => Some(Flat::Dict(dict)),
            None => Some(Flat::Instance(sent_class::known(object)?, object)),
        }
    }

    /// Returns false, and appends nothing, if the object contains anything except scalars and nested dicts.
    #[inline]
    pub fn append(&self, form: Form, out: &mut Vec<u8>) -> bool {
        match self {
            Flat::Dict(dict) => flat_dict::append(dict, form, out),
            Flat::Instance(class, object) => class.append_flat(object, form, out),
        }
    }
}

#[inline]
fn exact_dict<'a, 'py>(object: &'a Bound<'py, PyAny>) -> Option<&'a Bound<'py, PyDict>> {
    let is_dict = ptr::eq(object.get_type_ptr(), &raw mut ffi::PyDict_Type);
    // SAFETY: its exact type is known from the comparison above.
    is_dict.then(|| unsafe { object.cast_unchecked() })
}

impl Source for Walk<'_, '_> {
    fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<()> {
        Dispatch { raised: &self.raised, first: self.object.as_ptr() }.object(self.object, sink)
    }
    fn append_cbor(&self, out: &mut Vec<u8>) -> bool {
        Flat::of(self.object).is_some_and(|flat| flat.append(Form::Cbor, out))
    }
    fn append_json(&self, out: &mut Vec<u8>) -> bool {
        Flat::of(self.object).is_some_and(|flat| flat.append(Form::Json, out))
    }
    /// Passes the array of a loan, which owns its memory. No events are needed.
    fn with_any(&self, visit: &mut dyn FnMut(&dyn Any)) {
        loan::visit_whole(self.object, |array| visit(array));
    }
    fn size_hint(&self) -> usize {
        // Enough for a short record, whose buffer then does not grow.
        exact_dict(self.object).map_or(0, |dict| dict.len().saturating_mul(24).saturating_add(64))
    }
}

struct Dispatch<'a> {
    raised: &'a Raised,
    /// The first object of the walk, used only for comparison.
    first: *mut ffi::PyObject,
}

impl Walker for Dispatch<'_> {
    fn raised(&self) -> &Raised {
        self.raised
    }

    fn references(&self, object: &Bound<'_, PyAny>) -> isize {
        isize::from(!ptr::eq(self.first, object.as_ptr()))
    }

    fn object<S: Sink + ?Sized>(&self, object: &Bound<'_, PyAny>, sink: &mut S) -> Result<()> {
        let this = object.as_ptr();
        // SAFETY: the object is alive; types are compared only by address.
        let kind = unsafe { ffi::Py_TYPE(this) };
        let is = |other: *mut ffi::PyTypeObject| ptr::eq(kind, other);
        if is(&raw mut ffi::PyUnicode_Type) {
            // SAFETY: its exact type is known from the comparison above, also in the casts below.
            builtin::text(unsafe { object.cast_unchecked() }, sink)
        } else if is(&raw mut ffi::PyFloat_Type) {
            // SAFETY: the call cannot fail for an exact float.
            sink.float(unsafe { ffi::PyFloat_AsDouble(this) })
        } else if is(&raw mut ffi::PyLong_Type) {
            builtin::integer(object, sink, self)
        } else if is(&raw mut ffi::PyDict_Type) {
            // SAFETY: as above.
            builtin::dict(unsafe { object.cast_unchecked() }, sink, self)
        } else if is(&raw mut ffi::PyList_Type) {
            // SAFETY: as above.
            builtin::list(unsafe { object.cast_unchecked() }, sink, self)
        } else if is(&raw mut ffi::PyBool_Type) {
            // SAFETY: True is a constant of the interpreter.
            sink.bool(ptr::eq(this, unsafe { ffi::Py_True() }))
        } else if object.is_none() {
            sink.null()
        } else if is(&raw mut ffi::PyTuple_Type) {
            // SAFETY: as above.
            builtin::tuple(unsafe { object.cast_unchecked() }, sink, self)
        } else if is(&raw mut ffi::PyBytes_Type) {
            // SAFETY: as above.
            sink.bytes(unsafe { object.cast_unchecked::<PyBytes>() }.as_bytes())
        } else if is(&raw mut ffi::PyByteArray_Type) {
            // SAFETY: as above. No Python code runs while the sink copies, so nothing resizes the bytearray.
            sink.bytes(unsafe { object.cast_unchecked::<PyByteArray>().as_bytes() })
        } else {
            foreign::object(object, sink, self)
        }
    }
}
