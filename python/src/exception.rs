//! Converts the core's errors to the exceptions of `linkspan.errors`.

use linkspan::codec::decode_into;
use linkspan::value::Limits;
use linkspan::{Encoding, Error};
use pyo3::prelude::*;

use crate::builder::{Builder, build};
use crate::errors::Failure;

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> PyErr {
        match failure {
            Failure::Python(error) => error,
            Failure::Core(error) => {
                Python::attach(|py| exception(py, &error).unwrap_or_else(|broken| broken))
            }
        }
    }
}

/// The class has the name of the kind, and attributes hold the details.
fn exception(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let class = py.import("linkspan.errors")?.getattr(error.kind().name())?;
    let raised = class.call1((error.to_string(),))?;
    if let Some(endpoint) = error.endpoint() {
        raised.setattr("endpoint", endpoint)?;
    }
    if let Some(path) = error.path() {
        raised.setattr("path", path)?;
    }
    if let Some(offset) = error.offset() {
        raised.setattr("offset", offset)?;
    }
    if let Some(missed) = error.missed() {
        raised.setattr("missed", missed)?;
    }
    if let Some(sent) = error.sent() {
        raised.setattr("sent", sent)?;
    }
    // Without this the class attribute applies.
    if error.retryable() != error.kind().retryable() {
        raised.setattr("retryable", error.retryable())?;
    }
    if let Some(failure) = error.remote_failure() {
        raised.setattr("remote_code", failure.code)?;
        raised.setattr("remote_type", &failure.kind)?;
        raised.setattr("remote_text", &failure.text)?;
        if !failure.data.is_empty() {
            let data = build(Builder::copying(py), |builder| {
                decode_into(&failure.data, Encoding::Cbor, &Limits::default(), builder).map(|_| ())
            });
            match data {
                Ok(data) => raised.setattr("data", data)?,
                // Undecodable data must not hide the failure.
                Err(_) => raised.setattr("data", failure.data.as_slice())?,
            }
        }
    }
    Ok(PyErr::from_value(raised))
}
