//! The publisher's side: its ring, the move to a larger ring, and its view of each subscriber.
//!
//! `driver` calls [`Broadcast::publish`] (or `append` and `commit`), and then [`Broadcast::notify`] with
//! all subscriptions. Publishing never waits for a subscriber and depends on nothing that one
//! writes: a subscriber's page gives only its park word (how to wake it) and the sequence that it
//! read last (for `close` of the layer above). A false value in either harms the subscriber that
//! wrote it.
//!
//! The move to a larger ring, for a message above half of the ring or because it began small: the new ring is created
//! and gets the message, or the records of the old one, then the state word of the old ring becomes `MOVED`.
//! Subscribers read the old ring to its end, ask the publisher again over its listener, and continue in the new ring
//! behind the sequence that they read last. Between the two no message is lost, because the new ring
//! begins with the first one that the old ring does not have.

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

/// Which ring a frame was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// The ring that subscribers already have.
    Current,
    /// A new, larger ring: new subscribers get its descriptor, existing ones ask for it when they
    /// find that the publisher has moved.
    Moved,
}

/// A publisher's ring. It waits for no subscriber: a slow one is overtaken and learns how many
/// messages it missed. Its owner is the publisher's fan-out, which lets one thread at a time use
/// it.
#[derive(Debug)]
pub struct Broadcast {
    /// The ring that there is now; an older one stays in the mappings of its readers.
    pub(super) ring_writer: RingWriter<MemoryFile>,
    /// Counts the wake-ups of the current ring: its wake word is in the ring's header page.
    waker: Waker,
    /// Whether subscribers may sleep in the futex. Stays false once a process has filled the
    /// futex queue.
    pub(super) futex: bool,
    /// The session of the publisher's incarnation; each ring's header repeats it.
    session: u64,
    /// The fork generation in which the ring was made, see `sys::fork`.
    generation: u64,
}

impl Broadcast {
    /// A ring of at least `buffer` bytes for the session of this incarnation.
    ///
    /// # Errors
    /// `TooLarge` for a buffer above [`MAX_RING`]; `OutOfMemory` where the control group, a limit
    /// or the kernel has no room for it.
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

    /// The memory file of the current ring, for a subscriber's answer. It is sealed: a subscriber
    /// can only map it read-only.
    pub fn descriptor_for_peer(&self) -> BorrowedFd<'_> {
        self.ring_writer.memory().fd()
    }

    /// Publishes a frame; call [`Broadcast::notify`] afterwards. A frame above half of the ring
    /// makes a ring of four times the record's length.
    ///
    /// # Errors
    /// `TooLarge` for a record above a quarter of [`MAX_RING`], `OutOfMemory` where a larger ring
    /// cannot be made. In both cases nothing has changed and the next frame can be published.
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

    /// Moves to a ring of at least `buffer` bytes, which gets the records of this one. Does nothing where this one is
    /// as large.
    ///
    /// # Errors
    /// `TooLarge` for a buffer above [`MAX_RING`], `OutOfMemory`; then nothing has changed.
    pub fn grow(&mut self, buffer: usize) -> Result<()> {
        let length = segment::ring_length(buffer)?;
        if length as u64 > self.ring() {
            let mut larger = create_ring(self.session, length)?;
            larger.copy_records(&self.ring_writer);
            self.move_to(larger);
        }
        Ok(())
    }

    /// Continues in this ring, and has the subscribers ask for it.
    fn move_to(&mut self, larger: RingWriter<MemoryFile>) {
        larger.memory().store(at::POLL_ONLY, u64::from(!self.futex), Ordering::Release);
        // Last: a subscriber that sees this state and asks is given the ring that has the message.
        self.ring_writer.memory().store_fenced(at::STATE, state::MOVED);
        self.wake_futex(u32::MAX);
        self.ring_writer = larger;
        self.waker = Waker::new(at::DATA_WAKE);
    }

    /// Publishes a frame as one of several: readers find it at [`Broadcast::commit`] at the latest, together with the
    /// frames before it, in groups of up to an eighth of the ring, each with one full fence.
    ///
    /// # Errors
    /// Those of [`Broadcast::publish`].
    pub fn append(&mut self, frame: &Outgoing<'_>) -> Result<()> {
        if !self.ring_writer.fits_batch(record_of(frame).size()) {
            self.commit();
        }
        if self.ring_writer.append(frame) {
            return Ok(());
        }
        // Too large for this ring: commit what comes before it, then take the path that moves
        // to a larger one.
        self.commit();
        self.publish(frame).map(drop)
    }

    /// Makes the appended frames visible to readers. Call [`Broadcast::notify`] afterwards.
    pub fn commit(&mut self) {
        if self.ring_writer.has_appended() {
            self.ring_writer.commit();
        }
    }

    /// Wakes the subscribers that sleep; to be called after each publish. It makes at most one
    /// futex call for all of them together, and one `send` per subscriber that sleeps in poll. It
    /// never blocks.
    ///
    /// The futex call comes first: a subscriber that was woken by a byte may have read the message and
    /// sleep in the futex before the last byte is sent, and such a call would wake it for nothing.
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

    /// Wakes all threads that sleep in the futex on the ring's wake word, of which each of `subscribers`
    /// may have one: a subscriber that was awake when its page was read, or has read the message since,
    /// may sleep by now.
    ///
    /// The kernel walks all sleepers in one call, so a hostile subscriber can make the call slow
    /// with many sleeping threads. Where many more were woken than there are subscribers, the ring says
    /// `POLL_ONLY` from then on: honest subscribers then sleep in poll only, and the publisher
    /// makes no futex call for them (decision
    /// 20).
    fn wake_futex(&mut self, subscribers: u32) {
        /// Threads that may be woken beyond those: subscribers that have just been removed.
        const SLACK: u32 = 64;
        let woken = self.waker.wake_futex(self.ring_writer.memory(), u32::MAX);
        if self.futex && woken > subscribers.saturating_add(SLACK) {
            self.futex = false;
            self.ring_writer.memory().store(at::POLL_ONLY, 1, Ordering::Release);
        }
    }

    /// Bytes of the current ring.
    pub fn ring(&self) -> u64 {
        self.ring_writer.ring()
    }
}

impl Drop for Broadcast {
    fn drop(&mut self) {
        // In a forked child the mapping is absent, and the ring belongs to the parent.
        if fork::generation() == self.generation {
            self.ring_writer.memory().store_fenced(at::STATE, state::CLOSED);
            // Only those in the futex: subscribers in poll are woken by the hang-up of their
            // sockets.
            self.wake_futex(u32::MAX);
        }
    }
}

/// A ring of `ring` bytes, a power of two, in a memory file of its own.
fn create_ring(session: u64, ring: usize) -> Result<RingWriter<MemoryFile>> {
    let create = || segment::create(segment::BROADCAST, session, ring);
    Ok(RingWriter::new(with_the_pools_memory(create)?, ring))
}

/// The error of a message for which a larger ring of `ring` bytes could not be made: of a long one when it had no slot,
/// because the kernel refused memory for one, too, or because subscribers view all.
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

/// The publisher's view of one subscriber: whether it sleeps, and how to wake it.
#[derive(Debug)]
pub struct Subscription {
    /// The subscriber's page, mapped read-only. All of its words are hostile input.
    page: Arc<PeerMemory>,
    /// The socket of the subscription, for the byte that wakes a subscriber in poll.
    socket: Arc<Guarded>,
    /// Remembers for which park word this subscriber was woken. The wake word is the ring's.
    waker: Waker,
}

impl Subscription {
    /// Checks and maps the page that a subscriber of this session sent over `socket`.
    ///
    /// # Errors
    /// `Malformed` where it did not send exactly one descriptor, or that is no sealed page of this
    /// session; `VersionMismatch` for another layout.
    pub fn from_descriptors(
        descriptors: Vec<PeerFile>,
        session: u64,
        socket: Arc<Guarded>,
    ) -> Result<Subscription> {
        let (page, _) =
            segment::open(&segment::single_descriptor(descriptors)?, segment::PAGE_OF_SUBSCRIBER, session)?;
        Ok(Subscription { page: Arc::new(page), socket, waker: Waker::new(at::DATA_WAKE) })
    }

    /// The subscriber's page, and the socket over which it came.
    pub fn page(&self) -> (&Arc<PeerMemory>, &Arc<Guarded>) {
        (&self.page, &self.socket)
    }

    /// The sequence of the last message that the subscriber has read, as its page claims; 0 before
    /// the first. The fan-out uses it to wait at `close`, with a deadline, so a false number costs
    /// at most that time.
    pub fn read_so_far(&self) -> u64 {
        self.page.load(at::CONSUMED, Ordering::Relaxed)
    }

    /// Whether the subscriber sleeps and is to be woken. Behind the full fence of the commit.
    pub fn is_asleep(&self) -> bool {
        self.waker.is_due(self.page.load_fenced(at::DATA_PARK))
    }

    /// Returns the stage that the subscriber is to be woken from, by a byte or together with the others
    /// in the futex; `None` where it is awake. From now on it counts as woken.
    pub(in crate::shm) fn take_stage(&mut self) -> Option<Stage> {
        let park = self.page.load_fenced(at::DATA_PARK);
        if !self.waker.is_due(park) {
            return None;
        }
        self.waker.take(park)
    }

    /// Wakes the subscriber from its sleep in poll.
    fn send_byte(&self) {
        Signal::Data.send(&self.socket);
    }
}
