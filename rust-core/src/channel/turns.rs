//! Turns: threads of the program that use the same thing one after the other, each within its own deadline.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};

use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};

/// Who has the turn, and who waits for it, in the order in which they came.
#[derive(Default)]
pub struct Turns {
    /// The thread that has it; 0 for none.
    holder: AtomicU64,
    /// How many wait.
    count: AtomicUsize,
    waiting: Mutex<VecDeque<Waiter>>,
}

struct Waiter {
    id: u64,
    thread: Thread,
}

thread_local! {
    /// Its address tells this thread from all others that live.
    static HERE: u8 = const { 0 };
}

/// A number that no other living thread has.
fn this_thread() -> u64 {
    HERE.with(|here| std::ptr::from_ref(here).addr() as u64)
}

impl Turns {
    /// Takes the turn where it is free and nobody waits for it.
    #[inline]
    pub fn take_at_once(&self) -> bool {
        self.count.load(Ordering::SeqCst) == 0 && self.seize()
    }

    fn seize(&self) -> bool {
        self.holder.compare_exchange(0, this_thread(), Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Takes the turn after those who came before. `Timeout` where it has not come by the deadline; `InvalidState` where this
    /// thread has it already, which would wait for itself.
    pub fn take(&self, does: &str, waiting: &mut Waiting<'_>) -> Result<()> {
        if self.take_at_once() { Ok(()) } else { self.queue(does, waiting) }
    }

    #[cold]
    fn queue(&self, does: &str, waiting: &mut Waiting<'_>) -> Result<()> {
        if self.is_held_here() {
            return Err(already_in(does));
        }
        let id = {
            let mut line = self.line();
            let id = line.back().map_or(0, |last| last.id.wrapping_add(1));
            line.push_back(Waiter { id, thread: thread::current() });
            self.count.fetch_add(1, Ordering::SeqCst);
            id
        };
        loop {
            let mut line = self.line();
            if line.front().is_some_and(|first| first.id == id) && self.seize() {
                self.leave(&mut line, id);
                return Ok(());
            }
            drop(line);
            if let Err(error) = waiting.park() {
                let mut line = self.line();
                self.leave(&mut line, id);
                // It may have been woken, and leaves that to the next.
                wake_first(&line);
                return Err(in_vain(error, does, waiting));
            }
        }
    }

    fn leave(&self, line: &mut VecDeque<Waiter>, id: u64) {
        line.retain(|waiter| waiter.id != id);
        self.count.fetch_sub(1, Ordering::SeqCst);
    }

    /// Gives the turn away, to whoever waits for longest.
    #[inline]
    pub fn give(&self) {
        self.holder.store(0, Ordering::SeqCst);
        // One that came to wait before this look is seen here, and one that comes after it finds the turn free.
        if self.count.load(Ordering::SeqCst) > 0 {
            wake_first(&self.line());
        }
    }

    /// Whether this thread has it.
    pub fn is_held_here(&self) -> bool {
        self.holder.load(Ordering::SeqCst) == this_thread()
    }

    fn line(&self) -> MutexGuard<'_, VecDeque<Waiter>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake_first(line: &VecDeque<Waiter>) {
    if let Some(first) = line.front() {
        first.thread.unpark();
    }
}

/// This very thread is in such a call, and would wait for itself.
pub(super) fn already_in(does: &str) -> Error {
    let text = format!(
        "this thread {does} on this object already, and came again from a callback or a signal's handler; come again once that call has ended"
    );
    Error::new(ErrorKind::InvalidState, text)
}

/// The error of a wait for the turn of another thread's call.
pub(super) fn in_vain(error: Error, does: &str, waiting: &Waiting<'_>) -> Error {
    if error.kind() != ErrorKind::Timeout || waiting.is_none() {
        return error;
    }
    let text = format!(
        "another thread {does} on this object, and this one did not have its turn within {}; nothing was sent, try again",
        waiting.described()
    );
    Error::new(ErrorKind::Timeout, text)
}

/// A turn that is given away when it goes out of scope.
pub struct Held<'a>(&'a Turns);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.give();
    }
}

impl Turns {
    /// Like [`Turns::take`], for a scope.
    pub fn hold(&self, does: &str, waiting: &mut Waiting<'_>) -> Result<Held<'_>> {
        self.take(does, waiting)?;
        Ok(Held(self))
    }

    /// For a thread that holds what these turns are about by other means: while the scope lasts, it is known who it is.
    pub fn mark(&self) -> Held<'_> {
        self.holder.store(this_thread(), Ordering::SeqCst);
        Held(self)
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

    /// Eight threads count, each step in two parts: one that came in between would be seen.
    #[test]
    fn turns_let_one_thread_in_at_a_time_and_lose_nobody() {
        let shared = Arc::new((Turns::default(), AtomicBool::new(false), AtomicU64::new(0)));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let shared = shared.clone();
                thread::spawn(move || {
                    let (turns, inside, count) = &*shared;
                    for _ in 0..2000 {
                        let held = turns.hold("counts", &mut patiently(PATIENCE)).unwrap();
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
        assert!(shared.0.take_at_once(), "nobody waits any more");
    }

    /// A thread that comes again at once has to stand behind those that wait.
    #[test]
    fn turns_go_to_who_waits_before_who_comes_again() {
        let turns = Arc::new(Turns::default());
        let mut held = turns.hold("holds", &mut patiently(PATIENCE)).unwrap();
        let other = turns.clone();
        let waits = thread::spawn(move || drop(other.hold("waits", &mut patiently(PATIENCE)).unwrap()));
        while turns.count.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        drop(held);
        held = turns.hold("holds", &mut patiently(PATIENCE)).unwrap();
        waits.join().unwrap();
        drop(held);
    }

    #[test]
    fn turn_that_does_not_come_is_a_timeout_and_the_next_in_line_still_comes() {
        let turns = Arc::new(Turns::default());
        let held = turns.hold("sends", &mut patiently(PATIENCE)).unwrap();
        let come = |time| {
            let turns = turns.clone();
            thread::spawn(move || turns.hold("sends", &mut patiently(time)).map(drop))
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
        let none = thread::spawn(move || at_once.hold("sends", &mut Waiting::at_once()).map(drop));
        assert_eq!(none.join().unwrap().unwrap_err().kind(), ErrorKind::Timeout);
        drop(held);
        patient.join().unwrap().unwrap();
    }

    #[test]
    fn thread_that_has_the_turn_is_refused_and_does_not_wait_for_itself() {
        let turns = Turns::default();
        let held = turns.hold("calls", &mut patiently(PATIENCE)).unwrap();
        let error = turns.take("calls", &mut patiently(PATIENCE)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidState);
        assert!(error.text().contains("this thread calls"), "{error}");
        drop(held);
    }

    #[test]
    fn callback_ends_the_wait_for_a_turn() {
        let turns = Arc::new(Turns::default());
        let held = turns.hold("sends", &mut patiently(PATIENCE)).unwrap();
        let other = turns.clone();
        let ended = thread::spawn(move || {
            let mut waiting = patiently(PATIENCE).on_wait(&Some(Arc::new(|| false)));
            other.hold("sends", &mut waiting).map(drop).unwrap_err().kind()
        });
        assert_eq!(ended.join().unwrap(), ErrorKind::Cancelled);
        drop(held);
    }
}
