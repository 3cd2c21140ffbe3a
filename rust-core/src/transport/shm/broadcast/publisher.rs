//! The publisher's side: its ring, which gives way to a larger one, and its view of each subscriber.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering;

use super::super::memory::{Memory, OwnMemory};
use super::super::park::Bell;
use super::super::segment::{self, MAX_RING, at, state};
use super::caster::Caster;
use super::record::Mark;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Outgoing;
use crate::sys::eventfd::EventFd;
use crate::sys::fork;
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
    caster: Caster<MemoryFile>,
    session: u64,
    generation: u64,
}

impl Broadcast {
    /// A ring of at least `buffer` bytes for the session of this incarnation.
    pub fn create(session: u64, buffer: usize) -> Result<Broadcast> {
        let caster = fresh(session, segment::ring_length(buffer)?)?;
        Ok(Broadcast { caster, session, generation: fork::generation() })
    }

    /// What a subscriber needs: the memory file.
    pub fn descriptor_for_peer(&self) -> BorrowedFd<'_> {
        self.caster.memory().fd()
    }

    /// Publishes a frame; then notify every [`Subscription`]. A frame above half the ring makes a ring of four times
    /// its size; `TooLarge` above what a ring may have, `OutOfMemory` when there is none, and then nothing has changed.
    pub fn publish(&mut self, frame: &Outgoing<'_>) -> Result<Published> {
        if self.caster.write(frame) {
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
        let old = std::mem::replace(&mut self.caster, larger);
        // Last, so that whoever sees it and asks is given the ring that has the message.
        old.memory().store_fenced(at::STATE, state::MOVED);
        Ok(Published::Moved)
    }

    /// Bytes of the ring.
    #[cfg(test)]
    pub fn ring(&self) -> u64 {
        self.caster.ring()
    }
}

impl Drop for Broadcast {
    fn drop(&mut self) {
        // In a forked child the mapping is absent, and the ring is the parent's.
        if fork::generation() == self.generation {
            self.caster.memory().store(at::STATE, state::CLOSED, Ordering::Release);
        }
    }
}

fn fresh(session: u64, ring: usize) -> Result<Caster<MemoryFile>> {
    Ok(Caster::new(segment::create(segment::BROADCAST, session, ring)?, ring))
}

/// The publisher's view of one subscriber: whether it sleeps, and the bell that wakes it.
#[derive(Debug)]
pub(crate) struct Subscription {
    page: PeerMemory,
    data: EventFd,
    bell: Bell,
}

impl Subscription {
    /// Checks and maps what a subscriber of this session sent: its page and its bell.
    pub fn from_descriptors(descriptors: [OwnedFd; 2], session: u64) -> Result<Subscription> {
        let [page, data] = descriptors;
        let (page, _) = segment::open(page.as_fd(), segment::PAGE_OF_SUBSCRIBER, session)?;
        Ok(Subscription { page, data: EventFd::from_peer(data)?, bell: Bell::default() })
    }

    /// The number of the last message that the subscriber has read, as it says; 0 before the first.
    pub fn read_so_far(&self) -> u64 {
        self.page.load(at::CONSUMED, Ordering::Relaxed)
    }

    /// Wakes the subscriber if it sleeps; to be called after each [`Broadcast::publish`].
    pub fn notify(&mut self) {
        let word = self.page.load_fenced(at::DATA_PARK);
        if self.bell.is_due(word) {
            self.bell.rung(word);
            self.data.ring();
        }
    }
}
