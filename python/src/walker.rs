//! The walk, as containers and foreign objects use it.

use std::cell::Cell;

use linkspan::value::Sink;
use linkspan::{Error, ErrorKind, Result};
use pyo3::prelude::*;

/// An exception that Python code raised during a walk.
pub type Raised = Cell<Option<PyErr>>;

/// `walk` implements it; `builtin` and `foreign` call it for nested objects.
pub trait Walker {
    /// The exception that ends this walk.
    fn raised(&self) -> &Raised;

    fn object<S: Sink + ?Sized>(&self, object: &Bound<'_, PyAny>, sink: &mut S) -> Result<()>;

    /// Returns the number of references that the walk holds to an object: 0 for the first, the caller's.
    fn references(&self, object: &Bound<'_, PyAny>) -> isize;

    /// Keeps an exception of Python code, and returns an error that ends the walk in its place.
    #[cold]
    fn hold(&self, raised: PyErr) -> Error {
        let text = format!("reading a Python object raised {raised}");
        self.raised().set(Some(raised));
        Error::new(ErrorKind::Internal, text)
    }
}
