//! New objects of Python's own types. Where there is no memory for one that is [`NoMemory`], and the error
//! `OutOfMemory` of it; the constructors of PyO3 panic there, so `clippy.toml` refuses them everywhere else.

use bytes::Bytes;
use linkspan::{Error, ErrorKind};
use pyo3::exceptions::PyMemoryError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

use crate::errors::Failure;

/// There is no memory for so many bytes. It takes none itself, as the error would that is made of it: what is half
/// built, and may have all memory, is dropped before.
#[derive(Debug)]
#[must_use]
pub struct NoMemory(usize);

impl NoMemory {
    /// The exception of the interpreter, which is there already.
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

/// The result of making an object.
type Made<T> = Result<T, NoMemory>;

/// Returns the new object of this pointer, which the interpreter has just given.
///
/// # Safety
/// It is an object of this type which nothing else has, or null with an exception.
#[inline]
unsafe fn new<'py, T>(py: Python<'py>, object: *mut ffi::PyObject, bytes: usize) -> Made<Bound<'py, T>> {
    // SAFETY: as required of the caller.
    match unsafe { Bound::from_owned_ptr_or_opt(py, object) } {
        // SAFETY: the same.
        Some(object) => Ok(unsafe { object.cast_into_unchecked() }),
        None => {
            // The exception, the only one that there can be.
            drop(PyErr::take(py));
            Err(NoMemory(bytes))
        }
    }
}

/// Returns the length as Python counts it.
fn size(length: usize) -> Made<ffi::Py_ssize_t> {
    ffi::Py_ssize_t::try_from(length).map_err(|_| NoMemory(length))
}

/// Makes room for more items.
pub fn reserve<T>(items: &mut Vec<T>, more: usize) -> Made<()> {
    items.try_reserve(more).map_err(|_| NoMemory(more.saturating_mul(size_of::<T>())))
}

/// The exception for a program.
#[cold]
pub fn raised(lacking: NoMemory) -> PyErr {
    Failure::from(lacking).into()
}

/// The error of the core for an exception that says that there is no memory; the exception itself for every other one.
pub fn without_memory(py: Python<'_>, raised: PyErr) -> Result<Error, PyErr> {
    if raised.is_instance_of::<PyMemoryError>(py) {
        return Ok(Error::new(ErrorKind::OutOfMemory, "no memory for an object of Python; free some"));
    }
    Err(raised)
}

/// A copy of these bytes.
pub fn bytes<'py>(py: Python<'py>, value: &[u8]) -> Made<Bound<'py, PyBytes>> {
    let size = size(value.len())?;
    // SAFETY: there are so many bytes at this place; the result is a `bytes` object or null.
    unsafe { new(py, ffi::PyBytes_FromStringAndSize(value.as_ptr().cast(), size), value.len()) }
}

/// A `bytes` object of this length whose bytes are not initialised, and which nothing else has yet.
pub fn uninitialised_bytes(py: Python<'_>, length: usize) -> Made<Bound<'_, PyBytes>> {
    let size = size(length)?;
    // SAFETY: without an address the bytes are not initialised; the result is a `bytes` object or null.
    unsafe { new(py, ffi::PyBytes_FromStringAndSize(std::ptr::null(), size), length) }
}

/// A text.
#[inline]
pub fn text<'py>(py: Python<'py>, value: &str) -> Made<Bound<'py, PyString>> {
    let size = size(value.len())?;
    // SAFETY: there are so many bytes of UTF-8 at this place; the result is a `str` object or null.
    unsafe { new(py, ffi::PyUnicode_FromStringAndSize(value.as_ptr().cast(), size), value.len()) }
}

/// An integer.
#[inline]
pub fn int(py: Python<'_>, value: i64) -> Made<Bound<'_, PyAny>> {
    // SAFETY: the result is an `int` object or null.
    unsafe { new(py, ffi::PyLong_FromLongLong(value), size_of::<i64>()) }
}

/// An integer without a sign.
#[inline]
pub fn uint(py: Python<'_>, value: u64) -> Made<Bound<'_, PyAny>> {
    // SAFETY: the result is an `int` object or null.
    unsafe { new(py, ffi::PyLong_FromUnsignedLongLong(value), size_of::<u64>()) }
}

/// A floating-point number.
#[inline]
pub fn float(py: Python<'_>, value: f64) -> Made<Bound<'_, PyAny>> {
    // SAFETY: the result is a `float` object or null.
    unsafe { new(py, ffi::PyFloat_FromDouble(value), size_of::<f64>()) }
}

/// A dict without entries.
#[inline]
pub fn dict(py: Python<'_>) -> Made<Bound<'_, PyDict>> {
    // SAFETY: the result is a `dict` object or null.
    unsafe { new(py, ffi::PyDict_New(), size_of::<ffi::PyDictObject>()) }
}

/// A list of these objects.
pub fn list<'py>(
    py: Python<'py>,
    items: impl ExactSizeIterator<Item = Bound<'py, PyAny>>,
) -> Made<Bound<'py, PyList>> {
    let length = items.len();
    let bytes = length.saturating_mul(size_of::<*mut ffi::PyObject>());
    // SAFETY: the result is a `list` object or null.
    let list: Bound<'py, PyList> = unsafe { new(py, ffi::PyList_New(size(length)?), bytes)? };
    for (at, item) in (0..size(length)?).zip(items) {
        // SAFETY: the place is in the list, which nothing else has yet, and which takes over the reference; so this
        // does not fail.
        unsafe { ffi::PyList_SetItem(list.as_ptr(), at, item.into_ptr()) };
    }
    Ok(list)
}

/// A copy of these bytes in a block of the core, for an array.
pub fn block(data: &[u8]) -> Made<Bytes> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(data.len()).map_err(|_| NoMemory(data.len()))?;
    copy.extend_from_slice(data);
    Ok(copy.into())
}
