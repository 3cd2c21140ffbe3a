//! The publisher's side: its ring, the move to a larger ring, and its view of each subscriber.
//!
//! A subscriber's page gives only its park word and the last sequence that it read. A false value harms only that
//! subscriber.
//!
//! The publisher moves to a larger ring if its ring began small or for a message above half of the ring. The new ring
//! begins with the first message that the old ring lacks; then the old ring's state becomes `MOVED`. Subscribers read
//! the old ring to its end, ask the publisher, and continue without a loss.

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::memory::{Memory, OwnMemory};
use super::super::park::{Stage, Waker};
use super::super::segment::{self, MAX_RING, at, state, with_the_pools_memory};
use super::super::signals::Signal;
use super::ring_writer::{RingWriter, record_of};
use crate::body::PLACED_FROM;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Outgoing;
use crate::sys::fork::{self, Guarded};
use crate::sys::memory::{MemoryFile, PeerFile, PeerMemory};

/// The ring that a frame was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    Current,
    /// The records are in a new, larger ring; subscribers ask for it.
    Moved,
}

/// A publisher's ring, for one thread at a time.
#[derive(Debug)]
pub struct Broadcast {
    pub(super) ring_writer: RingWriter<MemoryFile>,
    waker: Waker,
    /// Whether subscribers may sleep in the futex; false after a process filled its queue.
    pub(super) futex: bool,
    session: u64,
    /// The fork generation of the ring.
    generation: u64,
}

impl Broadcast {
    /// A ring of at least `buffer` bytes for this session.
    ///
    /// # Errors
    /// `TooLarge` for a buffer above [`MAX_RING`]; `OutOfMemory`.
    pub fn create(session: u64, buffer: usize) -> Result<Broadcast> {
        let ring_writer = create_ring(session, segment::ring_length(buffer)?)?;
        Ok(Broadcast {
            ring_writer,
            waker: Waker::new(at::DATA_WAKE),
            futex: true,
            session,
            generation: fork::generation(),
        })
    }

    /// The sealed memory file of the current ring, for subscribers.
    pub fn descriptor_for_peer(&self) -> BorrowedFd<'_> {
        self.ring_writer.memory().fd()
    }

    /// Publishes a frame, perhaps in a larger ring; call [`Broadcast::notify`] afterwards.
    ///
    /// # Errors
    /// `TooLarge` for a record above a quarter of [`MAX_RING`], `OutOfMemory` for a larger ring; nothing has changed.
    pub fn publish(&mut self, frame: &Outgoing<'_>) -> Result<Published> {
        if self.ring_writer.write(frame) {
            return Ok(Published::Current);
        }
        let size = record_of(frame).size();
        if size > MAX_RING as u64 / 4 {
            let text = format!(
                "publishing a message of {} bytes through shared memory: at most {} are possible",
                frame.body.len(),
                MAX_RING / 4 - 8192
            );
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        let length = segment::ring_length(size as usize * 4)?;
        let mut larger =
            create_ring(self.session, length).map_err(|error| no_memory(error, frame.header.body, length))?;
        if !larger.write(frame) {
            return Err(Error::new(
                ErrorKind::Internal,
                "a message did not fit the ring that was made for it",
            ));
        }
        self.move_to(larger);
        Ok(Published::Moved)
    }

    /// Moves the records to a ring of at least `buffer` bytes. Does nothing if this ring is as large.
    ///
    /// # Errors
    /// `TooLarge` for a buffer above [`MAX_RING`], `OutOfMemory`; nothing has changed.
    pub fn grow(&mut self, buffer: usize) -> Result<()> {
        let length = segment::ring_length(buffer)?;
        if length as u64 > self.ring() {
            let mut larger = create_ring(self.session, length)?;
            larger.copy_records(&self.ring_writer);
            self.move_to(larger);
        }
        Ok(())
    }

    /// Continues in this ring, and makes subscribers ask for it.
    fn move_to(&mut self, larger: RingWriter<MemoryFile>) {
        larger.memory().store(at::POLL_ONLY, u64::from(!self.futex), Ordering::Release);
        // Last: a subscriber that sees this state must get a ring with the message.
        self.ring_writer.memory().store_fenced(at::STATE, state::MOVED);
        self.wake_futex(u32::MAX);
        self.ring_writer = larger;
        self.waker = Waker::new(at::DATA_WAKE);
    }

    /// Adds a frame to a batch, which readers find at the next [`Broadcast::commit`] or before.
    ///
    /// # Errors
    /// Errors of [`Broadcast::publish`].
    pub fn append(&mut self, frame: &Outgoing<'_>) -> Result<()> {
        if !self.ring_writer.fits_batch(record_of(frame).size()) {
            self.commit();
        }
        if self.ring_writer.append(frame) {
            return Ok(());
        }
        // Commits the earlier frames, then moves to a larger ring.
        self.commit();
        self.publish(frame).map(drop)
    }

    /// Makes appended frames visible. Call [`Broadcast::notify`] afterwards.
    pub fn commit(&mut self) {
        if self.ring_writer.has_appended() {
            self.ring_writer.commit();
        }
    }

    /// Wakes the sleeping subscribers after a publish. Never blocks.
    ///
    /// The futex comes first: a subscriber that a byte woke may soon sleep in the futex, and would wake for nothing.
    pub fn notify<'a>(&mut self, subscribers: impl Iterator<Item = &'a mut Subscription>) {
        let (mut count, mut in_futex, mut in_poll) = (0u32, false, Vec::new());
        for subscriber in subscribers {
            count = count.saturating_add(1);
            match subscriber.take_stage() {
                Some(Stage::Futex) => in_futex = true,
                Some(Stage::Poll) => in_poll.push(subscriber),
                None => {}
            }
        }
        if in_futex {
            self.wake_futex(count);
        }
        in_poll.into_iter().for_each(|subscriber| subscriber.send_byte());
    }

    /// Wakes all threads in the futex on the ring's wake word.
    ///
    /// A hostile subscriber's many sleeping threads slow the kernel down. If far more threads woke than there are
    /// subscribers, the ring says `POLL_ONLY`.
    fn wake_futex(&mut self, subscribers: u32) {
        /// For threads of just removed subscribers.
        const SLACK: u32 = 64;
        let woken = self.waker.wake_futex(self.ring_writer.memory(), u32::MAX);
        if self.futex && woken > subscribers.saturating_add(SLACK) {
            self.futex = false;
            self.ring_writer.memory().store(at::POLL_ONLY, 1, Ordering::Release);
        }
    }

    pub fn ring(&self) -> u64 {
        self.ring_writer.ring()
    }
}

impl Drop for Broadcast {
    fn drop(&mut self) {
        // A forked child lacks the mapping, and the ring is its parent's.
        if fork::generation() == self.generation {
            self.ring_writer.memory().store_fenced(at::STATE, state::CLOSED);
            // Subscribers in poll notice the hang-up of their sockets.
            self.wake_futex(u32::MAX);
        }
    }
}

fn create_ring(session: u64, ring: usize) -> Result<RingWriter<MemoryFile>> {
    let create = || segment::create(segment::BROADCAST, session, ring);
    Ok(RingWriter::new(with_the_pools_memory(create)?, ring))
}

/// The error of a message without memory for a ring, and without a slot if it is long.
#[cold]
fn no_memory(error: Error, body: u64, ring: usize) -> Error {
    if error.kind() != ErrorKind::OutOfMemory {
        return error;
    }
    let why = if body < PLACED_FROM as u64 { "" } else { "there was no slot for it, and " };
    let text = format!(
        "publishing a message of {body} bytes through shared memory: {why}there is no memory for a ring of {ring} bytes, in which it would be a quarter; allow the program or its control group more memory, drop messages that subscribers keep, or publish shorter ones"
    );
    Error::new(ErrorKind::OutOfMemory, text)
}

/// The publisher's view of one subscriber.
#[derive(Debug)]
pub struct Subscription {
    page: Arc<PeerMemory>,
    socket: Arc<Guarded>,
    /// The last park word that was answered; the wake word is the ring's.
    waker: Waker,
}

impl Subscription {
    /// Checks and maps the page that a subscriber of this session sent over `socket`.
    ///
    /// # Errors
    /// `Malformed` for anything except a sealed page of this session; `VersionMismatch` for another layout.
    pub fn from_descriptors(
        descriptors: Vec<PeerFile>,
        session: u64,
        socket: Arc<Guarded>,
    ) -> Result<Subscription> {
        let (page, _) =
            segment::open(&segment::single_descriptor(descriptors)?, segment::PAGE_OF_SUBSCRIBER, session)?;
        Ok(Subscription { page: Arc::new(page), socket, waker: Waker::new(at::DATA_WAKE) })
    }

    pub fn page(&self) -> (&Arc<PeerMemory>, &Arc<Guarded>) {
        (&self.page, &self.socket)
    }

    /// The last sequence that the subscriber has read, as its page claims; 0 if none.
    ///
    /// `close` waits for it with a deadline, so a false number costs at most that time.
    pub fn read_so_far(&self) -> u64 {
        self.page.load(at::CONSUMED, Ordering::Relaxed)
    }

    /// Whether the subscriber sleeps and needs a wake-up. The commit's full fence precedes the call.
    pub fn is_asleep(&self) -> bool {
        self.waker.is_due(self.page.load_fenced(at::DATA_PARK))
    }

    /// Returns, once, the stage that wakes the subscriber; `None` if it is awake.
    pub(in crate::shm) fn take_stage(&mut self) -> Option<Stage> {
        let park = self.page.load_fenced(at::DATA_PARK);
        if !self.waker.is_due(park) {
            return None;
        }
        self.waker.take(park)
    }

    fn send_byte(&self) {
        Signal::Data.send(&self.socket);
    }
}
