//! Channels and listeners: two ends, messages both ways, calls.

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
/// Any number of threads may `send` and `call`, each within its own time-out. Those that send take turns; the requests
/// of calls are under way together. One thread at a time may `recv`; another one that receives, or calls meanwhile,
/// gets `InvalidState`. Any thread may close the channel, which ends the waits of others.
#[pyclass(frozen, module = "linkspan")]
pub struct Channel {
    link: Arc<Link>,
    on_wait: OnWait,
    /// Ends the channel before it is taken apart, where it does more than to close.
    ending: Option<Py<PyAny>>,
    closed: Closed,
}

/// A request whose answer is still to come. One that is freed before `finish_call` has returned it is withdrawn.
#[pyclass(frozen, module = "linkspan._native")]
pub struct PendingReply {
    reply: linkspan::PendingReply,
    /// The answer, where there was no memory for it in Python.
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

/// What is kept for another try; nothing panics with the lock.
fn lock<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The events as `linkspan.Event`.
pub fn event_list<'py>(py: Python<'py>, events: Vec<linkspan::Event>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    events_at(py, events, |_| None)
}

/// The same with the name that each event is of.
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

    /// Connects if a program listens there, and listens otherwise.
    #[staticmethod]
    #[pyo3(signature = (endpoint, **given))]
    fn open(py: Python<'_>, endpoint: Endpoint, given: Option<&Bound<'_, PyDict>>) -> Outcome<Channel> {
        let (options, on_wait, endings) = channel_options(given)?;
        let link =
            waiting(py, opening(given)?, on_wait.as_ref(), |wait| Link::open(&endpoint, &options, wait))?;
        Channel::over(py, link, on_wait, &endings)
    }

    /// `open` without waiting: a channel that listens, or one that connects as that of `dial`. For event loops.
    #[staticmethod]
    #[pyo3(signature = (endpoint, **given))]
    fn begin_open(py: Python<'_>, endpoint: Endpoint, given: Option<&Bound<'_, PyDict>>) -> Outcome<Channel> {
        let (options, on_wait, endings) = channel_options(given)?;
        let link = py.detach(|| Link::begin_open(&endpoint, &options))?;
        Channel::over(py, link, on_wait, &endings)
    }

    /// Goes on with the connection of a channel of `dial` or `begin_open`. `NotFound` where no program listens;
    /// `Timeout` where the one that does has not answered, or, of a channel that listens, where no program has
    /// connected.
    #[pyo3(signature = (*, timeout=Patience::of(Timeout::After(Duration::ZERO))))]
    fn join(&self, py: Python<'_>, timeout: Patience) -> Outcome<()> {
        self.wait(py, timeout, None, |wait| self.link.join(wait))
    }

    /// A channel that connects when it is first used: for event loops.
    #[staticmethod]
    #[pyo3(signature = (endpoint, **given))]
    fn dial(py: Python<'_>, endpoint: Endpoint, given: Option<&Bound<'_, PyDict>>) -> Outcome<Channel> {
        let (options, on_wait, endings) = channel_options(given)?;
        Channel::over(py, Link::dial(&endpoint, &options)?, on_wait, &endings)
    }

    /// Lends memory for an array, writable and with anything in it, as `numpy.empty` gives one; where NumPy cannot be
    /// imported, an object with the buffer protocol. Once it is sent it is read-only: over `shm:` the other side views
    /// it where it lies, without a copy. Do not write through slices that were taken before. Where nothing can be lent
    /// (another transport, less than 64 KiB, no link yet, all slots viewed or under way) it is ordinary memory, of
    /// which sending makes a copy.
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

    /// Lends memory for opaque bytes, such as a frame of a camera, with anything in it: write it by the buffer protocol
    /// (`readinto`, `recv_into`, `with memoryview(loan) as view:`), say by `loan.truncate` how many bytes there are,
    /// and send it within a value instead of `bytes`. Over `shm:`, with the encodings `cbor` and `raw`, nothing of them
    /// is copied to send them, once, where at most 4 KiB of other values are before and behind them. It is read-only
    /// then; where a buffer of it is still in use, a copy is sent. It is ordinary memory where `loan` gives that.
    fn loan_bytes(&self, length: Length) -> Outcome<BytesLoan> {
        Ok(BytesLoan::of(self.link.loan_bytes(length.0)?))
    }

    /// Sends a value; gives its sequence number. `Timeout` where the queue stays full.
    #[pyo3(signature = (value, *, timeout=Patience::DEFAULT, on_wait=None))]
    fn send(&self, value: &Bound<'_, PyAny>, timeout: Patience, on_wait: OnWait) -> Outcome<u64> {
        let payload = self.encoded(value)?;
        self.wait(value.py(), timeout, on_wait, |wait| self.link.send_payload(&payload, wait))
    }

    /// Sends a value without waiting; `Full` where there is no room, or no program is connected.
    fn try_send(&self, value: &Bound<'_, PyAny>) -> Outcome<u64> {
        let payload = self.encoded(value)?;
        Ok(value.py().detach(|| self.link.try_send_payload(&payload))?)
    }

    /// Sends each value of an iterable as a message of its own, with one wake-up or one system call for up to 64 short
    /// ones where the transport can; gives how many. `sent` of an error is the number of messages that were sent before
    /// it, and what an iterable raises has that as a note. One time-out for all.
    #[pyo3(signature = (values, *, timeout=Patience::DEFAULT, on_wait=None))]
    fn send_many(&self, values: &Bound<'_, PyAny>, timeout: Patience, on_wait: OnWait) -> Outcome<u64> {
        let encode = |walk: &Walk<'_, '_>| self.link.encode(walk);
        let mut items = Encoding::of(values, &encode)?;
        let sent = self.wait(values.py(), timeout, on_wait, |wait| self.link.send_encoded(&mut items, wait));
        items.outcome(values.py(), sent)
    }

    /// Waits for a message, and takes those that arrived after it, too: a list of at most `max`. They count as consumed
    /// with the next call that receives.
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

    /// The next message.
    #[pyo3(signature = (*, timeout=Patience::DEFAULT, on_wait=None))]
    fn recv(&self, py: Python<'_>, timeout: Patience, on_wait: OnWait) -> Outcome<Message> {
        let message = self.wait(py, timeout, on_wait, |wait| self.link.recv(wait))?;
        Message::received(py, message, |message| Ok(self.link.put_back(message)?))
    }

    /// The next message if it is there; `Empty` otherwise.
    fn try_recv(&self, py: Python<'_>) -> Outcome<Message> {
        let message = py.detach(|| self.link.try_recv())?;
        Message::received(py, message, |message| Ok(self.link.put_back(message)?))
    }

    /// Acknowledges everything that was received so far as consumed: for a channel with `ack="manual"`.
    fn ack(&self, py: Python<'_>) -> Outcome<()> {
        Ok(py.detach(|| self.link.ack())?)
    }

    /// Whether `recv` would not wait.
    fn poll(&self, py: Python<'_>) -> Outcome<bool> {
        Ok(py.detach(|| self.link.poll())?)
    }

    /// Sends a request and waits for its reply; `Remote` where the handler failed, `Disconnected` where it died. Calls
    /// of several threads are under way together, and each gets its own answer.
    #[pyo3(signature = (value, *, timeout=Patience::DEFAULT, on_wait=None))]
    fn call(&self, value: &Bound<'_, PyAny>, timeout: Patience, on_wait: OnWait) -> Outcome<Message> {
        let payload = self.encoded(value)?;
        let reply = self.wait(value.py(), timeout, on_wait, |wait| self.link.call_payload(&payload, wait))?;
        // The call is over, and its error says why.
        Message::received(value.py(), reply, |_| Ok(()))
    }

    /// Sends a request, without waiting where no time-out is given; `finish_call` gives its answer. A call in two
    /// steps, for event loops. A server of another machine does not begin with it later than `within` seconds from now.
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

    /// The reply to a request that `start_call` sent, with the errors of `call`.
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

    /// Answers a request that `recv` gave.
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

    /// The events since the last call: connected, disconnected, reconnected, lagged and others.
    fn events<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        event_list(py, self.link.events())
    }

    /// Counters.
    fn stats<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyAny>> {
        object(&self.link.stats(), Builder::copying(py))
    }

    /// A file descriptor that is readable while `recv` would not wait, for event loops.
    fn fileno(&self, py: Python<'_>) -> Outcome<i32> {
        Ok(py.detach(|| self.link.fileno())?)
    }

    /// Waits until the peer has consumed what was sent. The `missed` of a `Timeout` or `Disconnected` is the number
    /// that it has not consumed; the channel stays open. `InvalidState` where another thread closes it meanwhile.
    #[pyo3(signature = (*, timeout=Patience::DEFAULT, on_wait=None))]
    fn flush(&self, py: Python<'_>, timeout: Patience, on_wait: OnWait) -> Outcome<()> {
        self.wait(py, timeout, on_wait, |wait| self.link.flush(wait))
    }

    /// Delivers what was sent, as far as the time-out allows, and closes the channel. A second call does nothing.
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

    /// Whether `send` would not wait.
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

/// Takes one peer after the other. Any number of threads may accept, and any may close it.
#[pyclass(frozen, module = "linkspan")]
pub struct Listener {
    listener: CoreListener,
    on_wait: OnWait,
    endings: Endings,
    /// The channels that it has given.
    accepted: AtomicU64,
    closed: Closed,
}

#[pymethods]
impl Listener {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.on_wait)?;
        self.endings.traverse(&visit)
    }

    /// Listens at the endpoint; `AddressInUse` where another process does.
    #[new]
    #[pyo3(signature = (endpoint, **given))]
    fn new(endpoint: Endpoint, given: Option<&Bound<'_, PyDict>>) -> Outcome<Listener> {
        let (options, on_wait, endings) = channel_options(given)?;
        let listener = CoreListener::listen(&endpoint, &options)?;
        Ok(Listener { listener, on_wait, endings, accepted: AtomicU64::new(0), closed: Closed::default() })
    }

    /// The channel to the next peer that connects.
    #[pyo3(signature = (*, timeout=Patience::DEFAULT, on_wait=None))]
    fn accept(&self, py: Python<'_>, timeout: Patience, on_wait: OnWait) -> Outcome<Channel> {
        let callback = on_wait.as_ref().or(self.on_wait.as_ref());
        let link = waiting(py, timeout, callback, |wait| self.listener.accept(wait))?;
        self.accepted.fetch_add(1, Ordering::Relaxed);
        Channel::over(py, link, self.on_wait.as_ref().map(|f| f.clone_ref(py)), &self.endings)
    }

    /// The endpoint, with its transport.
    #[getter]
    fn endpoint(&self) -> String {
        self.listener.endpoint()
    }

    fn __repr__(&self) -> String {
        let head = format!("Listener {}", self.endpoint());
        let counters = Value::map([("accepted", self.accepted.load(Ordering::Relaxed))]);
        described(&head, &self.closed, &counters, &[("accepted", "accepted")])
    }

    /// The events since the last call: forgotten, where messages that were kept for an absent client are lost.
    fn events<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        event_list(py, self.listener.events())
    }

    /// Counters.
    fn stats<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyAny>> {
        object(&self.listener.stats(), Builder::copying(py))
    }

    /// A file descriptor that is readable while `accept` would not wait.
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
