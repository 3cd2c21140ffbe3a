//! The event that ends the wait of an object without a connection: a watch of the name, a timer, or both.
//!
//! [`Retry::attempt`] makes every attempt to connect, to join or to open. Each attempt without a connection leaves an
//! event in the object's epoll set:
//!
//! | outcome | event |
//! |---|---|
//! | no program listens | the watch of the name, if it exists |
//! | a busy, silent or ending listener; a refusal; a kernel error | a timer with growing pauses, and the watch |
//! | a lost connection | the timer at once |
//!
//! The second row needs the timer, because a changed answer of a listener changes nothing in its directory.
//!
//! The timer exists only without a connection. If the process lacks a descriptor for it, [`Retry::is_armed`] returns
//! false, and the object keeps itself readable.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::deadline::{Deadline, Waiting};
use crate::drive;
use crate::error::{ErrorKind, Result};
use crate::session::redial::Redial;
use crate::sys::inotify::Watch;
use crate::sys::poll::{Epoll, Interest, is_readable};
use crate::sys::random;
use crate::sys::timer::Timer;
use crate::transport::driver::Appears;
use crate::transport::place::Place;

/// The pause without a descriptor for the timer.
const UNARMED: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Armed {
    Pause,
    /// The listener's time to answer, which matters only to a pending attempt.
    Answer,
}

pub struct Retry {
    set: Epoll,
    token: u64,
    /// Whether the object itself watches for its name.
    watches: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    timer: Option<Arc<Timer>>,
    watch: Option<Arc<Watch>>,
    redial: Redial,
    /// Whether the watch ends the wait: it existed when no program listened.
    is_name_awaited: bool,
    armed: Option<Armed>,
}

impl Retry {
    /// Returns the retry state of this set; `OutOfMemory` if the process has no descriptors left.
    pub fn new(set: &Epoll, token: u64) -> Result<Retry> {
        let retry = Retry { set: set.clone(), token, watches: true, state: Mutex::default() };
        retry.make_timer(&mut retry.state())?;
        Ok(retry)
    }

    /// Leaves the watch to the caller, which calls [`Retry::is_due`] when the name appears.
    #[must_use]
    pub fn without_watch(self) -> Retry {
        Retry { watches: false, ..self }
    }

    /// Makes one attempt, which may wait. Without a connection, an event is left in the set.
    pub fn attempt<T>(
        &self,
        appears: Option<Appears<'_>>,
        attempt: impl FnOnce() -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        self.begin();
        let outcome = attempt();
        match &outcome {
            Ok(Some(_)) => self.connected(),
            // The cause of the end has its own event, but the next attempt is due anyway.
            Ok(None) => self.is_due(),
            Err(error) => self.failed(error.kind(), appears),
        }
        outcome
    }

    /// Begins an attempt: events from now on end the next wait.
    pub fn begin(&self) {
        let mut state = self.state();
        state.is_name_awaited = false;
        Retry::disarm(&mut state);
        state.watch.iter().for_each(|watch| watch.drain());
    }

    pub fn connected(&self) {
        let mut state = self.state();
        state.redial.succeeded();
        state.is_name_awaited = false;
        state.armed = None;
        if let Some(timer) = state.timer.take() {
            self.set.remove(&timer);
        }
        if let Some(watch) = state.watch.take() {
            for descriptor in watch.descriptors() {
                self.set.remove(descriptor);
            }
        }
    }

    /// Notes that an attempt is due now, after a lost connection or another thread's attempt.
    pub fn is_due(&self) {
        self.arm(&mut self.state(), Duration::ZERO, Armed::Pause);
    }

    fn failed(&self, kind: ErrorKind, appears: Option<Appears<'_>>) {
        let mut state = self.state();
        let is_absent = state.is_name_awaited && matches!(kind, ErrorKind::NotFound | ErrorKind::Timeout);
        let has_event = match state.armed {
            Some(Armed::Pause) => true,
            // A listener that ended the attempt at once has not used up its time to answer.
            Some(Armed::Answer) => kind == ErrorKind::Timeout,
            None => false,
        };
        if has_event || is_absent {
            return;
        }
        if let Some(Appears::Name(place) | Appears::Opened(place)) = appears
            && self.watches
        {
            // Without a watch, only the timer is used.
            let _ = self.watch(&mut state, place);
        }
        self.pause(&mut state);
    }

    /// Notes that no program listens, and watches for one. Returns true if the watch is new.
    ///
    /// The caller then tries once more, because the listener may just have appeared. After an error of the watch, the
    /// timer is armed.
    pub fn not_listening(&self, appears: Appears<'_>) -> Result<bool> {
        let mut state = self.state();
        match appears {
            Appears::Polled(record) => {
                let is_new = state.watch.is_none()
                    && record.is_some_and(|place| self.watch(&mut state, &place).is_ok());
                self.pause(&mut state);
                Ok(is_new)
            }
            Appears::Name(_) if !self.watches => {
                self.pause(&mut state);
                Ok(false)
            }
            Appears::Name(place) => self.watch_or_arm(&mut state, |state| self.watch(state, place)),
            Appears::Opened(place) => self.watch_or_arm(&mut state, |state| {
                if self.watch(state, place)? {
                    return Ok(true);
                }
                state.watch.as_ref().map_or(Ok(false), |watch| watch.opening(&place.directory, &place.file))
            }),
        }
    }

    fn watch_or_arm(
        &self,
        state: &mut State,
        watch: impl FnOnce(&mut State) -> Result<bool>,
    ) -> Result<bool> {
        let watched = watch(state);
        state.is_name_awaited = watched.is_ok();
        if watched.is_err() {
            self.pause(state);
        }
        watched
    }

    pub fn busy(&self) {
        let mut state = self.state();
        let pause = state.redial.was_busy(random_number());
        self.arm(&mut state, pause, Armed::Pause);
    }

    pub fn awaits_answer(&self, until: Deadline) {
        let left = until.remaining().unwrap_or(Duration::MAX);
        self.arm(&mut self.state(), left, Armed::Answer);
    }

    /// Adds the descriptor that reports the answer to an attempt without a waiting call.
    pub fn watch_answer(&self, descriptor: BorrowedFd<'_>) -> Result<()> {
        self.set.add(descriptor, self.token, Interest::IN | Interest::RDHUP)
    }

    pub fn forget_answer(&self, descriptor: BorrowedFd<'_>) {
        self.set.remove(descriptor);
    }

    /// Returns whether another attempt may differ: its pause is over, or a name in the directory has changed.
    pub fn may_succeed(&self) -> bool {
        let state = self.state();
        let is_over = state.timer.as_ref().is_some_and(|timer| is_readable(timer.as_fd()));
        let is_armed = state.armed.is_some() || state.is_name_awaited;
        // Always called, because this takes the events from the descriptor.
        let has_changed = state.watch.as_ref().is_some_and(|watch| watch.has_changed());
        is_over || has_changed || !is_armed
    }

    /// Waits until an attempt is due or has an `answer`; false if a waker ended the wait.
    pub fn wait(
        &self,
        wakers: &[BorrowedFd<'_>],
        answer: Option<BorrowedFd<'_>>,
        waiting: &mut Waiting<'_>,
    ) -> Result<bool> {
        // The lock is free: another thread may note the loss of the other direction's connection.
        let (watch, timer) = {
            let state = self.state();
            (state.watch.clone(), state.timer.clone())
        };
        let mut on = wakers.to_vec();
        on.extend(answer);
        on.extend(timer.iter().map(|timer| timer.as_fd()));
        on.extend(watch.iter().flat_map(|watch| watch.descriptors()));
        self.bounded(waiting, |waiting| drive::link_event(&on, waiting))?;
        Ok(wakers.iter().all(|waker| !is_readable(*waker)))
    }

    /// Waits with `wait`, but only for a short time if no event would end the wait.
    pub fn bounded(
        &self,
        waiting: &mut Waiting<'_>,
        wait: impl FnOnce(&mut Waiting<'_>) -> Result<()>,
    ) -> Result<()> {
        if self.is_armed() {
            return wait(waiting);
        }
        let deadline = waiting.deadline();
        match wait(&mut Waiting::until(Deadline::after(UNARMED).sooner(deadline))) {
            Err(error) if error.kind() == ErrorKind::Timeout && deadline.has_passed() => {
                Err(waiting.timed_out())
            }
            Err(error) if error.kind() == ErrorKind::Timeout => waiting.woke(false),
            waited => waited,
        }
    }

    fn watch(&self, state: &mut State, place: &Place) -> Result<bool> {
        if state.watch.is_some() {
            return Ok(false);
        }
        let watch = Watch::of_name(&place.directory, &place.file)?;
        for descriptor in watch.descriptors() {
            self.set.add(descriptor, self.token, Interest::IN).inspect_err(|_| {
                watch.descriptors().for_each(|one| self.set.remove(one));
            })?;
        }
        state.watch = Some(Arc::new(watch));
        Ok(true)
    }

    pub fn is_armed(&self) -> bool {
        let state = self.state();
        state.armed.is_some() || state.is_name_awaited
    }

    fn pause(&self, state: &mut State) {
        let pause = state.redial.failed(random_number());
        self.arm(state, pause, Armed::Pause);
    }

    fn arm(&self, state: &mut State, pause: Duration, what: Armed) {
        let armed = self.make_timer(state).and_then(|timer| timer.arm(pause));
        state.armed = armed.is_ok().then_some(what);
    }

    fn make_timer(&self, state: &mut State) -> Result<Arc<Timer>> {
        if let Some(timer) = &state.timer {
            return Ok(timer.clone());
        }
        let timer = Arc::new(Timer::new()?);
        self.set.add(&timer, self.token, Interest::IN)?;
        Ok(state.timer.insert(timer).clone())
    }

    fn disarm(state: &mut State) {
        if state.armed.take().is_some()
            && let Some(timer) = &state.timer
        {
            let _ = timer.disarm();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Spreads the attempts of clients after the loss of a listener, if the kernel gives a number.
fn random_number() -> u64 {
    random::number().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::transport::endpoint::Endpoint;
    use crate::transport::owner::OwnerRecord;
    use crate::value::Map;

    const SOON: Duration = Duration::from_secs(60);

    #[test]
    fn listener_that_ends_an_attempt_at_once_is_tried_again_and_not_when_its_answer_would_have_been_late() {
        let retry = Retry::new(&Epoll::new().unwrap(), 1).unwrap();
        for kind in [ErrorKind::Stalled, ErrorKind::SchemaMismatch] {
            let ended = retry.attempt(None, || -> Result<Option<()>> {
                retry.awaits_answer(Deadline::after(Duration::from_secs(3600)));
                Err(Error::new(kind, "the listener has ended the connection"))
            });
            assert_eq!(ended.unwrap_err().kind(), kind);
            retry.wait(&[], None, &mut Waiting::until(Deadline::after(SOON))).unwrap();
            assert!(retry.may_succeed());
        }
    }

    #[test]
    fn wait_without_an_event_that_ends_it_is_short() {
        let retry = Retry::new(&Epoll::new().unwrap(), 1).unwrap();
        retry.begin();
        assert!(!retry.is_armed());
        // The wait does not reach its end, so it reports nothing.
        let mut waiting = Waiting::until(Deadline::after(SOON));
        assert!(retry.wait(&[], None, &mut waiting).unwrap());
        let mut waiting = Waiting::at_once();
        let over = retry.wait(&[], None, &mut waiting).unwrap_err();
        assert_eq!(over.kind(), ErrorKind::Timeout);
    }

    #[test]
    fn record_of_a_listener_over_tcp_ends_the_longest_pause() {
        let endpoint: Endpoint = "tcp://127.0.0.1:1".parse().unwrap();
        let target = endpoint.transport().connections().unwrap().target(&endpoint).unwrap();
        let retry = Retry::new(&Epoll::new().unwrap(), 1).unwrap();
        retry.begin();
        // The last of the pauses is 3.75 s at least.
        for _ in 0..10 {
            retry.not_listening(target.appears()).unwrap();
        }
        assert!(target.listener().is_none());
        let record =
            OwnerRecord::write(&Place::of(&endpoint).unwrap(), "publish", "a program", Map::new()).unwrap();
        assert!(retry.may_succeed(), "it has appeared");
        assert!(target.listener().is_some(), "it tells this listener from others");
        drop(record);
    }
}
