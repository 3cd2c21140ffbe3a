//! Services: a loop that gives the program its next task, and tasks that are done or failed.

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

/// A task that has no answer yet; shared with the loop, which ends it when the program asks for the next one.
type Open = Arc<Mutex<Option<Given>>>;

fn take(open: &Open) -> Option<Given> {
    open.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// A service that pulls: iterate over it, or call `next`, and answer each task with `done` or `failed`. Two threads of
/// the library answer the controller meanwhile, whatever the program does.
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

    /// Begins in STARTING and connects to the controller in the background; never waits. `interrupt` is the number of a
    /// signal that is sent to this thread when its task is to be abandoned, so that a blocking call ends.
    #[new]
    #[pyo3(signature = (name, *, interrupt=None, **given))]
    fn new(
        name: Name,
        interrupt: Option<SignalNumber>,
        given: Option<&Bound<'_, PyDict>>,
    ) -> Outcome<ServiceLoop> {
        let mut options = ServiceOptions::default();
        // Python's own handlers get them.
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

    /// The next task; waits for ever where no time-out is given, `Timeout` where one passes, `None` once it has
    /// STOPPED. The first call reports that the service is set up. The task before counts as over: a step as done, a
    /// command that was not answered as FAILED.
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

    /// Ends the service as FAILED; the reason is this exception or text.
    fn fail(&self, py: Python<'_>, error: &Bound<'_, PyAny>) -> Outcome<()> {
        let error = failure(error)?;
        py.detach(|| self.inner.fail(&error));
        Ok(())
    }

    /// Adds a line to its log, which its controller shows. The level is `debug`, `info`, `warning` or `error`.
    #[pyo3(signature = (text, level=Level("info".to_owned())), text_signature = "($self, text, level='info')")]
    fn log(&self, py: Python<'_>, text: AnyText, level: Level) -> Outcome<()> {
        let level: linkspan::LogLevel = level.parse()?;
        py.detach(|| self.inner.log(level.name(), &text.0));
        Ok(())
    }

    /// Reports a problem that does not end the service; an empty text for none.
    fn set_reason(&self, py: Python<'_>, text: AnyText) {
        py.detach(|| self.inner.set_reason(&text.0));
    }

    /// Requests its end, as SHUTDOWN does: `next` returns that command. A second call also abandons the task under way.
    fn shutdown(&self, py: Python<'_>) {
        py.detach(|| self.inner.shutdown());
    }

    /// Its name.
    #[getter]
    fn name(&self) -> &str {
        self.inner.name()
    }

    /// Its state.
    #[getter]
    fn state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        imported_once!(py, "linkspan.words", "State")?.call1((self.inner.state().name(),))
    }

    /// Whether its task is to be abandoned.
    #[getter]
    fn cancelled(&self) -> bool {
        self.inner.is_cancelled()
    }

    /// Whether it is connected to its controller.
    #[getter]
    fn connected(&self) -> bool {
        self.inner.is_connected()
    }

    /// The number of this incarnation, which is random.
    #[getter]
    fn epoch(&self) -> u64 {
        self.inner.epoch()
    }

    /// Counters.
    fn stats<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyAny>> {
        object(&self.inner.stats(), Builder::copying(py))
    }

    /// A file descriptor that is readable while `next` would not wait.
    fn fileno(&self) -> Outcome<i32> {
        Ok(self.inner.fileno()?)
    }

    fn __repr__(&self) -> String {
        format!("<linkspan.ServiceLoop {} {}>", self.inner.name(), self.inner.state().name())
    }

    /// Leaves the controller and ends the library's threads; answers are delivered, as far as the time-out allows.
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

/// A task: a step, or a command, which is answered once.
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
    /// The command: a `Command`, or the name of a command of the service's own.
    #[getter]
    fn command<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.command.bind(py).clone()
    }

    /// Its argument; `None` for none.
    #[getter]
    fn arguments<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.arguments.bind(py).clone()
    }

    /// The command's id; empty for a command of the service to itself.
    #[getter]
    fn id(&self) -> &str {
        &self.id
    }

    /// The state that the command found: PAUSED for a SHUTDOWN means that everything is closed already.
    #[getter]
    fn before<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.before.bind(py).clone()
    }

    /// Seconds that remain for it; infinite where no client waits for it, as for a step; 0 once it has its answer.
    #[getter]
    fn remaining(&self) -> f64 {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let left = open.as_ref().map(Given::remaining);
        left.map_or(0.0, |left| left.map_or(f64::INFINITY, |left| left.as_secs_f64()))
    }

    /// Completes it with this value.
    #[pyo3(signature = (value=None))]
    fn done(&self, py: Python<'_>, value: Option<&Bound<'_, PyAny>>) -> Outcome<()> {
        let value = value.map_or(Ok(linkspan::Value::Null), tree)?;
        let given = self.take()?;
        Ok(py.detach(|| given.done(&value))?)
    }

    /// Fails it; the controller receives the exception's type and text, or this text. A step that failed leaves
    /// the service FAILED, unless it was to be abandoned.
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

/// The core's names of the values of `State`, `View`, `Command` and `Outcome`.
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
        // SAFETY: takes three numbers. The thread may have ended, then nobody is there to be interrupted and it says
        // so; its number can only have gone to another thread of this process, whose handler finds nothing to do.
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
