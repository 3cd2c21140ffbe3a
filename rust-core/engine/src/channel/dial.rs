//! The side that connects: calls a listener until it answers, and connects again after each broken
//! link.
//!
//! A call has one of three outcomes: an answer, no listener, or busy (the listener is there and cannot take
//! the connection now). When no program listens, the wait is event-driven where that is possible: an inotify
//! watch reports a name that appears in the runtime directory. Over TCP a timer with growing intervals
//! replaces the watch. The watch is set up before the listener is tried once more, so that no appearance is
//! missed between the two.
//!
//! Only a [`Dialling`] calls a listener, and [`Dialler::attempt`] alone makes one: an attempt that ends without a
//! connection, also where the listener has answered and the object did not take the connection, leaves an event in the
//! object's epoll set ([`Retry`]).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::handshake::{self, Hello};
use super::options::Options;
use super::retry::Retry;
use super::schema_negotiation::SchemaNegotiation;
use crate::deadline::{Waiting, at_timeout};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::poll::{Epoll, next_round};
use crate::transport::driver::{Appears, Target};
use crate::transport::endpoint::Endpoint;
use crate::transport::hello::{AnsweredCall, Call};
use crate::transport::place::Listener;
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
}

/// An attempt to connect: [`Dialler::attempt`].
pub struct Dialling<'a>(&'a Dialler);

/// The shortest time between two connections to a listener without a hello.
const REACHED_AGAIN: Duration = Duration::from_millis(20);
/// How long an `AddressInUse` is retried. The predecessor of this program may have been killed just before,
/// and the kernel of a busy machine reports that to the listener late.
const STALE_REFUSAL: Duration = Duration::from_millis(100);

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
        })
    }

    /// Makes one attempt to connect, which has ended with a connection once `attempt` returns one.
    pub fn attempt<T>(&self, attempt: impl FnOnce(&Dialling<'_>) -> Result<Option<T>>) -> Result<Option<T>> {
        self.retry.attempt(Some(self.target.appears()), || attempt(&Dialling(self)))
    }

    /// Returns what ends the wait while there is no connection.
    pub fn retry(&self) -> &Retry {
        &self.retry
    }

    /// Returns which listener the name belongs to now, where that can be told.
    pub fn listener(&self) -> Option<Listener> {
        self.target.listener()
    }

    /// Returns the error of a listener that answers, but does not complete the connection in time.
    fn prolonged(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::Timeout {
            return error;
        }
        let text = "a program listens there and answers, but the connection was not complete in time: it sends its schema in too many parts, or ends each connection; try again, or see what that program does";
        Error::new(ErrorKind::Stalled, text).on(&self.endpoint)
    }

    /// Calls `attempt` once without waiting and, where there is no publisher, again within the wait, with the error of
    /// the first attempt. Meanwhile a mark at the name makes a publisher that ends soon wait until this process has
    /// connected.
    ///
    /// # Errors
    /// Those of `attempt`.
    pub fn dial_marked<T>(
        &self,
        waiting: &mut Waiting<'_>,
        mut attempt: impl FnMut(Option<Error>, &mut Waiting<'_>) -> Result<T>,
    ) -> Result<T> {
        if waiting.is_none() {
            return attempt(None, waiting);
        }
        match attempt(None, &mut Waiting::at_once()) {
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Stalled) => {
                let _waiting_mark = self.target.mark();
                attempt(Some(e), waiting)
            }
            dialled => dialled,
        }
    }

    /// Returns the error for a listener that did not appear.
    fn not_found(&self, waiting: &Waiting<'_>) -> Error {
        let shared = match self.target.appears() {
            Appears::Polled(_) => "port",
            Appears::Name(_) | Appears::Opened(_) => "directory (LINKSPAN_DIR)",
        };
        let text = format!(
            "no program listens: {} {}; start one that does, and see that both use the same {shared}",
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
        let text = "the program that listens there gave another schema at each call; try again";
        self.shown(Error::new(ErrorKind::Stalled, text))
    }

    /// Sends a hello until a listener answers. `offer` makes the descriptors that go with it, anew
    /// for every attempt. Returns the connection, the peer's hello and what `offer` returned; none
    /// if one of `wakers` ended the wait for a listener.
    ///
    /// # Errors
    /// `NotFound` if no program listened until the deadline; `SchemaMismatch` if the schemas do not fit;
    /// any refusal as it is.
    pub fn dial<T>(
        &self,
        hello: &Hello,
        mut offer: impl FnMut() -> Result<(T, Vec<OwnedFd>)>,
        wakers: &[BorrowedFd<'_>],
        waiting: &mut Waiting<'_>,
    ) -> Result<Option<(AnsweredCall, Hello, T)>> {
        // Links that end at once, and publishers that move, make the caller dial again and again.
        next_round(waiting).map_err(|e| self.0.prolonged(e))?;
        let Some(schema_negotiation) = self.schemas() else {
            return self.dial_with(&hello.to_frame()?, &mut offer, wakers, waiting);
        };
        for _ in 0..MAX_COMPARISONS {
            let dialled =
                self.dial_with(&self.with_schemas(hello).to_frame()?, &mut offer, wakers, waiting)?;
            let Some((called, peer_hello, own)) = dialled else { return Ok(None) };
            if self.fits(&peer_hello)? {
                return Ok(Some((called, peer_hello, own)));
            }
            // The listener has not admitted this side. Released first, because a pipe has one caller at a
            // time.
            drop((called, own));
            let ask = |query: &Hello| {
                next_round(waiting).map_err(|e| self.0.prolonged(e))?;
                self.query(query, wakers, waiting)
            };
            schema_negotiation.compare(&peer_hello, ask).map_err(|e| e.on(&self.0.endpoint))?;
        }
        Err(self.unsteady())
    }

    /// Returns the answer to a query; none if the listener cannot answer now.
    fn query(
        &self,
        query: &Hello,
        wakers: &[BorrowedFd<'_>],
        waiting: &mut Waiting<'_>,
    ) -> Result<Option<Hello>> {
        match self.0.target.call(&query.to_frame()?, &[], wakers, waiting)? {
            Call::Answered(called) => handshake::read_answer(&called.answer).map(Some),
            Call::NotListening | Call::Busy => Ok(None),
        }
    }

    /// [`Dialling::dial`] with a hello whose fingerprints are final.
    fn dial_with<T>(
        &self,
        frame: &[u8],
        offer: &mut impl FnMut() -> Result<(T, Vec<OwnedFd>)>,
        wakers: &[BorrowedFd<'_>],
        waiting: &mut Waiting<'_>,
    ) -> Result<Option<(AnsweredCall, Hello, T)>> {
        let started = Instant::now();
        let call = |waiting: &mut Waiting<'_>| {
            let (own, descriptors) = offer()?;
            let borrowed: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
            Ok(match self.0.target.call(frame, &borrowed, wakers, waiting)? {
                Call::Answered(called) => match handshake::read_answer(&called.answer) {
                    Err(e)
                        if e.kind() == ErrorKind::AddressInUse
                            && started.elapsed() < STALE_REFUSAL
                            && waiting.deadline().remaining().is_none_or(|left| left > REACHED_AGAIN) =>
                    {
                        Call::Busy
                    }
                    hello => Call::Answered((called, hello?, own)),
                },
                Call::NotListening => Call::NotListening,
                Call::Busy => Call::Busy,
            })
        };
        self.until_answered(call, wakers, waiting)
    }

    /// Connects to a listener without a hello, as soon as there is one; otherwise like
    /// [`Dialling::dial`].
    pub fn reach(&self, wakers: &[BorrowedFd<'_>], waiting: &mut Waiting<'_>) -> Result<Option<Stream>> {
        let reach = |waiting: &mut Waiting<'_>| {
            let mut last = self.0.reached.lock().unwrap_or_else(PoisonError::into_inner);
            // A listener without a hello refuses by closing, so reconnecting at once could spin.
            if last.is_some_and(|last| last.elapsed() < REACHED_AGAIN) {
                return Ok(Call::Busy);
            }
            let reached = self.0.target.connect(wakers, waiting)?;
            if matches!(reached, Call::Answered(_)) {
                *last = Some(Instant::now());
            }
            Ok(reached)
        };
        self.until_answered(reach, wakers, waiting)
    }

    /// Repeats `call` until it is answered, with the waits in between.
    fn until_answered<T>(
        &self,
        mut call: impl FnMut(&mut Waiting<'_>) -> Result<Call<T>>,
        wakers: &[BorrowedFd<'_>],
        waiting: &mut Waiting<'_>,
    ) -> Result<Option<T>> {
        let Dialler { target, retry, endpoint, .. } = self.0;
        let mut dialled = || -> Result<_> {
            loop {
                // Before the attempt, so that what happens after the attempt ends the next wait.
                retry.begin();
                let goes_on = match call(waiting)? {
                    Call::Answered(answer) => return Ok(Some(answer)),
                    Call::NotListening => {
                        retry.not_listening(target.appears())? || retry.wait(wakers, waiting)?
                    }
                    Call::Busy => {
                        retry.busy();
                        retry.wait(wakers, waiting).map_err(at_timeout(busy()))?
                    }
                };
                if !goes_on {
                    return Ok(None);
                }
            }
        };
        dialled().map_err(|e| match e.kind() {
            ErrorKind::Timeout => self.0.not_found(waiting).on(endpoint),
            _ => e.on(endpoint),
        })
    }
}

/// Returns the error of a listener that is there and did not take the connection until the deadline.
fn busy() -> Error {
    let text = "a program listens there but could not take the connection in time; try again";
    Error::new(ErrorKind::Stalled, text)
}
