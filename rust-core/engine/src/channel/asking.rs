//! Connecting without waiting, for objects that hold many connections: a hello is sent, and the answer is taken when
//! its descriptor is readable. What a listener delays takes no time of a call meanwhile.
//!
//! Where the schemas have to be compared, each query is such a hello as well. The comparison is made from its beginning
//! with each answer, as far as the answers go.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use super::dial::Dialling;
use super::handshake::{self, Hello};
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result};
use crate::transport::hello::{AnsweredCall, Asked, Call};

/// How long a listener has to answer in all. Its acceptor answers within microseconds; a process that was stopped may
/// come back.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// The most queries about the schemas of one listener: more parts than the longest schema has.
const MAX_QUERIES: usize = 64;

/// An attempt whose listener has not answered yet. `T` is what the object has made for its hello.
pub struct Pending<T> {
    asked: Asked,
    /// None while a query is answered.
    own: Option<T>,
    comparison: Option<Comparison>,
    /// Why the schemas do not fit: the outcome, after the listener has answered the report of it.
    mismatch: Option<Error>,
    /// Answers to hellos so far that had another schema.
    compared: usize,
    ends: Deadline,
}

/// What follows from the answers so far.
enum Next {
    /// Another query.
    Query(Hello),
    /// The schemas fit.
    Fits,
    /// They do not; the hello reports it to the listener.
    Mismatch(Error, Option<Hello>),
}

/// The listener's hello, and its answers to queries about its schemas.
struct Comparison {
    peer_hello: Hello,
    answers: Vec<Hello>,
}

/// How far an attempt has come.
#[allow(clippy::large_enum_variant, reason = "one a connection, and taken apart at once")]
pub enum Progress<T> {
    /// The listener has admitted this side.
    Connected(AnsweredCall, Hello, T),
    /// It has not answered yet.
    Pending(Pending<T>),
}

impl<T> Pending<T> {
    /// Returns the descriptor that is readable once the listener may have answered.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.asked.descriptor()
    }

    /// Returns the error of a listener that has not answered.
    pub fn stalled(&self) -> Error {
        self.mismatch.clone().unwrap_or_else(|| self.asked.stalled())
    }
}

impl Dialling<'_> {
    /// Sends a hello, with what `offer` makes. `None` where the transport can only be waited for.
    ///
    /// # Errors
    /// As [`Dialling::dial`].
    pub fn begin<T>(
        &self,
        hello: &Hello,
        offer: impl FnOnce() -> Result<(T, Vec<OwnedFd>)>,
    ) -> Result<Option<Progress<T>>> {
        let (own, descriptors) = offer()?;
        let Some(asked) = self.ask(&self.with_schemas(hello), &descriptors)? else { return Ok(None) };
        let ends = Deadline::after(ANSWER_TIME);
        let pending = Pending { asked, own: Some(own), comparison: None, mismatch: None, compared: 0, ends };
        self.retry().awaits_answer(ends);
        // An answer that is there already needs no event.
        Ok(Some(Progress::Pending(pending)))
    }

    /// Takes what the listener has answered. `hello` and `offer` are used again where its schema had to be compared
    /// first.
    ///
    /// # Errors
    /// As [`Dialling::dial`]; `Stalled` where it has not answered in time.
    pub fn go_on<T>(
        &self,
        mut pending: Pending<T>,
        hello: &Hello,
        mut offer: impl FnMut() -> Result<(T, Vec<OwnedFd>)>,
    ) -> Result<Progress<T>> {
        loop {
            if let Some(mismatch) = pending.mismatch.take() {
                // Without an answer it is the outcome as well.
                if pending.ends.has_passed() || !matches!(pending.asked.answer(), Ok(None)) {
                    return Err(mismatch);
                }
                pending.mismatch = Some(mismatch);
                self.retry().awaits_answer(pending.ends);
                return Ok(Progress::Pending(pending));
            }
            let called = match pending.asked.answer().map_err(|e| self.shown(e))? {
                Some(Call::Answered(called)) => called,
                Some(Call::NotListening) => {
                    self.retry().not_listening(self.target().appears())?;
                    return Err(self.absent());
                }
                Some(Call::Busy) => return Err(self.busy()),
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
                    let told = report.and_then(|report| self.ask(&report, &[]).ok().flatten());
                    let Some(asked) = told else { return Err(error) };
                    (pending.asked, pending.mismatch) = (asked, Some(error));
                    continue;
                }
                Next::Fits => {
                    pending.compared += 1;
                    pending.comparison = None;
                    if pending.compared > super::dial::MAX_COMPARISONS {
                        return Err(self.unsteady());
                    }
                    let (own, descriptors) = offer()?;
                    pending.own = Some(own);
                    (self.with_schemas(hello), descriptors)
                }
            };
            match self.ask(&next, &descriptors)? {
                Some(asked) => pending.asked = asked,
                None => return Err(self.busy()),
            }
        }
    }

    /// Connects and sends a hello. `None` where the transport can only be waited for.
    fn ask(&self, hello: &Hello, descriptors: &[OwnedFd]) -> Result<Option<Asked>> {
        let borrowed: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        let frame = hello.to_frame()?;
        loop {
            match self.target().ask(&frame, &borrowed).map_err(|e| self.shown(e))? {
                None => return Ok(None),
                Some(Call::Answered(asked)) => return Ok(Some(asked)),
                Some(Call::NotListening) => {
                    if !self.retry().not_listening(self.target().appears())? {
                        return Err(self.absent());
                    }
                }
                Some(Call::Busy) => {
                    self.retry().busy();
                    return Err(self.busy());
                }
            }
        }
    }

    /// Returns what follows from the answers.
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
