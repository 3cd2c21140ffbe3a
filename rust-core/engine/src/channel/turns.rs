//! Turns: threads use one object in the order of their calls, each within its deadline.
//!
//! A mutex is not enough. A wait must end at its deadline and run the program's `on_wait` callback. A thread that
//! calls again from a callback or signal handler must get an error, because it would wait for itself. `sys::seat` has
//! the line of waiters.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::deadline::Waiting;
use crate::drive;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::seat::{self, Lease, Seat, this_thread};

/// The thread that has the turn, and the threads that wait for it.
pub struct Turns(Seat<(), ()>);

/// The turn. Dropping it wakes the thread that waits longest.
pub type TurnGuard<'a> = Lease<'a, (), ()>;

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Turns")
    }
}

impl Default for Turns {
    fn default() -> Turns {
        Turns(Seat::new((), Arc::new(seat::Mutex::new(()))))
    }
}

impl Turns {
    /// Returns whether no thread has the turn or waits for it, for calls that let waiting threads go first.
    pub(crate) fn are_free(&self) -> bool {
        self.0.seems_free()
    }

    /// Takes the turn after earlier threads.
    ///
    /// # Errors
    /// `Timeout` at the deadline; `InvalidState` if this thread has the turn already.
    pub fn acquire(&self, operation: &str, waiting: &mut Waiting<'_>) -> Result<TurnGuard<'_>> {
        take_in_turn(&self.0, operation, waiting)
    }
}

pub(super) fn take_in_turn<'a, T, G>(
    seat: &'a Seat<T, G>,
    operation: &str,
    waiting: &mut Waiting<'_>,
) -> Result<Lease<'a, T, G>> {
    match seat.try_take() {
        Some(lease) => Ok(lease),
        None => wait_in_line(seat, operation, waiting),
    }
}

#[cold]
fn wait_in_line<'a, T, G>(
    seat: &'a Seat<T, G>,
    operation: &str,
    waiting: &mut Waiting<'_>,
) -> Result<Lease<'a, T, G>> {
    if seat.is_acquired_here() {
        return Err(reentrant_call(operation));
    }
    loop {
        let permit = drive::turn(seat, waiting, |_| false).map_err(|e| turn_error(e, operation, waiting))?;
        if let Some(permit) = permit {
            return Ok(drive::value_of(permit));
        }
    }
}

pub fn reentrant_call(operation: &str) -> Error {
    let text = format!(
        "this thread {operation} on this object already, and called it again from a callback or a signal handler; try again once that call has ended"
    );
    Error::new(ErrorKind::InvalidState, text)
}

fn turn_error(error: Error, operation: &str, waiting: &Waiting<'_>) -> Error {
    if error.kind() != ErrorKind::Timeout || waiting.is_none() {
        return error;
    }
    let text = format!(
        "another thread {operation} on this object, and this one did not have its turn within {}; nothing was sent, try again",
        waiting.described()
    );
    Error::new(ErrorKind::Timeout, text)
}

/// Which thread uses an object whose exclusive use is ensured by other means.
#[derive(Default)]
pub struct HolderMark(AtomicU64);

impl HolderMark {
    pub fn mark(&self) -> MarkGuard<'_> {
        // Relaxed here and below: a thread compares only with its own mark, which it stored itself.
        self.0.store(this_thread(), Ordering::Relaxed);
        MarkGuard(self)
    }

    pub fn is_this_thread(&self) -> bool {
        self.0.load(Ordering::Relaxed) == this_thread()
    }
}

pub struct MarkGuard<'a>(&'a HolderMark);

impl Drop for MarkGuard<'_> {
    fn drop(&mut self) {
        self.0.0.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::deadline::{Timeout, Wait};

    const PATIENCE: Duration = Duration::from_secs(60);

    fn patiently(time: Duration) -> Waiting<'static> {
        Waiting::start(Wait::new(time), Timeout::Default)
    }

    /// Eight threads count in steps of two parts, so an interleaved step fails an assertion.
    #[test]
    fn turns_admit_one_thread_at_a_time_and_lose_no_waiter() {
        let shared = Arc::new((Turns::default(), AtomicBool::new(false), AtomicU64::new(0)));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let shared = shared.clone();
                thread::spawn(move || {
                    let (turns, inside, count) = &*shared;
                    for _ in 0..2000 {
                        let held = turns.acquire("counts", &mut patiently(PATIENCE)).unwrap();
                        assert!(!inside.swap(true, Ordering::SeqCst), "two threads have the turn");
                        count.fetch_add(1, Ordering::SeqCst);
                        inside.store(false, Ordering::SeqCst);
                        drop(held);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(shared.2.load(Ordering::SeqCst), 16_000);
        assert!(shared.0.are_free(), "no thread waits any more");
    }

    #[test]
    fn turn_goes_to_the_waiter_before_a_returning_thread() {
        let turns = Arc::new(Turns::default());
        let mut held = turns.acquire("holds", &mut patiently(PATIENCE)).unwrap();
        let other = turns.clone();
        let waits = thread::spawn(move || drop(other.acquire("waits", &mut patiently(PATIENCE)).unwrap()));
        while !turns.0.is_awaited() {
            thread::yield_now();
        }
        drop(held);
        held = turns.acquire("holds", &mut patiently(PATIENCE)).unwrap();
        waits.join().unwrap();
        drop(held);
    }

    #[test]
    fn timed_out_waiter_passes_the_wake_up_on() {
        let turns = Arc::new(Turns::default());
        let held = turns.acquire("sends", &mut patiently(PATIENCE)).unwrap();
        let come = |time| {
            let turns = turns.clone();
            thread::spawn(move || turns.acquire("sends", &mut patiently(time)).map(drop))
        };
        let brief = come(Duration::from_millis(50));
        while !turns.0.is_awaited() && !brief.is_finished() {
            thread::yield_now();
        }
        let patient = come(PATIENCE);
        let error = brief.join().unwrap().unwrap_err();
        assert!(
            error.kind() == ErrorKind::Timeout && error.text().contains("another thread sends"),
            "{error}"
        );
        assert!(error.retryable());
        let at_once = turns.clone();
        let none = thread::spawn(move || at_once.acquire("sends", &mut Waiting::at_once()).map(drop));
        assert_eq!(none.join().unwrap().unwrap_err().kind(), ErrorKind::Timeout);
        drop(held);
        patient.join().unwrap().unwrap();
    }

    #[test]
    fn reentrant_acquire_is_refused() {
        let turns = Turns::default();
        let held = turns.acquire("calls", &mut patiently(PATIENCE)).unwrap();
        let error = turns.acquire("calls", &mut patiently(PATIENCE)).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidState);
        assert!(error.text().contains("this thread calls"), "{error}");
        drop(held);
    }

    #[test]
    fn callback_ends_the_wait_for_a_turn() {
        let turns = Arc::new(Turns::default());
        let held = turns.acquire("sends", &mut patiently(PATIENCE)).unwrap();
        let other = turns.clone();
        let ended = thread::spawn(move || {
            let mut waiting = patiently(PATIENCE).on_wait(&Some(Arc::new(|| false)));
            other.acquire("sends", &mut waiting).map(drop).unwrap_err().kind()
        });
        assert_eq!(ended.join().unwrap(), ErrorKind::Cancelled);
        drop(held);
    }
}
