//! Who wakes futures: a set of descriptors, and whoever turns it.
//!
//! A future that has nothing yet leaves its waker at the descriptor of its object, which is armed for one event. A turn
//! takes what has happened and wakes all that wait at those descriptors; each makes its attempt again. No future
//! depends on a runtime: who turns is a value that the program makes, a thread of the reactor's own or the program's
//! loop.

use std::collections::HashMap;
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::drive;
use crate::error::{ErrorKind, Result};
use crate::sys::eventfd::EventFd;
use crate::sys::poll::{Epoll, Interest, MAX_EVENTS, Ready};
use crate::sys::{fork, thread};

/// The token of the event that the reactor has ended. No descriptor has this number.
const ENDED: u64 = u64::MAX;
/// The numbers of futures.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

/// Wakes the futures of this library. A clone is the same reactor; it ends when the last clone is dropped, for which
/// the futures that use it have to be gone.
///
/// [`Reactor::thread`] turns itself. With [`Reactor::new`] the program turns it: when the descriptor ([`AsFd`]) is
/// readable, it calls [`Reactor::turn`]. The crate `linkspan-tokio` has one that a task of tokio turns. Without a turn
/// no future wakes.
#[derive(Clone)]
pub struct Reactor(Arc<Owner>);

/// Turns a reactor, and does not keep it: for a thread or a task that ends with it.
#[derive(Clone)]
pub struct Turner(Arc<Shared>);

/// Tells those that turn when the last handle is dropped.
struct Owner(Arc<Shared>);

struct Shared {
    set: Epoll,
    ended: EventFd,
    lines: Mutex<HashMap<RawFd, Arc<Line>>>,
    fork_generation: u64,
}

/// The futures that wait at one descriptor. Its lock is held from an attempt until the waker is left: what an attempt
/// takes from the object for another future is told to that one, which has left its waker before or makes its own
/// attempt after. A waker runs code of the runtime, which may drop a future of this line. So wakers are cloned, woken
/// and dropped without the lock.
#[derive(Default)]
struct Line(Mutex<Vec<(u64, Waker)>>);

impl Line {
    fn lock(&self) -> MutexGuard<'_, Vec<(u64, Waker)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the waker of the future of this number out of its line. The caller drops it without the lock.
#[must_use]
fn take_out(line: &mut Vec<(u64, Waker)>, number: u64) -> Option<(u64, Waker)> {
    let at = line.iter().position(|(other, _)| *other == number)?;
    Some(line.swap_remove(at))
}

impl Reactor {
    /// Returns a reactor that the program turns.
    ///
    /// # Errors
    /// `OutOfMemory` where the process may open no more descriptors.
    pub fn new() -> Result<Reactor> {
        let (set, ended) = (Epoll::new()?, EventFd::new()?);
        set.add(&ended, ENDED, Interest::IN)?;
        let fork_generation = fork::generation();
        let shared = Shared { set, ended, lines: Mutex::default(), fork_generation };
        Ok(Reactor(Arc::new(Owner(Arc::new(shared)))))
    }

    /// Returns a reactor with a thread of this name that turns it, until the last clone is dropped.
    ///
    /// # Errors
    /// Those of [`Reactor::new`]; `OutOfMemory` where no thread can be started.
    pub fn thread(name: &str) -> Result<Reactor> {
        let reactor = Reactor::new()?;
        let turner = reactor.turner();
        thread::start(name, move || while let Ok(true) = turner.turn(None) {})?;
        Ok(reactor)
    }

    /// Wakes the futures whose descriptors are ready. Waits for one at most this long, `None` without a limit; a signal
    /// ends the wait. From one thread at a time, or several.
    ///
    /// # Errors
    /// Those of the kernel; `InvalidState` in a forked child.
    pub fn turn(&self, wait: impl Into<Option<Duration>>) -> Result<()> {
        self.0.0.turn(wait.into()).map(drop)
    }

    /// Returns what turns this reactor and does not keep it.
    pub fn turner(&self) -> Turner {
        Turner(self.0.0.clone())
    }

    /// Returns the place of a future in the line at the descriptor of this number.
    pub(crate) fn place(&self, descriptor: RawFd) -> Place<'_> {
        let shared = &*self.0.0;
        // In a forked child the lock may be of a thread that is not there; the attempt is refused.
        let line = match fork::check(shared.fork_generation) {
            Ok(()) => shared.lines().entry(descriptor).or_default().clone(),
            Err(_) => Arc::default(),
        };
        Place { shared, line, descriptor, number: NUMBERS.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Turner {
    /// [`Reactor::turn`]; false once the reactor has ended.
    ///
    /// # Errors
    /// As there.
    pub fn turn(&self, wait: impl Into<Option<Duration>>) -> Result<bool> {
        self.0.turn(wait.into())
    }
}

impl Shared {
    fn lines(&self) -> MutexGuard<'_, HashMap<RawFd, Arc<Line>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, wait: Option<Duration>) -> Result<bool> {
        fork::check(self.fork_generation)?;
        let (mut wait, mut found, mut is_ended) = (wait, Vec::new(), false);
        loop {
            drive::set(&self.set, wait, &mut found)?;
            is_ended |= self.wake(&found);
            // All of it: a loop that is told of changes alone hears of the rest no more.
            if found.len() < MAX_EVENTS || is_ended {
                return Ok(!is_ended);
            }
            wait = Some(Duration::ZERO);
        }
    }

    /// Wakes the futures of these descriptors; returns whether the reactor has ended.
    fn wake(&self, found: &[Ready]) -> bool {
        let mut is_ended = false;
        for ready in found {
            is_ended |= ready.token == ENDED;
            let line = RawFd::try_from(ready.token)
                .ok()
                .and_then(|descriptor| self.lines().get(&descriptor).cloned());
            // Without a lock: a waker may run the future.
            let woken = line.map(|line| std::mem::take(&mut *line.lock()));
            woken.into_iter().flatten().for_each(|(_, waker)| waker.wake());
        }
        is_ended
    }
}

/// The place of one future in the line at a descriptor.
pub(crate) struct Place<'a> {
    shared: &'a Shared,
    line: Arc<Line>,
    descriptor: RawFd,
    number: u64,
}

/// What an attempt of a future has met.
pub(crate) enum Attempt<T> {
    /// The future is ready. What arrived with it may be for others.
    Done(T),
    /// It waits for an event that is armed. `received` is whether the attempt may have received for others.
    Waits { received: bool },
}

/// Arms descriptors for the futures of one line.
pub(crate) struct Events<'a> {
    set: &'a Epoll,
    line: RawFd,
}

impl Events<'_> {
    /// Watches a descriptor for one event. What has happened already is an event.
    pub(crate) fn arm(&self, descriptor: BorrowedFd<'_>, what: Interest) -> Result<()> {
        let (token, what) = (u64::try_from(self.line).unwrap_or(ENDED), what | Interest::ONESHOT);
        match self.set.modify(descriptor, token, what) {
            // It was never in the set, or the descriptor of this number is another one now.
            Err(e) if e.kind() == ErrorKind::NotFound => self.set.add(descriptor, token, what),
            armed => armed,
        }
    }
}

impl Place<'_> {
    /// Makes an attempt, and leaves the waker where it waits.
    pub(crate) fn attempt<T>(
        &mut self,
        waker: &Waker,
        attempt: impl FnOnce(&Events<'_>) -> Result<Attempt<T>>,
    ) -> Poll<Result<T>> {
        if let Err(forked) = fork::check(self.shared.fork_generation) {
            return Poll::Ready(Err(forked));
        }
        // Declared first: an attempt that panics drops it without the lock, too.
        let before;
        let waker = waker.clone();
        let mut line = self.line.lock();
        before = take_out(&mut line, self.number);
        let attempted = attempt(&Events { set: &self.shared.set, line: self.descriptor });
        let tells = !matches!(attempted, Ok(Attempt::Waits { received: false }));
        let others = if tells { std::mem::take(&mut *line) } else { Vec::new() };
        let poll = match attempted {
            Ok(Attempt::Done(value)) => Poll::Ready(Ok(value)),
            Err(error) => Poll::Ready(Err(error)),
            Ok(Attempt::Waits { .. }) => {
                // A turn that meets the event already waits for the lock of the line.
                line.push((self.number, waker));
                Poll::Pending
            }
        };
        drop(line);
        drop(before);
        others.into_iter().for_each(|(_, waker)| waker.wake());
        poll
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if fork::check(self.shared.fork_generation).is_err() {
            return;
        }
        // A waker that this future got and does not use is passed on: the event may be one for another future.
        let (own, others) = {
            let mut lines = self.shared.lines();
            let mut line = self.line.lock();
            let own = take_out(&mut line, self.number);
            if line.is_empty() && Arc::strong_count(&self.line) == 2 {
                lines.remove(&self.descriptor);
            }
            let others = if own.is_none() { std::mem::take(&mut *line) } else { Vec::new() };
            (own, others)
        };
        drop(own);
        others.into_iter().for_each(|(_, waker)| waker.wake());
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if self.0.fork_generation == fork::generation() {
            self.0.ended.wake();
        }
    }
}

/// Readable while a turn has something to do.
impl AsFd for Reactor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.0.set.as_fd()
    }
}

/// The descriptor of the reactor, which becomes readable, too, when the reactor has ended.
impl AsFd for Turner {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.set.as_fd()
    }
}

impl AsRawFd for Reactor {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl AsRawFd for Turner {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").field("descriptors", &self.0.0.lines().len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Turner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turner").finish_non_exhaustive()
    }
}
