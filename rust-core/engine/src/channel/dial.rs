//! The side that connects: calls a listener until it answers, and connects again after each broken
//! link.
//!
//! An attempt has one of four outcomes: an answer, no listener, busy (the listener is there and cannot take
//! the connection now), or none yet. No call waits for an answer beyond its own time: the attempt stays under way for
//! the calls that follow (`asking`). When no program listens, the wait is event-driven where that is possible: an
//! inotify watch reports a name that appears in the runtime directory. Over TCP a timer with growing intervals
//! replaces the watch. The watch is set up before the listener is tried once more, so that no appearance is
//! missed between the two.
//!
//! Only a [`Dialling`] calls a listener, and [`Dialler::attempt`] alone makes one: an attempt that ends without a
//! connection, also where the listener has answered and the object did not take the connection, leaves an event in the
//! object's epoll set ([`Retry`]).

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

/// The address to connect to, and the event that reports that trying again may succeed.
pub struct Dialler {
    endpoint: Endpoint,
    target: Box<dyn Target>,
    /// What ends the wait of the object while it has no connection.
    retry: Retry,
    /// When a listener without a hello was reached last.
    reached: Mutex<Option<Instant>>,
    /// Which schemas of listeners fit; none if the program has none.
    schema_negotiation: Option<SchemaNegotiation>,
    /// Whether the last attempt met a listener that prolongs it, which is not tried again within a call.
    is_prolonged: AtomicBool,
    /// What a listener could not be told yet of its schema, by the next attempt.
    report: Mutex<Option<Box<MismatchReport>>>,
}

/// An attempt to connect: [`Dialler::attempt`].
pub struct Dialling<'a>(&'a Dialler);

/// The shortest time between two connections to a listener without a hello.
const REACHED_AGAIN: Duration = Duration::from_millis(20);
/// The greatest number of schema comparisons in one call: several processes that share a name may have
/// different ones.
pub const MAX_COMPARISONS: usize = 8;

impl Dialler {
    /// Returns a dialler for this endpoint, which has not tried it. While there is no connection, what ends the wait
    /// for one is in the epoll set `set`, under `token`.
    pub fn new(endpoint: &Endpoint, options: &Options, set: &Epoll, token: u64) -> Result<Dialler> {
        Dialler::with(endpoint, options, Retry::new(set, token)?)
    }

    /// As [`Dialler::new`], for an object that is told when the name appears.
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

    /// Makes one attempt to connect, which has ended with a connection once `attempt` returns one.
    pub fn attempt<T>(&self, attempt: impl FnOnce(&Dialling<'_>) -> Result<Option<T>>) -> Result<Option<T>> {
        self.is_prolonged.store(false, Ordering::Relaxed);
        self.retry.attempt(Some(self.target.appears()), || attempt(&Dialling(self)))
    }

    /// Returns whether another attempt within the same call may have another outcome than this error of the last one.
    pub fn may_succeed_after(&self, error: &Error) -> bool {
        match error.kind() {
            ErrorKind::NotFound => true,
            ErrorKind::Stalled => !self.is_prolonged.load(Ordering::Relaxed),
            // The outcome is the same, and the listener is told of it.
            ErrorKind::SchemaMismatch => self.report().is_some(),
            _ => false,
        }
    }

    /// The same with another target.
    #[cfg(test)]
    pub fn with_target(self, of: impl FnOnce(Box<dyn Target>) -> Box<dyn Target>) -> Dialler {
        Dialler { target: of(self.target), ..self }
    }

    /// Returns what a listener could not be told yet.
    pub(super) fn report(&self) -> MutexGuard<'_, Option<Box<MismatchReport>>> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what ends the wait while there is no connection.
    pub fn retry(&self) -> &Retry {
        &self.retry
    }

    /// Returns which listener the name belongs to now, where that can be told.
    pub fn listener(&self) -> Option<Listener> {
        self.target.listener()
    }

    /// Returns the file that each listener renames to its place; none if nothing tells of the listeners.
    pub fn renamed_file(&self) -> Option<Place> {
        self.target.renamed_file()
    }

    /// Returns whether nothing tells that a program listens there: over TCP, unless listeners write a record in the
    /// runtime directory of this process. `has_record` is whether the one that was connected last has done so.
    pub fn is_polled(&self, has_record: bool) -> bool {
        match self.target.appears() {
            Appears::Polled(record) => record.is_none() || !has_record,
            Appears::Name(_) | Appears::Opened(_) => false,
        }
    }

    /// Returns the endpoint.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Notes beside the name that this process waits for a publisher, until the returned lock is dropped. A publisher
    /// that closes waits for this process to connect.
    pub fn mark(&self) -> Option<Lock> {
        self.target.mark()
    }

    /// Returns the error for a listener that did not appear.
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
    /// Returns what ends the wait while there is no connection.
    pub fn retry(&self) -> &Retry {
        &self.0.retry
    }

    /// Returns the address to connect to.
    pub fn target(&self) -> &dyn Target {
        &*self.0.target
    }

    /// Returns what a listener could not be told yet.
    pub(super) fn report(&self) -> MutexGuard<'_, Option<Box<MismatchReport>>> {
        self.0.report()
    }

    /// Returns which schemas of listeners fit; none if the program has none.
    pub fn schemas(&self) -> Option<&SchemaNegotiation> {
        self.0.schema_negotiation.as_ref()
    }

    /// Returns the hello with the schemas that fit.
    pub fn with_schemas(&self, hello: &Hello) -> Hello {
        self.schemas().map_or_else(|| hello.clone(), |schemas| schemas.with_fingerprints(hello))
    }

    /// Returns whether the schemas of a listener are known to fit.
    pub fn fits(&self, peer_hello: &Hello) -> Result<bool> {
        self.schemas().map_or(Ok(true), |schemas| schemas.fits(peer_hello)).map_err(|e| self.shown(e))
    }

    /// Returns the error with the endpoint.
    pub fn shown(&self, error: Error) -> Error {
        error.on(&self.0.endpoint)
    }

    /// Returns the error where no program listens.
    pub fn absent(&self) -> Error {
        self.shown(self.0.not_found(&Waiting::at_once()))
    }

    /// Returns the error of a listener that is there and did not take the connection.
    pub fn busy(&self) -> Error {
        self.shown(busy())
    }

    /// Returns the error of a listener whose schema changes all the time.
    pub fn unsteady(&self) -> Error {
        self.0.is_prolonged.store(true, Ordering::Relaxed);
        let text = "the program that listens there gave another schema at each call; try again";
        self.shown(Error::new(ErrorKind::Stalled, text))
    }

    /// Connects to a listener without a hello, as soon as there is one; none if one of `wakers` ended the wait.
    ///
    /// # Errors
    /// `NotFound` if no program listened until the deadline; `Stalled` if one was busy.
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
                // Before the attempt, so that what happens after the attempt ends the next wait.
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

/// Returns what two programs need so that they meet at this endpoint.
pub fn same_place(endpoint: &Endpoint) -> &'static str {
    match endpoint.transport().naming() {
        Naming::Address => "see that both use the same port",
        Naming::Name | Naming::NameOrPath => environment::same_directory(),
    }
}

/// Returns the error of a listener that is there and did not take the connection until the deadline.
fn busy() -> Error {
    let text = "a program listens there but could not take the connection in time; try again";
    Error::new(ErrorKind::Stalled, text)
}
