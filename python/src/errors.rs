//! Failures of this module, and the core's error table. `exception` converts them to exceptions.

use linkspan::{Error, ErrorKind};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// An error of the core's table, or an exception that Python code raised during a call.
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

pub type Outcome<T> = Result<T, Failure>;

/// Returns code, name, retryable, meaning and remedy of each kind.
#[pyfunction]
pub fn error_table() -> Vec<(u16, &'static str, bool, &'static str, &'static str)> {
    ErrorKind::ALL.iter().map(|k| (k.code(), k.name(), k.retryable(), k.meaning(), k.remedy())).collect()
}

/// Returns an attribute of a module, looked up once.
pub fn imported<'a, 'py>(
    py: Python<'py>,
    cell: &'a PyOnceLock<Py<PyAny>>,
    module: &str,
    name: &str,
) -> PyResult<&'a Bound<'py, PyAny>> {
    let found = cell.get_or_try_init(py, || py.import(module)?.getattr(name).map(Bound::unbind))?;
    Ok(found.bind(py))
}

/// Like `imported`, with a static cell at the place of the call.
macro_rules! imported_once {
    ($py:expr, $module:literal, $name:literal) => {{
        static CELL: pyo3::sync::PyOnceLock<pyo3::Py<pyo3::PyAny>> = pyo3::sync::PyOnceLock::new();
        crate::errors::imported($py, &CELL, $module, $name)
    }};
}
pub(crate) use imported_once;
