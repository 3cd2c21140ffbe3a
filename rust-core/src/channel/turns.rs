//! Turns: threads that use one object one after the other, in the order of their calls, each within its
//! deadline.
//!
//! A mutex is not enough for three reasons: a wait has to end at a deadline, it has to run the program's
//! callback in between (`on_wait`), and a thread that calls again from such a callback or from a signal
//! handler must get an error instead of waiting for itself. So `holder` names the thread that has the turn,
//! and the waiting threads park in a queue.
//!
//! Lost wake-ups: a thread enters the queue and raises `count` before it tries to acquire; a thread
//! that releases clears `holder` before it reads `count`. All four are sequentially consistent, so
//! either the first sees the turn free or the second sees the count.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};

use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::claim::note_locked;

/// Which thread has the turn, and which threads wait for it.
#[derive(Default)]
pub struct Turns {
    /// The thread that has the turn, by [`this_thread`]; 0 for none.
    holder: AtomicU64,
    /// Number of waiting threads, read without the lock.
    count: AtomicUsize,
    /// The waiting threads, in the order of their calls.
    waiting: Mutex<VecDeque<Waiter>>,
}

/// A waiting thread.
struct Waiter {
    /// Distinguishes the waiters: one thread may wait twice, from a callback.
    id: u64,
    thread: Thread,
}

thread_local! {
    /// Its address differs between all living threads.
    static THREAD_MARK: u8 = const { 0 };
}

/// Returns a number that no other living thread has, and that is not 0.
fn this_thread() -> u64 {
    THREAD_MARK.with(|here| std::ptr::from_ref(here).addr() as u64)
}

impl Turns {
    /// Returns whether no thread has the turn or waits for it: for calls that need none, and let those come first.
    #[inline]
    pub fn are_free(&self) -> bool {
        // Relaxed: another thread may take the turn right after.
        self.holder.load(Ordering::Relaxed) == 0 && self.count.load(Ordering::Relaxed) == 0
    }

    /// Takes the turn if it is free and no thread waits for it.
    #[inline]
    pub fn take_at_once(&self) -> bool {
        self.count.load(Ordering::SeqCst) == 0 && self.try_acquire()
    }

    /// Takes the turn if it is free.
    fn try_acquire(&self) -> bool {
        note_locked();
        self.holder.compare_exchange(0, this_thread(), Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Takes the turn after earlier threads.
    ///
    /// # Errors
    /// `Timeout` at the deadline; `InvalidState` if this thread has the turn already.
    pub fn take(&self, operation: &str, waiting: &mut Waiting<'_>) -> Result<()> {
        if self.take_at_once() { Ok(()) } else { self.wait_turn(operation, waiting) }
    }

    /// [`Turns::take`] for a turn that is not free.
    #[cold]
    fn wait_turn(&self, operation: &str, waiting: &mut Waiting<'_>) -> Result<()> {
        if self.is_held_by_this_thread() {
            return Err(reentrant_call(operation));
        }
        let id = {
            let mut queue = self.queue();
            let id = queue.back().map_or(0, |last| last.id.wrapping_add(1));
            queue.push_back(Waiter { id, thread: thread::current() });
            self.count.fetch_add(1, Ordering::SeqCst);
            id
        };
        loop {
            let mut queue = self.queue();
            if queue.front().is_some_and(|first| first.id == id) && self.try_acquire() {
                self.dequeue(&mut queue, id);
                return Ok(());
            }
            drop(queue);
            if let Err(error) = waiting.park() {
                let mut queue = self.queue();
                self.dequeue(&mut queue, id);
                // The wake-up may have been for this thread: it is passed on to the next.
                wake_first(&queue);
                return Err(turn_error(error, operation, waiting));
            }
        }
    }

    /// Removes a waiter.
    fn dequeue(&self, queue: &mut VecDeque<Waiter>, id: u64) {
        queue.retain(|waiter| waiter.id != id);
        self.count.fetch_sub(1, Ordering::SeqCst);
    }

    /// Releases the turn and wakes the thread that waits longest.
    #[inline]
    pub fn release(&self) {
        self.holder.store(0, Ordering::SeqCst);
        // A thread that entered the queue before this read is seen here; one that enters later finds the turn
        // free.
        if self.count.load(Ordering::SeqCst) > 0 {
            wake_first(&self.queue());
        }
    }

    /// Returns whether the calling thread has the turn.
    pub fn is_held_by_this_thread(&self) -> bool {
        self.holder.load(Ordering::SeqCst) == this_thread()
    }

    /// Locks the queue.
    fn queue(&self) -> MutexGuard<'_, VecDeque<Waiter>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the thread that waits longest.
fn wake_first(queue: &VecDeque<Waiter>) {
    if let Some(first) = queue.front() {
        first.thread.unpark();
    }
}

/// Returns the error for a thread that calls again while it is in such a call, and would wait for
/// itself.
pub(super) fn reentrant_call(operation: &str) -> Error {
    let text = format!(
        "this thread {operation} on this object already, and called it again from a callback or a signal handler; try again once that call has ended"
    );
    Error::new(ErrorKind::InvalidState, text)
}

/// Returns the error of a wait for the turn: a time-out names the operation that kept it.
pub(super) fn turn_error(error: Error, operation: &str, waiting: &Waiting<'_>) -> Error {
    if error.kind() != ErrorKind::Timeout || waiting.is_none() {
        return error;
    }
    let text = format!(
        "another thread {operation} on this object, and this one did not have its turn within {}; nothing was sent, try again",
        waiting.described()
    );
    Error::new(ErrorKind::Timeout, text)
}

/// Releases the turn when it is dropped.
pub struct TurnGuard<'a>(&'a Turns);

impl Drop for TurnGuard<'_> {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl Turns {
    /// [`Turns::take_at_once`], for a scope.
    #[inline]
    pub fn acquire_at_once(&self) -> Option<TurnGuard<'_>> {
        // No `then_some`: a guard that is made and dropped would release the turn of another thread.
        self.take_at_once().then(|| TurnGuard(self))
    }

    /// [`Turns::take`], for a scope.
    pub fn acquire(&self, operation: &str, waiting: &mut Waiting<'_>) -> Result<TurnGuard<'_>> {
        self.take(operation, waiting)?;
        Ok(TurnGuard(self))
    }
}

/// Which thread uses an object whose exclusive use is ensured by other means.
#[derive(Default)]
pub struct HolderMark(AtomicU64);

impl HolderMark {
    /// Names the calling thread for a scope.
    #[inline]
    pub fn mark(&self) -> MarkGuard<'_> {
        // Relaxed here and below: a thread compares only with its own mark, which it has stored itself.
        self.0.store(this_thread(), Ordering::Relaxed);
        MarkGuard(self)
    }

    /// Returns whether the calling thread is named.
    pub fn is_this_thread(&self) -> bool {
        self.0.load(Ordering::Relaxed) == this_thread()
    }
}

/// Removes the mark when it is dropped.
pub struct MarkGuard<'a>(&'a HolderMark);

impl Drop for MarkGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.0.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    use super::*;
    use crate::deadline::{Timeout, Wait};

    const PATIENCE: Duration = Duration::from_secs(60);

    fn patiently(time: Duration) -> Waiting<'static> {
        Wait::new(time).start(Timeout::Default)
    }

    /// Eight threads count, each step in two parts: an interleaved step would be seen.
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
                        assert!(!inside.swap(true, Ordering::SeqCst), "two have the turn");
                        count.fetch_add(1, Ordering::SeqCst);
                        inside.store(false, Ordering::SeqCst);
                        drop(held);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(shared.2.load(Ordering::SeqCst), 16_000);
        assert!(shared.0.take_at_once(), "no thread waits any more");
    }

    /// A thread that calls again at once has to queue behind those that wait.
    #[test]
    fn turn_goes_to_the_waiter_before_a_returning_thread() {
        let turns = Arc::new(Turns::default());
        let mut held = turns.acquire("holds", &mut patiently(PATIENCE)).unwrap();
        let other = turns.clone();
        let waits = thread::spawn(move || drop(other.acquire("waits", &mut patiently(PATIENCE)).unwrap()));
        while turns.count.load(Ordering::SeqCst) == 0 {
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
        while turns.count.load(Ordering::SeqCst) == 0 && !brief.is_finished() {
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
        let error = turns.take("calls", &mut patiently(PATIENCE)).unwrap_err();
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
