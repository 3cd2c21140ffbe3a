//! The side that connects: calls a listener until it answers, and connects again after each broken link.
//!
//! The outcome of an attempt is an answer, no listener, a busy listener, or nothing yet. No call waits for an answer
//! beyond its own time. Later calls continue the pending attempt (`asking`). If no program listens, an inotify watch
//! of the runtime directory reports the name; over TCP, a timer with growing intervals replaces it. The listener is
//! tried once more after the watch is set up, so no appearance is missed.
//!
//! Only a [`Dialling`] calls a listener, and only [`Dialler::attempt`] makes one. Every attempt without a connection
//! leaves an event in the object's epoll set ([`Retry`]).

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::handshake::Hello;
use super::mismatch_report::MismatchReport;
use super::options::Options;
use super::retry::Retry;
use super::schema_negotiation::SchemaNegotiation;
use crate::deadline::{Waiting, at_timeout};
use crate::drive;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::environment;
use crate::sys::lock::Lock;
use crate::sys::poll::Epoll;
use crate::transport::driver::{Appears, Target};
use crate::transport::endpoint::Endpoint;
use crate::transport::hello::Call;
use crate::transport::kind::Naming;
use crate::transport::place::{Listener, Place};
use crate::transport::stream::Stream;

pub struct Dialler {
    endpoint: Endpoint,
    target: Box<dyn Target>,
    retry: Retry,
    /// When a listener without a hello was last reached.
    reached: Mutex<Option<Instant>>,
    /// None without a schema.
    schema_negotiation: Option<SchemaNegotiation>,
    /// Whether the last attempt met a listener with ever new schemas. A call does not try it again.
    is_prolonged: AtomicBool,
    /// The report that the next attempt delivers to the listener.
    report: Mutex<Option<Box<MismatchReport>>>,
}

pub struct Dialling<'a>(&'a Dialler);

/// The shortest time between two connections to a listener without a hello.
const REACHED_AGAIN: Duration = Duration::from_millis(20);
/// Bounded, because processes that share a name may have different schemas.
pub const MAX_COMPARISONS: usize = 8;

impl Dialler {
    /// Returns a dialler whose events come from `set`, under `token`.
    pub fn new(endpoint: &Endpoint, options: &Options, set: &Epoll, token: u64) -> Result<Dialler> {
        Dialler::with(endpoint, options, Retry::new(set, token)?)
    }

    /// [`Dialler::new`] for an object that others tell when the name appears.
    pub fn watched_by_others(
        endpoint: &Endpoint,
        options: &Options,
        set: &Epoll,
        token: u64,
    ) -> Result<Dialler> {
        Dialler::with(endpoint, options, Retry::new(set, token)?.without_watch())
    }

    fn with(endpoint: &Endpoint, options: &Options, retry: Retry) -> Result<Dialler> {
        let connections = endpoint.transport().connections();
        let target = connections.and_then(|driver| driver.target(endpoint)).map_err(|e| e.on(endpoint))?;
        Ok(Dialler {
            endpoint: endpoint.clone(),
            target,
            retry,
            reached: Mutex::default(),
            schema_negotiation: SchemaNegotiation::of(options),
            is_prolonged: AtomicBool::new(false),
            report: Mutex::default(),
        })
    }

    pub fn attempt<T>(&self, attempt: impl FnOnce(&Dialling<'_>) -> Result<Option<T>>) -> Result<Option<T>> {
        self.is_prolonged.store(false, Ordering::Relaxed);
        self.retry.attempt(Some(self.target.appears()), || attempt(&Dialling(self)))
    }

    /// Returns whether a call that got this error may try again.
    pub fn may_succeed_after(&self, error: &Error) -> bool {
        match error.kind() {
            ErrorKind::NotFound => true,
            ErrorKind::Stalled => !self.is_prolonged.load(Ordering::Relaxed),
            // The next attempt fails also, but delivers the report.
            ErrorKind::SchemaMismatch => self.report().is_some(),
            _ => false,
        }
    }

    #[cfg(test)]
    pub fn with_target(self, of: impl FnOnce(Box<dyn Target>) -> Box<dyn Target>) -> Dialler {
        Dialler { target: of(self.target), ..self }
    }

    pub(super) fn report(&self) -> MutexGuard<'_, Option<Box<MismatchReport>>> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn retry(&self) -> &Retry {
        &self.retry
    }

    /// Returns the current listener of the name, if it can be identified.
    pub fn listener(&self) -> Option<Listener> {
        self.target.listener()
    }

    /// Returns the file that each listener renames to its place; none if nothing reports listeners.
    pub fn renamed_file(&self) -> Option<Place> {
        self.target.renamed_file()
    }

    /// Returns whether only polling finds a listener: over TCP without a record in the runtime directory.
    ///
    /// `has_record`: the last connected listener has written a record.
    pub fn is_polled(&self, has_record: bool) -> bool {
        match self.target.appears() {
            Appears::Polled(record) => record.is_none() || !has_record,
            Appears::Name(_) | Appears::Opened(_) => false,
        }
    }

    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Marks the name: this process waits for a publisher, until the lock is dropped.
    ///
    /// A closing publisher waits for this process to connect.
    pub fn mark(&self) -> Option<Lock> {
        self.target.mark()
    }

    pub(super) fn not_found(&self, waiting: &Waiting<'_>) -> Error {
        let advice = same_place(&self.endpoint);
        let text = format!(
            "no program listens: {} {}; start one that does, and {advice}",
            self.target.shown(),
            waiting.sought()
        );
        Error::new(ErrorKind::NotFound, text)
    }
}

impl Dialling<'_> {
    pub fn retry(&self) -> &Retry {
        &self.0.retry
    }

    pub fn target(&self) -> &dyn Target {
        &*self.0.target
    }

    pub(super) fn report(&self) -> MutexGuard<'_, Option<Box<MismatchReport>>> {
        self.0.report()
    }

    pub fn schemas(&self) -> Option<&SchemaNegotiation> {
        self.0.schema_negotiation.as_ref()
    }

    pub fn with_schemas(&self, hello: &Hello) -> Hello {
        self.schemas().map_or_else(|| hello.clone(), |schemas| schemas.with_fingerprints(hello))
    }

    pub fn fits(&self, peer_hello: &Hello) -> Result<bool> {
        self.schemas().map_or(Ok(true), |schemas| schemas.fits(peer_hello)).map_err(|e| self.shown(e))
    }

    pub fn shown(&self, error: Error) -> Error {
        error.on(&self.0.endpoint)
    }

    pub fn absent(&self) -> Error {
        self.shown(self.0.not_found(&Waiting::at_once()))
    }

    pub fn busy(&self) -> Error {
        self.shown(busy())
    }

    pub fn unsteady(&self) -> Error {
        self.0.is_prolonged.store(true, Ordering::Relaxed);
        let text = "the program that listens there gave another schema at each call; try again";
        self.shown(Error::new(ErrorKind::Stalled, text))
    }

    /// Connects to a listener without a hello, once it exists; none if a waker ended the wait.
    ///
    /// # Errors
    /// `NotFound` if no program listened until the deadline; `Stalled` if a listener was busy.
    pub fn reach(&self, wakers: &[BorrowedFd<'_>], waiting: &mut Waiting<'_>) -> Result<Option<Stream>> {
        let Dialler { target, retry, endpoint, reached, .. } = self.0;
        let once = |waiting: &mut Waiting<'_>| -> Result<Call<Stream>> {
            let mut last = reached.lock().unwrap_or_else(PoisonError::into_inner);
            // A listener without a hello refuses by closing, so reconnecting at once could spin.
            if last.is_some_and(|last| last.elapsed() < REACHED_AGAIN) {
                return Ok(Call::Busy);
            }
            let connected = drive::link(|| target.connect(wakers, waiting))?;
            if matches!(connected, Call::Answered(_)) {
                *last = Some(Instant::now());
            }
            Ok(connected)
        };
        let mut reach = || -> Result<_> {
            loop {
                // Before the attempt, so that a later event ends the next wait.
                retry.begin();
                let goes_on = match once(waiting)? {
                    Call::Answered(stream) => return Ok(Some(stream)),
                    Call::NotListening => {
                        retry.not_listening(target.appears())? || retry.wait(wakers, None, waiting)?
                    }
                    Call::Busy => {
                        retry.busy();
                        retry.wait(wakers, None, waiting).map_err(at_timeout(busy()))?
                    }
                };
                if !goes_on {
                    return Ok(None);
                }
            }
        };
        reach().map_err(|e| match e.kind() {
            ErrorKind::Timeout => self.0.not_found(waiting).on(endpoint),
            _ => e.on(endpoint),
        })
    }
}

pub fn same_place(endpoint: &Endpoint) -> &'static str {
    match endpoint.transport().naming() {
        Naming::Address => "see that both use the same port",
        Naming::Name | Naming::NameOrPath => environment::same_directory(),
    }
}

fn busy() -> Error {
    let text = "a program listens there but could not take the connection in time; try again";
    Error::new(ErrorKind::Stalled, text)
}
