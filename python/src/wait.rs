//! How a call waits: its time-out, the interpreter released meanwhile, signals looked at, the program's callback run.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use linkspan::value::{Source, ValueBuilder};
use linkspan::{Error, ErrorKind, Options, Result, Timeout, Value, Wait};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyString, PyTuple};

use crate::errors::{Failure, Outcome};
use crate::walk::Walk;

/// The `timeout=` of a call: left out, `None` for ever, or seconds.
pub struct Patience(pub Timeout);

impl Patience {
    pub const DEFAULT: Patience = Patience(Timeout::Default);
}

impl<'py> FromPyObject<'_, 'py> for Patience {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Patience> {
        if given.is_none() {
            return Ok(Patience(Timeout::Forever));
        }
        Timeout::from_seconds(given.extract()?).map(Patience).map_err(|error| Failure::Core(error).into())
    }
}

/// A callable that runs while a call waits.
pub type OnWait = Option<Py<PyAny>>;

/// Runs a call of the core that may wait, without the interpreter. On the main thread a tick looks at signals; what
/// their handlers or the callback raise ends the wait and comes out unchanged.
pub fn waiting<T: Send>(
    py: Python<'_>,
    Patience(timeout): Patience,
    on_wait: Option<&Py<PyAny>>,
    call: impl FnOnce(Wait<'_>) -> Result<T> + Send,
) -> Outcome<T> {
    let main = rustix::thread::gettid() == rustix::process::getpid();
    if !main && on_wait.is_none() {
        return Ok(py.detach(|| call(Wait::new(timeout)))?);
    }
    let raised = Mutex::new(None);
    let look = || {
        Python::attach(|py| {
            let ended = |error: PyErr| {
                *raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Error::new(ErrorKind::Interrupted, "a signal's handler or on_wait raised")
            };
            py.check_signals().map_err(ended)?;
            let Some(callback) = on_wait else { return Ok(()) };
            let answer = callback.bind(py).call0().map_err(ended)?;
            if answer.is(PyBool::new(py, false)) {
                return Err(Error::new(
                    ErrorKind::Cancelled,
                    "on_wait returned False, so the wait was ended",
                ));
            }
            Ok(())
        })
    };
    let done = py.detach(|| {
        let mut tick = look;
        call(Wait::new(timeout).tick(&mut tick))
    });
    match raised.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(Failure::Python(error)),
        None => Ok(done?),
    }
}

/// Ends a `with` block: in good order, or, where an exception ends it, at once, and then only that exception is told.
/// `raised` is what `__exit__` was given.
pub fn leave(raised: &Bound<'_, PyTuple>, close: impl FnOnce(Patience) -> Outcome<()>) -> Outcome<()> {
    match raised.get_item(0) {
        Ok(kind) if !kind.is_none() => close(Patience(Duration::ZERO.into())).or(Ok(())),
        _ => close(Patience::DEFAULT),
    }
}

/// The options that a program gave by name, and its callback.
pub fn options(given: Option<&Bound<'_, PyDict>>) -> Outcome<(Options, OnWait)> {
    let mut options = Options::default();
    let mut on_wait = None;
    for (name, value) in given.into_iter().flatten() {
        let name = name.cast::<PyString>().map_err(PyErr::from)?.to_str()?;
        if name == "on_wait" {
            on_wait = (!value.is_none()).then(|| value.unbind());
            continue;
        }
        options.set(name, &tree(&value)?)?;
    }
    Ok((options, on_wait))
}

/// An object as the core's own tree.
pub fn tree(object: &Bound<'_, PyAny>) -> Outcome<Value> {
    Walk::with(object, |walk| {
        let mut builder = ValueBuilder::new();
        walk.walk(&mut builder)?;
        builder.finish()
    })
}
