//! Channels and listeners.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use linkspan::{
    Channel as Link, ErrorKind, Listener as CoreListener, Message as Arrived, Timeout, Value, Wait,
};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};

use crate::arguments::{ArrayOrder, Endpoint, Length, Max, Within, refused};
use crate::batch::Encoding;
use crate::builder::Builder;
use crate::bytes_loan::BytesLoan;
use crate::ending::Endings;
use crate::errors::{Outcome, imported};
use crate::loan::{self, Wanted};
use crate::message::{Message, object};
use crate::shape::Lengths;
use crate::state::{Closed, described};
use crate::timestamp;
use crate::wait::{OnWait, Patience, channel_options, leave, opening, waiting};
use crate::walk::Walk;

/// One end of a channel: messages both ways, requests and replies.
///
/// Any number of threads may `send`, `call` and `close`. Only one thread at a time may `recv`; another raises
/// `InvalidState`.
#[pyclass(frozen, module = "linkspan")]
pub struct Channel {
    link: Arc<Link>,
    on_wait: OnWait,
    /// Lingers and reports before the interpreter frees the channel; see `ending`.
    ending: Option<Py<PyAny>>,
    closed: Closed,
}

/// A request without an answer yet. Dropping it withdraws the request.
#[pyclass(frozen, module = "linkspan._native")]
pub struct PendingReply {
    reply: linkspan::PendingReply,
    /// The answer, if Python had no memory for it.
    kept: Mutex<Option<Arrived>>,
}

#[pymethods]
impl PendingReply {
    fn __repr__(&self) -> String {
        let state = if self.reply.is_finished() && lock(&self.kept).is_none() {
            "finished"
        } else {
            "its answer is still to be taken"
        };
        format!("<linkspan._native.PendingReply: {state}>")
    }
}

fn lock<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn event_list<'py>(py: Python<'py>, events: Vec<linkspan::Event>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    events_at(py, events, |_| None)
}

/// Like `event_list`, with the endpoint of each event.
pub fn events_at<'py>(
    py: Python<'py>,
    events: Vec<linkspan::Event>,
    name: impl Fn(&linkspan::Event) -> Option<String>,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let class = imported(py, &CLASS, "linkspan.event", "Event")?;
    let made = |e: linkspan::Event| {
        let (name, incarnation) = (name(&e), e.incarnation.map(|number| format!("{number:016x}")));
        class.call1((e.kind.name(), timestamp::object(py, e.at)?, e.missed, e.text, name, incarnation))
    };
    events.into_iter().map(made).collect()
}

#[pymethods]
impl Channel {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.on_wait)?;
        visit.call(&self.ending)
    }

    /// Connects to the listener at the endpoint; waits for it.
    #[staticmethod]
    #[pyo3(signature = (endpoint, **given))]
    fn connect(py: Python<'_>, endpoint: Endpoint, given: Option<&Bound<'_, PyDict>>) -> Outcome<Channel> {
        let (options, on_wait, endings) = channel_options(given)?;
        let link =
            waiting(py, opening(given)?, on_wait.as_ref(), |wait| Link::connect(&endpoint, &options, wait))?;
        Channel::over(py, link, on_wait, &endings)
    }

    /// Connects if a program listens at the endpoint; otherwise listens.
    #[staticmethod]
    #[pyo3(signature = (endpoint, **given))]
    fn open(py: Python<'_>, endpoint: Endpoint, given: Option<&Bound<'_, PyDict>>) -> Outcome<Channel> {
        let (options, on_wait, endings) = channel_options(given)?;
        let link =
            waiting(py, opening(given)?, on_wait.as_ref(), |wait| Link::open(&endpoint, &options, wait))?;
        Channel::over(py, link, on_wait, &endings)
    }

    /// Like `open`, without waiting, for event loops: a listening channel, or one as of `dial`.
    #[staticmethod]
    #[pyo3(signature = (endpoint, **given))]
    fn begin_open(py: Python<'_>, endpoint: Endpoint, given: Option<&Bound<'_, PyDict>>) -> Outcome<Channel> {
        let (options, on_wait, endings) = channel_options(given)?;
        let link = py.detach(|| Link::begin_open(&endpoint, &options))?;
        Channel::over(py, link, on_wait, &endings)
    }

    /// Continues the connection of a channel of `dial` or `begin_open`; `NotFound` or `Timeout`.
    #[pyo3(signature = (*, timeout=Patience::of(Timeout::After(Duration::ZERO))))]
    fn join(&self, py: Python<'_>, timeout: Patience) -> Outcome<()> {
        self.wait(py, timeout, None, |wait| self.link.join(wait))
    }

    /// Makes a channel that connects on first use, for event loops.
    #[staticmethod]
    #[pyo3(signature = (endpoint, **given))]
    fn dial(py: Python<'_>, endpoint: Endpoint, given: Option<&Bound<'_, PyDict>>) -> Outcome<Channel> {
        let (options, on_wait, endings) = channel_options(given)?;
        Channel::over(py, Link::dial(&endpoint, &options)?, on_wait, &endings)
    }

    /// Lends writable, uninitialised memory for an array, like `numpy.empty`.
    ///
    /// Without NumPy the result is an object with the buffer protocol. Sending makes it read-only; do not write through
    /// earlier slices. Over `shm:` the receiver views it without a copy. It is ordinary memory, copied when sent, over
    /// other transports, below 64 KiB, before the channel is linked, or while all slots are in use.
    #[pyo3(signature = (shape, dtype=None, *, order=ArrayOrder("C".to_owned())), text_signature = "($self, shape, dtype=None, *, order='C')")]
    fn loan<'py>(
        &self,
        py: Python<'py>,
        shape: Lengths,
        dtype: Option<Bound<'py, PyAny>>,
        order: ArrayOrder,
    ) -> Outcome<Bound<'py, PyAny>> {
        let wanted = Wanted { shape, dtype, order: &order };
        loan::lend(py, wanted, |dtype, shape, order| self.link.loan_memory(dtype, shape, order))
    }

    /// Lends uninitialised memory for bytes, such as a camera frame.
    ///
    /// Write it through the buffer protocol (`readinto`, `recv_into`), set the length with `loan.truncate`, and put the
    /// loan into a value. Sending makes it read-only. Over `shm:`, with `cbor` or `raw`, the first send copies nothing
    /// if at most 4 KiB of other values surround the bytes and no buffer of it is in use. Otherwise it is copied as
    /// `loan` is.
    fn loan_bytes(&self, length: Length) -> Outcome<BytesLoan> {
        Ok(BytesLoan::of(self.link.loan_bytes(length.0)?))
    }

    /// Sends a value and returns its sequence number. `Timeout` if the queue stays full.
    #[pyo3(signature = (value, *, timeout=Patience::DEFAULT, on_wait=None))]
    fn send(&self, value: &Bound<'_, PyAny>, timeout: Patience, on_wait: OnWait) -> Outcome<u64> {
        let payload = self.encoded(value)?;
        self.wait(value.py(), timeout, on_wait, |wait| self.link.send_payload(&payload, wait))
    }

    /// Sends a value without waiting. `Full` without room or without a connected program.
    fn try_send(&self, value: &Bound<'_, PyAny>) -> Outcome<u64> {
        let payload = self.encoded(value)?;
        Ok(value.py().detach(|| self.link.try_send_payload(&payload))?)
    }

    /// Sends each value of an iterable as a message; returns their number.
    ///
    /// The time-out covers the whole call. An error has the number of sent messages in `sent`, an exception of the
    /// iterable in a note.
    #[pyo3(signature = (values, *, timeout=Patience::DEFAULT, on_wait=None))]
    fn send_many(&self, values: &Bound<'_, PyAny>, timeout: Patience, on_wait: OnWait) -> Outcome<u64> {
        let encode = |walk: &Walk<'_, '_>| self.link.encode(walk);
        let mut items = Encoding::of(values, &encode)?;
        let sent = self.wait(values.py(), timeout, on_wait, |wait| self.link.send_encoded(&mut items, wait));
        items.outcome(values.py(), sent)
    }

    /// Waits for a message and returns it with those that arrived after it, at most `max`.
    ///
    /// They count as consumed at the next receiving call.
    #[pyo3(signature = (max=Max(64), *, timeout=Patience::DEFAULT, on_wait=None))]
    fn recv_many(
        &self,
        py: Python<'_>,
        max: Max,
        timeout: Patience,
        on_wait: OnWait,
    ) -> Outcome<Vec<Message>> {
        let taken = self.wait(py, timeout, on_wait, |wait| self.link.recv_many(max.0, wait))?;
        Message::received_of(py, taken, |message| Ok(self.link.put_back(message)?))
    }

    /// Waits for the next message and returns it.
    #[pyo3(signature = (*, timeout=Patience::DEFAULT, on_wait=None))]
    fn recv(&self, py: Python<'_>, timeout: Patience, on_wait: OnWait) -> Outcome<Message> {
        let message = self.wait(py, timeout, on_wait, |wait| self.link.recv(wait))?;
        Message::received(py, message, |message| Ok(self.link.put_back(message)?))
    }

    /// Returns the next message without waiting; `Empty` without one.
    fn try_recv(&self, py: Python<'_>) -> Outcome<Message> {
        let message = py.detach(|| self.link.try_recv())?;
        Message::received(py, message, |message| Ok(self.link.put_back(message)?))
    }

    /// Acknowledges all received messages, with `ack="manual"`.
    fn ack(&self, py: Python<'_>) -> Outcome<()> {
        Ok(py.detach(|| self.link.ack())?)
    }

    /// Returns whether `recv` would return without waiting.
    fn poll(&self, py: Python<'_>) -> Outcome<bool> {
        Ok(py.detach(|| self.link.poll())?)
    }

    /// Sends a request and waits for its reply.
    ///
    /// `Remote` if the handler failed, `Disconnected` if the server died. Several threads may call concurrently.
    #[pyo3(signature = (value, *, timeout=Patience::DEFAULT, on_wait=None))]
    fn call(&self, value: &Bound<'_, PyAny>, timeout: Patience, on_wait: OnWait) -> Outcome<Message> {
        let payload = self.encoded(value)?;
        let reply = self.wait(value.py(), timeout, on_wait, |wait| self.link.call_payload(&payload, wait))?;
        // The call is over; the error explains the missing reply.
        Message::received(value.py(), reply, |_| Ok(()))
    }

    /// Sends a request and returns a handle for `finish_call`, for event loops.
    ///
    /// It waits only with a time-out. A server on another machine starts on it within `within` seconds, or never.
    #[pyo3(signature = (value, *, within=Within(Timeout::Forever), timeout=Patience::of(Timeout::After(Duration::ZERO))))]
    fn start_call(
        &self,
        value: &Bound<'_, PyAny>,
        within: Within,
        timeout: Patience,
    ) -> Outcome<PendingReply> {
        let payload = self.encoded(value)?;
        let started = self.wait(value.py(), timeout, None, |wait| match within.0 {
            Timeout::After(within) => self.link.start_call_within(&payload, within, wait),
            _ => self.link.start_call(&payload, wait),
        });
        started.map(|reply| PendingReply { reply, kept: Mutex::default() })
    }

    /// Waits for the reply to a request of `start_call`; raises the errors of `call`.
    #[pyo3(signature = (asked, *, timeout=Patience::DEFAULT, on_wait=None))]
    fn finish_call(
        &self,
        py: Python<'_>,
        asked: &Bound<'_, PyAny>,
        timeout: Patience,
        on_wait: OnWait,
    ) -> Outcome<Message> {
        let Ok(asked) = asked.cast::<PendingReply>() else {
            return Err(refused(ErrorKind::WrongType, "asked", asked, "what start_call returned"));
        };
        let asked = asked.get();
        let kept = lock(&asked.kept).take();
        let reply = match kept {
            Some(reply) => reply,
            None => self.wait(py, timeout, on_wait, |wait| self.link.finish_call(&asked.reply, wait))?,
        };
        Message::received(py, reply, |reply| {
            *lock(&asked.kept) = Some(reply);
            Ok(())
        })
    }

    /// Answers a request that `recv` returned.
    #[pyo3(signature = (request, value, *, timeout=Patience::DEFAULT, on_wait=None))]
    fn reply(
        &self,
        request: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        timeout: Patience,
        on_wait: OnWait,
    ) -> Outcome<()> {
        let Ok(request) = request.cast::<Message>() else {
            return Err(refused(ErrorKind::WrongType, "request", request, "the message that recv returned"));
        };
        let request = request.get();
        let reply = Walk::to_send(value, |walk| self.link.encode_reply(walk))?;
        self.wait(value.py(), timeout, on_wait, |wait| {
            self.link.reply_payload(&request.arrived, &reply, wait)
        })
    }

    /// Returns the events since the last call.
    fn events<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        event_list(py, self.link.events())
    }

    /// Returns counters.
    fn stats<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyAny>> {
        object(&self.link.stats(), Builder::copying(py))
    }

    /// Returns a file that reads (`rb`, `r`) or writes (`wb`, `w`) a stream of bytes over this channel.
    ///
    /// `close` of the writer is the end of the stream for the reader. If the writer dies, or leaves its `with` block
    /// by an exception, the next call of the reader fails with `Disconnected`. A call waits for `timeout`, as `recv`
    /// and `send` do. A call that fails with `Timeout` has lost nothing and can be repeated, except with text.
    /// `fileno()` gives a pipe, for `subprocess`.
    #[pyo3(signature = (mode="rb", **how))]
    fn makefile<'py>(
        slf: Bound<'py, Self>,
        mode: &str,
        how: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("linkspan.files")?.getattr("makefile")?.call((slf, mode), how)
    }

    /// Returns a file descriptor for event loops, readable if `recv` would not wait.
    fn fileno(&self, py: Python<'_>) -> Outcome<i32> {
        Ok(py.detach(|| self.link.fileno())?)
    }

    /// Waits until the peer has consumed all sent messages.
    ///
    /// `Timeout` and `Disconnected` have the number of unconsumed messages in `missed`; the channel stays open.
    /// `InvalidState` if another thread closes the channel.
    #[pyo3(signature = (*, timeout=Patience::DEFAULT, on_wait=None))]
    fn flush(&self, py: Python<'_>, timeout: Patience, on_wait: OnWait) -> Outcome<()> {
        self.wait(py, timeout, on_wait, |wait| self.link.flush(wait))
    }

    /// Delivers sent messages within the time-out and closes the channel.
    #[pyo3(signature = (*, timeout=Patience::DEFAULT))]
    fn close(&self, py: Python<'_>, timeout: Patience) -> Outcome<()> {
        self.closed.set();
        self.wait(py, timeout, None, |wait| self.link.close(wait))
    }

    /// The endpoint that was opened.
    #[getter]
    fn endpoint(&self) -> &str {
        self.link.endpoint()
    }

    /// `listener` or `connector`.
    #[getter]
    fn role(&self) -> &'static str {
        self.link.role().name()
    }

    /// Whether `send` would return without waiting.
    #[getter]
    fn writable(&self) -> Outcome<bool> {
        Ok(self.link.writable()?)
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*raised))]
    fn __exit__(&self, raised: &Bound<'_, PyTuple>) -> Outcome<()> {
        leave(raised, |patience| self.close(raised.py(), patience))
    }

    fn __repr__(&self) -> String {
        let head = format!("Channel {} as {}", self.endpoint(), self.role());
        described(&head, &self.closed, &self.link.stats(), &[("sent", "sent"), ("received", "received")])
    }
}

impl Channel {
    fn over(py: Python<'_>, link: Link, on_wait: OnWait, endings: &Endings) -> Outcome<Channel> {
        let link = Arc::new(link);
        let ending = endings.end(py, &link)?;
        Ok(Channel { link, on_wait, ending, closed: Closed::default() })
    }

    fn encoded(&self, value: &Bound<'_, PyAny>) -> Outcome<linkspan::Payload> {
        Walk::to_send(value, |walk| self.link.encode(walk))
    }

    fn wait<T: Send>(
        &self,
        py: Python<'_>,
        timeout: Patience,
        on_wait: OnWait,
        call: impl FnOnce(Wait<'_>) -> linkspan::Result<T> + Send,
    ) -> Outcome<T> {
        waiting(py, timeout, on_wait.as_ref().or(self.on_wait.as_ref()), call)
    }
}

/// Accepts peers at an endpoint. Any number of threads may accept and close.
#[pyclass(frozen, module = "linkspan")]
pub struct Listener {
    listener: CoreListener,
    on_wait: OnWait,
    endings: Endings,
    accepted: AtomicU64,
    closed: Closed,
}

#[pymethods]
impl Listener {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.on_wait)?;
        self.endings.traverse(&visit)
    }

    /// Listens at the endpoint. `AddressInUse` if another process does.
    #[new]
    #[pyo3(signature = (endpoint, **given))]
    fn new(endpoint: Endpoint, given: Option<&Bound<'_, PyDict>>) -> Outcome<Listener> {
        let (options, on_wait, endings) = channel_options(given)?;
        let listener = CoreListener::listen(&endpoint, &options)?;
        Ok(Listener { listener, on_wait, endings, accepted: AtomicU64::new(0), closed: Closed::default() })
    }

    /// Waits for the next peer and returns its channel.
    #[pyo3(signature = (*, timeout=Patience::DEFAULT, on_wait=None))]
    fn accept(&self, py: Python<'_>, timeout: Patience, on_wait: OnWait) -> Outcome<Channel> {
        let callback = on_wait.as_ref().or(self.on_wait.as_ref());
        let link = waiting(py, timeout, callback, |wait| self.listener.accept(wait))?;
        self.accepted.fetch_add(1, Ordering::Relaxed);
        Channel::over(py, link, self.on_wait.as_ref().map(|f| f.clone_ref(py)), &self.endings)
    }

    /// The endpoint with its transport.
    #[getter]
    fn endpoint(&self) -> String {
        self.listener.endpoint()
    }

    fn __repr__(&self) -> String {
        let head = format!("Listener {}", self.endpoint());
        let counters = Value::map([("accepted", self.accepted.load(Ordering::Relaxed))]);
        described(&head, &self.closed, &counters, &[("accepted", "accepted")])
    }

    /// Returns the events since the last call: `forgotten` if messages for an absent client were dropped.
    fn events<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        event_list(py, self.listener.events())
    }

    /// Returns counters.
    fn stats<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyAny>> {
        object(&self.listener.stats(), Builder::copying(py))
    }

    /// Returns a file descriptor, readable if `accept` would not wait.
    fn fileno(&self) -> Outcome<i32> {
        Ok(self.listener.fileno()?)
    }

    /// Stops listening. Accepted channels stay open.
    fn close(&self, py: Python<'_>) {
        self.closed.set();
        py.detach(|| self.listener.close());
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_raised))]
    fn __exit__(&self, py: Python<'_>, _raised: &Bound<'_, PyTuple>) {
        self.close(py);
    }
}
