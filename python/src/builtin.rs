//! Events of Python's built-in types.

use std::ffi::c_int;
use std::ptr;

use linkspan::value::{Sink, Source};
use linkspan::{BigInt, Error, ErrorKind, Result};
use pyo3::exceptions::PyMemoryError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

use crate::walker::Walker;

/// The interpreter caches the UTF-8 in the text.
#[inline]
fn utf8<'a>(text: &'a Bound<'_, PyString>) -> Result<&'a str> {
    text.to_str().map_err(|error| {
        if error.is_instance_of::<PyMemoryError>(text.py()) {
            return Error::new(ErrorKind::OutOfMemory, "no memory for the UTF-8 of a text");
        }
        let text = "text with half a surrogate pair has no UTF-8 and no form in any encoding";
        Error::new(ErrorKind::Unsupported, text)
    })
}

pub fn text<S: Sink + ?Sized>(text: &Bound<'_, PyString>, sink: &mut S) -> Result<()> {
    sink.text(utf8(text)?)
}

pub fn integer<S: Sink + ?Sized, W: Walker>(
    object: &Bound<'_, PyAny>,
    sink: &mut S,
    walker: &W,
) -> Result<()> {
    let mut overflow: c_int = 0;
    // SAFETY: a live int. -1 without overflow is a value, because the call cannot fail for an int.
    let small = unsafe { ffi::PyLong_AsLongLongAndOverflow(object.as_ptr(), &mut overflow) };
    if overflow == 0 {
        return sink.int(small);
    }
    if overflow > 0
        && let Ok(large) = object.extract::<u64>()
    {
        return sink.uint(large);
    }
    let magnitude = || -> PyResult<Bound<'_, PyAny>> {
        let absolute = object.abs()?;
        let bits: usize = absolute.call_method0("bit_length")?.extract()?;
        absolute.call_method1("to_bytes", (bits.div_ceil(8), "big"))
    };
    let bytes = magnitude().map_err(|error| walker.hold(error))?;
    let bytes = bytes.cast::<PyBytes>().map_err(|error| walker.hold(error.into()))?;
    BigInt::from_parts(overflow < 0, bytes.as_bytes())?.walk(sink)
}

/// Python code may change the list during the walk; a shorter list is an error.
pub fn list<S: Sink + ?Sized, W: Walker>(list: &Bound<'_, PyList>, sink: &mut S, walker: &W) -> Result<()> {
    let len = list.len();
    sink.begin_array(len)?;
    for i in 0..len {
        let item = list.get_item(i).map_err(|_| changed("list"))?;
        walker.object(&item, sink).map_err(|e| e.under_index(i))?;
    }
    sink.end_array()
}

pub fn tuple<S: Sink + ?Sized, W: Walker>(
    tuple: &Bound<'_, PyTuple>,
    sink: &mut S,
    walker: &W,
) -> Result<()> {
    sink.begin_array(tuple.len())?;
    for i in 0..tuple.len() {
        // Owned, as the items of a list are: `Walker::references` counts this reference.
        let item = tuple.get_item(i).map_err(|error| walker.hold(error))?;
        walker.object(&item, sink).map_err(|e| e.under_index(i))?;
    }
    sink.end_array()
}

pub fn dict<S: Sink + ?Sized, W: Walker>(dict: &Bound<'_, PyDict>, sink: &mut S, walker: &W) -> Result<()> {
    let py = dict.py();
    let len = dict.len();
    sink.begin_map(len)?;
    let (mut at, mut count) = (0, 0usize);
    let (mut key, mut value) = (ptr::null_mut(), ptr::null_mut());
    // pyo3's iterator panics if the dict changes during the walk; this loop returns an error.
    // SAFETY: the dict is alive and the interpreter attached. Only this call changes `at`.
    while unsafe { ffi::PyDict_Next(dict.as_ptr(), &mut at, &mut key, &mut value) } != 0 {
        count = count.saturating_add(1);
        if count > len {
            return Err(changed("dict"));
        }
        // SAFETY: the dict owns both. They become owned here before Python code can run.
        let (key, value) =
            unsafe { (Bound::from_borrowed_ptr(py, key), Bound::from_borrowed_ptr(py, value)) };
        let name = key.cast::<PyString>().map_err(|_| not_text(&key))?;
        let name = utf8(name)?;
        sink.key(name).and_then(|()| walker.object(&value, sink)).map_err(|e| e.under_key(name))?;
    }
    if count < len {
        return Err(changed("dict"));
    }
    sink.end_map()
}

#[cold]
fn changed(what: &str) -> Error {
    Error::new(ErrorKind::InvalidState, format!("the {what} was changed while it was being read"))
}

#[cold]
fn not_text(key: &Bound<'_, PyAny>) -> Error {
    let kind = type_name(key);
    let shown = key.repr().map_or_else(|_| kind.clone(), |text| text.to_string());
    let text = format!("the keys of a map are text, here is {shown}, which is {kind}: give it as str");
    Error::new(ErrorKind::Unsupported, text).under_key(&shown)
}

/// The qualified type name, as in a traceback.
pub fn type_name(object: &Bound<'_, PyAny>) -> String {
    object.get_type().fully_qualified_name().map_or_else(|_| "an object".to_owned(), |name| name.to_string())
}
