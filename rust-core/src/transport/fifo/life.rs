//! Whether the other side of a link lives: its lock says, and this is where one learns that it is time to ask.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::error::Result;
use crate::sys::eventfd::EventFd;
use crate::sys::fork::Guarded;
use crate::sys::inotify::Watch;
use crate::sys::lock::{self, Lock};
use crate::sys::poll::{Epoll, Interest, is_readable};
use crate::sys::timer::Timer;
use crate::transport::place::Place;

/// A process that ends closes its pipes and frees its locks one after the other, and may be put to sleep in between:
/// whoever was told of the one and finds the other undone looks again so much later, and once more.
const LOOKS: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(100)];

/// Which side of a link a lock belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who has dialled.
    Client,
    /// Who has answered.
    Server,
}

/// The name of the lock that a side of the link holds which this number began.
pub fn link_lock(place: &Place, nonce: u64, side: Side) -> String {
    let side = if side == Side::Client { "client" } else { "server" };
    format!("{}#{side}#{nonce:016x}", place.file)
}

/// The name of the lock of a name's one client.
pub fn client_lock(place: &Place) -> String {
    format!("{}#client", place.file)
}

/// Whether a name has its client.
pub fn has_client(place: &Place) -> Result<bool> {
    lock::is_locked(&place.directory, &client_lock(place))
}

/// Both sides' lives, as far as one link goes.
#[derive(Debug)]
pub struct Life {
    place: Place,
    theirs: String,
    held: Mutex<Option<Lock>>,
    ended: AtomicBool,
    /// Readable when the other side may have gone.
    epoll: Epoll,
    watch: Watch,
    timer: Timer,
    /// How many of the looks have been taken since it was last told of a lock.
    looks: AtomicU8,
    /// Rung when the link has ended, and from then on.
    over: EventFd,
}

impl Life {
    /// Holds our locks and watches the other side's, which has the other end of the pipe that we read. Who else has it, and
    /// closes it or not, changes nothing.
    pub fn new(place: &Place, reader: &Guarded, held: Lock, theirs: String) -> Result<Life> {
        let life = Life {
            place: place.clone(),
            theirs,
            held: Mutex::new(Some(held)),
            ended: AtomicBool::new(false),
            epoll: Epoll::new()?,
            watch: Watch::closing(reader)?,
            timer: Timer::new()?,
            looks: AtomicU8::new(0),
            over: EventFd::new()?,
        };
        for (token, fd) in (0..).zip(life.watch.descriptors()) {
            life.epoll.add(fd, token, Interest::IN)?;
        }
        life.epoll.add(&life.timer, 2, Interest::IN)?;
        life.epoll.add(&life.over, 3, Interest::IN)?;
        Ok(life)
    }

    /// Whether the link has ended.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// The link has ended: our locks go, so that the other side learns it and the name has room for the next link. True
    /// where it had not ended before.
    pub fn end(&self) -> bool {
        let ends = !self.ended.swap(true, Ordering::AcqRel);
        if ends {
            drop(self.held.lock().unwrap_or_else(PoisonError::into_inner).take());
            self.over.wake();
        }
        ends
    }

    /// Asks the other side's lock; true where the link has ended.
    pub fn look(&self) -> Result<bool> {
        if !self.has_ended() && !lock::is_locked(&self.place.directory, &self.theirs)? {
            self.end();
        }
        Ok(self.has_ended())
    }

    /// Forgets what it was told so far, which came of opening the pipes, and looks once more.
    pub fn settle(&self) -> Result<bool> {
        self.watch.drain();
        self.look()
    }

    /// Does what the descriptor wakes for; true where the link has ended.
    pub fn attend(&self) -> Result<bool> {
        if self.has_ended() || !is_readable(self.epoll.as_fd()) {
            return Ok(self.has_ended());
        }
        // Taken before the look, so that what happens after it wakes again.
        let [shared, waker] = self.watch.descriptors();
        if is_readable(shared) || is_readable(waker) {
            self.watch.drain();
            self.looks.store(0, Ordering::Relaxed);
        }
        self.timer.drain();
        if self.look()? {
            return Ok(true);
        }
        let taken = self.looks.fetch_add(1, Ordering::Relaxed);
        if let Some(later) = LOOKS.get(usize::from(taken)) {
            self.timer.arm(*later)?;
        }
        Ok(false)
    }
}

impl AsFd for Life {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}
