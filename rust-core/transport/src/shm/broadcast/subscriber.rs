//! The subscriber's side: a ring reader that can sleep, and a page that tells how to wake it.
//!
//! Waiting has the stages of a link: spin, futex (see `futex_stage`), then poll or epoll on the socket. The layer above
//! calls `try_recv`; after `Nothing` it calls `spin`, `sleep_briefly`, `park`, waits on `descriptors()`, and calls
//! `unpark`. A full fence and another check of the ring follow each park word, so no wake-up is lost.
//!
//! The kernel is asked about the publisher only when the ring is empty: after each sleep in poll, and after 64 empty
//! reads in a row. Everything that a dead publisher committed is returned before `Disconnected`.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::liveness::Liveness;
use super::super::memory::OwnMemory;
use super::super::park::{Park, Stage};
use super::super::record::FastLinked;
use super::super::segment::{self, at};
use super::super::signals::{Signal, Signals};
use super::super::spin::Spin;
use super::super::views::BodyViews;
use super::futex_stage::FutexStage;
use super::ring_reader::RingReader;
use super::views::{PublishedFiles, Referring, ViewCount, Viewing};
use crate::broadcast::received::{Received, Start};
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Incoming;
use crate::sys::fork::Guarded;
use crate::sys::futex::Slept;
use crate::sys::memory::{MemoryFile, PeerMemory};
use crate::sys::peer::credentials;
use crate::sys::socket;

/// A subscriber's page, without a ring: how the subscriber sleeps, and which message it read last.
#[derive(Debug)]
pub struct SubscriberPage {
    memory: Arc<MemoryFile>,
}

impl SubscriberPage {
    /// A page for this incarnation's session.
    ///
    /// # Errors
    /// `OutOfMemory` if a memory file of one page cannot be created.
    pub(crate) fn create(session: u64) -> Result<SubscriberPage> {
        let memory = segment::create(segment::PAGE_OF_SUBSCRIBER, session, 0)?;
        Ok(SubscriberPage { memory: Arc::new(memory) })
    }

    /// The counter of this page's views.
    pub(super) fn viewing(&self, socket: Arc<Guarded>, views: &ViewCount) -> Viewing {
        Viewing::new(self.memory.clone(), socket, views)
    }

    pub(crate) fn descriptor_for_peer(&self) -> BorrowedFd<'_> {
        self.memory.fd()
    }
}

fn fetch(signals: &Signals, page: &SubscriberPage, files: &mut u64) -> Result<Option<OwnedFd>> {
    let file = signals.take_file()?;
    *files += u64::from(file.is_some());
    page.memory.store(at::FILES_TAKEN, *files, Ordering::Relaxed);
    Ok(file)
}

/// The receiving half of a subscription. One thread at a time uses it.
#[derive(Debug)]
pub struct BroadcastReader {
    ring_reader: RingReader<PeerMemory>,
    page: SubscriberPage,
    slots: PublishedFiles,
    /// Which bytes of whole bodies stay in slots, see [`BroadcastReader::view_bodies`].
    body_views: BodyViews,
    files: u64,
    park: Park,
    spin: Spin,
    /// Whether [`BroadcastReader::peek_fast`] has spun in vain since the last frame.
    has_spun: bool,
    publisher: Liveness,
    signals: Signals,
    futex_stage: FutexStage,
    /// Why this side ended the subscription: invalid bytes over the socket.
    end: Option<Error>,
    /// Whether the next empty read asks the kernel for the publisher's end; each park sets it.
    probe_due: bool,
    /// Consecutive reads that found nothing; every 64th asks the kernel.
    empty_polls: u32,
    /// Whether the publisher was found gone; the ring is still read to its end.
    gone: bool,
    moved: bool,
}

impl BroadcastReader {
    /// Follows the ring with `page`, which the publisher has.
    pub(super) fn new(
        ring_reader: RingReader<PeerMemory>,
        slots: PublishedFiles,
        page: SubscriberPage,
        socket: Arc<Guarded>,
        process: Option<Arc<OwnedFd>>,
        spin: Duration,
    ) -> BroadcastReader {
        BroadcastReader {
            ring_reader,
            slots,
            body_views: BodyViews::None,
            files: 0,
            page,
            park: Park::new(at::DATA_PARK, at::DATA_WAKE),
            spin: Spin::new(spin, credentials(&*socket).ok().and_then(|peer| peer.pid)),
            has_spun: false,
            signals: Signals::of_subscriber(socket.clone()),
            publisher: Liveness::new(socket, process),
            futex_stage: FutexStage::default(),
            end: None,
            probe_due: false,
            empty_polls: 0,
            gone: false,
            moved: false,
        }
    }

    /// Sets which bytes of a body stay in its slot, within the allowed number of views.
    pub fn view_bodies(&mut self, views: BodyViews) {
        self.body_views = views;
    }

    /// Returns the next frame, `Nothing`, or `Moved`; never blocks.
    ///
    /// # Errors
    /// Those of `RingReader::read`; `Disconnected` after everything of a gone publisher; `Malformed` for invalid bytes
    /// over the socket.
    #[inline]
    pub fn try_recv(&mut self) -> Result<Received> {
        if let Some(end) = &self.end {
            return Err(end.clone());
        }
        loop {
            let gone = self.gone;
            match self.read()? {
                Received::Nothing if gone => {
                    let text = "the publisher closed or its process ended";
                    return Err(Error::new(ErrorKind::Disconnected, text));
                }
                Received::Nothing => {
                    self.empty_polls = self.empty_polls.wrapping_add(1);
                    let ask = std::mem::take(&mut self.probe_due) || self.empty_polls.is_multiple_of(64);
                    if !ask || !self.publisher.is_gone()? {
                        return Ok(Received::Nothing);
                    }
                    // Reads the ring once more: the publisher may have published between the empty read and its end.
                    self.gone = true;
                }
                Received::Frame(frame) => {
                    self.frame_came(frame.header.sequence);
                    return Ok(Received::Frame(frame));
                }
                Received::Moved => {
                    self.moved = true;
                    return Ok(Received::Moved);
                }
            }
        }
    }

    /// Returns the next record if it is a fast-path record and the subscription has not ended.
    ///
    /// With `spins`, spins first if spinning is trusted; otherwise it polls later, because a message may come during
    /// the general path.
    #[inline]
    pub fn peek_fast(&mut self, spins: bool) -> Option<FastLinked> {
        if self.end.is_some() || (spins && !self.ring_reader.has_next() && !self.spin_early()) {
            return None;
        }
        self.ring_reader.peek_fast()
    }

    /// Spins before the general path if spinning is trusted. False if nothing came.
    fn spin_early(&mut self) -> bool {
        let BroadcastReader { ring_reader, spin, has_spun, .. } = self;
        if !spin.is_trusted() {
            return true;
        }
        let came = spin.until(|| ring_reader.is_ready());
        *has_spun = !came;
        came
    }

    /// Copies the body of the record that [`BroadcastReader::peek_fast`] has just returned.
    ///
    /// False, without a change, if the publisher overwrote it.
    #[inline]
    pub fn take_fast(&mut self, fast: &FastLinked, body: &mut [u8]) -> bool {
        if !self.ring_reader.take_fast(fast, body) {
            return false;
        }
        self.frame_came(fast.sequence);
        true
    }

    #[inline]
    fn frame_came(&mut self, sequence: u64) {
        self.page.memory.store(at::CONSUMED, sequence, Ordering::Relaxed);
        self.futex_stage.frame_came();
        self.empty_polls = 0;
        self.has_spun = false;
        // The publisher lived a moment ago, and the next sleep in poll notices its end.
        self.probe_due = false;
    }

    #[inline]
    fn read(&mut self) -> Result<Received> {
        let BroadcastReader { ring_reader, slots, body_views, files, page, signals, .. } = self;
        let mut resolve =
            |frame: Referring| slots.resolve(frame, *body_views, || fetch(signals, page, files));
        ring_reader.read_with(&mut resolve)
    }

    /// Whether a read has found that the publisher has moved to another ring.
    pub fn has_moved(&self) -> bool {
        self.moved
    }

    /// Returns the newest frame, read or not; `None` before the first, and if the publisher has moved.
    ///
    /// # Errors
    /// `Disconnected` if the publisher is gone; those of `RingReader::latest_with`.
    pub fn newest(&mut self) -> Result<Option<Incoming>> {
        if self.publisher.is_gone()? {
            return Err(Error::new(ErrorKind::Disconnected, "the publisher closed or its process ended"));
        }
        let newest = self.latest()?;
        self.moved |= matches!(newest, Received::Moved);
        Ok(newest.frame())
    }

    /// [`BroadcastReader::newest`], also of a publisher that is gone.
    pub(super) fn latest(&mut self) -> Result<Received> {
        let BroadcastReader { ring_reader, slots, files, page, signals, .. } = self;
        let mut resolve =
            |frame: Referring| slots.resolve(frame, BodyViews::None, || fetch(signals, page, files));
        ring_reader.latest_with(&mut resolve)
    }

    /// The number after which a new subscription continues; `None` if this one has not begun.
    pub fn resume(&self) -> Option<u64> {
        match self.ring_reader.resume() {
            Start::After(number) => Some(number),
            Start::Newest | Start::With(_) => None,
        }
    }

    /// Spins for the time of the option `spin`; true if there is something to read.
    pub fn spin(&mut self) -> bool {
        if std::mem::take(&mut self.has_spun) {
            return false;
        }
        let ring_reader = &self.ring_reader;
        self.spin.until(|| ring_reader.is_ready())
    }

    /// Sleeps in the futex, within the `FutexStage` after a frame. False when it is time to park.
    ///
    /// # Errors
    /// Those of the caller's tick after a signal, and of the system call.
    pub fn sleep_briefly(&mut self, waiting: &mut Waiting<'_>) -> Result<bool> {
        let Some(longest) = self.futex_stage.longest_sleep() else { return Ok(false) };
        if self.gone || !self.ring_reader.wakes_from_futex() {
            return Ok(false);
        }
        // The next stage reports a deadline that has passed.
        let Ok(left) = waiting.sleep() else { return Ok(false) };
        let at_most = left.map_or(longest, |left| left.min(longest));
        let (park, ring_reader) = (&mut self.park, &self.ring_reader);
        let ready = || ring_reader.is_ready_fenced();
        let slept = park.sleep_briefly(&self.page.memory, ring_reader.peer(), at_most, ready)?;
        self.futex_stage.slept(slept);
        if slept == Slept::TimedOut {
            return Ok(false);
        }
        waiting.woke(slept == Slept::Interrupted)?;
        Ok(true)
    }

    /// Prepares a sleep on [`BroadcastReader::descriptors`]; true, unparked, if there is something to read.
    ///
    /// After invalid bytes over the socket it returns true, and the next `try_recv` returns the error.
    pub fn park(&mut self) -> Result<bool> {
        if let Err(end) = self.signals.prepare(Signal::Data) {
            // The process lacks a descriptor only for now; any other error ends the subscription.
            if end.kind() == ErrorKind::OutOfMemory {
                return Err(end);
            }
            self.end = Some(end);
            return Ok(true);
        }
        self.park.park(&self.page.memory, Stage::Poll);
        self.probe_due = true;
        if self.gone || self.ring_reader.is_ready_fenced() {
            self.unpark();
            return Ok(true);
        }
        self.futex_stage.sleeps_in_poll();
        Ok(false)
    }

    pub fn has_next(&self) -> bool {
        self.ring_reader.has_next()
    }

    /// Ends a sleep: the publisher need not wake this side any more.
    pub fn unpark(&mut self) {
        self.park.unpark(&self.page.memory);
    }

    /// The descriptors that wake a level-triggered epoll set for another `try_recv`.
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.publisher.descriptors().collect()
    }
}

impl Drop for BroadcastReader {
    fn drop(&mut self) {
        // Views keep the socket open, so the shutdown tells the publisher that this subscription has ended.
        if self.slots.counter.as_ref().is_some_and(|viewing| viewing.count() > 0) {
            socket::end_writing(&**self.publisher.socket());
        }
    }
}
