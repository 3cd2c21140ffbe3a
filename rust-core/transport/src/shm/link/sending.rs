//! The sending half of a link: frames into this side's ring, references to slots, and waiting for room.
//!
//! `in_place` has the steps before and after each frame.

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::event::PollFlags;

use super::super::memory::OwnMemory;
use super::super::park::{Park, Stage, Waker};
use super::super::segment::at;
use super::super::signals::Signal;
use super::super::slots::Slots;
use super::super::spin::Spin;
use super::shared::{AckWords, RingWriter, Shared, disconnected, short_stage};
use crate::body::{PLACED_FROM, Split};
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, Outgoing};
use crate::sys::clock;
#[cfg(test)]
use crate::sys::fork::Guarded;
use crate::sys::futex::Slept;
use crate::sys::poll::{next_round, wait_any};
use crate::tail::Tail;
use crate::{LongBodies, Sent};

#[derive(Debug)]
pub struct ShmTx {
    pub(super) writer: RingWriter,
    pub(super) waker: Waker,
    park: Park,
    spin: Spin,
    /// Whether the futex stage has passed since the last frame sent.
    pub(super) short_passed: bool,
    /// Frames sent, or tried, since the peer was last active.
    pub(super) frames_since_probe: u64,
    /// The peer's head when the peer was last active; a moving head shows activity.
    pub(super) seen_head: u64,
    /// The sending time of the last frame, ns since 1970.
    pub(super) last_sent: i64,
    /// The slots for long arrays and bodies, if the peer accepts them.
    pub(super) slots: Option<Arc<Slots>>,
    pub(super) long_bodies: LongBodies,
    pub(super) shared: Arc<Shared>,
}

impl ShmTx {
    pub(super) fn new(
        writer: RingWriter,
        slots: Option<Arc<Slots>>,
        spin: Spin,
        shared: Arc<Shared>,
    ) -> ShmTx {
        ShmTx {
            writer,
            waker: Waker::new(at::DATA_WAKE),
            park: Park::new(at::ROOM_PARK, at::ROOM_WAKE),
            spin,
            short_passed: false,
            frames_since_probe: 0,
            seen_head: 0,
            last_sent: i64::MIN,
            slots,
            long_bodies: LongBodies::default(),
            shared,
        }
    }

    pub(crate) fn tail(&self) -> Option<&Tail> {
        self.writer.tail()
    }

    /// The contract's `try_send`; wakes a sleeping receiver. Never blocks.
    ///
    /// # Errors
    /// `Disconnected` if the peer is gone, before anything was written; otherwise the error that ended the link.
    #[inline]
    pub fn try_send(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
        self.check()?;
        self.check_sleeper(frame.header.sent)?;
        if self.writer.has_rest() && !self.write_rest(frame.header.sent)? {
            return Ok(Sent::Blocked);
        }
        let sent = match frame.split {
            None if frame.body.len() >= PLACED_FROM => self.try_write_long(frame),
            None => self.writer.try_write(frame),
            Some(split) => self.try_write_split(frame, split),
        };
        let sent = sent.map_err(|e| self.shared.end(e))?;
        if sent != Sent::Blocked {
            self.short_passed = false;
            // Frames that are not messages carry no sending time.
            if frame.header.sent != 0 {
                self.last_sent = frame.header.sent;
            }
            self.wake_reader();
        }
        Ok(sent)
    }

    /// Sends a message with its long arrays in slots whose files the peer has already.
    ///
    /// Correlation, flags and extension map are absent. False, with nothing sent, if [`ShmTx::try_send`] is needed.
    pub fn try_send_in_slots(&mut self, header: &Header, split: &Split) -> bool {
        if self.check().is_err() || self.check_sleeper(header.sent).is_err() {
            return false;
        }
        // The general path sends the file of a new slot, without the session's lock.
        match self.try_refer(header, split, |_, _| false) {
            Ok(Some(true)) => {}
            Ok(_) => return false,
            Err(defect) => {
                self.shared.end(defect);
                return false;
            }
        }
        self.short_passed = false;
        self.last_sent = header.sent;
        self.wake_reader();
        true
    }

    /// The contract's `try_send_many`, with one fence and at most one wake-up.
    pub(crate) fn try_send_many<'f>(&mut self, frames: impl Iterator<Item = Outgoing<'f>>) -> Result<usize> {
        let mut frames = frames.peekable();
        let Some(sent) = frames.peek().map(|first| first.header.sent) else { return Ok(0) };
        self.check()?;
        self.check_sleeper(sent)?;
        if self.writer.has_rest() && !self.write_rest(sent)? {
            return Ok(0);
        }
        // A long body goes into its own slot.
        let has_slots = self.slots.is_some();
        let frames = frames.take_while(|frame| !has_slots || frame.body.len() < PLACED_FROM);
        let count = self.writer.try_write_many(frames).map_err(|e| self.shared.end(e))?;
        if count > 0 {
            self.short_passed = false;
            self.last_sent = sent;
            self.wake_reader();
        }
        Ok(count)
    }

    /// The contract's `flush`: writes more of the last frame; returns true when it is complete.
    pub(crate) fn flush(&mut self) -> Result<bool> {
        self.check()?;
        if !self.writer.has_rest() {
            return self.check_sleeper(i64::MAX).map(|()| true);
        }
        let now = clock::now();
        // A peer that has made room for the next piece is alive, however long ago that was.
        let is_active = self.frames_since_probe == 0;
        self.check_sleeper(if is_active { self.last_sent } else { now })?;
        self.write_rest(now)
    }

    fn write_rest(&mut self, now: i64) -> Result<bool> {
        let before = self.writer.tail().map(Tail::written);
        let flushed = self.writer.flush().map_err(|e| self.shared.end(e))?;
        if self.writer.tail().map(Tail::written) != before {
            self.short_passed = false;
            if now != 0 {
                self.last_sent = now;
            }
            self.wake_reader();
        }
        Ok(flushed)
    }

    /// The acknowledgement words of both sides, which outlive the link and the peer.
    pub(crate) fn ack_words(&self) -> AckWords {
        AckWords::new(self.shared.mine.memory.clone(), self.shared.peer.memory.clone())
    }

    /// Ends the link for both halves: the layer above found an impossible number in the peer's page.
    pub(crate) fn end_link(&self, error: &Error) {
        self.shared.hang_up(error.clone());
    }

    /// Whether a defect has ended the link; this half then sends nothing more.
    pub(crate) fn has_defect(&self) -> bool {
        self.shared.check_defect().is_err()
    }

    #[cfg(test)]
    pub(in super::super) fn socket(&self) -> &Arc<Guarded> {
        self.shared.liveness.socket()
    }

    /// Spins until there is room; true if there is, or if the next try returns an error.
    pub(crate) fn spin(&mut self) -> bool {
        self.spin_for_room().unwrap_or(true)
    }

    fn spin_for_room(&mut self) -> Result<bool> {
        let writer = &mut self.writer;
        let mut failed = None;
        let found = self.spin.until(|| {
            writer.has_room().unwrap_or_else(|e| {
                failed = Some(e);
                true
            })
        });
        failed.map_or(Ok(found), |error| Err(self.shared.end(error)))
    }

    /// The contract's `wait_room`: returns when trying again may help.
    ///
    /// # Errors
    /// `Timeout` when the deadline passes, the tick's error after a signal, `Disconnected`, `Malformed`.
    pub(crate) fn wait_room(&mut self, waiting: &mut Waiting<'_>) -> Result<()> {
        // The sleep in poll notices a dead peer.
        self.check_open()?;
        if self.spin_for_room()? {
            return Ok(());
        }
        if !std::mem::replace(&mut self.short_passed, true) {
            match self.sleep_briefly(waiting)? {
                Slept::Woken => return waiting.woke(false),
                Slept::Interrupted => return waiting.woke(true),
                Slept::TimedOut => {}
            }
        }
        let slept = match self.park_in_poll() {
            Ok(true) => Ok(()),
            Ok(false) => self.sleep(waiting),
            // This process cannot get a descriptor for a sleep in poll now.
            Err(error) if error.kind() == ErrorKind::OutOfMemory => self.sleep_without_descriptor(waiting),
            Err(error) => Err(error),
        };
        self.park.unpark(&self.shared.mine.memory);
        slept
    }

    /// Prepares a sleep on [`ShmTx::room_descriptor`]; true if trying again may help at once.
    pub(crate) fn park_room(&mut self) -> Result<bool> {
        self.check()?;
        self.park_in_poll()
    }

    /// Parks for a sleep in poll; true, unparked, if there is room.
    fn park_in_poll(&mut self) -> Result<bool> {
        let Shared { mine, .. } = &*self.shared;
        self.shared.prepare(Signal::Room)?;
        mine.memory.store(at::ROOM_WANTED, self.writer.wake_threshold(), Ordering::Relaxed);
        self.park.park(&mine.memory, Stage::Poll);
        let ready = self.writer.has_room().map_err(|e| self.shared.end(e))?;
        if ready {
            self.park.unpark(&mine.memory);
        }
        Ok(ready)
    }

    /// A descriptor that becomes readable when there may be room, or something to read.
    pub(crate) fn room_descriptor(&self) -> Result<BorrowedFd<'_>> {
        self.shared.signals.room_descriptor()
    }

    /// Frames sent or begun that the peer has not consumed; known also after its death.
    #[cfg_attr(not(test), expect(dead_code, reason = "layers above use a message, as over sockets"))]
    pub(crate) fn unacknowledged(&mut self) -> Result<u64> {
        self.writer.unacknowledged().map_err(|e| self.shared.end(e))
    }

    fn sleep_briefly(&mut self, waiting: &mut Waiting<'_>) -> Result<Slept> {
        let Some(at_most) = short_stage(waiting) else { return Ok(Slept::TimedOut) };
        let Shared { mine, peer, .. } = &*self.shared;
        mine.memory.store(at::ROOM_WANTED, self.writer.wake_threshold(), Ordering::Relaxed);
        let writer = &mut self.writer;
        let mut failed = None;
        let slept = self.park.sleep_briefly(&mine.memory, &peer.memory, at_most, || {
            writer.has_room().unwrap_or_else(|e| {
                failed = Some(e);
                true
            })
        });
        match failed {
            Some(error) => Err(self.shared.end(error)),
            None => slept,
        }
    }

    /// The sleep of a process without a free descriptor: the futex stage, then a check of the peer.
    #[cold]
    fn sleep_without_descriptor(&mut self, waiting: &mut Waiting<'_>) -> Result<()> {
        match self.sleep_briefly(waiting)? {
            Slept::Woken => waiting.woke(false),
            Slept::Interrupted => waiting.woke(true),
            Slept::TimedOut if self.shared.liveness.is_gone()? => Err(self.shared.end(disconnected())),
            Slept::TimedOut => {
                waiting.sleep()?;
                next_round(waiting)
            }
        }
    }

    /// Sleeps in poll until a byte reports room, the peer goes, the deadline passes or a signal arrives.
    fn sleep(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        let Shared { liveness, signals, .. } = &*self.shared;
        let [socket, process] = liveness.interests();
        let room = (signals.room_wake_descriptor()?, PollFlags::IN);
        let [_, socket, process] = wait_any(waiting, [room, socket, process])?;
        if liveness.is_hang_up([socket, process]) {
            return Err(self.shared.end(disconnected()));
        }
        Ok(())
    }
}
