//! The end of a channel that lingers or reports.
//!
//! It is a Python object, which the interpreter ends before the objects that it uses.

use std::sync::Arc;

use linkspan::{Channel as Link, Options};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::errors::imported;

#[derive(Default)]
pub struct Endings {
    on_unconsumed: Option<Py<PyAny>>,
    lingers: bool,
}

impl Endings {
    /// The core must not call the program's callback, because it may run without the interpreter.
    pub fn of(options: &mut Options, on_unconsumed: Option<Py<PyAny>>) -> Endings {
        if on_unconsumed.is_some() {
            // Enables the report; `ChannelEnd` makes the call.
            options.on_unconsumed = Some(Arc::new(|_| ()));
        }
        Endings { on_unconsumed, lingers: !options.linger.is_zero() }
    }

    /// Returns `None` if the channel neither lingers nor calls the program.
    pub fn end(&self, py: Python<'_>, link: &Arc<Link>) -> PyResult<Option<Py<PyAny>>> {
        static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        if self.on_unconsumed.is_none() && !self.lingers {
            return Ok(None);
        }
        let callback = self.on_unconsumed.as_ref().map(|f| f.clone_ref(py));
        let end = ChannelEnd { link: link.clone(), callback };
        imported(py, &CLASS, "linkspan.ending", "Ending")?.call1((end,)).map(|made| Some(made.unbind()))
    }

    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.on_unconsumed)
    }
}

/// The actions at the end of a channel. `linkspan.ending` decides when they run.
#[pyclass(frozen, module = "linkspan._native")]
pub struct ChannelEnd {
    link: Arc<Link>,
    callback: Option<Py<PyAny>>,
}

#[pymethods]
impl ChannelEnd {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.callback)
    }

    fn __repr__(&self) -> String {
        format!("<linkspan._native.ChannelEnd of {}>", self.link.endpoint())
    }

    /// Lingers, then passes the number of unconsumed messages to the callback.
    ///
    /// Exceptions of the callback go to `sys.unraisablehook`, because no caller can catch them.
    fn report(&self, py: Python<'_>) {
        let missed = py.detach(|| self.link.linger());
        let Some(callback) = self.callback.as_ref().filter(|_| missed > 0) else { return };
        let callback = callback.bind(py);
        if let Err(raised) = callback.call1((missed,)) {
            raised.write_unraisable(py, Some(callback));
        }
    }
}
