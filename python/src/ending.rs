//! The end of a channel that lingers or reports, an object of Python's, which the interpreter ends before what it refers to; and the end of the interpreter
//! beside threads that call Python code while they wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use linkspan::{Channel as Link, Options};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::errors::imported;
use crate::wait::is_main_thread;

/// What the options say about the end of a channel.
#[derive(Default)]
pub struct Endings {
    on_unconsumed: Option<Py<PyAny>>,
    lingers: bool,
}

impl Endings {
    /// Of these options, with the program's callback, which the core's end of the channel must not call: it may run without the
    /// interpreter.
    pub fn of(options: &mut Options, on_unconsumed: Option<Py<PyAny>>) -> Endings {
        if on_unconsumed.is_some() {
            // Asks for the report; `ChannelEnd` makes the call.
            options.on_unconsumed = Some(Arc::new(|_| ()));
        }
        Endings { on_unconsumed, lingers: !options.linger.is_zero() }
    }

    /// The end of this channel: none where it neither lingers nor calls the program.
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

/// What the end of a channel does. `linkspan.ending` says when.
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

    /// Waits for the option `linger`, and gives the callback the number of messages that the peer has not consumed. An exception of the
    /// callback goes to `sys.unraisablehook`: nobody called.
    fn report(&self, py: Python<'_>) {
        let missed = py.detach(|| self.link.linger());
        let Some(callback) = self.callback.as_ref().filter(|_| missed > 0) else { return };
        let callback = callback.bind(py);
        if let Err(raised) = callback.call1((missed,)) {
            raised.write_unraisable(py, Some(callback));
        }
    }
}

/// The threads besides the main one that run Python code within a call of the core.
static INSIDE: AtomicUsize = AtomicUsize::new(0);
/// Whether none of them may begin to, because the interpreter ends.
static ENDS: AtomicBool = AtomicBool::new(false);

/// Counts a thread while it lives.
struct Inside;

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Runs Python code within a call of the core that has let the interpreter go; `None` where there is no interpreter any more.
///
/// One that ends takes a thread away that runs Python code, with the Rust frames below it, which its guards do not survive. So none begins to from the
/// exit on, and [`await_callbacks`] waits for those that have begun.
pub fn attached<R>(call: impl FnOnce(Python<'_>) -> R) -> Option<R> {
    if is_main_thread() {
        return Python::try_attach(call);
    }
    INSIDE.fetch_add(1, Ordering::SeqCst);
    let _inside = Inside;
    if ENDS.load(Ordering::SeqCst) { None } else { Python::try_attach(call) }
}

/// Waits at the exit of the interpreter until no other thread runs Python code within a call of the core, for at most a second.
#[pyfunction]
pub fn await_callbacks(py: Python<'_>) {
    ENDS.store(true, Ordering::SeqCst);
    py.detach(|| {
        for _ in 0..1000 {
            if INSIDE.load(Ordering::SeqCst) == 0 {
                return;
            }
            thread::park_timeout(Duration::from_millis(1));
        }
    });
}

/// In a forked child the thread that forked is the only one.
pub fn forked() {
    INSIDE.store(0, Ordering::SeqCst);
}
