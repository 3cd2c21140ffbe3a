//! What the events of containers and of foreign objects need from the walk that they are part of.

use std::cell::Cell;

use linkspan::value::Sink;
use linkspan::{Error, ErrorKind, Result};
use pyo3::prelude::*;

/// Where an exception that Python code raised in the middle of a walk is kept.
pub type Raised = Cell<Option<PyErr>>;

/// One walk over a Python object: `walk` implements it, `builtin` and `foreign` call it for the objects that others
/// contain.
pub trait Walker {
    /// Where the exception is kept that ends this walk.
    fn raised(&self) -> &Raised;

    /// The events of an object of any type.
    fn object<S: Sink + ?Sized>(&self, object: &Bound<'_, PyAny>, sink: &mut S) -> Result<()>;

    /// How many references to an object this walk has: none to the one that it began with, which its caller has.
    fn references(&self, object: &Bound<'_, PyAny>) -> isize;

    /// Keeps an exception of Python code; the returned error, which stands for it, ends the walk.
    #[cold]
    fn hold(&self, raised: PyErr) -> Error {
        let text = format!("reading a Python object raised {raised}");
        self.raised().set(Some(raised));
        Error::new(ErrorKind::Internal, text)
    }
}
