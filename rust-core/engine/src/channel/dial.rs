//! The side that connects: calls a listener until it answers, and connects again after each broken
//! link.
//!
//! A call has one of three outcomes: an answer, no listener, or busy (the listener is there and cannot take
//! the connection now). When no program listens, the wait is event-driven where that is possible: an inotify
//! watch reports a name that appears in the runtime directory. Over TCP a timer with growing intervals
//! replaces the watch. The watch is set up before the listener is tried once more, so that no appearance is
//! missed between the two.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::handshake::{self, Hello};
use super::options::Options;
use super::schema_negotiation::SchemaNegotiation;
use super::session::redial::{Pause, Redial};
use crate::deadline::{Deadline, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::inotify::Watch;
use crate::sys::poll::{is_readable, next_round, wait_readable};
use crate::sys::random;
use crate::sys::timer::Timer;
use crate::transport::driver::{Appears, Target};
use crate::transport::endpoint::Endpoint;
use crate::transport::hello::{AnsweredCall, Call};
use crate::transport::stream::Stream;

/// The address to connect to, and the event that reports that trying again may succeed.
pub struct Dialler {
    endpoint: Endpoint,
    target: Box<dyn Target>,
    /// Exists while no program listens.
    listener_watch: Mutex<Option<ListenerWatch>>,
    /// Failed attempts in a row, over a transport whose listeners cannot be watched for.
    redial: Mutex<Redial>,
    /// When a listener without a hello was reached last.
    reached: Mutex<Option<Instant>>,
    /// Which schemas of listeners fit; none if the program has none.
    schema_negotiation: Option<SchemaNegotiation>,
}

/// What reports that trying again may succeed.
struct ListenerWatch {
    /// An inotify watch of the directory: a name has appeared, or a listener has written its file.
    watch: Option<Watch>,
    /// For a transport whose listeners cannot be watched for.
    timer: Option<Timer>,
}

impl ListenerWatch {
    /// Drains the reported events.
    fn drain(&self) {
        self.timer.iter().for_each(Timer::drain);
        self.watch.iter().for_each(Watch::drain);
    }

    /// Returns the descriptors that report it.
    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let watch = self.watch.iter().flat_map(Watch::descriptors);
        self.timer.iter().map(AsFd::as_fd).chain(watch).collect()
    }
}

/// Pause before trying again at a listener that could not take the connection: out of descriptors, or ending.
const BUSY: Duration = Duration::from_millis(20);
/// How long an `AddressInUse` is retried. The predecessor of this program may have been killed just before,
/// and the kernel of a busy machine reports that to the listener late.
const STALE_REFUSAL: Duration = Duration::from_millis(100);

/// The greatest number of schema comparisons in one call: several processes that share a name may have
/// different ones.
const MAX_COMPARISONS: usize = 8;

impl Dialler {
    /// Returns a dialler for this endpoint, which has not tried it.
    pub fn new(endpoint: &Endpoint, options: &Options) -> Result<Dialler> {
        let connections = endpoint.transport().connections();
        let target = connections.and_then(|driver| driver.target(endpoint)).map_err(|e| e.on(endpoint))?;
        let endpoint = endpoint.clone();
        let (listener_watch, redial, reached) = (Mutex::default(), Mutex::default(), Mutex::default());
        Ok(Dialler {
            endpoint,
            target,
            listener_watch,
            redial,
            reached,
            schema_negotiation: SchemaNegotiation::of(options),
        })
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
        next_round(waiting).map_err(|e| self.prolonged(e))?;
        let Some(schema_negotiation) = &self.schema_negotiation else {
            return self.dial_with(&hello.to_frame()?, &mut offer, wakers, waiting);
        };
        for _ in 0..MAX_COMPARISONS {
            let dialled = self.dial_with(
                &schema_negotiation.with_fingerprints(hello).to_frame()?,
                &mut offer,
                wakers,
                waiting,
            )?;
            let Some((called, peer_hello, own)) = dialled else { return Ok(None) };
            if schema_negotiation.fits(&peer_hello).map_err(|e| e.on(&self.endpoint))? {
                return Ok(Some((called, peer_hello, own)));
            }
            // The listener has not admitted this side. Released first, because a pipe has one caller at a
            // time.
            drop((called, own));
            let ask = |query: &Hello| {
                next_round(waiting).map_err(|e| self.prolonged(e))?;
                self.query(query, wakers, waiting)
            };
            schema_negotiation.compare(&peer_hello, ask).map_err(|e| e.on(&self.endpoint))?;
        }
        let text = "the program that listens there gave another schema at each call; try again";
        Err(Error::new(ErrorKind::Stalled, text).on(&self.endpoint))
    }

    /// Returns the error of a listener that answers, but does not complete the connection in time.
    fn prolonged(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::Timeout {
            return error;
        }
        let text = "a program listens there and answers, but the connection was not complete in time: it sends its schema in too many parts, or ends each connection; try again, or see what that program does";
        Error::new(ErrorKind::Stalled, text).on(&self.endpoint)
    }

    /// Returns the answer to a query; none if the listener cannot answer now.
    fn query(
        &self,
        query: &Hello,
        wakers: &[BorrowedFd<'_>],
        waiting: &mut Waiting<'_>,
    ) -> Result<Option<Hello>> {
        match self.target.call(&query.to_frame()?, &[], wakers, waiting)? {
            Call::Answered(called) => handshake::read_answer(&called.answer).map(Some),
            Call::NotListening | Call::Busy => Ok(None),
        }
    }

    /// [`Dialler::dial`] with a hello whose fingerprints are final.
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
            Ok(match self.target.call(frame, &borrowed, wakers, waiting)? {
                Call::Answered(called) => match handshake::read_answer(&called.answer) {
                    Err(e)
                        if e.kind() == ErrorKind::AddressInUse
                            && started.elapsed() < STALE_REFUSAL
                            && waiting.deadline().remaining().is_none_or(|left| left > BUSY) =>
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
    /// [`Dialler::dial`].
    pub fn reach(&self, wakers: &[BorrowedFd<'_>], waiting: &mut Waiting<'_>) -> Result<Option<Stream>> {
        let reach = |waiting: &mut Waiting<'_>| {
            let mut last = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
            // A listener without a hello refuses by closing, so reconnecting at once could spin.
            if last.is_some_and(|last| last.elapsed() < BUSY) {
                pause(waiting)?;
            }
            let reached = self.target.connect(wakers, waiting)?;
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
        let mut dialled = || -> Result<_> {
            loop {
                // Drained before the attempt, so that what happens after the attempt ends the next wait.
                if let Some(listener_watch) = self.listener_watch().as_ref() {
                    listener_watch.drain();
                }
                match call(waiting)? {
                    Call::Answered(answer) => {
                        *self.listener_watch() = None;
                        self.redial().succeeded();
                        return Ok(Some(answer));
                    }
                    Call::NotListening if self.start_watching()? => {}
                    Call::NotListening if self.wait_for_listener(wakers, waiting)? => {}
                    Call::NotListening => return Ok(None),
                    Call::Busy => pause(waiting)?,
                }
            }
        };
        dialled().map_err(|e| match e.kind() {
            ErrorKind::Timeout => self.not_found(waiting).on(&self.endpoint),
            _ => e.on(&self.endpoint),
        })
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

    /// Calls `f` with the descriptors that report that trying again may succeed; none while a
    /// listener is there.
    pub fn with_descriptors<R>(&self, f: impl FnOnce(Vec<BorrowedFd<'_>>) -> R) -> Option<R> {
        self.listener_watch().as_ref().map(|listener_watch| f(listener_watch.descriptors()))
    }

    /// Locks the watch.
    fn listener_watch(&self) -> MutexGuard<'_, Option<ListenerWatch>> {
        self.listener_watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the count of failed attempts.
    fn redial(&self) -> MutexGuard<'_, Redial> {
        self.redial.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the watch, or arms the timer again. True if the watch is new, so that the listener has
    /// to be tried once more before the wait: it may have appeared just before.
    fn start_watching(&self) -> Result<bool> {
        let appears = self.target.appears();
        let watched = !matches!(appears, Appears::Polled(_));
        let next = self.redial().failed(watched, random::number()?);
        let mut listener_watch = self.listener_watch();
        match (appears, &mut *listener_watch) {
            (Appears::Polled(record), current) => {
                let Pause::For(pause) = next else { return Ok(false) };
                let mut is_new = false;
                if current.is_none() {
                    // Without a watch, the timer alone is used.
                    let watch = record.and_then(|place| Watch::new(&place.directory).ok());
                    is_new = watch.is_some();
                    *current = Some(ListenerWatch { watch, timer: Some(Timer::new()?) });
                }
                if let Some(ListenerWatch { timer: Some(timer), .. }) = current {
                    timer.arm(pause)?;
                }
                Ok(is_new)
            }
            (Appears::Name(place) | Appears::Opened(place), none @ None) => {
                *none = Some(ListenerWatch { watch: Some(Watch::new(&place.directory)?), timer: None });
                Ok(true)
            }
            (Appears::Opened(place), Some(ListenerWatch { watch: Some(watch), .. })) => {
                watch.opening(&place.directory, &place.file)
            }
            _ => Ok(false),
        }
    }

    /// Waits for the watch; false if a waker ended the wait.
    fn wait_for_listener(&self, wakers: &[BorrowedFd<'_>], waiting: &mut Waiting<'_>) -> Result<bool> {
        let listener_watch = self.listener_watch();
        let Some(listener_watch) = listener_watch.as_ref() else { return Ok(true) };
        let mut on = wakers.to_vec();
        on.extend(listener_watch.descriptors());
        wait_readable(waiting, &on)?;
        Ok(wakers.iter().all(|waker| !is_readable(*waker)))
    }

    /// Returns the error for a listener that did not appear.
    fn not_found(&self, waiting: &Waiting<'_>) -> Error {
        let how = if waiting.is_none() { "was looked for once" } else { "was waited for" };
        let shared = match self.target.appears() {
            Appears::Polled(_) => "port",
            Appears::Name(_) | Appears::Opened(_) => "directory (LINKSPAN_DIR)",
        };
        let text = format!(
            "no program listens: {} {how}; start one that does, and see that both use the same {shared}",
            self.target.shown()
        );
        Error::new(ErrorKind::NotFound, text)
    }
}

/// Waits for [`BUSY`], or fails with `Stalled` at the deadline.
fn pause(waiting: &mut Waiting<'_>) -> Result<()> {
    if waiting.deadline().has_passed() {
        let text = "a program listens there but could not take the connection in time; try again";
        return Err(Error::new(ErrorKind::Stalled, text));
    }
    waiting.sleep()?;
    let pause_time = Deadline::after(BUSY).sooner(waiting.deadline()).remaining().unwrap_or(BUSY);
    std::thread::sleep(pause_time);
    waiting.woke(false)
}
