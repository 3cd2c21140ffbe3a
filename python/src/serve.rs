//! Servers and requests.

use std::sync::{Mutex, MutexGuard, PoisonError};

use linkspan::{Error, ErrorKind, RemoteFailure, Request as CoreRequest, Server as Service};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::arguments::{AnyText, ArrayOrder, Endpoint, Length, RemoteCode};
use crate::builder::Builder;
use crate::bytes_loan::BytesLoan;
use crate::channel::event_list;
use crate::errors::{Failure, Outcome};
use crate::loan::{self, Wanted};
use crate::message::{Message, object};
use crate::remote::{HANDLER_FAILED, encoded, remote_failure};
use crate::shape::Lengths;
use crate::state::{Closed, described};
use crate::wait::{OnWait, Patience, leave, options, waiting};
use crate::walk::Walk;

/// Answers the requests of many clients.
///
/// Only one thread at a time may take requests; another raises `InvalidState`. Any thread may answer and close.
#[pyclass(frozen, subclass, module = "linkspan._native")]
pub struct Server {
    service: Service,
    on_wait: OnWait,
    closed: Closed,
}

#[pymethods]
impl Server {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.on_wait)
    }

    /// Serves at the endpoint. `AddressInUse` if another process does.
    #[new]
    #[pyo3(signature = (endpoint, **given))]
    fn new(endpoint: Endpoint, given: Option<&Bound<'_, PyDict>>) -> Outcome<Server> {
        let (options, on_wait) = options(given)?;
        Ok(Server { service: Service::serve(&endpoint, &options)?, on_wait, closed: Closed::default() })
    }

    /// Waits for the next request; returns `None` after close or SIGTERM.
    ///
    /// Without an argument `timeout` it waits for ever, and ignores the option `timeout`. The first SIGTERM ends such a
    /// loop, and a second one the program, except if the program handles (`signal.signal`) or ignores SIGTERM. Ctrl-C
    /// raises `KeyboardInterrupt`.
    #[pyo3(signature = (*, timeout=Patience::DEFAULT, on_wait=None))]
    fn next<'py>(
        &self,
        py: Python<'py>,
        timeout: Patience,
        on_wait: OnWait,
    ) -> Outcome<Option<Bound<'py, Request>>> {
        let callback = on_wait.as_ref().or(self.on_wait.as_ref());
        match waiting(py, timeout, callback, |wait| self.service.next(wait))? {
            Some(pending) => Ok(Some(Request::new(py, pending)?)),
            None => Ok(None),
        }
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> Outcome<Option<Bound<'py, Request>>> {
        self.next(py, Patience::DEFAULT, None)
    }

    /// Returns counters.
    fn stats<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyAny>> {
        object(&self.service.stats(), Builder::copying(py))
    }

    /// Returns a file descriptor, readable if `next` would not wait.
    fn fileno(&self) -> Outcome<i32> {
        Ok(self.service.fileno()?)
    }

    /// The endpoint with its transport.
    #[getter]
    fn endpoint(&self) -> &str {
        self.service.endpoint()
    }

    fn __repr__(&self) -> String {
        let head = format!("Server {}", self.endpoint());
        described(
            &head,
            &self.closed,
            &self.service.stats(),
            &[("clients", "clients"), ("received", "received")],
        )
    }

    /// Returns the events since the last call: connected and disconnected clients.
    fn events<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        event_list(py, self.service.events())
    }

    /// Delivers pending replies within the time-out, and closes the server.
    #[pyo3(signature = (*, timeout=Patience::DEFAULT))]
    fn close(&self, py: Python<'_>, timeout: Patience) -> Outcome<()> {
        self.closed.set();
        waiting(py, timeout, self.on_wait.as_ref(), |wait| self.service.close(wait))
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*raised))]
    fn __exit__(&self, raised: &Bound<'_, PyTuple>) -> Outcome<()> {
        leave(raised, |patience| self.close(raised.py(), patience))
    }
}

/// A message that waits for an answer: call `reply` or `fail` once.
///
/// Its caller gets `Remote` if the request is dropped or its `with` block ends without an answer.
#[pyclass(frozen, extends = Message, module = "linkspan")]
pub struct Request {
    pending: Mutex<Option<CoreRequest>>,
}

impl Request {
    fn new(py: Python<'_>, pending: CoreRequest) -> PyResult<Bound<'_, Request>> {
        let message = Message::new(pending.message().clone());
        Bound::new(
            py,
            PyClassInitializer::from(message).add_subclass(Request { pending: Mutex::new(Some(pending)) }),
        )
    }

    fn pending(&self) -> MutexGuard<'_, Option<CoreRequest>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Taken out before encoding, which may run Python code that needs the lock.
    fn take(&self) -> linkspan::Result<CoreRequest> {
        self.pending().take().ok_or_else(answered)
    }

    fn refuse(&self, failure: &RemoteFailure) -> Outcome<()> {
        let pending = self.take()?;
        let answered = pending.fail(failure);
        self.keep(pending, answered.map_err(Failure::Core))
    }

    fn keep(&self, pending: CoreRequest, answered: Outcome<()>) -> Outcome<()> {
        if answered.is_err() {
            *self.pending() = Some(pending);
        }
        answered
    }
}

#[cold]
fn answered() -> Error {
    Error::new(ErrorKind::InvalidState, "this request has been answered: each is answered once")
}

#[pymethods]
impl Request {
    /// Lends memory for an array of the reply, like `Channel.loan`.
    #[pyo3(signature = (shape, dtype=None, *, order=ArrayOrder("C".to_owned())), text_signature = "($self, shape, dtype=None, *, order='C')")]
    fn loan<'py>(
        &self,
        py: Python<'py>,
        shape: Lengths,
        dtype: Option<Bound<'py, PyAny>>,
        order: ArrayOrder,
    ) -> Outcome<Bound<'py, PyAny>> {
        loan::lend(py, Wanted { shape, dtype, order: &order }, |dtype, shape, order| {
            match self.pending().as_ref() {
                Some(pending) => pending.loan_memory(dtype, shape, order),
                None => Err(answered()),
            }
        })
    }

    /// Lends memory for bytes of the reply, like `Channel.loan_bytes`.
    fn loan_bytes(&self, length: Length) -> Outcome<BytesLoan> {
        match self.pending().as_ref() {
            Some(pending) => Ok(BytesLoan::of(pending.loan_bytes(length.0)?)),
            None => Err(answered().into()),
        }
    }

    /// Answers with a value. If the value is refused, for instance as too large, the request stays open.
    fn reply(&self, value: &Bound<'_, PyAny>) -> Outcome<()> {
        let pending = self.take()?;
        let reply = Walk::to_send(value, |walk| pending.encode(walk));
        let answered = reply.and_then(|reply| Ok(pending.reply_payload(&reply)?));
        self.keep(pending, answered)
    }

    /// Acknowledges this message, and all earlier ones of its sender, with `ack="manual"`.
    fn ack(&self, py: Python<'_>) -> Outcome<()> {
        Ok(py.detach(|| self.pending().as_ref().map_or(Ok(()), linkspan::Request::ack))?)
    }

    /// Answers with a failure; the caller gets `Remote` with this text.
    ///
    /// `type` is a dotted name such as `spectrum.window_too_long`, `data` a value for the calling program.
    /// `code` defaults to JSON-RPC's internal error.
    #[pyo3(signature = (text, r#type=AnyText(String::new()), code=RemoteCode(HANDLER_FAILED), data=None))]
    fn fail(
        &self,
        text: AnyText,
        r#type: AnyText,
        code: RemoteCode,
        data: Option<&Bound<'_, PyAny>>,
    ) -> Outcome<()> {
        let data = data.map_or(Ok(Vec::new()), encoded)?;
        self.refuse(&RemoteFailure { code: code.0, kind: r#type.0, text: text.0, data })
    }

    /// Answers with the failure for an exception of a handler.
    fn _fail_with(&self, error: &Bound<'_, PyAny>) -> Outcome<()> {
        self.refuse(&remote_failure(error)?)
    }

    /// Whether the sender waits for an answer, because it called and did not only send.
    #[getter]
    fn wants_reply(slf: &Bound<'_, Self>) -> bool {
        slf.as_super().get().arrived.is_request()
    }

    /// Whether the request is answered, or needs no answer.
    #[getter]
    fn answered(&self) -> bool {
        self.pending().as_ref().is_none_or(|pending| !pending.wants_reply())
    }

    fn __repr__(slf: &Bound<'_, Self>) -> Outcome<String> {
        let state = match (Request::wants_reply(slf), slf.get().answered()) {
            (false, _) => "that wants no answer",
            (true, false) => "that waits for its answer",
            (true, true) => "that was answered",
        };
        let message = slf.as_super().get();
        let head =
            format!("Request {} from {}, {state}", message.sequence(), linkspan::one_line(message.source()));
        message.shown(slf.py(), &head)
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*raised))]
    fn __exit__(&self, raised: &Bound<'_, PyTuple>) -> Outcome<()> {
        if self.answered() {
            return Ok(());
        }
        let (kind, value) = (raised.get_item(0)?, raised.get_item(1)?);
        if kind.is_none() {
            drop(self.take()?);
            return Ok(());
        }
        // A direct caller may pass only the class.
        self._fail_with(if value.is_none() { &kind } else { &value })
    }
}
