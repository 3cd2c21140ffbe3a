//! Failures of this module's functions, and the core's table of errors. `exception` makes Python's exceptions of them.

use linkspan::{Error, ErrorKind, RemoteFailure};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;

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

/// Returns the failure that the other side gets for an exception or a text: an error of the table stays one, and of any
/// other exception the type and text are sent.
pub fn failure(error: &Bound<'_, PyAny>) -> PyResult<Error> {
    let py = error.py();
    let text = error.str()?.to_string();
    if error.is_instance(imported_once!(py, "linkspan.errors", "Error")?)? {
        let kind = ErrorKind::from_code(error.getattr("code")?.extract()?);
        match kind {
            Some(ErrorKind::Remote) if !error.getattr("remote_type")?.is_none() => {
                return Ok(Error::remote(RemoteFailure {
                    code: error.getattr("remote_code")?.extract()?,
                    kind: error.getattr("remote_type")?.extract()?,
                    text: error.getattr("remote_text")?.extract()?,
                    data: Vec::new(),
                }));
            }
            Some(kind) if kind != ErrorKind::Remote => return Ok(Error::new(kind, text)),
            _ => {}
        }
    }
    let kind = if error.is_instance_of::<PyString>() {
        String::new()
    } else {
        error.get_type().qualname()?.to_string()
    };
    // The code of JSON-RPC for an internal error of a handler.
    Ok(Error::remote(RemoteFailure { code: -32603, kind, text, data: Vec::new() }))
}
