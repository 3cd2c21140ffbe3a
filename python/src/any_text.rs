//! Text of Python as UTF-8.

use std::borrow::Cow;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// Lone surrogates, which have no UTF-8, become escapes as on standard error.
pub fn any_text<'a>(text: &'a Bound<'_, PyString>) -> Cow<'a, str> {
    if let Ok(text) = text.to_str() {
        return Cow::Borrowed(text);
    }
    let escaped = text.call_method1("encode", ("utf-8", "backslashreplace"));
    match escaped.as_ref().map(|bytes| bytes.cast::<PyBytes>()) {
        Ok(Ok(bytes)) => Cow::Owned(String::from_utf8_lossy(bytes.as_bytes()).into_owned()),
        _ => text.to_string_lossy(),
    }
}
