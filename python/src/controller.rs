//! Queries, commands and events of services, through a controller.

use std::time::Duration;

use linkspan::service::{CommandRequest, WatchOptions};
use linkspan::{Answer as Answered, Command, Controller as Asker, Result, Timeout, Value, Wait};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::arguments::{
    CommandName, DataEvery, Endpoint, Epoch, Id, Lines, ServiceName, ServiceNames, Within,
};
use crate::builder::Builder;
use crate::errors::{Failure, Outcome, imported_once};
use crate::message::object;
use crate::state::Closed;
use crate::wait::{OnWait, Patience, options, tree, waiting};

const WITHIN: Timeout = Timeout::After(Duration::from_secs(30));

/// A client of a controller: queries its services and sends them commands.
///
/// Any number of threads may call it; only one may wait in `next`.
#[pyclass(frozen, subclass, module = "linkspan._native")]
pub struct Controller {
    asker: Asker,
    on_wait: OnWait,
    closed: Closed,
}

fn made<'py>(py: Python<'py>, value: &Value) -> Outcome<Bound<'py, PyAny>> {
    object(value, Builder::copying(py))
}

fn given(arguments: Option<&Bound<'_, PyAny>>) -> Outcome<Value> {
    arguments.map_or(Ok(Value::Null), tree)
}

fn deadline(within: Timeout) -> Duration {
    match within {
        Timeout::After(duration) => duration,
        Timeout::Forever | Timeout::Default => Duration::MAX,
    }
}

impl Controller {
    fn ask<T: Send>(
        &self,
        py: Python<'_>,
        timeout: Patience,
        on_wait: OnWait,
        call: impl FnOnce(Wait<'_>) -> Result<T> + Send,
    ) -> Outcome<T> {
        waiting(py, timeout, on_wait.as_ref().or(self.on_wait.as_ref()), call)
    }
}

#[pymethods]
impl Controller {
    fn __traverse__(&self, visit: PyVisit<'_>) -> std::result::Result<(), PyTraverseError> {
        visit.call(&self.on_wait)
    }

    /// Waits until a controller listens: at `$LINKSPAN_CONTROLLER`, else `unix:controller` by default.
    #[new]
    #[pyo3(signature = (endpoint=None, **given))]
    fn new(
        py: Python<'_>,
        endpoint: Option<Endpoint>,
        given: Option<&Bound<'_, PyDict>>,
    ) -> Outcome<Controller> {
        let (options, on_wait) = options(given)?;
        let endpoint = endpoint.map_or_else(Asker::default_endpoint, |endpoint| endpoint.0);
        let asker = waiting(py, Patience::DEFAULT, on_wait.as_ref(), |wait| {
            Asker::connect(&endpoint, &options, wait)
        })?;
        Ok(Controller { asker, on_wait, closed: Closed::default() })
    }

    /// The endpoint with its transport.
    #[getter]
    fn endpoint(&self) -> &str {
        self.asker.endpoint()
    }

    /// Returns the records of all services, sorted by name.
    #[pyo3(signature = (*, timeout=Patience::DEFAULT, on_wait=None))]
    fn services<'py>(
        &self,
        py: Python<'py>,
        timeout: Patience,
        on_wait: OnWait,
    ) -> Outcome<Bound<'py, PyAny>> {
        made(py, &self.ask(py, timeout, on_wait, |wait| self.asker.services(wait))?)
    }

    /// Returns the controller's record of a service; `NotFound` for an unknown one.
    #[pyo3(signature = (service, *, timeout=Patience::DEFAULT, on_wait=None))]
    fn status<'py>(
        &self,
        py: Python<'py>,
        service: ServiceName,
        timeout: Patience,
        on_wait: OnWait,
    ) -> Outcome<Bound<'py, PyAny>> {
        made(py, &self.ask(py, timeout, on_wait, |wait| self.asker.status(&service, wait))?)
    }

    /// Sends a command to a service and returns its value. The time-out is also the command's deadline.
    #[pyo3(signature = (service, command, arguments=None, *, timeout=Patience::DEFAULT, on_wait=None))]
    fn command<'py>(
        &self,
        py: Python<'py>,
        service: ServiceName,
        command: CommandName,
        arguments: Option<&Bound<'py, PyAny>>,
        timeout: Patience,
        on_wait: OnWait,
    ) -> Outcome<Bound<'py, PyAny>> {
        let (command, arguments) = (Command::from_name(&command)?, given(arguments)?);
        let done = |wait: Wait<'_>| self.asker.command(&service, &command, &arguments, wait);
        made(py, &self.ask(py, timeout, on_wait, done)?)
    }

    /// Sends a command with a deadline in seconds; returns its answer when the service accepts it.
    ///
    /// `within=None` means no deadline.
    #[pyo3(signature = (service, command, arguments=None, *, within=Within(WITHIN), timeout=Patience::DEFAULT, on_wait=None))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords")]
    fn begin(
        &self,
        py: Python<'_>,
        service: ServiceName,
        command: CommandName,
        arguments: Option<&Bound<'_, PyAny>>,
        within: Within,
        timeout: Patience,
        on_wait: OnWait,
    ) -> Outcome<Answer> {
        let (command, arguments) = (Command::from_name(&command)?, given(arguments)?);
        let within = deadline(within.0);
        let begun = |wait: Wait<'_>| self.asker.begin(&service, &command, &arguments, within, wait);
        self.ask(py, timeout, on_wait, begun).map(Answer)
    }

    /// Sends a command with an id, which the service carries out once; returns its final answer.
    ///
    /// `epoch` restricts the command to one incarnation.
    #[pyo3(signature = (
        service, command, arguments=None, *, id, epoch=None, within=Within(WITHIN), timeout=Patience::DEFAULT, on_wait=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords")]
    fn order(
        &self,
        py: Python<'_>,
        service: ServiceName,
        command: CommandName,
        arguments: Option<&Bound<'_, PyAny>>,
        id: Id,
        epoch: Option<Epoch>,
        within: Within,
        timeout: Patience,
        on_wait: OnWait,
    ) -> Outcome<Answer> {
        let order = CommandRequest {
            id: id.0.into(),
            command: Command::from_name(&command)?,
            arguments: given(arguments)?,
            within: deadline(within.0),
            epoch: epoch.map(|epoch| epoch.0),
        };
        self.ask(py, timeout, on_wait, |wait| self.asker.request(&service, &order, wait)).map(Answer)
    }

    /// Returns the outcome of a recent command id; `NotFound` for other ids.
    #[pyo3(signature = (service, id, *, timeout=Patience::DEFAULT, on_wait=None))]
    fn answer(
        &self,
        py: Python<'_>,
        service: ServiceName,
        id: Id,
        timeout: Patience,
        on_wait: OnWait,
    ) -> Outcome<Answer> {
        self.ask(py, timeout, on_wait, |wait| self.asker.answer(&service, &id, wait)).map(Answer)
    }

    /// Returns the last log lines, oldest first: dicts with `at`, `service`, `level` and `text`.
    #[pyo3(signature = (service=None, lines=Lines(100), *, timeout=Patience::DEFAULT, on_wait=None))]
    fn log<'py>(
        &self,
        py: Python<'py>,
        service: Option<ServiceName>,
        lines: Lines,
        timeout: Patience,
        on_wait: OnWait,
    ) -> Outcome<Bound<'py, PyAny>> {
        made(py, &self.ask(py, timeout, on_wait, |wait| self.asker.log(service.as_deref(), lines.0, wait))?)
    }

    /// Makes `next` return events of these services, or of all: states, changes, and data.
    ///
    /// `data_every` is in seconds.
    #[pyo3(signature = (*, data_every=None, services=ServiceNames(Vec::new())))]
    fn watch(&self, py: Python<'_>, data_every: Option<DataEvery>, services: ServiceNames) -> Outcome<()> {
        let data_every = data_every.map(|every| deadline(every.0));
        Ok(py.detach(|| self.asker.watch(&WatchOptions { data_every, services: services.0 }))?)
    }

    /// Waits for the next event of the watched services. Without a time-out it waits for ever.
    #[pyo3(signature = (*, timeout=Patience::DEFAULT, on_wait=None))]
    fn next<'py>(&self, py: Python<'py>, timeout: Patience, on_wait: OnWait) -> Outcome<Bound<'py, PyAny>> {
        made(py, &self.ask(py, timeout, on_wait, |wait| self.asker.next(wait))?)
    }

    /// Returns a file descriptor, readable if `next` would not wait.
    fn fileno(&self) -> Outcome<i32> {
        Ok(self.asker.fileno()?)
    }

    /// Removes the record of an absent service. `InvalidState` while it is connected.
    #[pyo3(signature = (service, *, timeout=Patience::DEFAULT, on_wait=None))]
    fn forget(
        &self,
        py: Python<'_>,
        service: ServiceName,
        timeout: Patience,
        on_wait: OnWait,
    ) -> Outcome<()> {
        self.ask(py, timeout, on_wait, |wait| self.asker.forget(&service, wait))
    }

    /// Returns the counters of the controller.
    #[pyo3(signature = (*, timeout=Patience::DEFAULT, on_wait=None))]
    fn stats<'py>(&self, py: Python<'py>, timeout: Patience, on_wait: OnWait) -> Outcome<Bound<'py, PyAny>> {
        made(py, &self.ask(py, timeout, on_wait, |wait| self.asker.stats(wait))?)
    }

    /// Closes the client. Commands in progress are still carried out.
    fn close(&self, py: Python<'_>) {
        self.closed.set();
        py.detach(|| self.asker.close());
    }

    fn __repr__(&self) -> String {
        format!("<linkspan.Controller {}{}>", self.asker.endpoint(), self.closed.word())
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_raised))]
    fn __exit__(&self, py: Python<'_>, _raised: &Bound<'_, PyTuple>) {
        self.close(py);
    }
}

/// The answer of a service to a command.
#[pyclass(frozen, module = "linkspan")]
pub struct Answer(Answered);

#[pymethods]
impl Answer {
    /// The command's id.
    #[getter]
    fn id(&self) -> &str {
        &self.0.id
    }

    /// The stage that the command has reached.
    #[getter]
    fn outcome<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        imported_once!(py, "linkspan.words", "Outcome")?.call1((self.0.outcome.name(),))
    }

    /// The state of the service when it answered; for REJECTED, the state that refused the command.
    #[getter]
    fn state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        imported_once!(py, "linkspan.words", "State")?.call1((self.0.state.name(),))
    }

    /// The result of DONE; `None` without a result.
    #[getter]
    fn value<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyAny>> {
        made(py, &self.0.value)
    }

    /// The exception that `result` raises for FAILED and REJECTED; `None` for other outcomes.
    #[getter]
    fn error<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        let error = self.0.clone().into_result().err()?;
        Some(PyErr::from(Failure::Core(error)).into_value(py).into_bound(py).into_any())
    }

    /// Returns the value; raises the error of FAILED or REJECTED.
    fn result<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyAny>> {
        made(py, &self.0.clone().into_result()?)
    }

    fn __repr__(&self) -> String {
        format!("<linkspan.Answer {} in {} to {}>", self.0.outcome.name(), self.0.state.name(), self.0.id)
    }
}
