//! Connecting: an attempt sends a hello, and takes the answer when its descriptor is readable.
//!
//! A silent listener does not prolong a call. The attempt stays pending for later calls.
//!
//! Each query of a schema comparison is also such a hello. Each answer restarts the comparison from its beginning.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::dial::{Dialler, Dialling};
use super::handshake::{self, Hello};
use super::mismatch_report::{MismatchReport, STALE_REFUSAL};
use crate::deadline::{Deadline, Waiting};
use crate::drive;
use crate::error::{Error, ErrorKind, Result};
use crate::transport::hello::{AnsweredCall, Asked, Call, MIN_ANSWER_TIME};

/// Acceptors answer within microseconds, but a stopped process may continue.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// The least remaining time for another attempt after `AddressInUse`.
const AGAIN: Duration = Duration::from_millis(20);

/// The most queries about the schemas of one listener: more than the parts of the longest schema.
const MAX_QUERIES: usize = 64;

/// An attempt without an answer yet. `T` is the object's state for its hello.
pub struct Pending<T> {
    asked: Asked,
    /// None during a query.
    own: Option<T>,
    comparison: Option<Comparison>,
    /// The outcome, after the listener has answered its report.
    mismatch: Option<Box<MismatchReport>>,
    /// Answered hellos with another schema.
    compared: usize,
    began: Instant,
    ends: Deadline,
}

enum Next {
    Query(Hello),
    Fits,
    /// With the hello that reports it to the listener.
    Mismatch(Error, Option<Hello>),
}

struct Comparison {
    peer_hello: Hello,
    answers: Vec<Hello>,
}

#[allow(clippy::large_enum_variant, reason = "one a connection, and taken apart at once")]
pub enum Progress<T> {
    Connected(AnsweredCall, Hello, T),
    Pending(Pending<T>),
}

impl<T> Pending<T> {
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.asked.descriptor()
    }

    pub fn late(&self) -> Deadline {
        Deadline::after(MIN_ANSWER_TIME.saturating_sub(self.began.elapsed()))
    }

    pub fn stalled(&self) -> Error {
        self.mismatch.as_ref().map_or_else(|| self.asked.stalled(), |report| report.error.clone())
    }

    /// Returns the error of a call that ran out of time; `over` while the listener is not late.
    pub fn unanswered(&self, waiting: &Waiting<'_>, over: Error) -> Error {
        let had_its_time = self.began.elapsed() >= MIN_ANSWER_TIME;
        if had_its_time || !(waiting.is_none() || self.asked.is_reached()) {
            self.stalled()
        } else if waiting.is_none() {
            let text = "no program has answered yet, and the call was not to wait; try again once the descriptor is readable, or wait for it";
            Error::new(ErrorKind::Timeout, text)
        } else {
            over
        }
    }
}

/// A pending attempt that a call leaves to the next one, with its hello. One thread at a time uses it.
pub struct Attempt<T>(Mutex<Option<(Hello, Pending<T>)>>);

impl<T> Default for Attempt<T> {
    fn default() -> Attempt<T> {
        Attempt(Mutex::default())
    }
}

impl<T> Attempt<T> {
    fn replace(&self, pending: Option<(Hello, Pending<T>)>) -> Option<(Hello, Pending<T>)> {
        std::mem::replace(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), pending)
    }

    pub fn give_up(&self) {
        drop(self.replace(None));
    }
}

pub struct Admitted<T> {
    pub called: AnsweredCall,
    pub peer_hello: Hello,
    pub own_hello: Hello,
    pub own: T,
}

impl Dialler {
    /// Connects: continues the attempt of an earlier call or begins one, and others within the wait.
    ///
    /// Returns none if a waker ended the wait.
    ///
    /// # Errors
    /// `NotFound` if no program listened until the deadline; `Stalled` for a late listener; `Timeout` before it is
    /// late; `SchemaMismatch` if the schemas do not fit; any refusal unchanged.
    pub fn connect<T>(
        &self,
        left: &Attempt<T>,
        hello: impl Fn() -> Result<Hello>,
        offer: impl Fn(&Hello) -> Result<(T, Vec<OwnedFd>)>,
        wakers: &[BorrowedFd<'_>],
        waiting: &mut Waiting<'_>,
    ) -> Result<Option<Admitted<T>>> {
        let (started, mut pending) = (Instant::now(), left.replace(None));
        if let Some((_, pending)) = &pending {
            self.retry().forget_answer(pending.descriptor());
        }
        let connected = loop {
            let stepped = self.attempt(|dialling| {
                let (own_hello, progress) = match pending.take() {
                    Some((own_hello, pending)) => (own_hello, Progress::Pending(pending)),
                    None => {
                        let own_hello = hello()?;
                        let begun = dialling.begin(&own_hello, || offer(&own_hello))?;
                        (own_hello, begun)
                    }
                };
                match dialling.go_on(progress, &own_hello, || offer(&own_hello))? {
                    Progress::Connected(called, peer_hello, own) => {
                        Ok(Some(Admitted { called, peer_hello, own_hello, own }))
                    }
                    Progress::Pending(under_way) => {
                        pending = Some((own_hello, under_way));
                        Err(waiting.timed_out())
                    }
                }
            });
            let error = match stepped {
                Ok(connected) => break Ok(connected),
                Err(error) => error,
            };
            let goes_on = match error.kind() {
                ErrorKind::Timeout => pending.is_some(),
                ErrorKind::AddressInUse => {
                    started.elapsed() < STALE_REFUSAL
                        && waiting.deadline().remaining().is_none_or(|left| left > AGAIN)
                }
                _ => self.may_succeed_after(&error),
            };
            if !goes_on {
                break Err(error);
            }
            if error.kind() == ErrorKind::AddressInUse {
                self.retry().busy();
            }
            let answer = pending.as_ref().map(|(_, pending)| pending.descriptor());
            match self.retry().wait(wakers, answer, waiting) {
                Ok(true) => {}
                Ok(false) => break Ok(None),
                Err(over) if over.kind() == ErrorKind::Timeout => {
                    let under_way = pending.as_ref().map(|(_, pending)| pending);
                    break Err(self.without_outcome(under_way, error, waiting, over));
                }
                Err(over) => break Err(over),
            }
        };
        if let Some(pending) = pending {
            // If the process has no descriptors left, the timer ends the wait.
            let _ = self.retry().watch_answer(pending.1.descriptor());
            drop(left.replace(Some(pending)));
        }
        connected.map_err(|error| error.on(self.endpoint()))
    }

    /// Returns the error of a call that ran out of time: of the pending attempt, or the `last` error.
    pub fn without_outcome<T>(
        &self,
        under_way: Option<&Pending<T>>,
        last: Error,
        waiting: &Waiting<'_>,
        over: Error,
    ) -> Error {
        match under_way {
            Some(pending) => pending.unanswered(waiting, over),
            None if last.kind() == ErrorKind::NotFound => self.not_found(waiting),
            None => last,
        }
    }
}

impl Dialling<'_> {
    /// Sends a hello, with the descriptors of `offer`.
    ///
    /// # Errors
    /// `NotFound` if no program listens; `Stalled` if a listener is busy; errors of the transport.
    pub fn begin<T>(
        &self,
        hello: &Hello,
        offer: impl FnOnce() -> Result<(T, Vec<OwnedFd>)>,
    ) -> Result<Progress<T>> {
        let report = self.report().take();
        if let Some(report) = report.filter(|report| report.listener == self.target().listener()) {
            let (began, ends) = (Instant::now(), report.ends);
            let (asked, mismatch) = self.send_report(report)?;
            let (own, comparison, mismatch) = (None, None, Some(mismatch));
            let pending = Pending { asked, own, comparison, mismatch, compared: 0, began, ends };
            self.retry().awaits_answer(ends);
            return Ok(Progress::Pending(pending));
        }
        let (own, descriptors) = offer()?;
        let asked = self.ask(&self.with_schemas(hello), &descriptors)?;
        let (began, ends) = (Instant::now(), Deadline::after(ANSWER_TIME));
        let pending =
            Pending { asked, own: Some(own), comparison: None, mismatch: None, compared: 0, began, ends };
        self.retry().awaits_answer(ends);
        // An answer that has already come needs no event.
        Ok(Progress::Pending(pending))
    }

    /// Takes the listener's answer. Uses `hello` and `offer` again after a comparison of schemas.
    ///
    /// # Errors
    /// `Stalled` if the answer is late; `SchemaMismatch` if the schemas do not fit; any refusal unchanged.
    pub fn go_on<T>(
        &self,
        progress: Progress<T>,
        hello: &Hello,
        mut offer: impl FnMut() -> Result<(T, Vec<OwnedFd>)>,
    ) -> Result<Progress<T>> {
        let Progress::Pending(mut pending) = progress else { return Ok(progress) };
        loop {
            if let Some(report) = pending.mismatch.take() {
                // Without an answer, the mismatch is also the outcome.
                if pending.ends.has_passed() {
                    return Err(report.error);
                }
                match drive::link(|| pending.asked.answer()) {
                    Ok(None) => {}
                    // The listener has ended the connection before it read the report.
                    Ok(Some(Call::Busy)) => {
                        self.retry().busy();
                        return Err(self.keep_report(report, &self.busy()));
                    }
                    _ => return Err(report.error),
                }
                pending.mismatch = Some(report);
                self.retry().awaits_answer(pending.ends);
                return Ok(Progress::Pending(pending));
            }
            let called = match drive::link(|| pending.asked.answer()).map_err(|e| self.shown(e))? {
                Some(Call::Answered(called)) => called,
                Some(Call::NotListening) => {
                    self.retry().not_listening(self.target().appears())?;
                    return Err(self.absent());
                }
                Some(Call::Busy) => {
                    self.retry().busy();
                    return Err(self.busy());
                }
                None if pending.ends.has_passed() => return Err(self.shown(pending.asked.stalled())),
                None => {
                    self.retry().awaits_answer(pending.ends);
                    return Ok(Progress::Pending(pending));
                }
            };
            let answer = handshake::read_answer(&called.answer).map_err(|e| self.shown(e))?;
            match (pending.own.take(), &mut pending.comparison) {
                (Some(own), _) if self.fits(&answer)? => return Ok(Progress::Connected(called, answer, own)),
                (Some(_), _) => {
                    pending.comparison = Some(Comparison { peer_hello: answer, answers: Vec::new() });
                }
                (None, Some(comparison)) => comparison.answers.push(answer),
                (None, None) => return Err(self.busy()),
            }
            drop(called);
            if pending.ends.has_passed() {
                return Err(self.shown(pending.asked.stalled()));
            }
            let next = match &pending.comparison {
                Some(comparison) => self.next_query(comparison)?,
                None => Next::Fits,
            };
            let (next, descriptors) = match next {
                Next::Query(query) => (query, Vec::new()),
                Next::Mismatch(error, report) => {
                    let Some(hello) = report else { return Err(error) };
                    let (listener, began) = (self.target().listener(), Instant::now());
                    let report =
                        Box::new(MismatchReport { error, hello, listener, began, ends: pending.ends });
                    let (asked, report) = self.send_report(report)?;
                    (pending.asked, pending.mismatch) = (asked, Some(report));
                    continue;
                }
                Next::Fits => {
                    pending.compared += 1;
                    pending.comparison = None;
                    if pending.compared >= super::dial::MAX_COMPARISONS {
                        return Err(self.unsteady());
                    }
                    let (own, descriptors) = offer()?;
                    pending.own = Some(own);
                    (self.with_schemas(hello), descriptors)
                }
            };
            pending.asked = self.ask(&next, &descriptors)?;
        }
    }

    /// Reports a mismatch to the listener, or returns it if the report cannot be sent now.
    fn send_report(&self, report: Box<MismatchReport>) -> Result<(Asked, Box<MismatchReport>)> {
        match self.ask(&report.hello, &[]) {
            Ok(asked) => Ok((asked, report)),
            Err(error) => {
                if error.kind() == ErrorKind::AddressInUse {
                    self.retry().busy();
                }
                Err(self.keep_report(report, &error))
            }
        }
    }

    /// Keeps a report for the next attempt, unless `error` is final. Returns the mismatch.
    fn keep_report(&self, report: Box<MismatchReport>, error: &Error) -> Error {
        let outcome = report.error.clone();
        if report.is_due_after(error) {
            *self.report() = Some(report);
        }
        outcome
    }

    fn ask(&self, hello: &Hello, descriptors: &[OwnedFd]) -> Result<Asked> {
        let borrowed: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        let frame = hello.to_frame()?;
        loop {
            // Over pipes, this waits for the end of the previous client.
            let ask = || match hello.last_number {
                true => self.target().ask_for_memory(&frame),
                false => self.target().ask(&frame, &borrowed),
            };
            match drive::link(ask).map_err(|e| self.shown(e))? {
                Call::Answered(asked) => return Ok(asked),
                Call::NotListening => {
                    if !self.retry().not_listening(self.target().appears())? {
                        return Err(self.absent());
                    }
                }
                Call::Busy => {
                    self.retry().busy();
                    return Err(self.busy());
                }
            }
        }
    }

    fn next_query(&self, comparison: &Comparison) -> Result<Next> {
        let Some(schemas) = self.schemas() else { return Ok(Next::Fits) };
        let (mut wanted, mut given) = (None, comparison.answers.iter());
        if given.len() > MAX_QUERIES {
            return Err(self.unsteady());
        }
        let compared = schemas.compare(&comparison.peer_hello, |query| match given.next() {
            Some(answer) => Ok(Some(answer.clone())),
            None => {
                wanted = Some(query.clone());
                Err(Error::new(ErrorKind::Timeout, "the answer to a query is awaited"))
            }
        });
        Ok(match (compared, wanted) {
            (Err(error), Some(query)) if error.kind() == ErrorKind::Timeout => Next::Query(query),
            (Err(error), report) => Next::Mismatch(self.shown(error), report),
            (Ok(()), _) => Next::Fits,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{Listener as Listening, Options};
    use crate::schema::Schema;
    use crate::sys::poll::Epoll;
    use crate::transport::driver::{Appears, Target};
    use crate::transport::endpoint::Endpoint;
    use crate::transport::stream::Stream;
    use std::sync::atomic::{AtomicU32, Ordering};

    const SOON: Duration = Duration::from_secs(60);

    /// A listener that is busy for the first reports of a mismatch.
    struct BusyForReports(Box<dyn Target>, AtomicU32);

    impl Target for BusyForReports {
        fn ask(&self, hello: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<Call<Asked>> {
            let is_report = hello.windows(8).any(|key| key == b"mismatch");
            if is_report && self.1.fetch_sub(1, Ordering::Relaxed) > 1 {
                return Ok(Call::Busy);
            }
            self.0.ask(hello, descriptors)
        }

        fn connect(&self, wakers: &[BorrowedFd<'_>], waiting: &mut Waiting<'_>) -> Result<Call<Stream>> {
            self.0.connect(wakers, waiting)
        }

        fn appears(&self) -> Appears<'_> {
            self.0.appears()
        }

        fn shown(&self) -> String {
            self.0.shown()
        }
    }

    #[test]
    fn listener_that_is_busy_is_told_of_a_schema_that_does_not_fit_by_the_next_attempt() {
        let options = |unit: &str| {
            let text = format!("name = \"reading\"\n[fields.watts]\ntype = \"f64\"\nunit = \"{unit}\"\n");
            Options::default().with_schema(Schema::parse(&text).unwrap())
        };
        let endpoint = format!("unix:asking-test-{}", std::process::id());
        let listener = Listening::listen(&endpoint, &options("W")).unwrap();
        let endpoint: Endpoint = endpoint.parse().unwrap();
        let options = options("kW");
        let dialler = Dialler::new(&endpoint, &options, &Epoll::new().unwrap(), 1).unwrap();
        let dialler = dialler.with_target(|target| Box::new(BusyForReports(target, AtomicU32::new(3))));
        let mut waiting = Waiting::until(Deadline::after(SOON));
        let hello = || Hello::new(crate::channel::pattern::Pattern::Channel, None, 0);
        let (left, offer) = (Attempt::default(), |_: &Hello| Ok(((), Vec::new())));
        let refused = dialler.connect(&left, hello, offer, &[], &mut waiting).err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::SchemaMismatch, "{refused}");
        assert!(dialler.report().is_none());
        assert_eq!(listener.events().len(), 1, "{:?}", listener.events());
    }
}
