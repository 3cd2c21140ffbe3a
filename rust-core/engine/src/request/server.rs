//! The server: receives the requests of many clients, one after the other.
//!
//! [`Server`] ensures that only one thread serves at a time and that any thread may close. A close in a callback of the
//! serving thread does not wait for that thread.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::answer::Request;
use super::clients::Clients;
use crate::channel::acceptor::ChannelAcceptor;
use crate::channel::event_log::EventLog;
use crate::channel::pattern::Pattern;
use crate::channel::turns::HolderMark;
use crate::channel::{Event, LINGER, Operation, Options, lock_exclusive};
use crate::deadline::{self, Timeout, Wait, Waiting};
use crate::drive;
use crate::error::{Error, ErrorKind, RemoteFailure, Result};
use crate::sys::eventfd::EventFd;
use crate::sys::fork::{self, Descriptor, OfProcess};
use crate::transport::endpoint::Endpoint;
use crate::value::Value;

/// Serves an endpoint: the program answers the requests of any number of clients in turn.
///
/// Only one thread at a time receives requests; a call of another thread fails with `InvalidState`. Any thread may
/// answer a [`Request`] or close the server, which ends the wait of the serving thread.
pub struct Server {
    shown: Arc<str>,
    options: Options,
    /// `None` after the close. The serving thread holds the lock during its wait.
    serving: OfProcess<Mutex<Option<Serving>>>,
    /// Ends the wait of the serving thread.
    wake: OfProcess<Arc<EventFd>>,
    /// Counters and events. Other threads read it without the lock of `serving`.
    event_log: OfProcess<Arc<EventLog>>,
    pub(crate) descriptor: OfProcess<Arc<Descriptor>>,
    closed: AtomicBool,
    /// The thread that serves or closes, to recognise a close in a callback of its wait.
    serving_thread: HolderMark,
    /// Tells the interrupted call of the serving thread to complete the close.
    closed_in_callback: AtomicBool,
    /// The process that made the server: calls in a forked child fail, and a close there does nothing.
    fork_generation: u64,
}

struct Serving {
    clients: Clients,
    acceptor: ChannelAcceptor,
}

impl Server {
    /// Binds the name and returns its server.
    ///
    /// # Errors
    /// `AddressInUse` if a live process holds the name; `Unsupported` for options that the transport does not support.
    pub fn serve(endpoint: &str, options: &Options) -> Result<Server> {
        let endpoint: Endpoint = endpoint.parse()?;
        let wake = Arc::new(EventFd::new()?);
        let event_log = Arc::new(EventLog::of(&endpoint));
        let acceptor =
            ChannelAcceptor::open(&endpoint, Pattern::Request, options, None).map_err(|e| e.on(&endpoint))?;
        acceptor.answer_with(&event_log);
        let shown: Arc<str> = acceptor.endpoint.to_string().into();
        let clients = Clients::new(&acceptor, wake.clone(), options, event_log.clone(), shown.clone())?;
        let descriptor = clients.epoll().shared();
        Ok(Server {
            shown,
            options: options.clone(),
            serving: Mutex::new(Some(Serving { clients, acceptor })).into(),
            wake: wake.into(),
            event_log: event_log.into(),
            descriptor: descriptor.into(),
            closed: AtomicBool::new(false),
            serving_thread: HolderMark::default(),
            closed_in_callback: AtomicBool::new(false),
            fork_generation: fork::generation(),
        })
    }

    /// Waits for the next request. Returns `None` after the server is closed.
    ///
    /// [`Timeout::Default`] means no limit here, as in every loop: the option `timeout` does not apply. A call without
    /// a limit also returns `None` after SIGINT or SIGTERM has asked the program to stop.
    ///
    /// # Errors
    /// `Timeout` if the given timeout passes; `InvalidState` if another thread receives requests.
    pub fn next<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<Option<Request>> {
        self.try_next(wait.into()).map_err(|e| e.on(&self.shown))
    }

    fn try_next(&self, wait: Wait<'_>) -> Result<Option<Request>> {
        fork::check(self.fork_generation)?;
        let mut serving = match lock_exclusive(&self.serving, Operation::TakeRequests) {
            // Another thread completes the close, or still leaves its wait: this server has no further requests.
            Err(_) if self.closed.load(Ordering::Acquire) => return Ok(None),
            serving => serving?,
        };
        let _holder = self.serving_thread.mark();
        let next = self.next_of(&mut serving, wait);
        // This thread closed the server in a callback or a signal handler, so it must complete the close.
        if !matches!(next, Ok(Some(_))) && self.closed_in_callback.load(Ordering::Acquire) {
            let mut closing = drive::begin(Wait::default(), self.options.timeout);
            // The error of the wait precedes the error of the close.
            return next.and(self.finish(serving.take(), &mut closing).map(|()| None));
        }
        next
    }

    /// Takes one step, and waits only if that step finds no request. On a busy server one step suffices.
    fn next_of(&self, serving: &mut Option<Serving>, wait: Wait<'_>) -> Result<Option<Request>> {
        let Some(serving) = serving else { return Ok(None) };
        // Only calls without a time limit react to signals: others return to their program anyway.
        if deadline::heeds_signals(&wait, Timeout::Forever) && !serving.clients.watches_signals() {
            serving.clients.stop_on_signals()?;
        }
        let next = self.step(serving);
        if matches!(next, Ok(None)) { self.wait_for_next(serving, wait) } else { next }
    }

    #[inline]
    fn step(&self, serving: &mut Serving) -> Result<Option<Request>> {
        if self.closed.load(Ordering::Acquire) {
            return Ok(None);
        }
        let next = serving.clients.step(&serving.acceptor);
        // The acceptor of a shared name reads this: it lets idle servers accept new clients first.
        self.event_log.busy.store(matches!(next, Ok(Some(_))), Ordering::Relaxed);
        next
    }

    /// Repeats [`Clients::clear`], which admits clients and sleeps, and a step.
    ///
    /// Ends when a step finds a request, the server is closed, or the program is asked to stop.
    #[inline(never)]
    fn wait_for_next(&self, serving: &mut Serving, wait: Wait<'_>) -> Result<Option<Request>> {
        let mut waiting = drive::begin(wait, Timeout::Forever).on_wait(&self.options.on_wait);
        while !self.closed.load(Ordering::Acquire)
            && serving.clients.clear(&serving.acceptor, &mut waiting)?
        {
            let next = self.step(serving);
            if !matches!(next, Ok(None)) {
                return next;
            }
        }
        Ok(None)
    }

    /// Answers every request with the handler's result, until a close or a stop signal.
    ///
    /// If the handler fails, the client's call fails with `Remote` and with the kind and text of the handler's error.
    /// An answer that cannot be sent becomes such a failure. A message without an answer has no way back for an error,
    /// so an error of its handler is dropped. During the handler another thread may receive.
    ///
    /// # Errors
    /// Errors of [`Server::next`]; the error of sending a failure to a client.
    pub fn run(&self, mut handler: impl FnMut(&Request) -> Result<Value>) -> Result<()> {
        while let Some(request) = self.next(None)? {
            let answered = match handler(&request) {
                Ok(_) if !request.wants_reply() => Ok(()),
                Ok(value) => request.reply(&value),
                Err(error) => Err(error),
            };
            if let Err(error) = answered
                && request.wants_reply()
            {
                answer_with_error(&request, &error)?;
            }
        }
        Ok(())
    }

    /// Returns the events since the last call, such as clients that connected and disconnected.
    pub fn events(&self) -> Vec<Event> {
        self.event_log.take()
    }

    /// Returns the endpoint, with its transport.
    pub fn endpoint(&self) -> &str {
        &self.shown
    }

    /// Returns a descriptor that is readable while [`Server::next`] without waiting has work.
    ///
    /// # Errors
    /// `InvalidState` while another thread receives requests.
    pub fn fileno(&self) -> Result<RawFd> {
        let watched = fork::check(self.fork_generation).and_then(|()| {
            if let Some(serving) = lock_exclusive(&self.serving, Operation::TakeRequests)?.as_mut()
                && !std::mem::replace(&mut serving.clients.watched, true)
            {
                // Readable once, so that the event loop calls `next`, which parks the clients.
                self.wake.wake();
            }
            Ok(())
        });
        watched.map_err(|e| e.on(&self.shown))?;
        Ok(self.descriptor.as_raw_fd())
    }

    /// Returns counters and state, as a map.
    pub fn stats(&self) -> Value {
        let mut stats = self.event_log.stats();
        self.event_log.add_arrays(&mut stats);
        stats.insert("endpoint".into(), (&*self.shown).into());
        if fork::check(self.fork_generation).is_ok() {
            // Without the lock: taking it would make a call of another thread fail.
            stats.insert("clients".into(), self.event_log.present.load(Ordering::Relaxed).into());
        }
        Value::Map(stats)
    }

    /// Stops receiving, removes the name, and waits until the clients have received their answers.
    ///
    /// In a callback of this thread's own `next` or `close`, or in a signal handler that interrupts one, it returns at
    /// once, and the interrupted call completes the close. From another thread it first wakes the serving thread and
    /// waits until that thread has left its wait, whatever the deadline.
    ///
    /// # Errors
    /// `Timeout` if clients have not received their answers by the deadline; the server is still closed.
    pub fn close<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<()> {
        if fork::check(self.fork_generation).is_err() {
            return Ok(());
        }
        self.closed.store(true, Ordering::Release);
        self.wake.wake();
        if self.serving_thread.is_this_thread() {
            self.closed_in_callback.store(true, Ordering::Release);
            return Ok(());
        }
        let mut waiting = self.options.start(wait);
        let mut serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner);
        // A close in a callback of this wait must not wait for this thread.
        let _holder = self.serving_thread.mark();
        self.finish(serving.take(), &mut waiting).map_err(|e| e.on(&self.shown))
    }

    fn finish(&self, serving: Option<Serving>, waiting: &mut Waiting<'_>) -> Result<()> {
        let Some(Serving { mut clients, acceptor }) = serving else { return Ok(()) };
        // The name first: clients find the next server while this one sends its answers.
        drop(acceptor);
        clients.finish(waiting).map_err(|e| match e.kind() {
            ErrorKind::Timeout => Error::new(
                ErrorKind::Timeout,
                "the server is closed; some clients had not received their answers in time",
            ),
            _ => e,
        })
    }
}

fn answer_with_error(request: &Request, error: &Error) -> Result<()> {
    request.fail(&RemoteFailure::of(error))
}

impl Drop for Server {
    fn drop(&mut self) {
        // Waits a short time for the answers. `close` tells a program whether all were sent.
        let _ = self.close(LINGER);
    }
}

/// The descriptor of [`Server::fileno`].
///
/// If another thread receives requests, `fileno` fails, and this descriptor may stay unreadable. The program's next
/// [`Server::next`] returns the error.
impl AsFd for Server {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let _ = self.fileno();
        self.descriptor.as_fd()
    }
}

impl AsRawFd for Server {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// An iterator over the requests, which ends when [`Server::next`] returns `None`.
#[derive(Debug)]
pub struct Requests<'a>(&'a Server);

impl Iterator for Requests<'_> {
    type Item = Result<Request>;

    fn next(&mut self) -> Option<Result<Request>> {
        self.0.next(None).transpose()
    }
}

impl<'a> IntoIterator for &'a Server {
    type Item = Result<Request>;
    type IntoIter = Requests<'a>;

    fn into_iter(self) -> Requests<'a> {
        Requests(self)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("endpoint", &self.shown)
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}
