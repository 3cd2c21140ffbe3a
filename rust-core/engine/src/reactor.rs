//! Wakes futures: a set of descriptors, and a thread or loop that turns it.
//!
//! A pending future leaves its waker at the descriptor of its object, which is armed for one event. A turn wakes all
//! futures at the ready descriptors; each repeats its attempt.

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

/// The token of the reactor's end. No descriptor has this number.
const ENDED: u64 = u64::MAX;
static NUMBERS: AtomicU64 = AtomicU64::new(0);

/// Wakes the futures of this library.
///
/// A clone is a handle to the same reactor, which ends when the last clone is dropped. Futures borrow the reactor, so
/// they end first. [`Reactor::thread`] has a thread of its own that turns it. With [`Reactor::new`], the program turns
/// it: when the descriptor ([`AsFd`]) is readable, it calls [`Reactor::turn`]. In the crate `linkspan-tokio`, a task of
/// tokio turns the reactor. Without turns no future wakes.
#[derive(Clone)]
pub struct Reactor(Arc<Owner>);

/// Turns a reactor without keeping it alive: for a thread or task that ends with the reactor.
#[derive(Clone)]
pub struct Turner(Arc<Shared>);

struct Owner(Arc<Shared>);

struct Shared {
    set: Epoll,
    ended: EventFd,
    lines: Mutex<HashMap<RawFd, Arc<Line>>>,
    fork_generation: u64,
}

/// The futures that wait at one descriptor.
///
/// The lock is held from an attempt until the waker is left. An attempt may take data for another future, which has
/// either left its waker, and is woken, or makes its own attempt later. A waker runs code of the runtime, which may
/// drop a future of this line, so wakers are cloned, woken and dropped without the lock.
#[derive(Default)]
struct Line(Mutex<Vec<(u64, Waker)>>);

impl Line {
    fn lock(&self) -> MutexGuard<'_, Vec<(u64, Waker)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the waker of a future out of its line. The caller drops it without the lock.
#[must_use]
fn take_out(line: &mut Vec<(u64, Waker)>, number: u64) -> Option<(u64, Waker)> {
    let at = line.iter().position(|(other, _)| *other == number)?;
    Some(line.swap_remove(at))
}

impl Reactor {
    /// Returns a reactor that the program turns.
    ///
    /// # Errors
    /// `OutOfMemory` if the process cannot open more descriptors.
    pub fn new() -> Result<Reactor> {
        let (set, ended) = (Epoll::new()?, EventFd::new()?);
        set.add(&ended, ENDED, Interest::IN)?;
        let fork_generation = fork::generation();
        let shared = Shared { set, ended, lines: Mutex::default(), fork_generation };
        Ok(Reactor(Arc::new(Owner(Arc::new(shared)))))
    }

    /// Returns a reactor that a thread of this name turns until the last clone is dropped.
    ///
    /// # Errors
    /// Errors of [`Reactor::new`]; `OutOfMemory` if no thread can be started.
    pub fn thread(name: &str) -> Result<Reactor> {
        let reactor = Reactor::new()?;
        let turner = reactor.turner();
        thread::start(name, move || while let Ok(true) = turner.turn(None) {})?;
        Ok(reactor)
    }

    /// Wakes the futures whose descriptors are ready.
    ///
    /// Waits for the first event at most this long, without a limit for `None`. A signal ends the wait. Several threads
    /// may turn a reactor at the same time.
    ///
    /// # Errors
    /// Errors of the kernel; `InvalidState` in a forked child.
    pub fn turn(&self, wait: impl Into<Option<Duration>>) -> Result<()> {
        self.0.0.turn(wait.into()).map(drop)
    }

    /// Returns a handle that turns this reactor without keeping it alive.
    pub fn turner(&self) -> Turner {
        Turner(self.0.0.clone())
    }

    pub(crate) fn place(&self, descriptor: RawFd) -> Place<'_> {
        let shared = &*self.0.0;
        // In a forked child, a thread that does not exist there may hold the lock. The attempt is refused.
        let line = match fork::check(shared.fork_generation) {
            Ok(()) => shared.lines().entry(descriptor).or_default().clone(),
            Err(_) => Arc::default(),
        };
        Place { shared, line, descriptor, number: NUMBERS.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Turner {
    /// Does [`Reactor::turn`]. Returns false after the reactor has ended.
    ///
    /// # Errors
    /// Errors of [`Reactor::turn`].
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
            // Take all events: an edge-triggered loop is not told again about the rest.
            if found.len() < MAX_EVENTS || is_ended {
                return Ok(!is_ended);
            }
            wait = Some(Duration::ZERO);
        }
    }

    fn wake(&self, found: &[Ready]) -> bool {
        let mut is_ended = false;
        for ready in found {
            is_ended |= ready.token == ENDED;
            let line = RawFd::try_from(ready.token)
                .ok()
                .and_then(|descriptor| self.lines().get(&descriptor).cloned());
            // Without the lock: a waker may run the future.
            let woken = line.map(|line| std::mem::take(&mut *line.lock()));
            woken.into_iter().flatten().for_each(|(_, waker)| waker.wake());
        }
        is_ended
    }
}

pub(crate) struct Place<'a> {
    shared: &'a Shared,
    line: Arc<Line>,
    descriptor: RawFd,
    number: u64,
}

pub(crate) enum Attempt<T> {
    /// The future is ready. The attempt may have received data for others.
    Done(T),
    /// The future waits for an armed event. `received`: the attempt may have received data for others.
    Waits { received: bool },
}

pub(crate) struct Events<'a> {
    set: &'a Epoll,
    line: RawFd,
}

impl Events<'_> {
    pub(crate) fn arm(&self, descriptor: BorrowedFd<'_>, what: Interest) -> Result<()> {
        let (token, what) = (u64::try_from(self.line).unwrap_or(ENDED), what | Interest::ONESHOT);
        match self.set.modify(descriptor, token, what) {
            // The descriptor was never in the set, or its number now belongs to another file.
            Err(e) if e.kind() == ErrorKind::NotFound => self.set.add(descriptor, token, what),
            armed => armed,
        }
    }
}

impl Place<'_> {
    pub(crate) fn attempt<T>(
        &mut self,
        waker: &Waker,
        attempt: impl FnOnce(&Events<'_>) -> Result<Attempt<T>>,
    ) -> Poll<Result<T>> {
        if let Err(forked) = fork::check(self.shared.fork_generation) {
            return Poll::Ready(Err(forked));
        }
        // Declared before the lock, so that an attempt that panics also drops it after the lock.
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
                // A turn that already has the event waits for the lock of the line.
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
        // A waker that this future got and did not use is passed on: its event may be for another future.
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

/// The descriptor is readable while a turn has something to do.
impl AsFd for Reactor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.0.set.as_fd()
    }
}

/// The descriptor of the reactor. It also becomes readable when the reactor has ended.
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
