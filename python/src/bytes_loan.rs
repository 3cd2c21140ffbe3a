//! Memory that a channel, request or publisher lends for bytes. The program writes it before sending.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::sync::{Mutex, MutexGuard, PoisonError};

use linkspan::value::Sink;
use linkspan::{BytesLoan as Lent, Error, ErrorKind, Result};
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;

use crate::arguments::Length;
use crate::errors::Outcome;

/// Memory lent for bytes, writable through the buffer protocol until a message takes it.
///
/// A value that contains it is sent with its bytes.
#[pyclass(frozen, weakref, name = "BytesLoan", module = "linkspan._native")]
pub struct BytesLoan(Mutex<State>);

struct State {
    content: Content,
    /// The number of live buffers.
    exports: usize,
}

enum Content {
    /// The program may write it.
    Written(Lent),
    /// A message took it.
    Sent(bytes::Bytes),
}

thread_local! {
    /// Whether this thread encodes values that are not sent.
    static IS_KEPT: Cell<bool> = const { Cell::new(false) };
}

/// Runs an encoding whose result is not sent; the program keeps its loans.
pub fn keeping<T>(encode: impl FnOnce() -> T) -> T {
    /// Restores the mark, also after a panic.
    struct Mark(bool);
    impl Drop for Mark {
        fn drop(&mut self) {
            IS_KEPT.set(self.0);
        }
    }
    let _mark = Mark(IS_KEPT.replace(true));
    encode()
}

impl Content {
    fn as_slice(&self) -> &[u8] {
        match self {
            Content::Written(lent) => lent,
            Content::Sent(bytes) => bytes,
        }
    }
}

impl BytesLoan {
    pub fn of(lent: Lent) -> BytesLoan {
        BytesLoan(Mutex::new(State { content: Content::Written(lent), exports: 0 }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the bytes in place and makes them read-only; a copy if a live buffer could still write them.
    pub fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<()> {
        let bytes = {
            let mut state = self.state();
            if state.exports > 0 || IS_KEPT.get() {
                bytes::Bytes::copy_from_slice(state.content.as_slice())
            } else {
                let content = std::mem::replace(&mut state.content, Content::Sent(bytes::Bytes::new()));
                let bytes = match content {
                    Content::Written(lent) => lent.into_bytes(),
                    Content::Sent(bytes) => bytes,
                };
                state.content = Content::Sent(bytes.clone());
                bytes
            }
        };
        sink.bytes(&bytes)
    }
}

#[pymethods]
impl BytesLoan {
    /// Keeps only the first `length` bytes. `BufferError` while a buffer of the loan is in use.
    fn truncate(&self, length: Length) -> Outcome<()> {
        let mut state = self.state();
        if state.exports > 0 {
            let text = "a buffer of this loan is in use (memoryview, numpy.frombuffer): release it first";
            return Err(PyBufferError::new_err(text).into());
        }
        match &mut state.content {
            Content::Written(lent) => Ok(lent.truncate(length.0)?),
            Content::Sent(_) => {
                let text = "this loan was sent, and what was sent does not change: lend another one";
                Err(Error::new(ErrorKind::InvalidState, text).into())
            }
        }
    }

    /// Whether the receiver can read this memory. Sending then copies nothing.
    #[getter]
    fn is_shared(&self) -> bool {
        matches!(&self.state().content, Content::Written(lent) if lent.is_shared())
    }

    fn __len__(&self) -> usize {
        self.state().content.as_slice().len()
    }

    fn __repr__(&self) -> String {
        let state = self.state();
        let sent = if matches!(state.content, Content::Sent(_)) { ", sent" } else { "" };
        format!("<linkspan.BytesLoan: {} bytes{sent}>", state.content.as_slice().len())
    }

    /// # Safety
    /// Only the interpreter calls this.
    unsafe fn __getbuffer__(slf: &Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let mut state = slf.get().state();
        let (place, length, read_only) = match &mut state.content {
            Content::Written(lent) => (lent.as_mut_ptr(), lent.len(), 0),
            Content::Sent(bytes) => (bytes.as_ptr().cast_mut(), bytes.len(), 1),
        };
        // SAFETY: the interpreter passes a view to fill. The bytes stay in place while a buffer lives.
        let filled = unsafe {
            let length = ffi::Py_ssize_t::try_from(length).unwrap_or(ffi::Py_ssize_t::MAX);
            ffi::PyBuffer_FillInfo(view, slf.as_ptr(), place.cast::<c_void>(), length, read_only, flags)
        };
        if filled != 0 {
            return Err(PyErr::fetch(slf.py()));
        }
        state.exports = state.exports.saturating_add(1);
        Ok(())
    }

    /// # Safety
    /// Only the interpreter calls this, with a view filled by [`BytesLoan::__getbuffer__`].
    unsafe fn __releasebuffer__(&self, _view: *mut ffi::Py_buffer) {
        let mut state = self.state();
        state.exports = state.exports.saturating_sub(1);
    }
}
