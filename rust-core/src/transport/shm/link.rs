//! The two halves of a connected pair of rings: sending, receiving, sleeping, and noticing that the peer is gone.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::event::PollFlags;

use super::memory::{Memory, OwnMemory};
use super::park::{Bell, Park};
use super::peer::Peer;
use super::reader::{Reader, Step};
use super::segment::{PeerSegment, Segment, at, state};
use super::spin::Spin;
use super::writer::Writer;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Incoming, Outgoing};
use crate::sys::fork::{self, Guarded};
use crate::sys::memory::{MemoryFile, PeerMemory};
use crate::sys::poll::wait_any;
use crate::transport::Sent;

type RingWriter = Writer<Arc<MemoryFile>, Arc<PeerMemory>>;
type RingReader = Reader<Arc<MemoryFile>, Arc<PeerMemory>>;

/// What the two sides have exchanged, from which a link is made.
#[derive(Debug)]
pub(crate) struct Ends {
    /// This side's segment.
    pub mine: Segment,
    /// The peer's.
    pub peer: PeerSegment,
    /// The socket over which they came. Nothing is sent over it any more; its hang-up means that the peer is gone.
    pub socket: Arc<Guarded>,
    /// The peer's process, where the kernel gives one.
    pub process: Option<Arc<OwnedFd>>,
}

/// Makes the two halves. Bodies above `limit` bytes are refused; `spin` bounds the time of looking before sleeping.
pub(crate) fn link(ends: Ends, limit: u64, spin: Duration) -> (ShmTx, ShmRx) {
    let (mine, peer) = (ends.mine.memory.clone(), ends.peer.memory.clone());
    let writer = Writer::new(mine.clone(), peer.clone(), ends.mine.ring);
    let reader = Reader::new(mine, peer, ends.peer.ring, limit);
    let shared = Arc::new(Shared {
        mine: ends.mine,
        peer: ends.peer,
        life: Peer::new(ends.socket, ends.process),
        end: OnceLock::new(),
        heard: AtomicBool::new(false),
        generation: fork::generation(),
    });
    let tx = ShmTx {
        writer,
        bell: Bell::default(),
        park: Park::new(at::ROOM_PARK),
        spin: Spin::new(spin),
        doubts: 0,
        shared: shared.clone(),
    };
    let rx = ShmRx {
        reader,
        bell: Bell::default(),
        park: Park::new(at::DATA_PARK),
        spin: Spin::new(spin),
        vain: 0,
        suspicious: false,
        edges: false,
        shared,
    };
    (tx, rx)
}

/// What both halves look at.
#[derive(Debug)]
struct Shared {
    mine: Segment,
    peer: PeerSegment,
    life: Peer,
    /// Why the link has ended, once it has.
    end: OnceLock<Error>,
    /// A frame has come since the sending half looked last: the peer lives, no need to ask the kernel.
    heard: AtomicBool,
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
}

impl Drop for Shared {
    fn drop(&mut self) {
        // In a forked child the mapping is absent, and the link is the parent's.
        if fork::generation() == self.generation {
            self.mine.memory.store(at::STATE, state::CLOSED, Ordering::Release);
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
    bell: Bell,
    park: Park,
    spin: Spin,
    /// Frames sent since the last sign of life.
    doubts: u64,
    shared: Arc<Shared>,
}

impl ShmTx {
    /// See the contract.
    #[inline]
    pub fn try_send(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
        self.check()?;
        self.check_sleeper()?;
        let sent = self.writer.try_write(frame).map_err(|e| self.shared.end(e))?;
        if sent != Sent::Blocked {
            self.wake_reader();
        }
        Ok(sent)
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
        self.check_sleeper()?;
        let flushed = self.writer.flush().map_err(|e| self.shared.end(e))?;
        self.wake_reader();
        Ok(flushed)
    }

    /// Sleeps until trying again may help.
    pub fn wait_room(&mut self, waiting: &mut Waiting<'_>) -> Result<()> {
        self.wait(waiting, |writer| writer.has_room(), |writer| writer.wanted())
    }

    /// About to sleep on [`ShmTx::room_descriptor`] until trying again may help; true where it may at once.
    pub fn park_room(&mut self) -> Result<bool> {
        self.check()?;
        let mine = &self.shared.mine;
        mine.room.drain();
        mine.memory.store(at::ROOM_WANTED, self.writer.wanted(), Ordering::Relaxed);
        self.park.lie_down(&mine.memory);
        let there = self.writer.has_room().map_err(|e| self.shared.end(e))?;
        if there {
            self.park.get_up(&self.shared.mine.memory);
        }
        Ok(there)
    }

    /// Rung when there is room again.
    pub fn room_descriptor(&self) -> BorrowedFd<'_> {
        self.shared.mine.room.as_fd()
    }

    /// Frames sent, or adopted, that the peer has not consumed; known also after its death.
    #[cfg_attr(not(test), expect(dead_code, reason = "the floor above asks with a message, as over sockets"))]
    pub fn unacknowledged(&mut self) -> Result<u64> {
        self.writer.unacknowledged().map_err(|e| self.shared.end(e))
    }

    fn wait(
        &mut self,
        waiting: &mut Waiting<'_>,
        mut there: impl FnMut(&mut RingWriter) -> Result<bool>,
        wanted: impl Fn(&RingWriter) -> u64,
    ) -> Result<()> {
        self.check()?;
        let writer = &mut self.writer;
        let mut failed = None;
        let found = self.spin.look(|| {
            there(writer).unwrap_or_else(|e| {
                failed = Some(e);
                true
            })
        });
        if let Some(error) = failed {
            return Err(self.shared.end(error));
        }
        if found {
            return Ok(());
        }
        let mine = &self.shared.mine;
        mine.memory.store(at::ROOM_WANTED, wanted(&self.writer), Ordering::Relaxed);
        self.park.lie_down(&mine.memory);
        let slept = match there(&mut self.writer) {
            Ok(true) => Ok(()),
            Ok(false) => self.sleep(waiting),
            Err(error) => Err(self.shared.end(error)),
        };
        self.park.get_up(&self.shared.mine.memory);
        slept
    }

    fn sleep(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        let Shared { mine, life, .. } = &*self.shared;
        let [socket, process] = life.interests();
        let [room, socket, process] =
            wait_any(waiting, [(mine.room.as_fd(), PollFlags::IN), socket, process])?;
        if room.contains(PollFlags::IN) {
            mine.room.drain();
        }
        if life.judge([socket, process]).map_err(|e| self.shared.end(e))? {
            return Err(self.shared.end(disconnected()));
        }
        Ok(())
    }

    /// Whether there is still somebody to send to. The kernel is asked the less often the longer nothing was heard
    /// (after 1, 2, 4 … 64 frames and then every 64), because asking costs as much as several messages.
    #[inline]
    fn check(&mut self) -> Result<()> {
        if let Some(error) = self.shared.end.get() {
            return Err(error.clone());
        }
        if self.shared.has_closed() {
            return Err(self.shared.end(disconnected()));
        }
        if self.shared.heard.load(Ordering::Relaxed) {
            self.shared.heard.store(false, Ordering::Relaxed);
            self.doubts = 0;
            return Ok(());
        }
        self.doubts += 1;
        if self.doubts.is_multiple_of(64) || self.doubts.is_power_of_two() {
            return self.check_kernel();
        }
        Ok(())
    }

    #[cold]
    fn check_kernel(&self) -> Result<()> {
        if self.shared.is_gone()? { Err(self.shared.end(disconnected())) } else { Ok(()) }
    }

    /// A sleeper may as well be a corpse. It is asked before anything is written: afterwards it may have read the frame
    /// and ended, and an error would have the frame sent a second time. The call that rings is the dear one anyway.
    #[inline]
    fn check_sleeper(&self) -> Result<()> {
        let word = self.shared.peer.memory.load(at::DATA_PARK, Ordering::Relaxed);
        if self.bell.is_due(word) { self.check_kernel() } else { Ok(()) }
    }

    #[inline]
    fn wake_reader(&mut self) {
        let word = self.shared.peer.memory.load_fenced(at::DATA_PARK);
        if self.bell.is_due(word) {
            self.ring(word);
        }
    }

    #[cold]
    fn ring(&mut self, word: u64) {
        self.bell.rung(word);
        self.shared.peer.data.ring();
    }
}

/// The receiving half.
#[derive(Debug)]
pub(crate) struct ShmRx {
    reader: RingReader,
    bell: Bell,
    park: Park,
    spin: Spin,
    /// Looks in a row that found nothing.
    vain: u32,
    /// The peer may be gone: ask when there is nothing more to read.
    suspicious: bool,
    /// Whether the bell wakes by its edges, so that nobody needs to drain it.
    edges: bool,
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
                Ok(Step::Piece) => self.wake_writer(),
                Ok(Step::Empty) if ended => return Err(self.shared.end(disconnected())),
                Ok(Step::Empty) if self.has_left()? => drop(self.shared.end(disconnected())),
                Ok(Step::Empty) => return Ok(None),
                Err(error) => return Err(self.failed(error)),
            }
        }
        Ok(None)
    }

    /// A frame has come; it is built where the caller wants it, without a move.
    #[inline]
    fn give(
        &mut self,
        take: impl FnOnce(&mut RingReader) -> Result<Option<Incoming>>,
    ) -> Result<Option<Incoming>> {
        self.vain = 0;
        // A sign of life. Should the peer have gone since, then the next sleep ends at once and raises the question anew.
        self.suspicious = false;
        if !self.shared.heard.load(Ordering::Relaxed) {
            self.shared.heard.store(true, Ordering::Relaxed);
        }
        let taken = take(&mut self.reader);
        if taken.is_err() {
            return taken.map_err(|error| self.failed(error));
        }
        taken
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
        self.vain = self.vain.wrapping_add(1);
        if !std::mem::take(&mut self.suspicious) && !self.vain.is_multiple_of(64) {
            return Ok(false);
        }
        self.shared.is_gone()
    }

    /// Every frame given so far has been dealt with: the peer may forget it.
    #[inline]
    pub fn consumed(&mut self) {
        if self.reader.consume() {
            self.wake_writer();
        }
    }

    #[inline]
    fn wake_writer(&mut self) {
        let peer = &self.shared.peer;
        let word = peer.memory.load_fenced(at::ROOM_PARK);
        if !self.bell.is_due(word)
            || self.reader.head() < peer.memory.load(at::ROOM_WANTED, Ordering::Relaxed)
        {
            return;
        }
        self.bell.rung(word);
        peer.room.ring();
    }

    /// Looks for a few microseconds; true when something is there.
    #[inline]
    pub fn spin(&mut self) -> bool {
        let reader = &self.reader;
        self.spin.look(|| reader.is_ready())
    }

    /// About to sleep on [`ShmRx::descriptors`]; true when there is something to look at after all.
    pub fn park(&mut self) -> Result<bool> {
        let mine = &self.shared.mine;
        // In this order: a ring for the value that is stored next must not be drained.
        if !self.edges {
            mine.data.drain();
        }
        self.park.lie_down(&mine.memory);
        self.suspicious = true;
        if self.reader.is_ready_fenced() || self.shared.end.get().is_some() || self.shared.has_closed() {
            self.park.get_up(&mine.memory);
            return Ok(true);
        }
        Ok(false)
    }

    /// Awake again.
    pub fn unpark(&mut self) {
        self.park.get_up(&self.shared.mine.memory);
    }

    /// Rung when a frame has come.
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.shared.mine.data.as_fd()
    }

    /// Says that the epoll set that sleeps on the bell looks at its edges, or no longer.
    pub fn by_edges(&mut self, edges: bool) {
        self.edges = edges;
    }

    /// What wakes an epoll set (for reading) when `try_recv` should be called again: the bell for data, the socket,
    /// the peer's process.
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        [self.shared.mine.data.as_fd()].into_iter().chain(self.shared.life.descriptors()).collect()
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
