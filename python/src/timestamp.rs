//! Instants: the core's functions for the Python class `linkspan.Timestamp`.

use linkspan::Timestamp as Instant;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use crate::arguments::TimeText;
use crate::class_plan::{Class, Slot};
use crate::errors::Outcome;
use crate::made::{self, NoMemory};

/// Returns the system clock in nanoseconds since 1970.
#[pyfunction]
pub fn clock() -> i64 {
    Instant::now().nanoseconds()
}

/// Parses an RFC 3339 time to nanoseconds since 1970; `Malformed` for other text.
#[pyfunction]
pub fn parse_time(text: TimeText) -> Outcome<i64> {
    Ok(text.parse::<Instant>()?.nanoseconds())
}

/// Formats a time in RFC 3339, in UTC.
#[pyfunction]
pub fn format_time(nanoseconds: i64) -> String {
    Instant(nanoseconds).to_string()
}

struct Instants {
    class: Class,
    slot: Slot,
}

fn instants(py: Python<'_>) -> PyResult<&Instants> {
    static INSTANTS: PyOnceLock<Instants> = PyOnceLock::new();
    INSTANTS.get_or_try_init(py, || {
        let class = py.import("linkspan.timestamp")?.getattr("Timestamp")?.cast_into::<PyType>()?;
        Ok(Instants { class: Class::new(&class)?, slot: Slot::new(&class, "nanoseconds")? })
    })
}

pub fn class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    Ok(instants(py)?.class.0.bind(py))
}

pub fn object(py: Python<'_>, instant: Instant) -> PyResult<Bound<'_, PyAny>> {
    let instants = instants(py)?;
    let instance = instants.class.instance(py)?;
    let number = made::int(py, instant.nanoseconds()).map_err(NoMemory::raised)?;
    // SAFETY: the instance is new and has the class of the slot.
    unsafe { instants.slot.set_first(&instance, number) };
    Ok(instance)
}

/// Returns the attribute, which may be any object; `None` for objects of other classes.
pub fn nanoseconds<'py>(object: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let instants = instants(object.py())?;
    if object.get_type().is(&instants.class.0) { instants.slot.get(object).map(Some) } else { Ok(None) }
}
