//! Instants: the class `Timestamp`, and what it has to do with `datetime`.

use linkspan::{Error, ErrorKind, Timestamp as Instant};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

use crate::errors::{Outcome, imported};

const SECOND: f64 = 1e9;

/// An instant: nanoseconds since 1970-01-01T00:00:00Z, from 1677-09-21 to 2262-04-11.
///
/// `Timestamp - Timestamp` is seconds as a float; a number of seconds or a `timedelta` may be added and taken away.
#[pyclass(frozen, eq, ord, hash, module = "linkspan")]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub Instant);

#[pymethods]
impl Timestamp {
    #[new]
    fn new(nanoseconds: i64) -> Timestamp {
        Timestamp(Instant(nanoseconds))
    }

    /// The system clock's time.
    #[staticmethod]
    fn now() -> Timestamp {
        Timestamp(Instant::now())
    }

    /// Reads RFC 3339, such as `2026-03-01T12:00:00.5Z`; `Malformed` where it is not that.
    #[staticmethod]
    fn parse(text: &str) -> Outcome<Timestamp> {
        Ok(Timestamp(text.parse()?))
    }

    /// From a `datetime` with a time zone, to the microsecond that it has.
    #[staticmethod]
    fn from_datetime(when: &Bound<'_, PyAny>) -> Outcome<Timestamp> {
        match instant(when)? {
            Some(found) => Ok(Timestamp(found)),
            None => Err(Error::new(ErrorKind::Unsupported, NAIVE).into()),
        }
    }

    /// The `datetime` in UTC, rounded down to its microsecond.
    fn to_datetime<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        static DELTA: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = slf.py();
        let since = PyDict::new(py);
        since.set_item("microseconds", slf.get().0.nanoseconds().div_euclid(1000))?;
        epoch(py)?.add(imported(py, &DELTA, "datetime", "timedelta")?.call((), Some(&since))?)
    }

    /// Nanoseconds since 1970, exactly.
    #[getter]
    fn nanoseconds(&self) -> i64 {
        self.0.nanoseconds()
    }

    /// Seconds since 1970 as a float, as `time.time()` gives them: exact to about 200 ns.
    #[getter]
    fn seconds(&self) -> f64 {
        let (seconds, nanoseconds) = self.0.parts();
        seconds as f64 + f64::from(nanoseconds) / SECOND
    }

    fn __add__(&self, span: &Bound<'_, PyAny>) -> Outcome<Timestamp> {
        shift(self.0, length(span)?)
    }

    fn __radd__(&self, span: &Bound<'_, PyAny>) -> Outcome<Timestamp> {
        shift(self.0, length(span)?)
    }

    fn __sub__<'py>(&self, other: &Bound<'py, PyAny>) -> Outcome<Bound<'py, PyAny>> {
        let py = other.py();
        if let Ok(other) = other.cast::<Timestamp>() {
            let span = i128::from(self.0.nanoseconds()) - i128::from(other.get().0.nanoseconds());
            return Ok((span as f64 / SECOND).into_pyobject(py).map_err(PyErr::from)?.into_any());
        }
        Ok(Bound::new(py, shift(self.0, -length(other)?)?)?.into_any())
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("<linkspan.Timestamp {}>", self.0)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> (Bound<'py, PyType>, (i64,)) {
        (slf.get_type(), (slf.get().0.nanoseconds(),))
    }
}

/// Why a `datetime` may have no instant.
pub const NAIVE: &str =
    "a datetime without a time zone names no instant: give it one, as when.astimezone() does";

fn epoch(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static EPOCH: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let found = EPOCH.get_or_try_init(py, || {
        let datetime = py.import("datetime")?;
        let utc = datetime.getattr("timezone")?.getattr("utc")?;
        datetime.getattr("datetime")?.call1((1970, 1, 1, 0, 0, 0, 0, utc)).map(Bound::unbind)
    })?;
    Ok(found.bind(py))
}

/// The instant of a `datetime`; none where it has no time zone.
pub fn instant(when: &Bound<'_, PyAny>) -> Outcome<Option<Instant>> {
    if when.call_method0("utcoffset")?.is_none() {
        return Ok(None);
    }
    let nanoseconds = span(&when.sub(epoch(when.py())?)?)?;
    Ok(Some(in_range(nanoseconds)?))
}

/// Nanoseconds of a `timedelta`.
fn span(delta: &Bound<'_, PyAny>) -> PyResult<i128> {
    let part = |name: &str| delta.getattr(name)?.extract::<i64>().map(i128::from);
    let seconds = part("days")? * 86_400 + part("seconds")?;
    Ok(seconds * 1_000_000_000 + part("microseconds")? * 1_000)
}

/// Nanoseconds of what may be added to an instant: a `timedelta`, or seconds as a number.
fn length(given: &Bound<'_, PyAny>) -> Outcome<i128> {
    if given.hasattr("microseconds")? {
        return Ok(span(given)?);
    }
    if let Ok(whole) = given.extract::<i64>() {
        return Ok(i128::from(whole) * 1_000_000_000);
    }
    match given.extract::<f64>() {
        Ok(seconds) if seconds.is_finite() => Ok((seconds * SECOND).round() as i128),
        Ok(seconds) => {
            Err(Error::new(ErrorKind::OutOfRange, format!("{seconds} s is no length of time")).into())
        }
        Err(_) => {
            Err(PyTypeError::new_err("seconds or a timedelta can be added to a linkspan.Timestamp").into())
        }
    }
}

fn shift(from: Instant, nanoseconds: i128) -> Outcome<Timestamp> {
    in_range(i128::from(from.nanoseconds()).saturating_add(nanoseconds)).map(Timestamp)
}

fn in_range(nanoseconds: i128) -> Outcome<Instant> {
    let seconds = i64::try_from(nanoseconds.div_euclid(1_000_000_000)).unwrap_or(i64::MAX);
    Ok(Instant::from_parts(seconds, nanoseconds.rem_euclid(1_000_000_000) as i64)?)
}
