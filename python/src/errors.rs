//! Failures of this module's functions, and the core's table of errors. `exception` makes Python's exceptions of them.

use linkspan::{Encoding, Error, ErrorKind, RemoteFailure};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;

use crate::arguments::any_text;
use crate::walk::Walk;

/// The failure of a call of this module: an error of the table, or an exception that Python code raised meanwhile.
pub enum Failure {
    Core(Error),
    Python(PyErr),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Core(error)
    }
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Failure {
        Failure::Python(error)
    }
}

/// The result of this module's functions.
pub type Outcome<T> = Result<T, Failure>;

/// The core's table: (code, name, retryable, meaning, remedy) of every kind of error.
#[pyfunction]
pub fn error_table() -> Vec<(u16, &'static str, bool, &'static str, &'static str)> {
    ErrorKind::ALL.iter().map(|k| (k.code(), k.name(), k.retryable(), k.meaning(), k.remedy())).collect()
}

/// An attribute of a module, looked up once.
pub fn imported<'a, 'py>(
    py: Python<'py>,
    cell: &'a PyOnceLock<Py<PyAny>>,
    module: &str,
    name: &str,
) -> PyResult<&'a Bound<'py, PyAny>> {
    let found = cell.get_or_try_init(py, || py.import(module)?.getattr(name).map(Bound::unbind))?;
    Ok(found.bind(py))
}

/// The same with a cell of its own.
macro_rules! imported_once {
    ($py:expr, $module:literal, $name:literal) => {{
        static CELL: pyo3::sync::PyOnceLock<pyo3::Py<pyo3::PyAny>> = pyo3::sync::PyOnceLock::new();
        crate::errors::imported($py, &CELL, $module, $name)
    }};
}
pub(crate) use imported_once;

/// The text of an exception or a text, whatever it holds and does. Of what its `__str__` raises only what is no `Exception` is raised,
/// such as a KeyboardInterrupt.
fn described(object: &Bound<'_, PyAny>) -> PyResult<String> {
    match object.str() {
        Ok(text) => Ok(any_text(&text).into_owned()),
        Err(raised) if raised.is_instance_of::<PyException>(object.py()) => {
            let (class, raised) = (class_name(object), class_name(raised.value(object.py())));
            Ok(format!("the text of this {class} cannot be made: its __str__ raised {raised}"))
        }
        Err(raised) => Err(raised),
    }
}

/// The name of an object's class.
fn class_name(object: &Bound<'_, PyAny>) -> String {
    object.get_type().qualname().map(|name| any_text(&name).into_owned()).unwrap_or_default()
}

/// The failure that a caller gets for an exception of a handler, or for a text: a `Remote` that was raised further down passes on as it is.
/// Nothing that the exception holds makes it fail.
pub fn remote_failure(error: &Bound<'_, PyAny>) -> PyResult<RemoteFailure> {
    let read = |name: &str| error.getattr(name).ok().filter(|value| !value.is_none());
    let as_text = |value: Bound<'_, PyAny>| described(&value);
    if error.is_instance(imported_once!(error.py(), "linkspan.errors", "Remote")?)?
        && let Some(kind) = read("remote_type")
    {
        let data = read("data").and_then(|data| encoded(&data).ok());
        return Ok(RemoteFailure {
            code: read("remote_code").and_then(|code| code.extract().ok()).unwrap_or(HANDLER_FAILED),
            kind: as_text(kind)?,
            text: read("remote_text").map_or(Ok(String::new()), as_text)?,
            data: data.unwrap_or_default(),
        });
    }
    let kind = if error.is_instance_of::<PyString>() { String::new() } else { class_name(error) };
    Ok(RemoteFailure { code: HANDLER_FAILED, kind, text: described(error)?, data: Vec::new() })
}

/// The data of a failure.
pub fn encoded(data: &Bound<'_, PyAny>) -> Outcome<Vec<u8>> {
    Walk::with(data, |walk| linkspan::codec::encode(walk, Encoding::Cbor))
}

/// The code of JSON-RPC for an internal error of a handler.
pub const HANDLER_FAILED: i64 = -32603;

/// Returns the failure that the controller gets for an exception or a text: an error of the table stays one, and of any
/// other exception the type and text are sent.
pub fn failure(error: &Bound<'_, PyAny>) -> PyResult<Error> {
    let py = error.py();
    if error.is_instance(imported_once!(py, "linkspan.errors", "Error")?)?
        && let Ok(code) = error.getattr("code").and_then(|code| code.extract())
        && let Some(kind) = ErrorKind::from_code(code).filter(|kind| *kind != ErrorKind::Remote)
    {
        return Ok(Error::new(kind, described(error)?));
    }
    Ok(Error::remote(remote_failure(error)?))
}
