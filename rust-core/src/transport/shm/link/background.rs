//! The sending half while a thread writes the rest of a large frame, for a program that may never send again.
//!
//! The thread has the whole half: its end of the ring, its park word and its waker belong to one thread at a time. The
//! layer above keeps a half that takes nothing until the other one is back; it waits for a descriptor
//! instead of the park word. When the layer above drops its half, the thread ends without the rest, because the link is
//! being closed.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::PollFlags;

use super::shared::{Shared, disconnected};
use crate::deadline::{Deadline, Waiting};
use crate::error::Result;
use crate::sys::eventfd::EventFd;
use crate::sys::fork;
use crate::sys::poll::wait_any;
use crate::sys::thread;

/// A sending half, as the thread uses it.
pub(super) trait RestWriter: Send + 'static {
    /// Writes more; true when nothing is left.
    fn flush(&mut self) -> Result<bool>;
    /// Sleeps until there is room.
    fn wait_room(&mut self, waiting: &mut Waiting<'_>) -> Result<()>;
}

/// What the half of the layer above and the thread share.
#[derive(Debug)]
struct Handover<H> {
    /// The half after the thread has given it back.
    half: Mutex<Option<Box<H>>>,
    /// Readable once the half is back.
    back: EventFd,
    /// Whether the layer above has dropped its half.
    is_dropped: AtomicBool,
    /// Readable once it has.
    dropped: Arc<EventFd>,
    /// The process, as a count of forks: a forked child has no thread, and its half is not the one that counts.
    generation: u64,
}

impl<H> Handover<H> {
    fn back_half(&self) -> MutexGuard<'_, Option<Box<H>>> {
        self.half.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A half that a thread has. Dropping it ends the thread.
#[derive(Debug)]
pub(super) struct Background<H>(Arc<Handover<H>>);

impl<H> Background<H> {
    /// Starts the thread, which gets the half that `replaced` returns for what the layer above keeps. Where no thread can be started, the
    /// half is back at once, and the next call writes the rest.
    ///
    /// # Errors
    /// Those of making an eventfd; `replaced` was not called.
    pub fn start(replaced: impl FnOnce(Background<H>) -> H) -> Result<()>
    where
        H: RestWriter,
    {
        let place = Arc::new(Handover {
            half: Mutex::default(),
            back: EventFd::new()?,
            is_dropped: AtomicBool::new(false),
            dropped: Arc::new(EventFd::new()?),
            generation: fork::generation(),
        });
        let mut background = GivesBack { half: Some(Box::new(replaced(Background(place.clone())))), place };
        // What cannot be started drops what it was to have.
        let _ = thread::start("linkspan-rest", move || background.write_rest());
        Ok(())
    }

    /// The half, if it is back.
    pub fn take_back(&self) -> Option<Box<H>> {
        self.0.back_half().take()
    }

    /// Sleeps until the half is back. Errors as [`RestWriter::wait_room`].
    pub fn wait(&self, shared: &Shared, waiting: &mut Waiting<'_>) -> Result<()> {
        let [socket, process] = shared.liveness.interests();
        let [_, socket, process] = wait_any(waiting, [(self.descriptor(), PollFlags::IN), socket, process])?;
        if shared.liveness.is_hang_up([socket, process]) {
            return Err(shared.end(disconnected()));
        }
        Ok(())
    }

    /// Readable once the half is back.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.back.as_fd()
    }
}

impl<H> Drop for Background<H> {
    fn drop(&mut self) {
        // A child shares the descriptor with its parent.
        if fork::generation() == self.0.generation {
            self.0.is_dropped.store(true, Ordering::Relaxed);
            self.0.dropped.wake();
        }
    }
}

/// What the thread has. It gives the half back when it ends, however it ends.
struct GivesBack<H> {
    half: Option<Box<H>>,
    place: Arc<Handover<H>>,
}

impl<H: RestWriter> GivesBack<H> {
    /// Writes until nothing is left, the link has ended or the layer above has dropped its half.
    fn write_rest(&mut self) {
        let Some(half) = &mut self.half else { return };
        let mut waiting = Waiting::until(Deadline::NEVER).stops_on(self.place.dropped.clone());
        // A receiver that makes room all the time would keep the thread out of its sleep.
        let is_dropped = || self.place.is_dropped.load(Ordering::Relaxed);
        while !is_dropped() && matches!(half.flush(), Ok(false)) && half.wait_room(&mut waiting).is_ok() {}
    }
}

impl<H> Drop for GivesBack<H> {
    fn drop(&mut self) {
        *self.place.back_half() = self.half.take();
        self.place.back.wake();
    }
}
