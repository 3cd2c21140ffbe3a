//! What both halves do for each message: a short one is written or read in place, whether the peer was active is
//! recorded and checked, and a peer that sleeps is woken.
//!
//! Every send checks first whether the link has ended and whether the peer lives, then writes, then wakes the
//! peer's receiving half where its park word says that it sleeps. The check comes before the writing because an
//! error after it would make the caller send a frame again that the peer may have read.

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
    /// Whether a body of so many bytes is one record, and is to be no slot's.
    pub fn is_one_record(&self, bytes: usize) -> bool {
        self.writer.is_one_record(bytes) && !self.is_for_slot(bytes)
    }

    /// Whether a body of so many bytes is put into a slot, which takes time: not under a lock.
    #[inline]
    fn is_for_slot(&self, bytes: usize) -> bool {
        bytes >= PLACED_FROM && self.slots.is_some()
    }

    /// Sends data, a request or a reply whole, without flags and extension; the caller's earlier stores and this one
    /// have one full fence behind them then. Data and requests are one above the last in number; `correlation` is the
    /// number of a reply's request, and 0 otherwise. False, with nothing sent, where that is not possible at once:
    /// [`ShmTx::try_send`] returns the reason.
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

    /// Notes that a record was written at this time, and wakes the peer.
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

    /// Returns the error of a link that has ended. The kernel is asked whether the peer lives after
    /// 1, 2, 4 … 64 frames without activity of the peer, and then after every 64, because asking
    /// costs as much as several messages.
    #[inline(always)]
    pub(super) fn check(&mut self) -> Result<()> {
        self.check_open()?;
        if self.shared.peer_active.load(Ordering::Relaxed) {
            self.shared.peer_active.store(false, Ordering::Relaxed);
            self.frames_since_probe = 0;
            return Ok(());
        }
        // A peer that reads is active, too: while it reads a large frame it sends nothing, but its head
        // moves.
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

    /// The same without the kernel: the stored error, and the peer's state word.
    #[inline(always)]
    pub(super) fn check_open(&self) -> Result<()> {
        if let Some(error) = self.shared.end.get() {
            return Err(error.clone());
        }
        if self.shared.has_closed() { Err(self.end_closed()) } else { Ok(()) }
    }

    /// Ends the link because the peer has closed it.
    #[cold]
    fn end_closed(&self) -> Error {
        self.shared.end(disconnected())
    }

    /// Asks the kernel; `Disconnected` where the peer is gone.
    #[cold]
    fn check_kernel(&self) -> Result<()> {
        if self.shared.is_gone()? { Err(self.shared.end(disconnected())) } else { Ok(()) }
    }

    /// Checks a parked peer before anything is written to it, because it may be dead. Afterwards it
    /// may have read the frame and ended, and an error would have the frame sent a second time.
    /// `now` is the frame's time of sending. The frame that wakes a sleeper is the slow one anyway.
    #[inline(always)]
    pub(super) fn check_sleeper(&mut self, now: i64) -> Result<()> {
        let park = self.shared.peer.memory.load(at::DATA_PARK, Ordering::Relaxed);
        if self.waker.is_due(park) { self.check_parked(park, now) } else { Ok(()) }
    }

    /// A peer in the stage in the futex that has sent something, or was sent something, within the
    /// length of that stage has just fallen asleep: asking the kernel would cost more than waking
    /// it. The times are the peer's claim; a false one harms the peer alone (decision
    /// 20).
    #[cold]
    fn check_parked(&mut self, park: u64, now: i64) -> Result<()> {
        /// Where it died in that sleep, the kernel is asked before the second frame from here.
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

    /// Wakes the peer's receiving half where it sleeps. The ring's header was stored with a full
    /// fence before this.
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
    /// Returns a short message that is complete in one record; nothing changes. `None` in all other cases, which
    /// [`ShmRx::try_recv`] handles.
    #[inline]
    pub fn peek_small(&self) -> Option<Small> {
        // Before reading: what the peer wrote until its end is left to `try_recv`.
        if self.shared.end.get().is_some() { None } else { self.reader.peek_small() }
    }

    /// Returns the next record where it is fast-path data or a fast-path request, as `kind` says; nothing changes.
    /// `None` in all other cases, which [`ShmRx::peek_small`] handles.
    #[inline]
    pub fn peek_fast(&self, kind: Kind) -> Option<FastRecord> {
        // As in `peek_small`.
        if self.shared.end.get().is_some() { None } else { self.reader.peek_fast(FastKind::of(kind)?) }
    }

    /// The same for a fast-path reply, which has a number of its own.
    #[inline]
    pub fn peek_reply(&self) -> Option<FastLinked> {
        if self.shared.end.get().is_some() { None } else { self.reader.peek_reply() }
    }

    /// Copies the body of the reply that [`ShmRx::peek_reply`] has just found into memory of its length.
    #[inline]
    pub fn take_reply(&mut self, reply: &FastLinked, body: &mut [u8]) {
        self.reader.take_reply(reply, body);
        self.note_frame();
        self.shared.last_received.store(reply.sent, Ordering::Relaxed);
    }

    /// The sequence number of the next data message or request that takes the fast path.
    #[inline]
    pub fn next_sequence(&self) -> u64 {
        self.reader.next_sequence()
    }

    /// Copies the body of what [`ShmRx::peek_fast`] has just found into memory of its length. Returns the time of
    /// sending, ns since 1970, as the record gives it.
    #[inline]
    pub fn take_fast(&mut self, fast: &FastRecord, body: &mut [u8]) -> i64 {
        let sent = self.reader.take_fast(fast, body);
        self.note_frame();
        self.shared.last_received.store(sent, Ordering::Relaxed);
        sent
    }

    /// Returns what [`ShmRx::peek_fast`] has just found, which is data, with a body in memory of its own.
    pub fn take_whole(&mut self, fast: &FastRecord) -> Incoming {
        let frame = self.reader.take_whole(fast);
        self.note_frame();
        self.shared.last_received.store(frame.header.sent, Ordering::Relaxed);
        frame
    }

    /// Polls for a frame for about a microsecond, if spinning is known to succeed on this link; true when there is one.
    pub fn poll_briefly(&mut self) -> bool {
        let reader = &self.reader;
        self.spin.briefly(|| reader.is_ready())
    }

    /// Copies the body of what [`ShmRx::peek_small`] has just found into memory of its length.
    #[inline]
    pub fn take_small(&mut self, small: &Small, body: &mut [u8]) {
        self.reader.take_small(small, body);
        self.note_frame();
        self.shared.last_received.store(small.sent(), Ordering::Relaxed);
    }

    /// Records that a frame has arrived, so that the peer was active. If the peer has ended since, the next sleep ends
    /// at once and the kernel is asked again.
    #[inline(always)]
    pub(super) fn note_frame(&mut self) {
        self.empty_polls = 0;
        self.probe_due = false;
        self.short_passed = false;
        if !self.shared.peer_active.load(Ordering::Relaxed) {
            self.shared.peer_active.store(true, Ordering::Relaxed);
        }
    }

    /// The contract's `consumed`: every frame returned so far was dealt with, and its memory is
    /// free for the peer. Returns whether that changed anything; a full fence has followed it then.
    #[inline(always)]
    pub fn consumed(&mut self) -> bool {
        let changed = self.reader.consume();
        if changed {
            self.wake_writer();
        }
        changed
    }

    /// The same, with a full fence in any case.
    #[inline]
    pub fn consumed_with_fence(&mut self) {
        if !self.consumed() {
            fence(Ordering::SeqCst);
        }
    }

    /// Wakes the peer's sending half where it sleeps and its threshold is reached. The head was
    /// stored with a full fence before this.
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
