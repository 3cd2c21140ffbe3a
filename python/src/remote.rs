//! What a peer or a controller gets for an exception of the program.

use linkspan::{Encoding, Error, ErrorKind, RemoteFailure};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::any_text::any_text;
use crate::errors::{Outcome, imported_once};
use crate::walk::Walk;

/// The text of an exception or a text, whatever it holds and does. Of what its `__str__` raises only a
/// `KeyboardInterrupt` is raised, which is a Ctrl-C of that moment: a `SystemExit` out of a text is no wish to end the
/// program.
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

/// The name of an object's class.
fn class_name(object: &Bound<'_, PyAny>) -> String {
    object.get_type().qualname().map(|name| any_text(&name).into_owned()).unwrap_or_default()
}

/// The failure that a caller gets for an exception of a handler, or for a text: a `Remote` that was raised further down
/// passes on as it is. Nothing that the exception holds makes it fail.
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

/// The data of a failure.
pub fn encoded(data: &Bound<'_, PyAny>) -> Outcome<Vec<u8>> {
    Walk::with(data, |walk| linkspan::codec::encode(walk, Encoding::Cbor))
}

/// The code of JSON-RPC for an internal error of a handler.
pub const HANDLER_FAILED: i64 = RemoteFailure::INTERNAL_ERROR;

/// Returns the failure that the controller gets for an exception or a text: an error of the table stays one, and of any
/// other exception the type and text are sent.
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
