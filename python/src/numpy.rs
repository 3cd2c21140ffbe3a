//! NumPy arrays and scalars without a numeric buffer: sent in another form, or refused with its name.

use linkspan::{Error, ErrorKind};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::array::BorrowedArray;
use crate::errors::{Failure, Outcome, imported};

pub enum Form<'py> {
    Array(BorrowedArray<'py>),
    /// Nanoseconds since 1970 as 64-bit integers; the least integer means null.
    Instants(BorrowedArray<'py>),
    /// A list of its elements, or a table of its fields.
    Other(Bound<'py, PyAny>),
}

/// float16 is widened, without loss.
pub fn form<'py>(object: &Bound<'py, PyAny>) -> Outcome<Form<'py>> {
    let py = object.py();
    if let Some(masked) = masked_array(py)?
        && object.is_instance(masked)?
        && masked_elements(object)?
    {
        let text =
            "masked elements have no form: send array.filled(value), or array.data and array.mask as two";
        return Err(refused(text));
    }
    form_exact(object)
}

/// Returns the form of an array that is not masked.
pub fn form_exact<'py>(object: &Bound<'py, PyAny>) -> Outcome<Form<'py>> {
    match BorrowedArray::new(object) {
        Err(Failure::Core(error)) if error.kind() == ErrorKind::Unsupported => without_buffer(object, error),
        lent => lent.map(Form::Array),
    }
}

/// The elements of a NumPy complex number.
pub fn lend<'py>(object: &Bound<'py, PyAny>) -> Outcome<BorrowedArray<'py>> {
    match form(object)? {
        Form::Array(lent) => Ok(lent),
        _ => Err(refused("a scalar that is sent as no array")),
    }
}

fn masked_elements(array: &Bound<'_, PyAny>) -> PyResult<bool> {
    array.getattr("mask")?.call_method0("any").and_then(|any| any.is_truthy())
}

/// Returns the form of instants, or the result of `stand_in`.
#[cold]
fn without_buffer<'py>(object: &Bound<'py, PyAny>, error: Error) -> Outcome<Form<'py>> {
    let py = object.py();
    let Ok(kind) = object.getattr("dtype").and_then(|dtype| dtype.getattr("kind")) else {
        return Err(error.into());
    };
    let other = stand_in(object)?;
    if other.is(py.NotImplemented()) {
        return Err(error.into());
    }
    Ok(match kind.extract::<char>()? {
        'M' => Form::Instants(BorrowedArray::new(&other)?),
        'f' => Form::Array(BorrowedArray::new(&other)?),
        _ => Form::Other(other),
    })
}

/// Returns the package's replacement for an object, or `NotImplemented`.
///
/// Raises `Unsupported` with an alternative for the user.
pub fn stand_in<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    static STAND_IN: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    imported(object.py(), &STAND_IN, "linkspan.forms", "stand_in")?.call1((object,))
}

fn refused(text: &str) -> Failure {
    Error::new(ErrorKind::Unsupported, text).into()
}

/// Returns `None` until the program has imported the class.
fn masked_array<'a, 'py>(py: Python<'py>) -> PyResult<Option<&'a Bound<'py, PyAny>>> {
    static MODULES: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static MASKED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if let Some(found) = MASKED.get(py) {
        return Ok(Some(found.bind(py)));
    }
    if !imported(py, &MODULES, "sys", "modules")?.contains("numpy.ma")? {
        return Ok(None);
    }
    imported(py, &MASKED, "numpy.ma", "MaskedArray").map(Some)
}
