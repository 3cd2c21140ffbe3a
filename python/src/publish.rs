//! Publishers and subscribers.

use linkspan::{Publisher as Source, Subscriber as Reader};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::arguments::{ArrayOrder, Count, Endpoint, Endpoints, Length, Max};
use crate::batch::Encoding;
use crate::builder::Builder;
use crate::bytes_loan::BytesLoan;
use crate::channel::{event_list, events_at};
use crate::errors::Outcome;
use crate::loan::{self, Wanted};
use crate::message::{Message, object};
use crate::shape::Lengths;
use crate::state::{Closed, described};
use crate::wait::{OnWait, Patience, between, leave, opening, options, publishing, waiting};
use crate::walk::Walk;

/// A publisher at an endpoint. It never waits for a subscriber.
#[pyclass(frozen, module = "linkspan")]
pub struct Publisher {
    source: Source,
    on_wait: OnWait,
    closed: Closed,
}

#[pymethods]
impl Publisher {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.on_wait)
    }

    /// Publishes at the endpoint. `AddressInUse` if another process does.
    #[new]
    #[pyo3(signature = (endpoint, **given))]
    fn new(endpoint: Endpoint, given: Option<&Bound<'_, PyDict>>) -> Outcome<Publisher> {
        let (mut options, on_wait) = options(given)?;
        options.on_wait = Some(between());
        Ok(Publisher { source: Source::new(&endpoint, &options)?, on_wait, closed: Closed::default() })
    }

    /// Lends memory for an array, like `Channel.loan`. Over `shm:` all subscribers view it in place.
    #[pyo3(signature = (shape, dtype=None, *, order=ArrayOrder("C".to_owned())), text_signature = "($self, shape, dtype=None, *, order='C')")]
    fn loan<'py>(
        &self,
        py: Python<'py>,
        shape: Lengths,
        dtype: Option<Bound<'py, PyAny>>,
        order: ArrayOrder,
    ) -> Outcome<Bound<'py, PyAny>> {
        let wanted = Wanted { shape, dtype, order: &order };
        loan::lend(py, wanted, |dtype, shape, order| self.source.loan_memory(dtype, shape, order))
    }

    /// Lends memory for bytes, like `Channel.loan_bytes`.
    fn loan_bytes(&self, length: Length) -> Outcome<BytesLoan> {
        Ok(BytesLoan::of(self.source.loan_bytes(length.0)?))
    }

    /// Publishes a value and returns its sequence number.
    ///
    /// Over `journal:` it returns after the value is on the disk. Over `file:` it waits for the lock of the file.
    fn send(&self, value: &Bound<'_, PyAny>) -> Outcome<u64> {
        let payload = Walk::to_send(value, |walk| self.source.encode_to_send(walk))?;
        publishing(value.py(), self.on_wait.as_ref(), || self.source.send_payload(&payload))
    }

    /// Publishes each value of an iterable; returns their number. An error has that number in `sent`.
    fn send_many(&self, values: &Bound<'_, PyAny>) -> Outcome<u64> {
        let encode = |walk: &Walk<'_, '_>| self.source.encode(walk);
        let mut items = Encoding::of(values, &encode)?;
        let sent = publishing(values.py(), self.on_wait.as_ref(), || self.source.send_encoded(&mut items));
        items.outcome(values.py(), sent)
    }

    /// The endpoint with its transport.
    #[getter]
    fn endpoint(&self) -> &str {
        self.source.endpoint()
    }

    fn __repr__(&self) -> String {
        let head = format!("Publisher {}", self.endpoint());
        described(
            &head,
            &self.closed,
            &self.source.stats(),
            &[("sent", "sent"), ("subscribers", "subscribers")],
        )
    }

    /// Returns the events since the last call.
    fn events<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        event_list(py, self.source.events())
    }

    /// The number of connected subscribers.
    #[getter]
    fn subscribers(&self) -> usize {
        self.source.subscribers()
    }

    /// Returns counters.
    fn stats<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyAny>> {
        object(&self.source.stats(), Builder::copying(py))
    }

    /// Waits until `count` subscribers are connected; `Timeout` if fewer are.
    ///
    /// `InvalidState` if another thread closes the publisher.
    #[pyo3(signature = (count=Count(1), *, timeout=Patience::DEFAULT, on_wait=None))]
    fn wait_for_subscribers(
        &self,
        py: Python<'_>,
        count: Count,
        timeout: Patience,
        on_wait: OnWait,
    ) -> Outcome<()> {
        let callback = on_wait.as_ref().or(self.on_wait.as_ref());
        waiting(py, timeout, callback, |wait| self.source.wait_for_subscribers(count.0, wait))
    }

    /// Waits until every connected subscriber has been given all published messages.
    ///
    /// The `missed` of `Timeout`, or of `InvalidState` if another thread closes the publisher, is the number left for
    /// the slowest subscriber.
    #[pyo3(signature = (*, timeout=Patience::DEFAULT, on_wait=None))]
    fn flush(&self, py: Python<'_>, timeout: Patience, on_wait: OnWait) -> Outcome<()> {
        let callback = on_wait.as_ref().or(self.on_wait.as_ref());
        waiting(py, timeout, callback, |wait| self.source.flush(wait))
    }

    /// False one second after the first call.
    #[pyo3(name = "_is_awaited")]
    fn is_awaited(&self, py: Python<'_>) -> bool {
        py.detach(|| self.source.is_awaited())
    }

    /// Serves the subscribers, then closes the publisher.
    ///
    /// `Timeout` if a subscriber did not receive the remaining messages in time; the publisher is closed nevertheless.
    #[pyo3(signature = (*, timeout=Patience::DEFAULT))]
    fn close(&self, py: Python<'_>, timeout: Patience) -> Outcome<()> {
        self.closed.set();
        waiting(py, timeout, self.on_wait.as_ref(), |wait| self.source.close(wait))
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*raised))]
    fn __exit__(&self, raised: &Bound<'_, PyTuple>) -> Outcome<()> {
        leave(raised, |patience| self.close(raised.py(), patience))
    }
}

/// Receives from one or more endpoints: the latest value first, then each new value.
///
/// Only one thread at a time may receive; another raises `InvalidState`. Any thread may close it.
#[pyclass(frozen, module = "linkspan")]
pub struct Subscriber {
    reader: Reader,
    on_wait: OnWait,
    closed: Closed,
}

#[pymethods]
impl Subscriber {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.on_wait)
    }

    /// Subscribes without waiting for the publisher. A list may contain endpoints and patterns.
    #[new]
    #[pyo3(signature = (endpoint, **given))]
    fn new(endpoint: Endpoints, given: Option<&Bound<'_, PyDict>>) -> Outcome<Subscriber> {
        let (options, on_wait) = options(given)?;
        let reader = match endpoint {
            Endpoints::One(endpoint) => Reader::new(&endpoint, &options)?,
            Endpoints::Several(names) => {
                Reader::of(&names.iter().map(String::as_str).collect::<Vec<_>>(), &options)?
            }
        };
        Ok(Subscriber { reader, on_wait, closed: Closed::default() })
    }

    /// Like the constructor, without waiting for answers of publishers, for event loops.
    #[staticmethod]
    #[pyo3(signature = (endpoint, **given))]
    fn dial(py: Python<'_>, endpoint: Endpoints, given: Option<&Bound<'_, PyDict>>) -> Outcome<Subscriber> {
        let (options, on_wait) = options(given)?;
        let names = match &endpoint {
            Endpoints::One(endpoint) => vec![&**endpoint],
            Endpoints::Several(names) => names.iter().map(String::as_str).collect(),
        };
        let reader = py.detach(|| Reader::dial(&names, &options))?;
        Ok(Subscriber { reader, on_wait, closed: Closed::default() })
    }

    /// Returns whether every present publisher has answered; its later messages then count.
    fn has_joined(&self, py: Python<'_>) -> Outcome<bool> {
        Ok(py.detach(|| self.reader.has_joined())?)
    }

    /// Waits for the next message and returns it. `Lagged` once after missed messages.
    #[pyo3(signature = (*, timeout=Patience::DEFAULT, on_wait=None))]
    fn recv(&self, py: Python<'_>, timeout: Patience, on_wait: OnWait) -> Outcome<Message> {
        let callback = on_wait.as_ref().or(self.on_wait.as_ref());
        let message = waiting(py, timeout, callback, |wait| self.reader.recv(wait))?;
        Message::received(py, message, |message| Ok(self.reader.put_back(message)?))
    }

    /// Waits for a message and returns it with those that arrived after it, at most `max`.
    #[pyo3(signature = (max=Max(64), *, timeout=Patience::DEFAULT, on_wait=None))]
    fn recv_many(
        &self,
        py: Python<'_>,
        max: Max,
        timeout: Patience,
        on_wait: OnWait,
    ) -> Outcome<Vec<Message>> {
        let callback = on_wait.as_ref().or(self.on_wait.as_ref());
        let taken = waiting(py, timeout, callback, |wait| self.reader.recv_many(max.0, wait))?;
        Message::received_of(py, taken, |message| Ok(self.reader.put_back(message)?))
    }

    /// Returns the next message without waiting; `Empty` without one.
    fn try_recv(&self, py: Python<'_>) -> Outcome<Message> {
        let message = py.detach(|| self.reader.try_recv())?;
        Message::received(py, message, |message| Ok(self.reader.put_back(message)?))
    }

    /// Waits for the next message; returns `None` after close or SIGTERM, as `Server.next`.
    ///
    /// Without a time-out it waits for ever.
    #[pyo3(signature = (*, timeout=Patience::DEFAULT, on_wait=None))]
    fn next(&self, py: Python<'_>, timeout: Patience, on_wait: OnWait) -> Outcome<Option<Message>> {
        let callback = on_wait.as_ref().or(self.on_wait.as_ref());
        let next = waiting(py, timeout, callback, |wait| self.reader.next(wait))?;
        let put_back = |message| Ok(self.reader.put_back(message)?);
        next.map(|message| Message::received(py, message, put_back)).transpose()
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> Outcome<Option<Message>> {
        self.next(py, Patience::DEFAULT, None)
    }

    /// Iterates over the available messages, in a `journal:` all unread ones. Raises `Lagged` like `recv`.
    fn try_iter(slf: Bound<'_, Self>) -> Available {
        Available(slf.unbind())
    }

    /// Acknowledges the last message, and all before it, with `ack="manual"`.
    fn ack(&self, py: Python<'_>) -> Outcome<()> {
        Ok(py.detach(|| self.reader.ack())?)
    }

    /// Returns whether `recv` would return without waiting.
    fn poll(&self, py: Python<'_>) -> Outcome<bool> {
        Ok(py.detach(|| self.reader.poll())?)
    }

    /// Returns the events since the last call, such as connected and lagged.
    fn events<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        // With several names the event text begins with the endpoint, which never contains `: `.
        let endpoint = self.reader.endpoint();
        let name = |event: &linkspan::Event| match event.text.split_once(": ") {
            Some((name, _)) if endpoint.contains(['*', '?', ' ']) => name.to_owned(),
            _ => endpoint.to_owned(),
        };
        events_at(py, self.reader.events(), |event| Some(name(event)))
    }

    /// Returns counters.
    fn stats<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyAny>> {
        object(&self.reader.stats(), Builder::copying(py))
    }

    /// Returns a file descriptor for event loops, readable if `recv` would not wait.
    fn fileno(&self, py: Python<'_>) -> Outcome<i32> {
        Ok(py.detach(|| self.reader.fileno())?)
    }

    /// The endpoint with its transport.
    #[getter]
    fn endpoint(&self) -> &str {
        self.reader.endpoint()
    }

    fn __repr__(&self) -> String {
        let head = format!("Subscriber {}", self.endpoint());
        described(
            &head,
            &self.closed,
            &self.reader.stats(),
            &[("received", "received"), ("missed", "missed")],
        )
    }

    /// Closes the subscriber. An iteration in another thread ends.
    fn close(&self, py: Python<'_>) {
        self.closed.set();
        py.detach(|| self.reader.close());
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_raised))]
    fn __exit__(&self, py: Python<'_>, _raised: &Bound<'_, PyTuple>) {
        self.close(py);
    }
}

/// An iterator over the available messages.
#[pyclass(frozen, module = "linkspan._native")]
pub struct Available(Py<Subscriber>);

#[pymethods]
impl Available {
    fn __repr__(&self) -> String {
        format!("<linkspan._native.Available: what is there of {}>", self.0.get().endpoint())
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> Outcome<Option<Message>> {
        let subscriber = self.0.get();
        let taken = py.detach(|| subscriber.reader.try_iter().next());
        let put_back = |message| Ok(subscriber.reader.put_back(message)?);
        taken.transpose()?.map(|message| Message::received(py, message, put_back)).transpose()
    }
}

/// Returns the newest published message.
///
/// `Empty` if nothing was published yet, `NotFound` if no process publishes.
#[pyfunction]
#[pyo3(signature = (endpoint, **given))]
pub fn latest(py: Python<'_>, endpoint: Endpoint, given: Option<&Bound<'_, PyDict>>) -> Outcome<Message> {
    let (options, on_wait) = options(given)?;
    // Without a time-out it does not wait for a publisher.
    waiting(py, opening(given)?, on_wait.as_ref(), |wait| linkspan::latest(&endpoint, &options, wait))
        .map(Message::new)
}
