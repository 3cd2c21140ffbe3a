//! The argument `shape`: an integer, or a sequence of integers.

use linkspan::{Error, ErrorKind};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::arguments::shown;
use crate::errors::Failure;

pub struct Lengths(pub Vec<u64>);

impl<'py> FromPyObject<'_, 'py> for Lengths {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Lengths> {
        // A tuple is never tried as a number, because that would raise.
        if let Ok(tuple) = given.cast_exact::<PyTuple>()
            && let Ok(lengths) = tuple.iter_borrowed().map(|length| length.extract()).collect()
        {
            return Ok(Lengths(lengths));
        }
        if !is_index(&given)
            && let Ok(each) = given.try_iter()
        {
            return each.map(|one| length_of(&one?, &given)).collect::<PyResult<_>>().map(Lengths);
        }
        Ok(Lengths(vec![length_of(&given, &given)?]))
    }
}

/// An array has `__index__` too, but it raises.
fn is_index(given: &Bound<'_, PyAny>) -> bool {
    given.call_method0(intern!(given.py(), "__index__")).is_ok()
}

/// Raises `ValueError` for a negative or too large integer, `TypeError` for other types.
fn length_of(given: &Bound<'_, PyAny>, shape: &Bound<'_, PyAny>) -> PyResult<u64> {
    given.extract().map_err(|_| {
        let shape = shown(shape);
        let (kind, text) = if is_index(given) {
            let text = format!("the shape {shape} has a dimension that is negative or above 2^64 - 1");
            (ErrorKind::OutOfRange, text)
        } else {
            let text = format!("a shape is an integer or a sequence of integers, and not {shape}");
            (ErrorKind::WrongType, text)
        };
        Failure::from(Error::new(kind, text).under_key("shape")).into()
    })
}
