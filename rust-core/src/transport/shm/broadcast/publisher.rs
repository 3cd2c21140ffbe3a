//! The publisher's side: its ring, which gives way to a larger one, and its view of each subscriber.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::memory::{Memory, OwnMemory};
use super::super::park::{Stage, Waker};
use super::super::segment::{self, MAX_RING, at, state};
use super::super::signals::Signal;
use super::record::Mark;
use super::ring_writer::RingWriter;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Outgoing;
use crate::sys::fork::{self, Guarded};
use crate::sys::memory::{MemoryFile, PeerMemory};

/// Where a frame went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Published {
    /// Into the ring that there was.
    Here,
    /// Into a larger one: whoever comes now is to get that one's descriptor, and those who are here will ask.
    Moved,
}

/// A publisher's ring. It waits for nobody: who is too slow is overtaken, and told how much was missed.
#[derive(Debug)]
pub(crate) struct Broadcast {
    ring_writer: RingWriter<MemoryFile>,
    /// For those who follow the ring there is now.
    waker: Waker,
    /// Whether subscribers may sleep in the futex.
    futex: bool,
    session: u64,
    generation: u64,
}

impl Broadcast {
    /// A ring of at least `buffer` bytes for the session of this incarnation.
    pub fn create(session: u64, buffer: usize) -> Result<Broadcast> {
        let ring_writer = fresh(session, segment::ring_length(buffer)?)?;
        Ok(Broadcast {
            ring_writer,
            waker: Waker::new(at::DATA_WAKE),
            futex: true,
            session,
            generation: fork::generation(),
        })
    }

    /// What a subscriber needs: the memory file.
    pub fn descriptor_for_peer(&self) -> BorrowedFd<'_> {
        self.ring_writer.memory().fd()
    }

    /// Publishes a frame; then call [`Broadcast::notify`]. A frame above half the ring makes a ring of four times
    /// its size; `TooLarge` above what a ring may have, `OutOfMemory` when there is none, and then nothing has changed.
    pub fn publish(&mut self, frame: &Outgoing<'_>) -> Result<Published> {
        if self.ring_writer.write(frame) {
            return Ok(Published::Here);
        }
        let size = Mark::of(frame.extension.len(), frame.body.len()).size;
        if size > MAX_RING as u64 / 4 {
            let text = format!(
                "publishing a message of {} bytes through shared memory: at most {} are possible",
                frame.body.len(),
                MAX_RING / 4 - 8192
            );
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        let mut larger = fresh(self.session, segment::ring_length(size as usize * 4)?)?;
        if !larger.write(frame) {
            return Err(Error::new(
                ErrorKind::Internal,
                "a message did not fit the ring that was made for it",
            ));
        }
        larger.memory().store(at::POLL_ONLY, u64::from(!self.futex), Ordering::Release);
        // Last, so that whoever sees it and asks is given the ring that has the message.
        self.ring_writer.memory().store_fenced(at::STATE, state::MOVED);
        self.wake_futex(u32::MAX);
        self.ring_writer = larger;
        self.waker = Waker::new(at::DATA_WAKE);
        Ok(Published::Moved)
    }

    /// Publishes several frames in their order, which readers find together, with one fence for up to an eighth of the ring; then
    /// call [`Broadcast::notify`]. Gives how many, and why those behind them were not.
    pub fn publish_many<'f>(&mut self, frames: impl Iterator<Item = Outgoing<'f>>) -> (usize, Result<()>) {
        let mut count = 0;
        let mut published = Ok(());
        for frame in frames {
            if !self.ring_writer.may_hold(Mark::of(frame.extension.len(), frame.body.len()).size) {
                self.ring_writer.show();
            }
            if !self.ring_writer.put(&frame) {
                self.ring_writer.show();
                published = self.publish(&frame).map(drop);
            }
            if published.is_err() {
                break;
            }
            count += 1;
        }
        self.ring_writer.show();
        (count, published)
    }

    /// Wakes the subscribers that sleep; to be called after each [`Broadcast::publish`]. Waits for none of them.
    pub fn notify<'a>(&mut self, subscribers: impl Iterator<Item = &'a mut Subscription>) {
        let in_futex =
            subscribers.map(Subscription::wake).filter(|stage| *stage == Some(Stage::Futex)).count();
        if in_futex > 0 {
            self.wake_futex(u32::try_from(in_futex).unwrap_or(u32::MAX));
        }
    }

    /// Wakes all that sleep in the futex, of which `expected` are subscribers. Where many more slept there, somebody fills the
    /// queue to make this slow, and nobody is woken that way any more.
    fn wake_futex(&mut self, expected: u32) {
        /// Subscribers that have just left and may still sleep.
        const SLACK: u32 = 64;
        let woken = self.waker.wake_futex(self.ring_writer.memory(), u32::MAX);
        if self.futex && woken > expected.saturating_add(SLACK) {
            self.futex = false;
            self.ring_writer.memory().store(at::POLL_ONLY, 1, Ordering::Release);
        }
    }

    /// Bytes of the ring.
    #[cfg(test)]
    pub fn ring(&self) -> u64 {
        self.ring_writer.ring()
    }
}

impl Drop for Broadcast {
    fn drop(&mut self) {
        // In a forked child the mapping is absent, and the ring is the parent's.
        if fork::generation() == self.generation {
            self.ring_writer.memory().store_fenced(at::STATE, state::CLOSED);
            // From poll they are woken by their sockets, which hang up next.
            self.wake_futex(u32::MAX);
        }
    }
}

fn fresh(session: u64, ring: usize) -> Result<RingWriter<MemoryFile>> {
    Ok(RingWriter::new(segment::create(segment::BROADCAST, session, ring)?, ring))
}

/// The publisher's view of one subscriber: whether it sleeps, and how to wake it.
#[derive(Debug)]
pub(crate) struct Subscription {
    page: PeerMemory,
    socket: Arc<Guarded>,
    /// Its wake word is the ring's; here is which of its sleeps were ended.
    waker: Waker,
}

impl Subscription {
    /// Checks and maps the page that a subscriber of this session sent over `socket`.
    pub fn from_descriptors(
        descriptors: Vec<OwnedFd>,
        session: u64,
        socket: Arc<Guarded>,
    ) -> Result<Subscription> {
        let (page, _) =
            segment::open(segment::only(descriptors)?.as_fd(), segment::PAGE_OF_SUBSCRIBER, session)?;
        Ok(Subscription { page, socket, waker: Waker::new(at::DATA_WAKE) })
    }

    /// The number of the last message that the subscriber has read, as it says; 0 before the first.
    pub fn read_so_far(&self) -> u64 {
        self.page.load(at::CONSUMED, Ordering::Relaxed)
    }

    /// Wakes the subscriber if it sleeps in poll; what it is to be woken from.
    pub(in crate::transport::shm) fn wake(&mut self) -> Option<Stage> {
        let park = self.page.load_fenced(at::DATA_PARK);
        if !self.waker.is_due(park) {
            return None;
        }
        let stage = self.waker.take(park);
        if stage == Some(Stage::Poll) {
            Signal::Data.send(&self.socket);
        }
        stage
    }
}
