//! Time-outs and deadlines: how long a call may wait, and its callbacks while it waits.
//!
//! A [`Wait`] is a time-out and perhaps a tick. [`Waiting::start`] turns it into a [`Waiting`], whose waits share one
//! deadline. Every wait loop asks [`Waiting::sleep`] how long it may sleep, sleeps by itself (in `poll`, a futex or
//! [`Waiting::park_until_due`]), and calls [`Waiting::woke`], which runs a due tick.
//!
//! The clock is [`Instant`] (`CLOCK_MONOTONIC`), which stands still while the machine is suspended. Tests cannot set
//! it. Sleeps in `poll` use `ppoll`, which takes nanoseconds, so nothing is rounded to milliseconds.

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::fmt;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result, brief, in_seconds};
use crate::sleeping::{self, InCall};

/// How long a call may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Timeout {
    /// The time-out in the object's options; 30 s without one.
    ///
    /// Some loops wait without end, until `close` or a stop signal: `run`, iterators, and `next` of a server,
    /// subscriber, controller or service. `latest` does not wait for a publisher.
    #[default]
    Default,
    /// At most this long; zero never waits.
    ///
    /// One exception: a loop that a peer can prolong may take half a second, also with zero.
    After(Duration),
    /// Without end. Only the loops in [`Timeout::Default`] do so by default.
    Forever,
}

impl From<Duration> for Timeout {
    fn from(duration: Duration) -> Timeout {
        Timeout::After(duration)
    }
}

impl From<Option<Duration>> for Timeout {
    /// `None` waits without end, in contrast to [`Timeout::Default`].
    fn from(duration: Option<Duration>) -> Timeout {
        duration.map_or(Timeout::Forever, Timeout::After)
    }
}

impl Timeout {
    /// Returns the time-out of a number of seconds; without end if a `Duration` cannot hold it.
    ///
    /// # Errors
    /// `OutOfRange` for NaN and below zero.
    pub fn from_seconds(seconds: f64) -> Result<Timeout> {
        if seconds >= 18_446_744_073_709_551_616.0 {
            return Ok(Timeout::Forever);
        }
        match Duration::try_from_secs_f64(seconds) {
            Ok(duration) => Ok(Timeout::After(duration)),
            Err(_) => Err(Error::new(
                ErrorKind::OutOfRange,
                format!(
                    "a time-out of {} s: give seconds from 0 upwards, or the word for \"for ever\"",
                    brief(seconds)
                ),
            )),
        }
    }
}

/// The instant at which a wait ends, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// Never.
    pub const NEVER: Deadline = Deadline(None);

    /// Returns the instant this long from now; never, if the clock cannot hold it.
    pub fn after(duration: Duration) -> Deadline {
        Deadline(Instant::now().checked_add(duration))
    }

    /// Returns the remaining time: `None` without end, zero after the deadline.
    pub fn remaining(self) -> Option<Duration> {
        self.0.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Returns whether it has passed.
    pub fn has_passed(self) -> bool {
        self.0.is_some_and(|at| at <= Instant::now())
    }

    /// Returns the earlier of the two.
    pub fn sooner(self, other: Deadline) -> Deadline {
        match (self.0, other.0) {
            (Some(a), Some(b)) => Deadline(Some(a.min(b))),
            (a, b) => Deadline(a.or(b)),
        }
    }
}

/// The function that runs about every 100 ms of a wait and after signals; its error ends the wait.
pub type Tick<'a> = dyn FnMut() -> Result<()> + 'a;

/// How a call waits. Made from a [`Timeout`], a `Duration`, or `None` (without end); [`Wait::tick`] adds a callback.
#[derive(Default)]
pub struct Wait<'a> {
    timeout: Timeout,
    tick: Option<&'a mut Tick<'a>>,
    /// The wait of the surrounding event loop.
    part_of: Option<Timeout>,
}

impl<'a> Wait<'a> {
    /// The period of ticks.
    pub const TICK: Duration = Duration::from_millis(100);

    /// Waits at most this long.
    pub fn new(timeout: impl Into<Timeout>) -> Wait<'a> {
        Wait { timeout: timeout.into(), ..Wait::default() }
    }

    /// Never waits.
    pub fn none() -> Wait<'a> {
        Wait::new(Duration::ZERO)
    }

    /// Never waits. The call is a part of an endless loop, so a stop signal ends it ([`heeds_signals`]).
    pub fn in_endless_loop() -> Wait<'a> {
        Wait { part_of: Some(Timeout::Forever), ..Wait::none() }
    }

    /// The last call at the end of an event loop's wait. Its errors state `whole`, the length of that wait.
    pub fn elapsed(whole: Duration) -> Wait<'a> {
        // After a wait of zero a request would stay under way; after 1 ns it is withdrawn.
        Wait { part_of: Some(Timeout::After(whole)), ..Wait::new(Duration::from_nanos(1)) }
    }

    /// Runs `tick` while it waits.
    #[must_use]
    pub fn tick(mut self, tick: &'a mut Tick<'a>) -> Wait<'a> {
        self.tick = Some(tick);
        self
    }
}

// Users see `Wait`, so internal functions are outside the type.

fn timeout_of(wait: &Wait<'_>, default: Timeout) -> Timeout {
    if wait.timeout == Timeout::Default { default } else { wait.timeout }
}

/// Returns whether the call may wait. `default` as for [`Waiting::start`].
pub fn may_wait(wait: &Wait<'_>, default: Timeout) -> bool {
    timeout_of(wait, default) != Timeout::After(Duration::ZERO)
}

/// Replaces a wait's `Timeout` by the error `missing`.
pub fn at_timeout(missing: Error) -> impl FnOnce(Error) -> Error {
    |waited| if waited.kind() == ErrorKind::Timeout { missing } else { waited }
}

/// Returns whether a stop signal ends the call: an endless call, or a part of an endless one.
pub fn heeds_signals(wait: &Wait<'_>, default: Timeout) -> bool {
    timeout_of(wait, default) == Timeout::Forever || wait.part_of == Some(Timeout::Forever)
}

impl From<Duration> for Wait<'_> {
    fn from(duration: Duration) -> Self {
        Wait::new(duration)
    }
}

impl From<Option<Duration>> for Wait<'_> {
    fn from(duration: Option<Duration>) -> Self {
        Wait::new(duration)
    }
}

impl From<Timeout> for Wait<'_> {
    fn from(timeout: Timeout) -> Self {
        Wait::new(timeout)
    }
}

/// A wait that is under way. One thread uses it.
pub struct Waiting<'a> {
    /// Computed when first needed: two clock readings would cost a message's time.
    deadline: Cell<Option<Deadline>>,
    duration: Option<Duration>,
    /// The wait of the surrounding event loop.
    part_of: Option<Timeout>,
    tick: Option<&'a mut Tick<'a>>,
    on_wait: Option<OnWait>,
    /// The next tick; none before the first sleep, after each tick, and without a callback.
    next: Option<Instant>,
    /// A descriptor that ends each sleep.
    wake: Option<Arc<dyn AsFd + Send + Sync>>,
    /// A descriptor that ends the wait with `Cancelled`.
    stop: Option<Arc<dyn AsFd + Send + Sync>>,
    /// The beginning of the first round of [`Waiting::count_round`].
    first_round: Option<Instant>,
    /// Whether sleeps leave a due tick to the caller ([`Waiting::deferring_tick`]).
    defers_tick: bool,
    /// A tick that a sleep left to the caller: whether a signal interrupted the sleep.
    deferred: Option<bool>,
    _call: Option<InCall>,
}

/// A callback about every 100 ms of a wait; false ends it with `Cancelled`.
pub type OnWait = Arc<dyn Fn() -> bool + Send + Sync>;

impl<'a> Waiting<'a> {
    /// How long [`Waiting::count_round`] lets a loop run before it can fail, also after the deadline.
    ///
    /// It suffices for several exchanges with a peer that answers each at once.
    pub const PATIENCE: Duration = Duration::from_millis(500);

    /// Starts a wait. `default` applies without the caller's time-out.
    pub fn start(wait: Wait<'a>, default: Timeout) -> Waiting<'a> {
        const LAST_RESORT: Duration = Duration::from_secs(30);
        let duration = match timeout_of(&wait, default) {
            Timeout::Forever => None,
            Timeout::After(d) => Some(d),
            Timeout::Default => Some(LAST_RESORT),
        };
        Waiting {
            deadline: Cell::new(None),
            duration,
            part_of: wait.part_of,
            tick: wait.tick,
            on_wait: None,
            next: None,
            wake: None,
            stop: None,
            first_round: None,
            defers_tick: false,
            deferred: None,
            _call: None,
        }
    }

    /// Marks this thread as inside a call: debug builds then assert that it sleeps only in the engine's `drive`.
    #[must_use]
    pub fn in_call(mut self) -> Waiting<'a> {
        self._call = Some(InCall::new());
        self
    }

    /// Adds the callback of an object's options.
    #[inline]
    pub fn on_wait(mut self, on_wait: &Option<OnWait>) -> Waiting<'a> {
        if on_wait.is_some() {
            self.on_wait.clone_from(on_wait);
        }
        self
    }

    /// Returns a wait without a tick, for a step within a call.
    pub fn until(deadline: Deadline) -> Waiting<'a> {
        let started = Waiting::start(Wait::new(deadline.remaining()), Timeout::Default);
        Waiting { deadline: Cell::new(Some(deadline)), ..started }
    }

    /// Returns a wait that never sleeps, to poll within another call.
    pub fn at_once() -> Waiting<'a> {
        Waiting::start(Wait::none(), Timeout::Default)
    }

    /// Ends each sleep when this becomes readable. Only the first descriptor counts.
    pub fn wakes_on<W: AsFd + Send + Sync + 'static>(&mut self, wake: &Arc<W>) {
        if self.wake.is_none() {
            self.wake = Some(wake.clone());
        }
    }

    /// The descriptor of [`Waiting::wakes_on`].
    pub fn wake(&self) -> Option<Arc<dyn AsFd + Send + Sync>> {
        self.wake.clone()
    }

    /// Ends the wait with `Cancelled` when this becomes readable. Only waits in `poll` heed it.
    #[must_use]
    pub fn stops_on<S: AsFd + Send + Sync + 'static>(mut self, stop: Arc<S>) -> Waiting<'a> {
        self.stop = Some(stop);
        self
    }

    /// The descriptor of [`Waiting::stops_on`].
    pub fn stop(&self) -> Option<Arc<dyn AsFd + Send + Sync>> {
        self.stop.clone()
    }

    /// Returns the deadline. The time runs from the first call of this function or of [`Waiting::sleep`].
    pub fn deadline(&self) -> Deadline {
        if let Some(deadline) = self.deadline.get() {
            return deadline;
        }
        let deadline = self.duration.map_or(Deadline::NEVER, Deadline::after);
        self.deadline.set(Some(deadline));
        deadline
    }

    /// Whether a callback runs while it waits.
    pub fn is_ticking(&self) -> bool {
        self.tick.is_some() || self.on_wait.is_some()
    }

    /// Returns whether the call must not wait.
    pub fn is_none(&self) -> bool {
        self.duration == Some(Duration::ZERO)
    }

    /// As [`heeds_signals`].
    pub fn heeds_signals(&self) -> bool {
        self.duration.is_none() || self.part_of == Some(Timeout::Forever)
    }

    /// The time-out that errors state.
    fn stated(&self) -> Option<Duration> {
        match self.part_of {
            Some(Timeout::After(whole)) => Some(whole),
            _ => self.duration,
        }
    }

    /// Returns how long the caller may sleep next; `None` without end. The caller sleeps, not this function.
    ///
    /// # Errors
    /// `Timeout` after the deadline.
    pub fn sleep(&mut self) -> Result<Option<Duration>> {
        // The first call has the whole time left: no second clock reading.
        let left = match self.deadline.get() {
            Some(deadline) => deadline.remaining(),
            None => {
                self.deadline();
                self.duration
            }
        };
        if left == Some(Duration::ZERO) {
            return Err(self.timed_out());
        }
        if !self.is_ticking() {
            return Ok(left);
        }
        let next = *self.next.get_or_insert_with(|| Instant::now() + Wait::TICK);
        let until_tick = next.saturating_duration_since(Instant::now());
        Ok(Some(left.map_or(until_tick, |l| l.min(until_tick))))
    }

    /// Returns whether this much time is left before the deadline and the next tick.
    ///
    /// The caller may then pause for this time. With a tick, the result is false for times above [`Wait::TICK`] after
    /// the first sleep.
    ///
    /// # Errors
    /// `Timeout` after the deadline.
    pub fn has_left(&mut self, time: Duration) -> Result<bool> {
        if self.next.is_some() {
            return self.sleep().map(|left| left.is_none_or(|left| left >= time));
        }
        // No tick is due before the first sleep.
        let left = match self.deadline.get() {
            Some(deadline) => deadline.remaining(),
            None => {
                self.deadline();
                self.duration
            }
        };
        match left {
            Some(Duration::ZERO) => Err(self.timed_out()),
            left => Ok(left.is_none_or(|left| left >= time)),
        }
    }

    /// Parks this thread until it is unparked, a tick is due, or the deadline passes; may return earlier.
    ///
    /// Returns whether a tick is due. Descriptors of [`Waiting::wakes_on`] and [`Waiting::stops_on`] do not end it.
    ///
    /// # Errors
    /// `Timeout` if the deadline passed before the call. If it passes while the thread is parked, the next call fails.
    pub fn park_until_due(&mut self) -> Result<bool> {
        let left = self.sleep()?;
        sleeping::assert_driven();
        match left {
            Some(left) => thread::park_timeout(left),
            None => thread::park(),
        }
        Ok(self.is_due())
    }

    fn is_due(&self) -> bool {
        self.next.is_some_and(|next| next <= Instant::now())
    }

    /// Begins another round of a loop that a peer can prolong.
    ///
    /// Each call after the first checks the deadline and runs a due tick. The loop has at least
    /// [`Waiting::PATIENCE`] from its first round on, also with a time-out of zero. Loops use `poll::next_round`, which
    /// also looks for cancellation.
    ///
    /// # Errors
    /// `Timeout`; the tick's error; `Cancelled` if `on_wait` returned false.
    pub fn count_round(&mut self) -> Result<()> {
        let Some(first) = self.first_round else {
            self.first_round = Some(Instant::now());
            return Ok(());
        };
        if self.deadline().has_passed() && first.elapsed() >= Waiting::PATIENCE {
            return Err(self.timed_out());
        }
        if self.is_ticking() {
            self.next.get_or_insert_with(|| Instant::now() + Wait::TICK);
            self.woke(false)?;
        }
        Ok(())
    }

    /// Called after each sleep: runs the tick if it is due, or after a signal; `on_wait` only if it is due.
    ///
    /// # Errors
    /// The tick's error; `Cancelled` if `on_wait` returned false.
    pub fn woke(&mut self, interrupted: bool) -> Result<()> {
        let due = self.is_due();
        if !(due || interrupted) {
            return Ok(());
        }
        if self.defers_tick && self.is_ticking() {
            self.deferred = Some(interrupted);
            return Err(Error::new(ErrorKind::Interrupted, "a callback of the program is due"));
        }
        if let Some(tick) = &mut self.tick {
            sleeping::outside(tick)?;
        }
        if due {
            self.next = None;
            if self.on_wait.as_ref().is_some_and(|on_wait| !sleeping::outside(|| on_wait())) {
                return Err(Error::new(
                    ErrorKind::Cancelled,
                    "on_wait returned false, so the wait was ended",
                ));
            }
        }
        Ok(())
    }

    /// Runs a step whose sleeps fail with `Interrupted` instead of running a due tick.
    ///
    /// Returns whether that happened. The caller then gives back its holdings and calls [`Waiting::run_deferred`].
    pub fn deferring_tick<R>(&mut self, step: impl FnOnce(&mut Self) -> Result<R>) -> (Result<R>, bool) {
        self.defers_tick = true;
        let done = step(self);
        self.defers_tick = false;
        let is_due =
            done.as_ref().is_err_and(|e| e.kind() == ErrorKind::Interrupted) && self.deferred.is_some();
        (done, is_due)
    }

    /// Runs a part of a [`Waiting::deferring_tick`] step. Sleeps in this part run a due tick as usual.
    pub fn running_tick<R>(&mut self, step: impl FnOnce(&mut Self) -> R) -> R {
        let defers = std::mem::replace(&mut self.defers_tick, false);
        let done = step(self);
        self.defers_tick = defers;
        done
    }

    /// Runs a step whose sleeps end at `end` at the latest.
    pub fn until_sooner<R>(&mut self, end: Deadline, step: impl FnOnce(&mut Self) -> R) -> R {
        let whole = self.deadline();
        self.deadline.set(Some(whole.sooner(end)));
        let done = step(self);
        self.deadline.set(Some(whole));
        done
    }

    /// Runs a deferred or due tick.
    ///
    /// # Errors
    /// As [`Waiting::woke`].
    pub fn run_deferred(&mut self) -> Result<()> {
        let interrupted = self.deferred.take().unwrap_or(false);
        self.woke(interrupted)
    }

    /// Returns the wait's length as text: `2.5 s`.
    pub fn described(&self) -> String {
        self.stated().map_or_else(|| "no deadline".to_owned(), in_seconds)
    }

    /// Returns how long a missing thing was awaited, for its error.
    pub fn sought(&self) -> String {
        match self.stated() {
            Some(Duration::ZERO) => "was looked for once".to_owned(),
            Some(_) => format!("did not appear within {}", self.described()),
            None => "was waited for".to_owned(),
        }
    }

    /// Returns the `Timeout` error, with the length of the wait.
    #[cold]
    pub fn timed_out(&self) -> Error {
        let text = match self.stated() {
            Some(Duration::ZERO) => "not ready, and the call was not to wait".to_owned(),
            Some(d) => format!("nothing happened within {}; nothing was lost, try again", in_seconds(d)),
            None => "a wait without a deadline ended".to_owned(),
        };
        Error::new(ErrorKind::Timeout, text)
    }
}

impl fmt::Debug for Waiting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting")
            .field("deadline", &self.deadline)
            .field("ticks", &self.is_ticking())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Wait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("timeout", &self.timeout).field("ticks", &self.tick.is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_about_a_timeout_of_300_digits_shows_some_of_them() {
        let text = Timeout::from_seconds(-1e300).unwrap_err().to_string();
        assert!(text.contains("… (302 digits) s") && text.len() < 120, "{text}");
    }

    #[test]
    fn tick_is_run_on_a_signal_and_its_error_ends_the_wait() {
        let mut count = 0;
        let mut tick = || {
            count += 1;
            if count == 2 { Err(Error::new(ErrorKind::Interrupted, "ctrl-c")) } else { Ok(()) }
        };
        let mut waiting = Waiting::start(Wait::new(None).tick(&mut tick), Timeout::Default);
        assert!(waiting.sleep().unwrap().unwrap() <= Wait::TICK);
        waiting.woke(true).unwrap();
        assert_eq!(waiting.woke(true).unwrap_err().kind(), ErrorKind::Interrupted);
    }

    #[test]
    fn no_wait_is_a_timeout_at_once() {
        let mut waiting = Waiting::at_once();
        assert!(waiting.is_none());
        assert_eq!(waiting.sleep().unwrap_err().kind(), ErrorKind::Timeout);
    }

    #[test]
    fn seconds_are_checked() {
        assert_eq!(Timeout::from_seconds(0.5).unwrap(), Timeout::After(Duration::from_millis(500)));
        for ages in [f64::INFINITY, 1e30, 2f64.powi(64)] {
            assert_eq!(Timeout::from_seconds(ages).unwrap(), Timeout::Forever);
        }
        assert!(matches!(Timeout::from_seconds(1e19).unwrap(), Timeout::After(_)));
        assert_eq!(Timeout::from_seconds(-1.0).unwrap_err().kind(), ErrorKind::OutOfRange);
        assert_eq!(Timeout::from_seconds(f64::NAN).unwrap_err().kind(), ErrorKind::OutOfRange);
    }
}
