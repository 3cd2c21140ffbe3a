//! Converts exceptions of the program to failures for a peer or a controller.

use linkspan::{Encoding, Error, ErrorKind, RemoteFailure};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::any_text::any_text;
use crate::errors::{Outcome, imported_once};
use crate::walk::Walk;

/// Returns the text of an exception or a text, even if `__str__` fails.
///
/// A Ctrl-C in `__str__` is raised.
fn described(object: &Bound<'_, PyAny>) -> PyResult<String> {
    match object.str() {
        Ok(text) => Ok(any_text(&text).into_owned()),
        Err(raised) if !raised.is_instance_of::<PyKeyboardInterrupt>(object.py()) => {
            let (class, raised) = (class_name(object), class_name(raised.value(object.py())));
            Ok(format!("the text of this {class} cannot be made: its __str__ raised {raised}"))
        }
        Err(raised) => Err(raised),
    }
}

fn class_name(object: &Bound<'_, PyAny>) -> String {
    object.get_type().qualname().map(|name| any_text(&name).into_owned()).unwrap_or_default()
}

/// The failure that a caller gets for an exception of a handler, or for a text.
///
/// A `Remote` of a nested call passes unchanged. Unusable attributes of the exception are ignored.
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
    Ok(RemoteFailure::new(HANDLER_FAILED, kind, described(error)?))
}

pub fn encoded(data: &Bound<'_, PyAny>) -> Outcome<Vec<u8>> {
    Walk::with(data, |walk| linkspan::codec::encode(walk, Encoding::Cbor))
}

/// JSON-RPC's code for an internal error.
pub const HANDLER_FAILED: i64 = RemoteFailure::INTERNAL_ERROR;

/// The failure that the controller gets for an exception or a text.
///
/// Errors of the table keep their kind.
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
