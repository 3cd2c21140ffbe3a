//! Python objects as a Source: dispatch on the exact built-in type, straight into whatever Sink is there.

use std::any::Any;
use std::cell::Cell;
use std::ptr;

use linkspan::Result;
use linkspan::value::{Sink, Source};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict};

use crate::errors::{Failure, Outcome};
use crate::flat::Form;
use crate::walker::{Raised, Walker};
use crate::{builtin, flat_dict, foreign, loan, sent_class};

/// One Python object, to be walked once.
pub struct Walk<'a, 'py> {
    object: &'a Bound<'py, PyAny>,
    raised: Raised,
}

impl<'a, 'py> Walk<'a, 'py> {
    /// Runs `consume` with the object as a Source. An exception of Python code is the failure. Memory that was
    /// lent for its arrays stays the program's.
    pub fn with<T>(object: &'a Bound<'py, PyAny>, consume: impl FnOnce(&Self) -> Result<T>) -> Outcome<T> {
        let consumed = Walk::run(object, consume);
        loan::kept();
        consumed
    }

    /// As [`Walk::with`], for an object that is sent: memory that was lent for its arrays is read-only from then on.
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

/// Adds where in the value Python code raised: as a note, and to exceptions of Linkspan as their `path`.
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

impl Walk<'_, '_> {
    /// Appends a dict, or an instance of a generated class, without a walk, where it holds no others.
    fn append_flat(&self, form: Form, out: &mut Vec<u8>) -> bool {
        if ptr::eq(self.object.get_type_ptr(), &raw mut ffi::PyDict_Type) {
            // SAFETY: its exact type has just been compared.
            return flat_dict::append(unsafe { self.object.cast_unchecked() }, form, out);
        }
        sent_class::known(self.object).is_some_and(|class| class.append_flat(self.object, form, out))
    }
}

impl Source for Walk<'_, '_> {
    fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<()> {
        Dispatch(&self.raised).object(self.object, sink)
    }
    fn append_cbor(&self, out: &mut Vec<u8>) -> bool {
        self.append_flat(Form::Cbor, out)
    }
    fn append_json(&self, out: &mut Vec<u8>) -> bool {
        self.append_flat(Form::Json, out)
    }
    /// With the array that `loan` gave: what holds its memory goes along, and no events are needed.
    fn with_any(&self, visit: &mut dyn FnMut(&dyn Any)) {
        loan::visit_whole(self.object, |array| visit(array));
    }
    fn size_hint(&self) -> usize {
        // With room for a short record nothing is copied to more memory meanwhile.
        if ptr::eq(self.object.get_type_ptr(), &raw mut ffi::PyDict_Type) {
            // SAFETY: its exact type has just been compared.
            return unsafe { self.object.cast_unchecked::<PyDict>() }
                .len()
                .saturating_mul(24)
                .saturating_add(64);
        }
        0
    }
}

/// Sends each object by its exact type.
struct Dispatch<'a>(&'a Raised);

impl Walker for Dispatch<'_> {
    fn raised(&self) -> &Raised {
        self.0
    }

    fn object<S: Sink + ?Sized>(&self, object: &Bound<'_, PyAny>, sink: &mut S) -> Result<()> {
        let this = object.as_ptr();
        // SAFETY: the object is alive; types are compared by address only.
        let kind = unsafe { ffi::Py_TYPE(this) };
        let is = |other: *mut ffi::PyTypeObject| ptr::eq(kind, other);
        if is(&raw mut ffi::PyUnicode_Type) {
            // SAFETY: its exact type has just been seen; the same for the casts below.
            builtin::text(unsafe { object.cast_unchecked() }, sink)
        } else if is(&raw mut ffi::PyFloat_Type) {
            // SAFETY: an exact float, which cannot fail.
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
            // SAFETY: as above; no Python code runs while the sink copies, so nothing resizes it.
            sink.bytes(unsafe { object.cast_unchecked::<PyByteArray>().as_bytes() })
        } else {
            foreign::object(object, sink, self)
        }
    }
}
