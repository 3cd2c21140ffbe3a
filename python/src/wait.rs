//! Waiting: the time-out, releasing the interpreter meanwhile, checking for signals, running the program's callback.

use std::cell::{Cell, RefCell};
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

use linkspan::value::{Keys, Meter, Source, ValueBuilder};
use linkspan::{Error, ErrorKind, Limits, Options, Result, Timeout, Value, Wait};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyString, PyTuple, PyType, PyTypeMethods};

use crate::builtin::type_name;
use crate::ending::Endings;
use crate::errors::{Failure, Outcome, imported};
use crate::walk::Walk;

/// The `timeout=` of a call: left out, `None` for ever, or seconds.
pub struct Patience(pub Timeout);

impl Patience {
    pub const DEFAULT: Patience = Patience(Timeout::Default);
}

impl<'py> FromPyObject<'_, 'py> for Patience {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Patience> {
        static TIMEDELTA: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        if given.is_none() {
            return Ok(Patience(Timeout::Forever));
        }
        let seconds = match given.extract::<f64>() {
            Ok(seconds) => Ok(seconds),
            // A length of time.
            Err(other) => {
                if given.is_instance(imported(given.py(), &TIMEDELTA, "datetime", "timedelta")?)? {
                    given.call_method0("total_seconds").and_then(|seconds| seconds.extract::<f64>())
                } else {
                    Err(other)
                }
            }
        };
        let Ok(seconds) = seconds else {
            let kind = type_name(&given);
            let text = format!("timeout is seconds, a timedelta, or None for ever, and not {kind}");
            return Err(Failure::from(Error::new(ErrorKind::WrongType, text).under_key("timeout")).into());
        };
        Timeout::from_seconds(seconds).map(Patience).map_err(|_| {
            let text = format!("timeout={seconds}: give seconds from 0 upwards, or None to wait for ever");
            Failure::from(Error::new(ErrorKind::OutOfRange, text).under_key("timeout")).into()
        })
    }
}

/// A time-out in seconds, None for ever: the core's own where none is given; `OutOfRange` where it is none.
#[pyfunction]
#[pyo3(signature = (timeout=Patience::DEFAULT))]
pub fn wait_seconds(timeout: Patience) -> Option<f64> {
    let given = match timeout.0 {
        Timeout::Default => Options::default().timeout,
        given => given,
    };
    match given {
        Timeout::After(duration) => Some(duration.as_secs_f64()),
        Timeout::Forever | Timeout::Default => None,
    }
}

/// A callable that runs while a call waits.
pub type OnWait = Option<Py<PyAny>>;

/// The option with this name; `WrongType` for what cannot be called.
fn callback(name: &str, given: &Bound<'_, PyAny>) -> Outcome<Option<Py<PyAny>>> {
    if given.is_none() || given.is_callable() {
        return Ok((!given.is_none()).then(|| given.clone().unbind()));
    }
    let arguments = if name == "on_wait" { "without arguments" } else { "with a number" };
    let text = format!("{name} is something that can be called {arguments}, and not {}", type_name(given));
    Err(Error::new(ErrorKind::WrongType, text).under_key(name).into())
}

/// The positions of the descriptors that are readable, at least one of them. `Timeout` where none became so in time.
#[pyfunction]
#[pyo3(signature = (descriptors, *, timeout=Patience::DEFAULT, on_wait=None))]
pub fn wait_any(
    py: Python<'_>,
    descriptors: Vec<i32>,
    timeout: Patience,
    on_wait: OnWait,
) -> Outcome<Vec<usize>> {
    for descriptor in &descriptors {
        if *descriptor < 0 {
            let text = format!("{descriptor} is not a descriptor");
            return Err(Error::new(ErrorKind::InvalidState, text).into());
        }
    }
    // SAFETY: none is negative. poll reports one that its object closes meanwhile as invalid, which the core refuses.
    let borrowed: Vec<_> = descriptors.iter().map(|fd| unsafe { BorrowedFd::borrow_raw(*fd) }).collect();
    waiting(py, timeout, on_wait.as_ref(), |wait| linkspan::wait_any(&borrowed, wait))
}

/// Runs a call of the core that may wait, without the interpreter. On the main thread a tick checks for signals; an exception of
/// a handler or of the callback ends the wait and is raised unchanged.
pub fn waiting<T: Send>(
    py: Python<'_>,
    Patience(timeout): Patience,
    on_wait: Option<&Py<PyAny>>,
    call: impl FnOnce(Wait<'_>) -> Result<T> + Send,
) -> Outcome<T> {
    if let Some(on_wait) = on_wait {
        callback("on_wait", on_wait.bind(py))?;
    } else if !is_main_thread() {
        return Ok(py.detach(|| call(Wait::new(timeout)))?);
    }
    let raised = Mutex::new(None);
    let look = || match Python::attach(|py| look(py, on_wait)) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::new(ErrorKind::Cancelled, "on_wait returned False, so the wait was ended")),
        Err(error) => {
            *raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            Err(Error::new(ErrorKind::Interrupted, "a signal's handler or on_wait raised"))
        }
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

thread_local! {
    /// Whether this thread is the process's main one; none before the kernel was asked.
    static MAIN: Cell<Option<bool>> = const { Cell::new(None) };
}

/// Whether Python delivers signals to this thread. The kernel is asked once for each thread, since every waiting call needs the answer.
fn is_main_thread() -> bool {
    static FORKS: Once = Once::new();
    MAIN.get().unwrap_or_else(|| {
        // SAFETY: the handler lives as long as the process, and only sets a thread-local value that needs no destructor.
        FORKS.call_once(|| unsafe {
            libc::pthread_atfork(None, None, Some(becomes_main));
        });
        let main = rustix::thread::gettid() == rustix::process::getpid();
        MAIN.set(Some(main));
        main
    })
}

/// In a forked child the thread that forked is the only one, and so the main one.
extern "C" fn becomes_main() {
    MAIN.set(Some(true));
}

/// Checks for signals, and calls the program's callback, which returns whether to go on.
fn look(py: Python<'_>, on_wait: Option<&Py<PyAny>>) -> PyResult<bool> {
    py.check_signals()?;
    let Some(callback) = on_wait else { return Ok(true) };
    Ok(!callback.bind(py).call0()?.is(PyBool::new(py, false)))
}

thread_local! {
    /// The callback of the publisher that sends on this thread, and the exception that it or a signal's handler raised.
    static PUBLISHING: RefCell<(OnWait, Option<PyErr>)> = const { RefCell::new((None, None)) };
}

/// What runs while a publisher waits, which takes no wait with each call: for a lock, it may.
pub fn between() -> linkspan::OnWait {
    Arc::new(|| {
        Python::attach(|py| {
            let on_wait = PUBLISHING.with_borrow(|(f, _)| f.as_ref().map(|f| f.clone_ref(py)));
            look(py, on_wait.as_ref()).unwrap_or_else(|error| {
                PUBLISHING.with_borrow_mut(|(_, raised)| *raised = Some(error));
                false
            })
        })
    })
}

/// Runs a publisher's call, which has [`between`] in its options, without the interpreter.
pub fn publishing<T: Send>(
    py: Python<'_>,
    on_wait: Option<&Py<PyAny>>,
    call: impl FnOnce() -> Result<T> + Send,
) -> Outcome<T> {
    // A publisher that a callback uses has its own.
    let before = PUBLISHING.replace((on_wait.map(|f| f.clone_ref(py)), None));
    let done = py.detach(call);
    match PUBLISHING.replace(before) {
        (_, Some(error)) => Err(Failure::Python(error)),
        _ => Ok(done?),
    }
}

/// Ends a `with` block: closes in order, or, where an exception ends it, at once, and then only that exception is raised.
/// `raised` is what `__exit__` was given.
pub fn leave(raised: &Bound<'_, PyTuple>, close: impl FnOnce(Patience) -> Outcome<()>) -> Outcome<()> {
    match raised.get_item(0) {
        Ok(kind) if !kind.is_none() => close(Patience(Duration::ZERO.into())).or(Ok(())),
        _ => close(Patience::DEFAULT),
    }
}

/// The options that a program gave by name, and its callback.
pub fn options(given: Option<&Bound<'_, PyDict>>) -> Outcome<(Options, OnWait)> {
    channel_options(given).map(|(options, on_wait, _)| (options, on_wait))
}

/// The same for what has channels, and what they do at their end.
pub fn channel_options(given: Option<&Bound<'_, PyDict>>) -> Outcome<(Options, OnWait, Endings)> {
    let mut options = Options::default();
    let (mut on_wait, mut on_unconsumed) = (None, None);
    for (name, value) in given.into_iter().flatten() {
        let name = name.cast::<PyString>().map_err(PyErr::from)?.to_str()?;
        match name {
            "on_wait" => {
                on_wait = callback(name, &value)?;
                continue;
            }
            "on_unconsumed" => {
                on_unconsumed = callback(name, &value)?;
                continue;
            }
            _ => {}
        }
        if name == "timeout" {
            options.timeout = value.extract::<Patience>()?.0;
            continue;
        }
        // `from` is a word of the language, so it is written `from_` as a keyword.
        let name = if name == "from_" { "from" } else { name };
        if matches!(name, "schema" | "reply_schema") && value.is_instance_of::<PyType>() {
            let class = value.cast::<PyType>().map_err(PyErr::from)?.name()?;
            let text = format!(
                "a schema is the path of a file or its text, and not the class {class}: write the schema, and make the class of it with `linkspan schema generate FILE --lang python`"
            );
            return Err(Error::new(ErrorKind::WrongType, text).under_key(name).into());
        }
        if matches!(name, "schema" | "reply_schema") && value.hasattr("__fspath__")? {
            let path = value.call_method0("__fspath__")?;
            options.set(name, &tree(&path)?)?;
            continue;
        }
        if matches!(name, "schema" | "reply_schema")
            && !value.is_instance_of::<PyString>()
            && !value.is_none()
        {
            let text = format!(
                "a schema is the path of a file or its text, and not an object of type {}: write the schema, and give {name}=\"NAME.schema.toml\"",
                type_name(&value)
            );
            return Err(Error::new(ErrorKind::WrongType, text).under_key(name).into());
        }
        options.set(name, &tree(&value)?).map_err(|error| in_python(error, name))?;
    }
    let endings = Endings::of(&mut options, on_unconsumed);
    Ok((options, on_wait, endings))
}

/// The error of an option, with the spelling of `from` as a keyword.
#[cold]
fn in_python(error: Error, name: &str) -> Error {
    if error.kind() != ErrorKind::Unsupported || !error.text().starts_with("no option is called") {
        return error;
    }
    Error::new(error.kind(), error.text().replace(" from,", " from_,")).under_key(name)
}

/// An object as the core's own tree.
pub fn tree(object: &Bound<'_, PyAny>) -> Outcome<Value> {
    Walk::with(object, |walk| {
        // Limited in depth as in size: a list may hold itself.
        let mut meter = Meter::new(ValueBuilder::new(), Limits::default(), Keys::Trust);
        walk.walk(&mut meter)?;
        meter.into_inner().finish()
    })
}
