//! The state that both halves of a link share: memory files, socket, and the error that ended the link.
//!
//! It has no lock: the end is set once; the other fields are atomics or belong to one half. Dropping the last half
//! closes the link: the state word says `CLOSED`, and a peer that sleeps in the futex wakes.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::super::ack_words;
use super::super::liveness::Liveness;
use super::super::memory::{Memory, OwnMemory};
use super::super::park::{SHORT, Stage, Waker};
use super::super::reader::Reader;
use super::super::segment::{PeerSegment, Segment, at, state};
use super::super::signals::{Signal, Signals};
use super::super::writer::Writer;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::fork;
use crate::sys::memory::{MemoryFile, PeerMemory};
use crate::sys::socket;

pub(super) type RingWriter = Writer<Arc<MemoryFile>, Arc<PeerMemory>>;
pub(super) type RingReader = Reader<Arc<MemoryFile>, Arc<PeerMemory>>;

/// The acknowledgement words of both sides, see `ack_words`.
pub type AckWords = ack_words::AckWords<Arc<MemoryFile>, Arc<PeerMemory>>;

#[derive(Debug)]
pub(super) struct Shared {
    pub mine: Segment,
    pub peer: PeerSegment,
    pub liveness: Liveness,
    pub signals: Signals,
    /// The error that ended the link. Either half sets it, once.
    pub end: OnceLock<Error>,
    /// Whether a frame has arrived since the sending half's last check, so the kernel need not be asked.
    ///
    /// The receiving half sets it, the sending half clears it. Relaxed: it only saves a system call.
    pub peer_active: AtomicBool,
    /// The sending time of the last frame received, ns since 1970, as the peer claims.
    pub last_received: AtomicI64,
    /// The fork generation of the link.
    generation: u64,
}

impl Shared {
    pub(crate) fn new(mine: Segment, peer: PeerSegment, signals: Signals, liveness: Liveness) -> Shared {
        Shared {
            mine,
            peer,
            liveness,
            signals,
            end: OnceLock::new(),
            peer_active: AtomicBool::new(false),
            last_received: AtomicI64::new(i64::MIN),
            generation: fork::generation(),
        }
    }

    /// Ends the link with this error unless it has ended already; returns the first error.
    pub(crate) fn end(&self, error: Error) -> Error {
        self.end.get_or_init(|| error).clone()
    }

    /// Ends the link and hangs up: threads of both sides that sleep on the socket wake.
    pub(crate) fn hang_up(&self, error: Error) {
        self.end(error);
        socket::disconnect(&**self.liveness.socket());
    }

    /// The error that ended the link, except `Disconnected`: the peer's frames may still be unread.
    #[cold]
    pub(crate) fn check_defect(&self) -> Result<()> {
        match self.end.get() {
            Some(error) if error.kind() != ErrorKind::Disconnected => Err(error.clone()),
            _ => Ok(()),
        }
    }

    pub(crate) fn has_closed(&self) -> bool {
        self.peer.memory.load(at::STATE, Ordering::Acquire) != state::OPEN
    }

    pub(crate) fn is_gone(&self) -> Result<bool> {
        self.liveness.is_gone().map_err(|e| self.end(e))
    }

    /// Prepares a half for a sleep in poll, see [`Signals::prepare`].
    ///
    /// `OutOfMemory` does not end the link: the process lacks a descriptor only for now.
    pub(crate) fn prepare(&self, half: Signal) -> Result<()> {
        self.signals.prepare(half).map_err(|e| match e.kind() {
            ErrorKind::OutOfMemory => e,
            _ => self.end(e),
        })
    }

    /// Wakes the peer's half that waits for `signal`, from the stage in its park word.
    #[cold]
    pub(crate) fn wake(&self, waker: &mut Waker, park: u64, signal: Signal) {
        match waker.take(park) {
            Some(Stage::Futex) => drop(waker.wake_futex(&self.mine.memory, 1)),
            Some(Stage::Poll) => signal.send(self.liveness.socket()),
            None => {}
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // In a forked child the mapping is absent, and the link belongs to the parent.
        if fork::generation() == self.generation {
            self.mine.memory.store_fenced(at::STATE, state::CLOSED);
            for (park, wake) in [(at::DATA_PARK, at::DATA_WAKE), (at::ROOM_PARK, at::ROOM_WAKE)] {
                // Only from the futex: the hang-up of the socket, which closes next, wakes a sleeper in poll.
                if Stage::of(self.peer.memory.load_fenced(park)) == Some(Stage::Futex) {
                    Waker::resume(wake, &self.mine.memory).wake_futex(&self.mine.memory, 1);
                }
            }
        }
    }
}

#[cold]
pub(super) fn disconnected() -> Error {
    Error::new(ErrorKind::Disconnected, "the other side closed the connection or its process ended")
}

/// The time limit of the futex stage. `None` if the deadline has passed.
pub(super) fn short_stage(waiting: &mut Waiting<'_>) -> Option<Duration> {
    Some(waiting.sleep().ok()?.map_or(SHORT, |left| left.min(SHORT)))
}
