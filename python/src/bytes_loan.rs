//! Memory that a channel, a request or a publisher lends for opaque bytes: the program writes it until it is sent.

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

/// Memory that was lent for bytes. It has the buffer protocol, writable until a message takes it; in a value it stands
/// for its bytes.
#[pyclass(frozen, weakref, name = "BytesLoan", module = "linkspan._native")]
pub struct BytesLoan(Mutex<State>);

struct State {
    content: Content,
    /// How many buffers of it are lent by the buffer protocol.
    exports: usize,
}

enum Content {
    /// The program writes it.
    Written(Lent),
    /// A message took it.
    Sent(bytes::Bytes),
}

thread_local! {
    /// Whether what this thread encodes is not sent.
    static IS_KEPT: Cell<bool> = const { Cell::new(false) };
}

/// Runs an encoding of what is not sent: loans in it stay the program's.
pub fn keeping<T>(encode: impl FnOnce() -> T) -> T {
    /// Resets the mark, also after a panic.
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
    /// Returns the loan of the core for the program.
    pub fn of(lent: Lent) -> BytesLoan {
        BytesLoan(Mutex::new(State { content: Content::Written(lent), exports: 0 }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the bytes. They are read-only from now on, and lie where they were written; a copy is sent where a buffer
    /// of them is lent, through which the program may still write, and encoded where nothing is sent.
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
    /// Shortens it to its first `length` bytes, which alone are sent.
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

    /// Whether it lies where the receiver finds it, so that nothing is copied to send it.
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
    /// Called by the interpreter alone, with a view to fill in.
    unsafe fn __getbuffer__(slf: &Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let mut state = slf.get().state();
        let (place, length, read_only) = match &mut state.content {
            Content::Written(lent) => (lent.as_mut_ptr(), lent.len(), 0),
            Content::Sent(bytes) => (bytes.as_ptr().cast_mut(), bytes.len(), 1),
        };
        // SAFETY: as the interpreter promises. The bytes stay where they are as long as a buffer is lent: only without
        // one the content changes.
        let filled = unsafe {
            let length = ffi::Py_ssize_t::try_from(length).unwrap_or(ffi::Py_ssize_t::MAX);
            ffi::PyBuffer_FillInfo(view, slf.as_ptr(), place.cast::<c_void>(), length, read_only, flags)
        };
        if filled != 0 {
            return Err(PyErr::fetch(slf.py()));
        }
        state.exports += 1;
        Ok(())
    }

    /// # Safety
    /// Called by the interpreter alone, with a view that [`BytesLoan::__getbuffer__`] filled in.
    unsafe fn __releasebuffer__(&self, _view: *mut ffi::Py_buffer) {
        self.state().exports -= 1;
    }
}
