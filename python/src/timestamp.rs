//! Instants: what the class `linkspan.Timestamp`, which is written in Python, takes from the core.

use linkspan::Timestamp as Instant;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::errors::{Outcome, imported};

/// The system clock's time in nanoseconds since 1970.
#[pyfunction]
pub fn clock() -> i64 {
    Instant::now().nanoseconds()
}

/// Nanoseconds since 1970 of a time as RFC 3339 writes it; `Malformed` where it is not that.
#[pyfunction]
pub fn parse_time(text: &str) -> Outcome<i64> {
    Ok(text.parse::<Instant>()?.nanoseconds())
}

/// RFC 3339 in UTC.
#[pyfunction]
pub fn format_time(nanoseconds: i64) -> String {
    Instant(nanoseconds).to_string()
}

/// The class.
pub fn class(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    imported(py, &CLASS, "linkspan.timestamp", "Timestamp")
}

/// An instant as an object of it.
pub fn object(py: Python<'_>, instant: Instant) -> PyResult<Bound<'_, PyAny>> {
    class(py)?.call1((instant.nanoseconds(),))
}
