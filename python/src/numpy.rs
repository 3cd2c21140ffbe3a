//! NumPy's arrays and scalars that are no buffer of numbers: sent in another form, or refused with an error that names one.

use linkspan::{Error, ErrorKind};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::array::Lent;
use crate::errors::{Failure, Outcome, imported};

/// The array that an object with the buffer protocol is sent as. Arrays of float16 are widened, which loses nothing.
pub fn lend<'py>(object: &Bound<'py, PyAny>) -> Outcome<Lent<'py>> {
    let py = object.py();
    if let Some(masked) = masked_array(py)?
        && object.is_instance(masked)?
        && masked_elements(object)?
    {
        let text =
            "masked elements have no form: send array.filled(value), or array.data and array.mask as two";
        return Err(refused(text));
    }
    lend_exact(object)
}

/// The same of an object that is no masked array.
pub fn lend_exact<'py>(object: &Bound<'py, PyAny>) -> Outcome<Lent<'py>> {
    match Lent::new(object) {
        Err(Failure::Core(error)) if error.kind() == ErrorKind::Unsupported => without_form(object, error),
        lent => lent,
    }
}

fn masked_elements(array: &Bound<'_, PyAny>) -> PyResult<bool> {
    array.getattr("mask")?.call_method0("any").and_then(|any| any.is_truthy())
}

/// What stands for an array whose elements have no form: a wider array, or an error that names what to send instead.
#[cold]
fn without_form<'py>(object: &Bound<'py, PyAny>, error: Error) -> Outcome<Lent<'py>> {
    let Ok(dtype) = object.getattr("dtype") else { return Err(error.into()) };
    let kind: String = dtype.getattr("kind")?.extract()?;
    let size: usize = dtype.getattr("itemsize")?.extract()?;
    let instead = match (&*kind, size) {
        ("f", 2) => return Lent::new(&object.call_method1("astype", ("float32",))?),
        ("f", _) => "send array.astype(float), where its precision is enough",
        ("c", _) => "send array.astype(complex), where its precision is enough",
        ("M", _) => {
            "send array.astype('datetime64[ns]').astype('int64'), nanoseconds since 1970, or a list of linkspan.Timestamp"
        }
        ("m", _) => "send array.astype('timedelta64[ns]').astype('int64'), nanoseconds",
        ("V", _) if !dtype.getattr("names")?.is_none() => {
            "send each field by itself: {name: array[name] for name in array.dtype.names}"
        }
        _ => "send array.tolist()",
    };
    let dtype = dtype.str()?;
    Err(refused(&format!("an array of dtype {dtype} has no form: {instead}")))
}

fn refused(text: &str) -> Failure {
    Error::new(ErrorKind::Unsupported, text).into()
}

/// The class of masked arrays, where the program has imported it; an object of it cannot exist before.
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

/// The days around 1970 of which 64 bits hold all nanoseconds.
const DAYS: std::ops::Range<i64> = -106_751..106_751;

/// A datetime64 as nanoseconds since 1970; refused where it is no time, or where nanoseconds do not hold it.
pub fn nanoseconds(scalar: &Bound<'_, PyAny>) -> Outcome<i64> {
    let exact = scalar.call_method1("astype", ("datetime64[ns]",))?;
    let number = |of: &Bound<'_, PyAny>| -> PyResult<i64> {
        of.call_method1("astype", ("int64",))?.call_method0("item")?.extract()
    };
    let days = number(&scalar.call_method1("astype", ("datetime64[D]",))?)?;
    let nanoseconds = number(&exact)?;
    // NumPy multiplies without a check for overflow, so the days are checked first. The least number is "not a time", and finer units than
    // nanoseconds are not rounded.
    if !DAYS.contains(&days) || !exact.eq(scalar)? {
        return Err(refused(&format!(
            "{} has no form: a timestamp is nanoseconds since 1970",
            scalar.str()?
        )));
    }
    Ok(nanoseconds)
}
