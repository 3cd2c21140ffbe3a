//! A sending half that a thread has, which writes the rest of a frame for a program that may never send again.
//!
//! The thread has the whole half: what it writes to, and over shared memory its park word and its waker, belong to one
//! thread at a time. The layer above takes nothing meanwhile, and waits for a descriptor until the half is back.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::PollFlags;

use crate::deadline::{Deadline, Waiting};
use crate::error::Result;
use crate::sys::eventfd::EventFd;
use crate::sys::fork;
use crate::sys::poll::wait_any;
use crate::sys::thread;

/// What the layer above and the thread share.
struct Handover<H> {
    /// The half after the thread has given it back.
    half: Mutex<Option<H>>,
    /// Readable once the half is back.
    back: EventFd,
    /// Whether the thread ends without the rest when the layer above drops its half, because the link is being closed.
    ends_with_link: bool,
    /// Whether it is to end.
    is_ended: AtomicBool,
    /// Readable once it is.
    ended: Arc<EventFd>,
    /// The process, as a count of forks: a forked child has no thread, and its half is not the one that counts.
    generation: u64,
}

impl<H> Handover<H> {
    fn half(&self) -> MutexGuard<'_, Option<H>> {
        self.half.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A half that a thread has.
pub struct Background<H>(Arc<Handover<H>>);

impl<H: Send + 'static> Background<H> {
    /// Gives a thread the half that `replaced` returns for what the layer above keeps. The thread calls `step` until that
    /// returns false: there is no more to be done. Where no thread can be started, the half is back at once.
    ///
    /// # Errors
    /// Those of making an eventfd; `replaced` was not called.
    pub fn start(
        ends_with_link: bool,
        step: impl Fn(&mut H, &mut Waiting<'_>) -> bool + Send + 'static,
        replaced: impl FnOnce(Background<H>) -> H,
    ) -> Result<()> {
        let place = Arc::new(Handover {
            half: Mutex::default(),
            back: EventFd::new()?,
            ends_with_link,
            is_ended: AtomicBool::new(false),
            ended: Arc::new(EventFd::new()?),
            generation: fork::generation(),
        });
        let half = replaced(Background(place.clone()));
        let mut held = HeldHalf { half: Some(half), place };
        // What cannot be started drops what it was to have.
        let _ = thread::start("linkspan-rest", move || {
            let Some(half) = &mut held.half else { return };
            let mut waiting = Waiting::until(Deadline::NEVER).stops_on(held.place.ended.clone());
            // A receiver that makes room all the time would keep the thread out of its sleep.
            let is_ended = || held.place.is_ended.load(Ordering::Relaxed);
            while !is_ended() && step(half, &mut waiting) {}
        });
        Ok(())
    }
}

impl<H> Background<H> {
    /// The half, if it is back.
    pub fn take_back(&self) -> Option<H> {
        self.0.half().take()
    }

    /// Sleeps until the half is back.
    pub fn wait(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        wait_any(waiting, [(self.descriptor(), PollFlags::IN)]).map(drop)
    }

    /// Readable once the half is back.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.back.as_fd()
    }
}

impl<H> Drop for Background<H> {
    fn drop(&mut self) {
        // A child shares the descriptor with its parent.
        if self.0.ends_with_link && fork::generation() == self.0.generation {
            self.0.is_ended.store(true, Ordering::Relaxed);
            self.0.ended.wake();
        }
    }
}

/// What the thread has. It gives the half back when it ends, however it ends.
struct HeldHalf<H> {
    half: Option<H>,
    place: Arc<Handover<H>>,
}

impl<H> Drop for HeldHalf<H> {
    fn drop(&mut self) {
        *self.place.half() = self.half.take();
        self.place.back.wake();
    }
}
