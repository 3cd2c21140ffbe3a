//! The server: takes the requests of many clients, one after the other.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::answer::Request;
use super::clients::{Clients, Next};
use crate::channel::acceptor::ChannelAcceptor;
use crate::channel::greeting::Pattern;
use crate::channel::record::Record;
use crate::channel::turns::Turns;
use crate::channel::{Does, Event, LINGER, Options, only_one};
use crate::deadline::{Timeout, Wait, Waiting};
use crate::error::{Error, ErrorKind, RemoteFailure, Result};
use crate::message::failure::INTERNAL_ERROR;
use crate::sys::eventfd::EventFd;
use crate::sys::fork;
use crate::transport::endpoint::Endpoint;
use crate::value::Value;

/// Serves an endpoint: any number of clients call, the program takes their requests in turn and answers each.
///
/// One thread at a time takes requests, another one gets `InvalidState`; any thread may answer a [`Request`], and close the server,
/// which ends the other's wait.
pub struct Server {
    shown: Arc<str>,
    options: Options,
    serving: Mutex<Option<Serving>>,
    wake: Arc<EventFd>,
    record: Arc<Record>,
    descriptor: Arc<OwnedFd>,
    closed: AtomicBool,
    /// Which thread takes requests, for one that closes out of a callback of its own wait; whether it did.
    taker: Turns,
    closed_within: AtomicBool,
    born: u64,
}

struct Serving {
    clients: Clients,
    acceptor: ChannelAcceptor,
}

impl Server {
    /// Takes the name. `AddressInUse` where a living process has it.
    pub fn serve(endpoint: &str, options: &Options) -> Result<Server> {
        let endpoint: Endpoint = endpoint.parse()?;
        let wake = Arc::new(EventFd::new()?);
        let record = Arc::new(Record::default());
        let acceptor =
            ChannelAcceptor::open(&endpoint, Pattern::Request, options, None).map_err(|e| e.on(&endpoint))?;
        acceptor.tells_of(&record);
        let shown: Arc<str> = acceptor.endpoint.to_string().into();
        let clients = Clients::new(&acceptor, wake.clone(), options, record.clone(), shown.clone())?;
        let descriptor = clients.epoll().shared();
        Ok(Server {
            shown,
            options: options.clone(),
            serving: Mutex::new(Some(Serving { clients, acceptor })),
            wake,
            record,
            descriptor,
            closed: AtomicBool::new(false),
            taker: Turns::default(),
            closed_within: AtomicBool::new(false),
            born: fork::generation(),
        })
    }

    /// The next request. [`Timeout::Default`] waits for ever here, as in every loop, whatever the options say; none comes once the
    /// server is closed or SIGINT or SIGTERM has asked the program to stop. Where a time-out is given that passes, `Timeout`.
    pub fn next<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<Option<Request>> {
        self.try_next(wait.into()).map_err(|e| e.on(&self.shown))
    }

    fn try_next(&self, wait: Wait<'_>) -> Result<Option<Request>> {
        fork::check(self.born)?;
        let mut waiting = wait.start(Timeout::Forever).on_wait(&self.options.on_wait);
        let mut serving = match only_one(&self.serving, Does::TakesRequests) {
            // The other thread is the one that closes it.
            Err(_) if self.closed.load(Ordering::Acquire) => return Ok(None),
            serving => serving?,
        };
        let _taker = self.taker.mark();
        let next = self.next_of(&mut serving, &mut waiting);
        // This thread closed it, out of a callback or a signal's handler, and nobody else waits to.
        if self.closed_within.load(Ordering::Acquire) && !matches!(next, Ok(Some(_))) {
            let mut leaving = Wait::default().start(self.options.timeout);
            return next.and(self.leave(serving.take(), &mut leaving).map(|()| None));
        }
        next
    }

    fn next_of(&self, serving: &mut Option<Serving>, waiting: &mut Waiting<'_>) -> Result<Option<Request>> {
        let Some(Serving { clients, acceptor }) = serving else { return Ok(None) };
        if waiting.is_forever() {
            clients.stop_on_signals()?;
        }
        loop {
            if self.closed.load(Ordering::Acquire) {
                return Ok(None);
            }
            self.record.busy.store(false, Ordering::Relaxed);
            match clients.next(acceptor, waiting)? {
                Next::Request(request) => {
                    self.record.busy.store(true, Ordering::Relaxed);
                    return Ok(Some(request));
                }
                Next::Stopped if waiting.is_forever() => return Ok(None),
                Next::Stopped | Next::Woken => {}
            }
        }
    }

    /// Answers every request with what the handler gives, until the server is closed or the program asked to stop. A
    /// handler's error is answered `Remote` with its kind and text.
    pub fn run(&self, mut handler: impl FnMut(&Request) -> Result<Value>) -> Result<()> {
        while let Some(request) = self.next(None)? {
            let answered = match handler(&request) {
                Ok(_) if !request.wants_reply() => Ok(()),
                Ok(value) => request.reply(&value),
                Err(error) => Err(error),
            };
            if let Err(error) = answered {
                let failure = match error.remote_failure() {
                    Some(failure) => failure.clone(),
                    None => RemoteFailure {
                        code: INTERNAL_ERROR,
                        kind: error.kind().name().to_owned(),
                        text: error.to_string(),
                        data: Vec::new(),
                    },
                };
                if request.wants_reply() {
                    request.fail(&failure)?;
                }
            }
        }
        Ok(())
    }

    /// What happened since the last call: clients that came and went.
    pub fn events(&self) -> Vec<Event> {
        self.record.take()
    }

    /// The endpoint, with its transport.
    pub fn endpoint(&self) -> &str {
        &self.shown
    }

    /// A descriptor for an event loop: readable while [`Server::next`] without waiting has something to do.
    pub fn fileno(&self) -> Result<RawFd> {
        fork::check(self.born)?;
        if let Some(serving) = only_one(&self.serving, Does::TakesRequests)?.as_mut() {
            serving.clients.watched = true;
        }
        // Readable once, so that the event loop takes a first look, which arms the clients.
        self.wake.wake();
        Ok(self.descriptor.as_raw_fd())
    }

    /// Counters and state, as a map.
    pub fn stats(&self) -> Value {
        let mut stats = self.record.stats();
        stats.insert("endpoint".into(), (&*self.shown).into());
        if let Ok(serving) = only_one(&self.serving, Does::TakesRequests) {
            let clients = serving.as_ref().map_or(0, |s| s.clients.count());
            stats.insert("clients".into(), (clients as u64).into());
        }
        Value::Map(stats)
    }

    /// Takes no more requests, gives the name away, and waits until the clients have their answers. In a callback of this thread's own
    /// `next`, and in a signal's handler that runs in it, it waits for nothing: that `next` does so, and ends.
    pub fn close<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<()> {
        if fork::check(self.born).is_err() {
            return Ok(());
        }
        self.closed.store(true, Ordering::Release);
        // Another thread that waits in `next` sees it and lets go.
        self.wake.wake();
        if self.taker.is_held_here() {
            self.closed_within.store(true, Ordering::Release);
            return Ok(());
        }
        let mut waiting = wait.into().start(self.options.timeout).on_wait(&self.options.on_wait);
        let mut serving = match self.serving.lock() {
            Ok(serving) => serving,
            Err(poisoned) => poisoned.into_inner(),
        };
        self.leave(serving.take(), &mut waiting).map_err(|e| e.on(&self.shown))
    }

    fn leave(&self, serving: Option<Serving>, waiting: &mut Waiting<'_>) -> Result<()> {
        let Some(Serving { mut clients, acceptor }) = serving else { return Ok(()) };
        drop(acceptor);
        clients.finish(waiting).map_err(|e| match e.kind() {
            ErrorKind::Timeout => {
                Error::new(ErrorKind::Timeout, "closed; some clients had not taken their answers")
            }
            _ => e,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Answers that were given are not lost by leaving; who wants to know whether all were taken calls `close`.
        let _ = self.close(LINGER);
    }
}

/// The descriptor of [`Server::fileno`]. Where that fails, because another thread takes requests, it is not readable on its
/// own, and the next call says why.
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

/// The requests as they come, for ever; ends as [`Server::next`] does.
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
