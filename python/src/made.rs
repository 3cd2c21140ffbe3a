//! Makes objects of Python's built-in types. Without memory they return [`NoMemory`].
//!
//! PyO3's constructors panic in that case, so `clippy.toml` forbids them elsewhere.

use bytes::Bytes;
use linkspan::{Error, ErrorKind};
use pyo3::exceptions::PyMemoryError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

use crate::errors::Failure;

/// The number of bytes without memory. It allocates nothing, so partial objects can be dropped first.
#[derive(Debug)]
#[must_use]
pub struct NoMemory(usize);

impl NoMemory {
    /// The `MemoryError` of the interpreter.
    #[cold]
    pub fn raised(self) -> PyErr {
        PyMemoryError::new_err(())
    }
}

impl From<NoMemory> for Error {
    fn from(NoMemory(bytes): NoMemory) -> Error {
        let text = format!("no memory for {bytes} bytes; free some, or lower the option max_message_size");
        Error::new(ErrorKind::OutOfMemory, text)
    }
}

impl From<NoMemory> for Failure {
    fn from(lacking: NoMemory) -> Failure {
        Failure::Core(lacking.into())
    }
}

type Made<T> = Result<T, NoMemory>;

/// # Safety
/// The pointer is an unshared object of this type, or null with an exception set.
#[inline]
unsafe fn new<'py, T>(py: Python<'py>, object: *mut ffi::PyObject, bytes: usize) -> Made<Bound<'py, T>> {
    // SAFETY: the caller's promise.
    match unsafe { Bound::from_owned_ptr_or_opt(py, object) } {
        // SAFETY: the caller promises this type.
        Some(object) => Ok(unsafe { object.cast_into_unchecked() }),
        None => {
            // Only a `MemoryError` is possible here.
            drop(PyErr::take(py));
            Err(NoMemory(bytes))
        }
    }
}

fn size(length: usize) -> Made<ffi::Py_ssize_t> {
    ffi::Py_ssize_t::try_from(length).map_err(|_| NoMemory(length))
}

pub fn reserve<T>(items: &mut Vec<T>, more: usize) -> Made<()> {
    items.try_reserve(more).map_err(|_| NoMemory(more.saturating_mul(size_of::<T>())))
}

#[cold]
pub fn raised(lacking: NoMemory) -> PyErr {
    Failure::from(lacking).into()
}

/// Converts a `MemoryError` to the core's error; returns every other exception.
pub fn without_memory(py: Python<'_>, raised: PyErr) -> Result<Error, PyErr> {
    if raised.is_instance_of::<PyMemoryError>(py) {
        return Ok(Error::new(ErrorKind::OutOfMemory, "no memory for an object of Python; free some"));
    }
    Err(raised)
}

pub fn bytes<'py>(py: Python<'py>, value: &[u8]) -> Made<Bound<'py, PyBytes>> {
    let size = size(value.len())?;
    // SAFETY: the slice has this many bytes; the result is a `bytes` object or null.
    unsafe { new(py, ffi::PyBytes_FromStringAndSize(value.as_ptr().cast(), size), value.len()) }
}

/// Makes an unshared object.
pub fn uninitialised_bytes(py: Python<'_>, length: usize) -> Made<Bound<'_, PyBytes>> {
    let size = size(length)?;
    // SAFETY: a null address leaves the bytes uninitialised; the result is a `bytes` object or null.
    unsafe { new(py, ffi::PyBytes_FromStringAndSize(std::ptr::null(), size), length) }
}

#[inline]
pub fn text<'py>(py: Python<'py>, value: &str) -> Made<Bound<'py, PyString>> {
    let size = size(value.len())?;
    // SAFETY: the text has this many bytes of UTF-8; the result is a `str` object or null.
    unsafe { new(py, ffi::PyUnicode_FromStringAndSize(value.as_ptr().cast(), size), value.len()) }
}

#[inline]
pub fn int(py: Python<'_>, value: i64) -> Made<Bound<'_, PyAny>> {
    // SAFETY: an `int` or null.
    unsafe { new(py, ffi::PyLong_FromLongLong(value), size_of::<i64>()) }
}

#[inline]
pub fn uint(py: Python<'_>, value: u64) -> Made<Bound<'_, PyAny>> {
    // SAFETY: an `int` or null.
    unsafe { new(py, ffi::PyLong_FromUnsignedLongLong(value), size_of::<u64>()) }
}

#[inline]
pub fn float(py: Python<'_>, value: f64) -> Made<Bound<'_, PyAny>> {
    // SAFETY: a `float` or null.
    unsafe { new(py, ffi::PyFloat_FromDouble(value), size_of::<f64>()) }
}

#[inline]
pub fn dict(py: Python<'_>) -> Made<Bound<'_, PyDict>> {
    // SAFETY: a `dict` or null.
    unsafe { new(py, ffi::PyDict_New(), size_of::<ffi::PyDictObject>()) }
}

pub fn list<'py>(
    py: Python<'py>,
    items: impl ExactSizeIterator<Item = Bound<'py, PyAny>>,
) -> Made<Bound<'py, PyList>> {
    let length = items.len();
    let bytes = length.saturating_mul(size_of::<*mut ffi::PyObject>());
    // SAFETY: a `list` or null.
    let list: Bound<'py, PyList> = unsafe { new(py, ffi::PyList_New(size(length)?), bytes)? };
    for (at, item) in (0..size(length)?).zip(items) {
        // SAFETY: the index is within the unshared list, which takes over the reference, so the call cannot fail.
        unsafe { ffi::PyList_SetItem(list.as_ptr(), at, item.into_ptr()) };
    }
    Ok(list)
}

pub fn block(data: &[u8]) -> Made<Bytes> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(data.len()).map_err(|_| NoMemory(data.len()))?;
    copy.extend_from_slice(data);
    Ok(copy.into())
}
