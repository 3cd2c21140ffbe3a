//! Waiting: time-outs, releasing the interpreter, checking for signals, calling the program back.

use std::cell::RefCell;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use linkspan::value::{Keys, Meter, Source, ValueBuilder};
use linkspan::{Error, ErrorKind, Limits, Options, Result, Timeout, Value, Wait};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyString, PyTuple, PyType};

use crate::arguments::{refusal, seconds};
use crate::builtin::type_name;
use crate::ending::Endings;
use crate::errors::{Failure, Outcome, imported_once};
use crate::interpreter::{attached, is_main_thread};
use crate::walk::Walk;

/// The `timeout=` of a call: the default, `None` for ever, seconds, or a [`PartOf`].
#[derive(Clone, Copy)]
pub struct Patience {
    pub timeout: Timeout,
    part_of: Option<PartOf>,
}

impl Patience {
    pub const DEFAULT: Patience = Patience::of(Timeout::Default);

    pub const fn of(timeout: Timeout) -> Patience {
        Patience { timeout, part_of: None }
    }

    fn wait<'a>(self) -> Wait<'a> {
        match self.part_of {
            None => Wait::new(self.timeout),
            Some(PartOf(Timeout::After(whole))) => Wait::elapsed(whole),
            Some(_) => Wait::in_endless_loop(),
        }
    }
}

/// The `timeout=` of a call within a longer wait of an event loop.
///
/// With seconds, the wait has lasted that long and this is its last call. With `None`, the loop waits for ever, and
/// SIGTERM ends it.
#[pyclass(frozen, module = "linkspan._native")]
#[derive(Clone, Copy)]
pub struct PartOf(Timeout);

#[pymethods]
impl PartOf {
    #[new]
    fn new(timeout: Patience) -> PartOf {
        PartOf(timeout.timeout)
    }

    fn __repr__(&self) -> String {
        match self.0 {
            Timeout::After(whole) => format!("<linkspan._native.PartOf {} s>", whole.as_secs_f64()),
            _ => "<linkspan._native.PartOf a loop>".to_owned(),
        }
    }
}

impl<'py> FromPyObject<'_, 'py> for Patience {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Patience> {
        if let Ok(part) = given.cast_exact::<PartOf>() {
            let part = *part.get();
            return Ok(Patience { timeout: Timeout::After(Duration::ZERO), part_of: Some(part) });
        }
        Ok(Patience::of(seconds("timeout", &given)?))
    }
}

/// Returns a time-out in seconds, None for ever; the default if absent. `OutOfRange` if invalid.
#[pyfunction]
#[pyo3(signature = (timeout=Patience::DEFAULT))]
pub fn wait_seconds(timeout: Patience) -> Option<f64> {
    let given = match timeout.timeout {
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

/// Fails with `WrongType` if the callback is not callable.
pub fn callback(name: &str, given: &Bound<'_, PyAny>) -> Outcome<Option<Py<PyAny>>> {
    if given.is_none() || given.is_callable() {
        return Ok((!given.is_none()).then(|| given.clone().unbind()));
    }
    let arguments = if name == "on_wait" { "without arguments" } else { "with a number" };
    let text = format!("{name} is something that can be called {arguments}, and not {}", type_name(given));
    Err(Error::new(ErrorKind::WrongType, text).under_key(name).into())
}

/// Waits until a descriptor is readable; returns the positions of all readable ones.
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
    // SAFETY: none is negative. If an object closes one during the wait, poll reports it as invalid and the core
    // refuses it.
    let borrowed: Vec<_> = descriptors.iter().map(|fd| unsafe { BorrowedFd::borrow_raw(*fd) }).collect();
    waiting(py, timeout, on_wait.as_ref(), |wait| linkspan::wait_any(&borrowed, wait))
}

/// Runs a waiting call of the core without the interpreter.
///
/// A tick on the main thread checks for signals. Exceptions of a signal handler or callback end the wait and are
/// raised.
pub fn waiting<T: Send>(
    py: Python<'_>,
    patience: Patience,
    on_wait: Option<&Py<PyAny>>,
    call: impl FnOnce(Wait<'_>) -> Result<T> + Send,
) -> Outcome<T> {
    if let Some(on_wait) = on_wait {
        callback("on_wait", on_wait.bind(py))?;
    } else if !is_main_thread() {
        return Ok(py.detach(|| call(patience.wait()))?);
    }
    let raised = Mutex::new(None);
    let look = || match attached(|py| look(py, on_wait)).unwrap_or(Ok(true)) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::new(ErrorKind::Cancelled, "on_wait returned False, so the wait was ended")),
        Err(error) => {
            *raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            Err(Error::new(ErrorKind::Interrupted, "a signal's handler or on_wait raised"))
        }
    };
    let done = py.detach(|| {
        let mut tick = look;
        call(patience.wait().tick(&mut tick))
    });
    match raised.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(Failure::Python(error)),
        None => Ok(done?),
    }
}

/// `False` of the callback ends the wait.
fn look(py: Python<'_>, on_wait: Option<&Py<PyAny>>) -> PyResult<bool> {
    py.check_signals()?;
    let Some(callback) = on_wait else { return Ok(true) };
    Ok(!callback.bind(py).call0()?.is(PyBool::new(py, false)))
}

thread_local! {
    /// The callback of the sending publisher on this thread, and an exception of it or of a signal handler.
    static PUBLISHING: RefCell<(OnWait, Option<PyErr>)> = const { RefCell::new((None, None)) };
}

/// Returns the `on_wait` of a publisher, whose calls may wait for a lock.
pub fn between() -> linkspan::OnWait {
    Arc::new(|| {
        let looked = attached(|py| {
            let on_wait = PUBLISHING.with_borrow(|(f, _)| f.as_ref().map(|f| f.clone_ref(py)));
            look(py, on_wait.as_ref()).unwrap_or_else(|error| {
                PUBLISHING.with_borrow_mut(|(_, raised)| *raised = Some(error));
                false
            })
        });
        looked.unwrap_or(true)
    })
}

/// Runs a publisher's call without the interpreter. The publisher's options contain [`between`].
pub fn publishing<T: Send>(
    py: Python<'_>,
    on_wait: Option<&Py<PyAny>>,
    call: impl FnOnce() -> Result<T> + Send,
) -> Outcome<T> {
    // Saved, because a callback may use another publisher.
    let before = PUBLISHING.replace((on_wait.map(|f| f.clone_ref(py)), None));
    let done = py.detach(call);
    match PUBLISHING.replace(before) {
        (_, Some(error)) => Err(Failure::Python(error)),
        _ => Ok(done?),
    }
}

/// Ends a `with` block: at once, and without own errors, if an exception ends the block.
pub fn leave(raised: &Bound<'_, PyTuple>, close: impl FnOnce(Patience) -> Outcome<()>) -> Outcome<()> {
    match raised.get_item(0) {
        Ok(kind) if !kind.is_none() => close(Patience::of(Duration::ZERO.into())).or(Ok(())),
        _ => close(Patience::DEFAULT),
    }
}

/// Returns the time-out of the option `timeout`.
pub fn opening(given: Option<&Bound<'_, PyDict>>) -> Outcome<Patience> {
    let timeout = given.map_or(Ok(None), |given| given.get_item("timeout"))?;
    Ok(timeout.map_or(Ok(Patience::DEFAULT), |timeout| timeout.extract())?)
}

/// The options given by name, and the callback.
pub fn options(given: Option<&Bound<'_, PyDict>>) -> Outcome<(Options, OnWait)> {
    channel_options(given).map(|(options, on_wait, _)| (options, on_wait))
}

/// Like [`options`], with the actions at the end of a channel.
pub fn channel_options(given: Option<&Bound<'_, PyDict>>) -> Outcome<(Options, OnWait, Endings)> {
    let mut options = Options::default();
    let (mut on_wait, mut on_unconsumed) = (None, None);
    // All names are checked first, because a mistyped name is the more helpful error.
    for (name, value) in given.into_iter().flatten() {
        let name = option_name(&name)?;
        if !Options::NAMES.contains(&&*name) {
            options.set(&name, &Value::Null).map_err(|error| in_python(error, &name, &value))?;
        }
    }
    for (name, value) in given.into_iter().flatten() {
        let given_name = &name;
        let name = given_name.cast::<PyString>().map_err(PyErr::from)?.to_str()?;
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
            let patience = value.extract::<Patience>()?;
            options.timeout = patience.timeout;
            if let Some(PartOf(whole)) = patience.part_of {
                // The object belongs to an event loop.
                options.timeout = whole;
                options.bind_briefly();
            }
            continue;
        }
        let name = &*option_name(given_name)?;
        options.set(name, &option(name, &value)?).map_err(|error| in_python(error, name, &value))?;
    }
    let endings = Endings::of(&mut options, on_unconsumed);
    // `Message::received` copies the views.
    options.view_bodies();
    Ok((options, on_wait, endings))
}

/// `from` is a keyword of Python, so it is written `from_`.
fn option_name(given: &Bound<'_, PyAny>) -> PyResult<String> {
    let name = given.cast::<PyString>()?.to_str()?;
    Ok(if name == "from_" { "from".to_owned() } else { name.to_owned() })
}

/// A schema may be text, a path, or a class with fields.
pub fn option(name: &str, given: &Bound<'_, PyAny>) -> Outcome<Value> {
    let is_schema = matches!(name, "schema" | "reply_schema");
    if !is_schema || given.is_instance_of::<PyString>() || given.is_none() {
        return tree(given);
    }
    if given.hasattr("__fspath__")? && !given.is_instance_of::<PyType>() {
        return tree(&given.call_method0("__fspath__")?);
    }
    let made = imported_once!(given.py(), "linkspan.schemas", "text_of")?.call1((name, given))?;
    tree(&made)
}

/// Spells `from` as `from_`, and shows a value of a wrong type.
#[cold]
fn in_python(error: Error, name: &str, given: &Bound<'_, PyAny>) -> Failure {
    if error.kind() == ErrorKind::WrongType
        && let Some((wanted, _)) =
            error.text().strip_prefix("expected ").and_then(|s| s.split_once(", found"))
    {
        let keyword = if name == "from" { "from_" } else { name };
        return Error::new(ErrorKind::WrongType, refusal(keyword, given, wanted)).under_key(name).into();
    }
    if error.kind() != ErrorKind::Unsupported || !error.text().starts_with("no option is called") {
        return error.into();
    }
    Error::new(error.kind(), error.text().replace(" from,", " from_,")).under_key(name).into()
}

pub fn tree(object: &Bound<'_, PyAny>) -> Outcome<Value> {
    Walk::with(object, |walk| {
        // Limits the depth too, because a list may contain itself.
        let mut meter = Meter::new(ValueBuilder::new(), Limits::default(), Keys::Trust);
        walk.walk(&mut meter)?;
        meter.into_inner().finish()
    })
}
