//! The two halves of a connected pair of rings: sending, receiving, sleeping, and noticing that the peer is gone.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::event::PollFlags;

use super::account;
use super::memory::{Memory, OwnMemory};
use super::park::{Park, SHORT, Stage, Waker};
use super::peer::Peer;
use super::reader::{Reader, Small, Step};
use super::segment::{PeerSegment, Segment, at, state};
use super::signals::{Signal, Signals};
use super::spin::Spin;
use super::writer::Writer;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, Incoming, Outgoing};
use crate::sys::fork::{self, Guarded};
use crate::sys::futex::Slept;
use crate::sys::memory::{MemoryFile, PeerMemory};
use crate::sys::peer::credentials;
use crate::sys::poll::wait_any;
use crate::transport::Sent;
use crate::transport::admission::Claimant;

type RingWriter = Writer<Arc<MemoryFile>, Arc<PeerMemory>>;
type RingReader = Reader<Arc<MemoryFile>, Arc<PeerMemory>>;

/// How far each program has come with the other's messages.
pub(crate) type Account = account::Account<Arc<MemoryFile>, Arc<PeerMemory>>;

/// What the two sides have exchanged, from which a link is made.
#[derive(Debug)]
pub(crate) struct Ends {
    /// This side's segment.
    pub mine: Segment,
    /// The peer's.
    pub peer: PeerSegment,
    /// The socket over which they came. Bytes over it wake a side that sleeps in poll; its hang-up means that the peer is gone.
    pub socket: Arc<Guarded>,
    /// The peer's process, where the kernel gives one.
    pub process: Option<Arc<OwnedFd>>,
}

/// Makes the two halves. Bodies above `limit` bytes are refused; `spin` bounds the time of looking before sleeping.
pub(crate) fn link(ends: Ends, limit: u64, spin: Duration) -> Result<(ShmTx, ShmRx)> {
    let (mine, peer) = (ends.mine.memory.clone(), ends.peer.memory.clone());
    let writer = Writer::new(mine.clone(), peer.clone(), ends.mine.ring);
    let mut reader = Reader::new(mine, peer, ends.peer.ring, limit);
    reader.sender = Claimant::of(credentials(&*ends.socket).ok().as_ref());
    let shared = Arc::new(Shared {
        mine: ends.mine,
        peer: ends.peer,
        signals: Signals::new(ends.socket.clone())?,
        life: Peer::new(ends.socket, ends.process),
        end: OnceLock::new(),
        heard: AtomicBool::new(false),
        last_heard: AtomicI64::new(i64::MIN),
        generation: fork::generation(),
    });
    let tx = ShmTx {
        writer,
        waker: Waker::new(at::DATA_WAKE),
        park: Park::new(at::ROOM_PARK, at::ROOM_WAKE),
        spin: Spin::new(spin),
        short_passed: false,
        looks_since_probe: 0,
        seen: 0,
        last_sent: i64::MIN,
        shared: shared.clone(),
    };
    let rx = ShmRx {
        reader,
        waker: Waker::new(at::ROOM_WAKE),
        park: Park::new(at::DATA_PARK, at::DATA_WAKE),
        spin: Spin::new(spin),
        short_passed: false,
        empty_polls: 0,
        probe_due: false,
        shared,
    };
    Ok((tx, rx))
}

/// What both halves look at.
#[derive(Debug)]
struct Shared {
    mine: Segment,
    peer: PeerSegment,
    life: Peer,
    signals: Signals,
    /// Why the link has ended, once it has.
    end: OnceLock<Error>,
    /// A frame has come since the sending half looked last: the peer lives, no need to ask the kernel.
    heard: AtomicBool,
    /// When the last frame that has come was sent, as the peer says, ns since 1970.
    last_heard: AtomicI64,
    generation: u64,
}

impl Shared {
    fn end(&self, error: Error) -> Error {
        self.end.get_or_init(|| error).clone()
    }

    /// Why the link has ended, unless the peer has only gone and what it left is still to be read.
    #[cold]
    fn unless_drained(&self) -> Result<()> {
        match self.end.get() {
            Some(error) if error.kind() != ErrorKind::Disconnected => Err(error.clone()),
            _ => Ok(()),
        }
    }

    fn has_closed(&self) -> bool {
        self.peer.memory.load(at::STATE, Ordering::Acquire) != state::OPEN
    }

    /// Asks the kernel whether the peer is gone.
    fn is_gone(&self) -> Result<bool> {
        self.life.is_gone().map_err(|e| self.end(e))
    }

    /// Before a half sleeps in poll.
    fn prepare(&self, half: Signal) -> Result<()> {
        self.signals.prepare(half).map_err(|e| self.end(e))
    }

    /// Wakes the half of the peer that waits for this, out of whichever sleep its park word tells.
    #[cold]
    fn wake(&self, waker: &mut Waker, park: u64, signal: Signal) {
        match waker.take(park) {
            Some(Stage::Futex) => drop(waker.wake_futex(&self.mine.memory, 1)),
            Some(Stage::Poll) => signal.send(self.life.socket()),
            None => {}
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // In a forked child the mapping is absent, and the link is the parent's.
        if fork::generation() == self.generation {
            self.mine.memory.store_fenced(at::STATE, state::CLOSED);
            for (park, wake) in [(at::DATA_PARK, at::DATA_WAKE), (at::ROOM_PARK, at::ROOM_WAKE)] {
                // From poll it is woken by the socket, which hangs up next.
                if Stage::of(self.peer.memory.load_fenced(park)) == Some(Stage::Futex) {
                    Waker::resume(wake, &self.mine.memory).wake_futex(&self.mine.memory, 1);
                }
            }
        }
    }
}

#[cold]
fn disconnected() -> Error {
    Error::new(ErrorKind::Disconnected, "the other side closed the connection or its process ended")
}

/// The sending half.
#[derive(Debug)]
pub(crate) struct ShmTx {
    writer: RingWriter,
    waker: Waker,
    park: Park,
    spin: Spin,
    /// The short stage has passed since there was room last.
    short_passed: bool,
    /// Frames sent since the last sign of life.
    looks_since_probe: u64,
    /// How far the peer had read when that was looked at for the last sign of life.
    seen: u64,
    /// When the last frame was sent, as its header says, ns since 1970.
    last_sent: i64,
    shared: Arc<Shared>,
}

impl ShmTx {
    /// See the contract.
    #[inline]
    pub fn try_send(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
        self.check()?;
        self.check_sleeper(frame.header.sent)?;
        let sent = self.writer.try_write(frame).map_err(|e| self.shared.end(e))?;
        if sent != Sent::Blocked {
            self.short_passed = false;
            // Frames that are no messages do not say when they were sent.
            if frame.header.sent != 0 {
                self.last_sent = frame.header.sent;
            }
            self.wake_reader();
        }
        Ok(sent)
    }

    /// Sends a message whole that is one above the last in number and has neither correlation, flags nor extension, where nothing is in
    /// the way. False where something may be, and then nothing was sent: [`ShmTx::try_send`] says what.
    #[inline]
    pub fn try_send_next(&mut self, header: &Header, body: &[u8]) -> bool {
        if self.check().is_err() || self.check_sleeper(header.sent).is_err() {
            return false;
        }
        match self.writer.try_write_next(header, body) {
            Ok(true) => {}
            Ok(false) => return false,
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

    /// See the contract; with one fence and at most one wake-up.
    pub fn try_send_many<'f>(&mut self, frames: impl Iterator<Item = Outgoing<'f>>) -> Result<usize> {
        let mut frames = frames.peekable();
        let Some(sent) = frames.peek().map(|first| first.header.sent) else { return Ok(0) };
        self.check()?;
        self.check_sleeper(sent)?;
        let count = self.writer.try_write_many(frames).map_err(|e| self.shared.end(e))?;
        if count > 0 {
            self.short_passed = false;
            self.last_sent = sent;
            self.wake_reader();
        }
        Ok(count)
    }

    /// Whether a body of so many bytes is one record.
    pub fn takes_at_once(&self, bytes: usize) -> bool {
        self.writer.is_one_record(bytes)
    }

    /// See the contract.
    pub fn adopt(&mut self, frame: &Outgoing<'_>) {
        if let Err(defect) = self.writer.adopt(frame) {
            self.shared.end(defect);
        }
    }

    /// See the contract; true when nothing of an adopted frame is left to bring away.
    pub fn flush(&mut self) -> Result<bool> {
        self.check()?;
        self.check_sleeper(i64::MAX)?;
        let flushed = self.writer.flush().map_err(|e| self.shared.end(e))?;
        self.wake_reader();
        Ok(flushed)
    }

    /// How far each side has come, in words that outlive the link and the peer.
    pub fn account(&self) -> Account {
        Account::new(self.shared.mine.memory.clone(), self.shared.peer.memory.clone())
    }

    /// Nothing that the peer says can be relied on: the link has ended.
    pub fn condemn(&self, error: &Error) {
        self.shared.end(error.clone());
    }

    /// Looks for room for a few microseconds; true when there is some, or when the next try says what is wrong.
    pub fn spin(&mut self) -> bool {
        self.spin_for_room().unwrap_or(true)
    }

    fn spin_for_room(&mut self) -> Result<bool> {
        let writer = &mut self.writer;
        let mut failed = None;
        let found = self.spin.look(|| {
            writer.has_room().unwrap_or_else(|e| {
                failed = Some(e);
                true
            })
        });
        failed.map_or(Ok(found), |error| Err(self.shared.end(error)))
    }

    /// Sleeps until trying again may help.
    pub fn wait_room(&mut self, waiting: &mut Waiting<'_>) -> Result<()> {
        // Should it be gone, the sleep in poll says so.
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
        let slept = if self.park_in_poll()? { Ok(()) } else { self.sleep(waiting) };
        self.park.unpark(&self.shared.mine.memory);
        slept
    }

    /// OwnerRecord to sleep on [`ShmTx::room_descriptor`] until trying again may help; true where it may at once.
    pub fn park_room(&mut self) -> Result<bool> {
        self.check()?;
        self.park_in_poll()
    }

    fn park_in_poll(&mut self) -> Result<bool> {
        let Shared { mine, .. } = &*self.shared;
        self.shared.prepare(Signal::Room)?;
        mine.memory.store(at::ROOM_WANTED, self.writer.wanted(), Ordering::Relaxed);
        self.park.park(&mine.memory, Stage::Poll);
        let there = self.writer.has_room().map_err(|e| self.shared.end(e))?;
        if there {
            self.park.unpark(&mine.memory);
        }
        Ok(there)
    }

    /// Readable when there may be room again, or something to read.
    pub fn room_descriptor(&self) -> Result<BorrowedFd<'_>> {
        self.shared.signals.room_descriptor()
    }

    /// Frames sent, or adopted, that the peer has not consumed; known also after its death.
    #[cfg_attr(not(test), expect(dead_code, reason = "the floor above asks with a message, as over sockets"))]
    pub fn unacknowledged(&mut self) -> Result<u64> {
        self.writer.unacknowledged().map_err(|e| self.shared.end(e))
    }

    fn sleep_briefly(&mut self, waiting: &mut Waiting<'_>) -> Result<Slept> {
        let Some(at_most) = short(waiting) else { return Ok(Slept::TimedOut) };
        let Shared { mine, peer, .. } = &*self.shared;
        mine.memory.store(at::ROOM_WANTED, self.writer.wanted(), Ordering::Relaxed);
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

    fn sleep(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        let Shared { life, signals, .. } = &*self.shared;
        let [socket, process] = life.interests();
        let room = (signals.room_bell()?, PollFlags::IN);
        let [_, socket, process] = wait_any(waiting, [room, socket, process])?;
        if life.judge([socket, process]) {
            return Err(self.shared.end(disconnected()));
        }
        Ok(())
    }

    /// Whether there is still somebody to send to. The kernel is asked the less often the longer nothing was heard
    /// (after 1, 2, 4 … 64 frames and then every 64), because asking costs as much as several messages.
    #[inline]
    fn check(&mut self) -> Result<()> {
        self.check_open()?;
        if self.shared.heard.load(Ordering::Relaxed) {
            self.shared.heard.store(false, Ordering::Relaxed);
            self.looks_since_probe = 0;
            return Ok(());
        }
        // One that reads lives, too: of a large frame it makes room for one piece after the other, and says nothing.
        if self.writer.seen_head() > self.seen {
            (self.seen, self.looks_since_probe) = (self.writer.seen_head(), 0);
            return Ok(());
        }
        self.looks_since_probe += 1;
        if self.looks_since_probe.is_multiple_of(64) || self.looks_since_probe.is_power_of_two() {
            return self.check_kernel();
        }
        Ok(())
    }

    /// The same without the kernel.
    #[inline]
    fn check_open(&self) -> Result<()> {
        if let Some(error) = self.shared.end.get() {
            return Err(error.clone());
        }
        if self.shared.has_closed() {
            return Err(self.shared.end(disconnected()));
        }
        Ok(())
    }

    #[cold]
    fn check_kernel(&self) -> Result<()> {
        if self.shared.is_gone()? { Err(self.shared.end(disconnected())) } else { Ok(()) }
    }

    /// A parked peer may be dead. It is asked before anything is written: afterwards it may have read the frame
    /// and ended, and an error would have the frame sent a second time. The call that rings is the dear one anyway.
    #[inline]
    fn check_sleeper(&mut self, now: i64) -> Result<()> {
        let park = self.shared.peer.memory.load(at::DATA_PARK, Ordering::Relaxed);
        if self.waker.is_due(park) { self.check_parked(park, now) } else { Ok(()) }
    }

    /// One that is in the short stage, and has sent something within its time or fallen asleep since the frame before this one,
    /// which is no older, has just gone to sleep: asking the kernel would cost more than waking it. It says so itself, but lies
    /// about that to its own harm alone.
    #[cold]
    fn check_parked(&mut self, park: u64, now: i64) -> Result<()> {
        /// Should it have died in that sleep, it is asked before the second frame from here.
        const SOON: u64 = 2;
        let lately = |then: i64| (0..SHORT.as_nanos() as i64).contains(&now.saturating_sub(then));
        if Stage::of(park) != Some(Stage::Futex) {
            return self.check_kernel();
        }
        if lately(self.shared.last_heard.load(Ordering::Relaxed)) {
            return Ok(());
        }
        if lately(self.last_sent) {
            self.looks_since_probe = SOON;
            return Ok(());
        }
        self.check_kernel()
    }

    #[inline]
    fn wake_reader(&mut self) {
        let park = self.shared.peer.memory.load_fenced(at::DATA_PARK);
        if self.waker.is_due(park) {
            self.shared.wake(&mut self.waker, park, Signal::Data);
        }
    }
}

/// How long the short stage may take; nothing where the deadline has passed, which the next stage says.
fn short(waiting: &mut Waiting<'_>) -> Option<Duration> {
    Some(waiting.sleep().ok()?.map_or(SHORT, |left| left.min(SHORT)))
}

/// The receiving half.
#[derive(Debug)]
pub(crate) struct ShmRx {
    reader: RingReader,
    waker: Waker,
    park: Park,
    spin: Spin,
    /// The short stage has passed since a frame came last: an idle link sleeps in poll at once, and so does one that is woken
    /// for nothing.
    short_passed: bool,
    /// Looks in a row that found nothing.
    empty_polls: u32,
    /// The peer may be gone: ask when there is nothing more to read.
    probe_due: bool,
    shared: Arc<Shared>,
}

impl ShmRx {
    /// Pieces of a large frame that one call takes: 2 MiB with the usual ring.
    const PIECES: u32 = 64;

    /// See the contract. `TooLarge` and `OutOfMemory` are about one frame, which was skipped; every other error is for
    /// good.
    #[inline]
    pub fn try_recv(&mut self) -> Result<Option<Incoming>> {
        // However fast a peer writes a frame that never ends, the caller comes to look at its deadline.
        for _ in 0..ShmRx::PIECES {
            // Before looking: what the peer wrote until it went is still given.
            let ended = self.shared.end.get().is_some();
            if ended {
                self.shared.unless_drained()?;
            }
            match self.reader.step() {
                Ok(Step::Frame(record)) => return self.give(|reader| reader.take(record)),
                Ok(Step::Assembled) => return self.give(Reader::take_assembled),
                Ok(Step::Piece) => {
                    self.short_passed = false;
                    self.wake_writer();
                }
                Ok(Step::Empty) if ended => return Err(self.shared.end(disconnected())),
                Ok(Step::Empty) if self.has_left()? => drop(self.shared.end(disconnected())),
                Ok(Step::Empty) => return Ok(None),
                Err(error) => return Err(self.failed(error)),
            }
        }
        Ok(None)
    }

    /// A short message that lies ready in one record; nothing has changed by the look. None for all else, of which
    /// [`ShmRx::try_recv`] says what it is.
    #[inline]
    pub fn peek_small(&self) -> Option<Small> {
        // Before looking: what the peer wrote until it went is still given.
        if self.shared.end.get().is_some() { None } else { self.reader.peek_small() }
    }

    /// Copies the body of what [`ShmRx::peek_small`] has just found to a place of its length.
    #[inline]
    pub fn take_small(&mut self, small: &Small, body: &mut [u8]) {
        self.reader.take_small(small, body);
        self.came();
        self.shared.last_heard.store(small.sent(), Ordering::Relaxed);
    }

    /// Whether something lies in the ring.
    #[inline]
    pub fn is_ready(&self) -> bool {
        self.reader.is_ready()
    }

    /// A frame has come; it is built where the caller wants it, without a move.
    #[inline]
    fn give(
        &mut self,
        take: impl FnOnce(&mut RingReader) -> Result<Option<Incoming>>,
    ) -> Result<Option<Incoming>> {
        self.came();
        let taken = take(&mut self.reader);
        match &taken {
            Ok(Some(frame)) => self.shared.last_heard.store(frame.header.sent, Ordering::Relaxed),
            Ok(None) => {}
            Err(_) => return taken.map_err(|error| self.failed(error)),
        }
        taken
    }

    /// A frame has come, which is a sign of life. Should the peer have gone since, then the next sleep ends at once and raises the
    /// question anew.
    #[inline]
    fn came(&mut self) {
        self.empty_polls = 0;
        self.probe_due = false;
        self.short_passed = false;
        if !self.shared.heard.load(Ordering::Relaxed) {
            self.shared.heard.store(true, Ordering::Relaxed);
        }
    }

    /// Whether an error is about one frame or about all that would come.
    #[cold]
    fn failed(&mut self, error: Error) -> Error {
        if matches!(error.kind(), ErrorKind::TooLarge | ErrorKind::OutOfMemory) {
            self.wake_writer();
            return error;
        }
        self.shared.end(error)
    }

    /// Whether the peer has gone, asked only after something that hints at it, or after many vain looks.
    fn has_left(&mut self) -> Result<bool> {
        if self.shared.has_closed() {
            return Ok(true);
        }
        self.empty_polls = self.empty_polls.wrapping_add(1);
        if !std::mem::take(&mut self.probe_due) && !self.empty_polls.is_multiple_of(64) {
            return Ok(false);
        }
        self.shared.is_gone()
    }

    /// Every frame given so far has been dealt with: the peer may forget it. Gives whether that was news, which a full fence follows.
    #[inline]
    pub fn consumed(&mut self) -> bool {
        let news = self.reader.consume();
        if news {
            self.wake_writer();
        }
        news
    }

    #[inline]
    fn wake_writer(&mut self) {
        let peer = &self.shared.peer;
        let park = peer.memory.load_fenced(at::ROOM_PARK);
        if self.waker.is_due(park)
            && self.reader.head() >= peer.memory.load(at::ROOM_WANTED, Ordering::Relaxed)
        {
            self.shared.wake(&mut self.waker, park, Signal::Room);
        }
    }

    /// Looks for a few microseconds; true when something is there.
    #[inline]
    pub fn spin(&mut self) -> bool {
        let reader = &self.reader;
        self.spin.look(|| reader.is_ready())
    }

    /// Sleeps for a moment in the futex, once after each frame: false when it is time for [`ShmRx::park`] and a longer sleep.
    pub fn sleep_briefly(&mut self, waiting: &mut Waiting<'_>) -> Result<bool> {
        if self.short_passed {
            return Ok(false);
        }
        let Some(at_most) = short(waiting) else { return Ok(false) };
        let Shared { mine, peer, .. } = &*self.shared;
        let (reader, shared) = (&self.reader, &self.shared);
        let there = || reader.is_ready_fenced() || shared.end.get().is_some() || shared.has_closed();
        let slept = self.park.sleep_briefly(&mine.memory, &peer.memory, at_most, there)?;
        self.short_passed = true;
        if slept == Slept::TimedOut {
            return Ok(false);
        }
        waiting.woke(slept == Slept::Interrupted)?;
        Ok(true)
    }

    /// OwnerRecord to sleep on [`ShmRx::descriptors`]; true when there is something to look at after all.
    pub fn park(&mut self) -> Result<bool> {
        let mine = &self.shared.mine;
        self.probe_due = true;
        if self.shared.prepare(Signal::Data).is_err() {
            // The link has ended by it, as the next look says.
            return Ok(true);
        }
        self.park.park(&mine.memory, Stage::Poll);
        if self.reader.is_ready_fenced() || self.shared.end.get().is_some() || self.shared.has_closed() {
            self.park.unpark(&mine.memory);
            return Ok(true);
        }
        Ok(false)
    }

    /// Awake again.
    pub fn unpark(&mut self) {
        self.park.unpark(&self.shared.mine.memory);
    }

    /// What wakes an epoll set (for reading) when `try_recv` should be called again: the socket, the peer's process, and what
    /// the sending half has read from the socket.
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let Shared { signals, life, .. } = &*self.shared;
        life.descriptors().chain(signals.data_descriptor()).collect()
    }

    /// The socket to the peer.
    #[cfg(test)]
    pub(super) fn socket(&self) -> &Arc<Guarded> {
        self.shared.life.socket()
    }

    #[cfg(test)]
    pub(super) fn own_memory(&self) -> &Arc<MemoryFile> {
        &self.shared.mine.memory
    }

    /// Whether part of a large frame is here and the rest is to come.
    #[cfg(test)]
    pub fn is_inside_a_frame(&self) -> bool {
        self.reader.is_inside_a_frame()
    }
}
