//! Both halves' steps for each message: short messages, the check of the peer's activity, and wake-ups.
//!
//! Every send first checks the link and the peer, then writes, then wakes a sleeping peer. The check comes first
//! because the caller sends the frame again after an error.

use std::sync::atomic::{Ordering, fence};

use super::super::memory::Memory;
use super::super::park::{SHORT, Stage};
use super::super::record::{FastKind, FastLinked, FastRecord, Small};
use super::super::segment::at;
use super::super::signals::Signal;
use super::receiving::ShmRx;
use super::sending::ShmTx;
use super::shared::disconnected;
use crate::body::PLACED_FROM;
use crate::codec::Encoding;
use crate::error::{Error, Result};
use crate::frame::{Incoming, Kind};

impl ShmTx {
    /// Whether a body of this many bytes fits one record and does not go into a slot.
    pub fn is_one_record(&self, bytes: usize) -> bool {
        self.writer.is_one_record(bytes) && !self.is_for_slot(bytes)
    }

    /// Whether a body of this many bytes goes into a slot, which is too slow for a caller with a lock.
    #[inline]
    fn is_for_slot(&self, bytes: usize) -> bool {
        bytes >= PLACED_FROM && self.slots.is_some()
    }

    /// Sends a whole data message, request or reply without flags and extension map.
    ///
    /// Data and requests need the next sequence number; `correlation` is the number of a reply's request, otherwise 0.
    /// A full fence follows. False, with nothing sent, if [`ShmTx::try_send`] is needed.
    #[inline(always)]
    pub fn try_send_fast(
        &mut self,
        kind: Kind,
        sequence: u64,
        correlation: u64,
        sent: i64,
        encoding: Encoding,
        body: &[u8],
    ) -> bool {
        let Some(form) = FastKind::of(kind) else { return false };
        if self.is_for_slot(body.len()) || self.check().is_err() || self.check_sleeper(sent).is_err() {
            return false;
        }
        if !self.writer.try_write_fast(form, sequence, correlation, sent, encoding, body) {
            match self.writer.try_write_next(form, sequence, correlation, sent, encoding, body) {
                Ok(true) => {}
                other => return self.did_not_write(other),
            }
        }
        self.wrote(sent);
        true
    }

    #[inline]
    pub(super) fn wrote(&mut self, sent: i64) {
        self.short_passed = false;
        self.last_sent = sent;
        self.wake_reader();
    }

    /// Ends the link for an error of the ring. Returns false: nothing was written.
    #[cold]
    pub(super) fn did_not_write(&self, why: Result<bool>) -> bool {
        if let Err(defect) = why {
            self.shared.end(defect);
        }
        false
    }

    /// Returns the error of a link that has ended.
    ///
    /// Asks the kernel whether the peer lives after 1, 2, 4, 8, 16, 32 and every 64 frames without the peer's activity.
    /// Asking costs as much as several messages.
    #[inline(always)]
    pub(super) fn check(&mut self) -> Result<()> {
        self.check_open()?;
        if self.shared.peer_active.load(Ordering::Relaxed) {
            self.shared.peer_active.store(false, Ordering::Relaxed);
            self.frames_since_probe = 0;
            return Ok(());
        }
        // A peer that reads a large frame sends nothing, but its moving head shows activity.
        if self.writer.seen_head() > self.seen_head {
            (self.seen_head, self.frames_since_probe) = (self.writer.seen_head(), 0);
            return Ok(());
        }
        self.frames_since_probe += 1;
        if self.frames_since_probe.is_multiple_of(64) || self.frames_since_probe.is_power_of_two() {
            return self.check_kernel();
        }
        Ok(())
    }

    /// [`ShmTx::check`] without the kernel: the stored error and the peer's state word.
    #[inline(always)]
    pub(super) fn check_open(&self) -> Result<()> {
        if let Some(error) = self.shared.end.get() {
            return Err(error.clone());
        }
        if self.shared.has_closed() { Err(self.end_closed()) } else { Ok(()) }
    }

    #[cold]
    fn end_closed(&self) -> Error {
        self.shared.end(disconnected())
    }

    #[cold]
    fn check_kernel(&self) -> Result<()> {
        if self.shared.is_gone()? { Err(self.shared.end(disconnected())) } else { Ok(()) }
    }

    /// Checks a parked peer before writing, because it may be dead. `now` is the frame's sending time.
    ///
    /// A frame that wakes a sleeper is slow anyway.
    #[inline(always)]
    pub(super) fn check_sleeper(&mut self, now: i64) -> Result<()> {
        let park = self.shared.peer.memory.load(at::DATA_PARK, Ordering::Relaxed);
        if self.waker.is_due(park) { self.check_parked(park, now) } else { Ok(()) }
    }

    /// Checks a peer that its park word shows as sleeping.
    ///
    /// A peer in the futex stage with traffic during the last [`SHORT`] has just fallen asleep: asking the kernel would
    /// cost more than waking it. The peer claims these times; a false one harms only the peer.
    #[cold]
    fn check_parked(&mut self, park: u64, now: i64) -> Result<()> {
        /// If the peer died in that sleep, the kernel is asked before the second frame from here.
        const SOON: u64 = 2;
        let recently = |then: i64| (0..SHORT.as_nanos() as i64).contains(&now.saturating_sub(then));
        if Stage::of(park) != Some(Stage::Futex) {
            return self.check_kernel();
        }
        if recently(self.shared.last_received.load(Ordering::Relaxed)) {
            return Ok(());
        }
        if recently(self.last_sent) {
            self.frames_since_probe = SOON;
            return Ok(());
        }
        self.check_kernel()
    }

    /// Wakes the peer's sleeping receiving half. The caller has made a full fence after its store.
    #[inline(always)]
    pub(super) fn wake_reader(&mut self) {
        let park = self.shared.peer.memory.load_fenced(at::DATA_PARK);
        if self.waker.is_due(park) {
            self.wake_sleeper(park);
        }
    }

    #[cold]
    fn wake_sleeper(&mut self, park: u64) {
        self.shared.wake(&mut self.waker, park, Signal::Data);
    }
}

impl ShmRx {
    /// Returns a short message that is complete in one record. Nothing changes.
    #[inline]
    pub fn peek_small(&self) -> Option<Small> {
        // Checked before reading: `try_recv` returns what the peer wrote before its end.
        if self.shared.end.get().is_some() { None } else { self.reader.peek_small() }
    }

    /// The next record, if it is fast-path data or a fast-path request, as `kind` says. Nothing changes.
    #[inline]
    pub fn peek_fast(&self, kind: Kind) -> Option<FastRecord> {
        // As in `peek_small`.
        if self.shared.end.get().is_some() { None } else { self.reader.peek_fast(FastKind::of(kind)?) }
    }

    /// [`ShmRx::peek_fast`] for a reply, which has its own sequence number.
    #[inline]
    pub fn peek_reply(&self) -> Option<FastLinked> {
        if self.shared.end.get().is_some() { None } else { self.reader.peek_reply() }
    }

    /// Copies the body that [`ShmRx::peek_reply`] has just found.
    #[inline]
    pub fn take_reply(&mut self, reply: &FastLinked, body: &mut [u8]) {
        self.reader.take_reply(reply, body);
        self.note_frame();
        self.shared.last_received.store(reply.sent, Ordering::Relaxed);
    }

    /// The sequence number of the next data message or request on the fast path.
    #[inline]
    pub fn next_sequence(&self) -> u64 {
        self.reader.next_sequence()
    }

    /// Copies the body that [`ShmRx::peek_fast`] has just found. Returns the sending time, ns since 1970.
    #[inline]
    pub fn take_fast(&mut self, fast: &FastRecord, body: &mut [u8]) -> i64 {
        let sent = self.reader.take_fast(fast, body);
        self.note_frame();
        self.shared.last_received.store(sent, Ordering::Relaxed);
        sent
    }

    /// [`ShmRx::take_fast`] for data, with a newly allocated body.
    pub fn take_whole(&mut self, fast: &FastRecord) -> Incoming {
        let frame = self.reader.take_whole(fast);
        self.note_frame();
        self.shared.last_received.store(frame.header.sent, Ordering::Relaxed);
        frame
    }

    /// Polls for a frame for about a microsecond, if spinning succeeds on this link; true if there is one.
    pub fn poll_briefly(&mut self) -> bool {
        let reader = &self.reader;
        self.spin.briefly(|| reader.is_ready())
    }

    /// Copies the body that [`ShmRx::peek_small`] has just found.
    #[inline]
    pub fn take_small(&mut self, small: &Small, body: &mut [u8]) {
        self.reader.take_small(small, body);
        self.note_frame();
        self.shared.last_received.store(small.sent(), Ordering::Relaxed);
    }

    /// Records the arrival of a frame, and so the peer's activity.
    #[inline(always)]
    pub(super) fn note_frame(&mut self) {
        self.empty_polls = 0;
        self.probe_due = false;
        self.short_passed = false;
        if !self.shared.peer_active.load(Ordering::Relaxed) {
            self.shared.peer_active.store(true, Ordering::Relaxed);
        }
    }

    /// The contract's `consumed`: frees the memory of every returned frame for the peer.
    ///
    /// Returns whether that changed anything; a full fence has followed then.
    #[inline(always)]
    pub fn consumed(&mut self) -> bool {
        let changed = self.reader.consume();
        if changed {
            self.wake_writer();
        }
        changed
    }

    /// [`ShmRx::consumed`] with a full fence in any case.
    #[inline]
    pub fn consumed_with_fence(&mut self) {
        if !self.consumed() {
            fence(Ordering::SeqCst);
        }
    }

    /// Wakes the peer's sleeping sending half if the head has reached its threshold.
    #[inline]
    pub(super) fn wake_writer(&mut self) {
        let peer = &self.shared.peer;
        let park = peer.memory.load_fenced(at::ROOM_PARK);
        if self.waker.is_due(park)
            && self.reader.head() >= peer.memory.load(at::ROOM_WANTED, Ordering::Relaxed)
        {
            self.shared.wake(&mut self.waker, park, Signal::Room);
        }
    }
}
