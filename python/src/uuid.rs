//! UUIDs: the class `uuid.UUID` of the standard library.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::made::{self, NoMemory};

pub fn class(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    CLASS.import(py, "uuid", "UUID")
}

pub fn object<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    class(py)?.call1((py.None(), made::bytes(py, bytes).map_err(NoMemory::raised)?))
}

pub fn bytes<'py>(uuid: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    uuid.getattr(intern!(uuid.py(), "bytes"))
}
