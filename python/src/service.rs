//! Services: a loop that returns tasks, and tasks that the program answers.

use std::sync::{Arc, Mutex, PoisonError};

use linkspan::service::View;
use linkspan::{
    Command, ErrorKind, Outcome as Became, ServiceLoop as Pulled, ServiceOptions, State, Task as Given,
};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::arguments::{AnyText, Level, Name, SignalNumber};
use crate::builder::Builder;
use crate::errors::{Outcome, imported_once};
use crate::message::object;
use crate::remote::failure;
use crate::wait::{OnWait, Patience, callback, leave, option, tree, waiting};

/// An unanswered task, which the loop ends when the program asks for the next one.
type Open = Arc<Mutex<Option<Given>>>;

fn take(open: &Open) -> Option<Given> {
    open.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// A service that pulls tasks: iterate over it or call `next`. Answer each with `done` or `failed`.
///
/// Two threads of the library answer the controller at any time.
#[pyclass(frozen, subclass, module = "linkspan")]
pub struct ServiceLoop {
    inner: Pulled,
    last: Mutex<Open>,
    on_wait: OnWait,
}

#[pymethods]
impl ServiceLoop {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.on_wait)
    }

    /// Begins in STARTING and connects to the controller in the background, without waiting.
    ///
    /// This thread gets the signal `interrupt` when its task must be abandoned, which ends a blocking call.
    #[new]
    #[pyo3(signature = (name, *, interrupt=None, **given))]
    fn new(
        name: Name,
        interrupt: Option<SignalNumber>,
        given: Option<&Bound<'_, PyDict>>,
    ) -> Outcome<ServiceLoop> {
        let mut options = ServiceOptions::default();
        // Python's handlers receive the signals.
        options.handle_signals = false;
        let mut on_wait = None;
        for (name, value) in given.into_iter().flatten() {
            let name = name.cast::<PyString>().map_err(PyErr::from)?.to_str()?;
            if name == "on_wait" {
                on_wait = callback(name, &value)?;
            } else {
                options.set(name, &option(name, &value)?)?;
            }
        }
        if let Some(signal) = interrupt {
            options.on_cancel = Some(Arc::new(signals_this_thread(signal.0)));
        }
        Ok(ServiceLoop { inner: Pulled::start(&name, &options)?, last: Mutex::default(), on_wait })
    }

    /// Waits for the next task, for ever without a time-out; returns `None` after STOPPED.
    ///
    /// The first call reports the end of the set-up. Each call ends the previous task: a step as done, an unanswered
    /// command as FAILED.
    #[pyo3(signature = (*, timeout=Patience::DEFAULT, on_wait=None))]
    fn next(&self, py: Python<'_>, timeout: Patience, on_wait: OnWait) -> Outcome<Option<Task>> {
        let before = std::mem::take(&mut *self.last.lock().unwrap_or_else(PoisonError::into_inner));
        py.detach(|| drop(take(&before)));
        let callback = on_wait.as_ref().or(self.on_wait.as_ref());
        let Some(given) = waiting(py, timeout, callback, |wait| self.inner.next(wait))? else {
            return Ok(None);
        };
        let task = Task::new(py, given)?;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = task.open.clone();
        Ok(Some(task))
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> Outcome<Option<Task>> {
        self.next(py, Patience::DEFAULT, None)
    }

    /// Ends the service as FAILED, with an exception or text as reason.
    fn fail(&self, py: Python<'_>, error: &Bound<'_, PyAny>) -> Outcome<()> {
        let error = failure(error)?;
        py.detach(|| self.inner.fail(&error));
        Ok(())
    }

    /// Adds a line to the controller's log. `level` is `debug`, `info`, `warning` or `error`.
    #[pyo3(signature = (text, level=Level("info".to_owned())), text_signature = "($self, text, level='info')")]
    fn log(&self, py: Python<'_>, text: AnyText, level: Level) -> Outcome<()> {
        let level: linkspan::LogLevel = level.parse()?;
        py.detach(|| self.inner.log(level.name(), &text.0));
        Ok(())
    }

    /// Reports a problem that does not end the service. An empty text clears it.
    fn set_reason(&self, py: Python<'_>, text: AnyText) {
        py.detach(|| self.inner.set_reason(&text.0));
    }

    /// Requests the end, like SHUTDOWN. A second call also abandons the current task.
    fn shutdown(&self, py: Python<'_>) {
        py.detach(|| self.inner.shutdown());
    }

    /// The name of the service.
    #[getter]
    fn name(&self) -> &str {
        self.inner.name()
    }

    /// The state of the service.
    #[getter]
    fn state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        imported_once!(py, "linkspan.words", "State")?.call1((self.inner.state().name(),))
    }

    /// Whether the current task must be abandoned.
    #[getter]
    fn cancelled(&self) -> bool {
        self.inner.is_cancelled()
    }

    /// Whether the service is connected to its controller.
    #[getter]
    fn connected(&self) -> bool {
        self.inner.is_connected()
    }

    /// The random number of this incarnation.
    #[getter]
    fn epoch(&self) -> u64 {
        self.inner.epoch()
    }

    /// Returns counters.
    fn stats<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyAny>> {
        object(&self.inner.stats(), Builder::copying(py))
    }

    /// Returns a file descriptor, readable if `next` would not wait.
    fn fileno(&self) -> Outcome<i32> {
        Ok(self.inner.fileno()?)
    }

    fn __repr__(&self) -> String {
        format!("<linkspan.ServiceLoop {} {}>", self.inner.name(), self.inner.state().name())
    }

    /// Leaves the controller. Answers are delivered within the time-out.
    #[pyo3(signature = (*, timeout=Patience::DEFAULT))]
    fn close(&self, py: Python<'_>, timeout: Patience) -> Outcome<()> {
        let last = std::mem::take(&mut *self.last.lock().unwrap_or_else(PoisonError::into_inner));
        py.detach(|| drop(take(&last)));
        waiting(py, timeout, self.on_wait.as_ref(), |wait| self.inner.close(wait))
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*raised))]
    fn __exit__(&self, raised: &Bound<'_, PyTuple>) -> Outcome<()> {
        leave(raised, |patience| self.close(raised.py(), patience))
    }
}

/// A task: a step or a command. Answer it once.
#[pyclass(frozen, module = "linkspan")]
pub struct Task {
    open: Open,
    command: Py<PyAny>,
    before: Py<PyAny>,
    arguments: Py<PyAny>,
    id: String,
}

impl Task {
    fn new(py: Python<'_>, given: Given) -> Outcome<Task> {
        let command = imported_once!(py, "linkspan.words", "Command")?;
        let state = imported_once!(py, "linkspan.words", "State")?;
        Ok(Task {
            command: command.call_method1("of", (given.command().name(),))?.unbind(),
            before: state.call1((given.before().name(),))?.unbind(),
            arguments: object(given.arguments(), Builder::copying(py))?.unbind(),
            id: given.id().to_owned(),
            open: Arc::new(Mutex::new(Some(given))),
        })
    }

    fn take(&self) -> linkspan::Result<Given> {
        let text = "this task has its answer: each is answered once, before the next one is taken";
        take(&self.open).ok_or_else(|| linkspan::Error::new(ErrorKind::InvalidState, text))
    }
}

#[pymethods]
impl Task {
    /// The command: a `Command`, or the name of a command of the service.
    #[getter]
    fn command<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.command.bind(py).clone()
    }

    /// The argument of the command; `None` without one.
    #[getter]
    fn arguments<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.arguments.bind(py).clone()
    }

    /// The command's id; empty for a command of the service to itself.
    #[getter]
    fn id(&self) -> &str {
        &self.id
    }

    /// The state before the command. PAUSED before a SHUTDOWN means that everything is already closed.
    #[getter]
    fn before<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.before.bind(py).clone()
    }

    /// The remaining seconds: infinite for a step or without a waiting client, 0 after the answer.
    #[getter]
    fn remaining(&self) -> f64 {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let left = open.as_ref().map(Given::remaining);
        left.map_or(0.0, |left| left.map_or(f64::INFINITY, |left| left.as_secs_f64()))
    }

    /// Completes the task with a value.
    #[pyo3(signature = (value=None))]
    fn done(&self, py: Python<'_>, value: Option<&Bound<'_, PyAny>>) -> Outcome<()> {
        let value = value.map_or(Ok(linkspan::Value::Null), tree)?;
        let given = self.take()?;
        Ok(py.detach(|| given.done(&value))?)
    }

    /// Fails the task with an exception or text for the controller.
    ///
    /// A failed step makes the service FAILED, except after a request to abandon the step.
    fn failed(&self, py: Python<'_>, error: &Bound<'_, PyAny>) -> Outcome<()> {
        let error = failure(error)?;
        let given = self.take()?;
        Ok(py.detach(|| given.failed(&error))?)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let is_open = self.open.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        let state = if is_open { "" } else { ", which has its answer" };
        let id = if self.id.is_empty() { String::new() } else { format!(" {}", self.id) };
        Ok(format!("<linkspan.Task {}{id}{state}>", self.command.bind(py).str()?))
    }
}

/// Returns the names of the values of `State`, `View`, `Command` and `Outcome`.
#[pyfunction]
pub fn service_words() -> Vec<(&'static str, Vec<String>)> {
    let commands = [Command::Step].into_iter().chain(Command::ALL);
    vec![
        ("State", State::ALL.map(|state| state.name().to_owned()).to_vec()),
        ("View", View::ALL.map(|view| view.name().to_owned()).to_vec()),
        ("Command", commands.map(|command| command.name().to_owned()).collect()),
        ("Outcome", Became::ALL.map(|outcome| outcome.name().to_owned()).to_vec()),
    ]
}

/// Returns a function that sends a signal to the calling thread, from any thread.
fn signals_this_thread(signal: i32) -> impl Fn() + Send + Sync {
    let process = rustix::process::getpid();
    let thread = rustix::thread::gettid();
    move || {
        // SAFETY: the call takes three numbers. If the thread has ended, it fails, or another thread's handler does
        // nothing.
        let _ = unsafe {
            libc::syscall(
                libc::SYS_tgkill,
                process.as_raw_nonzero().get(),
                thread.as_raw_nonzero().get(),
                signal,
            )
        };
    }
}
