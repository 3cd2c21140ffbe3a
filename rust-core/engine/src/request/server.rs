//! The server: receives the requests of many clients, one after the other.
//!
//! [`Server`] is the public part of [`Clients`]. It ensures that one thread at a time serves, that any thread may
//! close, that a close in a callback of the serving thread does not wait for that thread, and that signals end the
//! loop.

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

/// Serves an endpoint: any number of clients call, the program receives their requests in turn and
/// answers each.
///
/// One thread at a time receives requests; the call of another one fails with `InvalidState`. Any thread may answer a
/// [`Request`], and close the server, which ends the wait of the serving thread.
pub struct Server {
    shown: Arc<str>,
    options: Options,
    /// `None` once the server is closed. The serving thread holds the lock during its wait.
    serving: OfProcess<Mutex<Option<Serving>>>,
    /// Ends the wait of the serving thread.
    wake: OfProcess<Arc<EventFd>>,
    event_log: OfProcess<Arc<EventLog>>,
    /// The epoll set of the clients.
    pub(crate) descriptor: OfProcess<Arc<Descriptor>>,
    closed: AtomicBool,
    /// The thread that serves or closes, so that a close in a callback of its wait is recognised.
    serving_thread: HolderMark,
    /// Whether such a close has happened in `next`, which then completes it.
    closed_in_callback: AtomicBool,
    /// The fork count of the process that made the server.
    fork_generation: u64,
}

/// The state of serving, which a close consumes.
struct Serving {
    clients: Clients,
    acceptor: ChannelAcceptor,
}

impl Server {
    /// Binds the name, and returns its server.
    ///
    /// # Errors
    /// `AddressInUse` if a live process holds the name; `Unsupported` for options that the transport does not
    /// support.
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

    /// Waits for the next request. [`Timeout::Default`] waits without a limit here, as in every loop,
    /// whatever the options say.
    ///
    /// Returns `None` once the server is closed. A call that waits without a limit also returns `None` once SIGINT or
    /// SIGTERM has asked the program to stop.
    ///
    /// # Errors
    /// `Timeout` if a time-out was given and passes; `InvalidState` if another thread receives
    /// requests.
    pub fn next<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<Option<Request>> {
        self.try_next(wait.into()).map_err(|e| e.on(&self.shown))
    }

    /// [`Server::next`] without the endpoint in its errors.
    fn try_next(&self, wait: Wait<'_>) -> Result<Option<Request>> {
        fork::check(self.fork_generation)?;
        let mut serving = match lock_exclusive(&self.serving, Operation::TakeRequests) {
            // The other thread closes the server.
            Err(_) if self.closed.load(Ordering::Acquire) => return Ok(None),
            serving => serving?,
        };
        let _holder = self.serving_thread.mark();
        let next = self.next_of(&mut serving, wait);
        // This thread closed the server in a callback or a signal handler, so it has to complete the close.
        if !matches!(next, Ok(Some(_))) && self.closed_in_callback.load(Ordering::Acquire) {
            let mut closing = drive::begin(Wait::default(), self.options.timeout);
            return next.and(self.finish(serving.take(), &mut closing).map(|()| None));
        }
        next
    }

    /// Makes a step, which is all that a call of a busy server does, and else waits for the next ones.
    fn next_of(&self, serving: &mut Option<Serving>, wait: Wait<'_>) -> Result<Option<Request>> {
        let Some(serving) = serving else { return Ok(None) };
        // Only a call without a time limit reacts to signals: one with a time-out returns to its program anyway.
        if deadline::heeds_signals(&wait, Timeout::Forever) && !serving.clients.watches_signals() {
            serving.clients.stop_on_signals()?;
        }
        let next = self.step(serving);
        if matches!(next, Ok(None)) { self.wait_for_next(serving, wait) } else { next }
    }

    /// Returns the request that a step finds; none either once the server is closed.
    #[inline]
    fn step(&self, serving: &mut Serving) -> Result<Option<Request>> {
        if self.closed.load(Ordering::Acquire) {
            return Ok(None);
        }
        let next = serving.clients.step(&serving.acceptor);
        // Busy servers of a shared name leave new clients to idle ones.
        self.event_log.busy.store(matches!(next, Ok(Some(_))), Ordering::Relaxed);
        next
    }

    /// Clears what the next step needs, and makes it, until there is a request or the server is closed or asked to
    /// stop.
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

    /// Answers every request with the value that the handler returns, until the server is closed or the
    /// program is asked to stop. If the handler fails, the client's call fails with `Remote`, with the kind
    /// and the text of the handler's error.
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

    /// Returns what happened since the last call, such as clients that connected and disconnected.
    pub fn events(&self) -> Vec<Event> {
        self.event_log.take()
    }

    /// Returns the endpoint, with its transport.
    pub fn endpoint(&self) -> &str {
        &self.shown
    }

    /// Returns a descriptor for an event loop: readable while [`Server::next`] without waiting has
    /// something to do.
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
            // Without the lock, which the call of another thread would find taken.
            stats.insert("clients".into(), self.event_log.present.load(Ordering::Relaxed).into());
        }
        Value::Map(stats)
    }

    /// Stops receiving requests, removes the name, and waits until the clients have received their
    /// answers. Does not wait in a callback of this thread's own `next` or `close`, or in a signal handler that
    /// interrupts one of them: that call completes the close.
    ///
    /// # Errors
    /// `Timeout` if clients have not received their answers by the deadline; the server is closed
    /// all the same.
    pub fn close<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<()> {
        if fork::check(self.fork_generation).is_err() {
            return Ok(());
        }
        self.closed.store(true, Ordering::Release);
        // A thread that waits in `next` returns and releases the lock.
        self.wake.wake();
        if self.serving_thread.is_this_thread() {
            self.closed_in_callback.store(true, Ordering::Release);
            return Ok(());
        }
        let mut waiting = self.options.start(wait);
        let mut serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner);
        // A close in a callback of this wait must not wait for it.
        let _holder = self.serving_thread.mark();
        self.finish(serving.take(), &mut waiting).map_err(|e| e.on(&self.shown))
    }

    /// Closes the name and sends the waiting answers.
    fn finish(&self, serving: Option<Serving>, waiting: &mut Waiting<'_>) -> Result<()> {
        let Some(Serving { mut clients, acceptor }) = serving else { return Ok(()) };
        // The name first, so that clients find the next server while this one sends its answers.
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

/// Answers a request with the error of its handler.
fn answer_with_error(request: &Request, error: &Error) -> Result<()> {
    request.fail(&RemoteFailure::of(error))
}

impl Drop for Server {
    fn drop(&mut self) {
        // Waits a short time until the answers are sent. A program that has to know whether all of them were sent calls
        // `close`.
        let _ = self.close(LINGER);
    }
}

/// The descriptor of [`Server::fileno`]. If that fails, because another thread receives requests, it
/// does not become readable by itself, and the next call reports the reason.
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
