//! The two halves of a link over shared memory: sending, receiving, sleeping, and the peer's end.
//!
//! Each half has one end of a ring, its own spin and park state, and a waker for the peer's half. Two threads may use
//! the two halves at once.
//!
//! Waiting has three stages, each once until something has moved: spin, at most `park::SHORT` in the futex, then poll.
//! An idle link is in poll and causes no wake-ups.
//!
//! The peer has ended if its page says `CLOSED`, its socket hangs up, or its process ends. Each frame checks the page,
//! which costs one load. The kernel is asked only when the peer is likely to be gone (see `in_place` and `receiving`).
//! It watches the peer during every sleep in poll. The receiving half first returns everything that the peer wrote. The
//! first error that concerns more than one message ends the link for both halves, and all later calls repeat it.

mod arrays;
mod batch;
mod bodies;
mod in_place;
mod receiving;
mod sending;
mod shared;

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::liveness::Liveness;
use super::memory::Memory;
use super::reader::Reader;
use super::segment::{PeerSegment, Segment, at};
use super::signals::Signals;
use super::slots::{Counts, ReleaseCounter, Slots, max_file_length};
use super::spin::Spin;
use super::views::SlotFiles;
use super::writer::Writer;
use crate::admission::PeerIdentity;
use crate::error::Result;
use crate::sys::fork::Guarded;
use crate::sys::peer::credentials;
pub use arrays::InSlots;
pub use batch::Batch;
pub use receiving::ShmRx;
pub use sending::ShmTx;
pub use shared::AckWords;
use shared::Shared;

/// The results of the handshake, from which a link is made.
#[derive(Debug)]
pub struct LinkParts {
    pub mine: Segment,
    pub peer: PeerSegment,
    /// The socket of the handshake. Bytes over it wake a side in poll; its hang-up shows the peer's end.
    pub socket: Arc<Guarded>,
    /// The peer's process, if the kernel gives one.
    pub process: Option<Arc<OwnedFd>>,
    /// The longest message in bytes that both sides accept, if both have slots for long arrays.
    pub slots: Option<u64>,
}

/// Creates the two halves.
///
/// Messages with bodies above `limit` bytes are skipped on receiving; `spin` limits the spinning time.
///
/// # Errors
/// Those of creating an eventfd.
pub fn link(parts: LinkParts, limit: u64, spin: Duration) -> Result<(ShmTx, ShmRx)> {
    let (mine, peer) = (parts.mine.memory.clone(), parts.peer.memory.clone());
    let writer = Writer::new(mine.clone(), peer.clone(), parts.mine.ring);
    let mut reader = Reader::new(mine.clone(), peer.clone(), parts.peer.ring, limit);
    let credentials = credentials(&*parts.socket).ok();
    reader.sender = PeerIdentity::of(credentials.as_ref());
    let spin = Spin::new(spin, credentials.and_then(|peer| peer.pid));
    let slots =
        parts.slots.map(|limit| Arc::new(Slots::new(Counts::new(peer.clone()), session(&*mine), limit, 0)));
    let views = parts.slots.map(|_| {
        Box::new(SlotFiles::new(session(&*peer), max_file_length(limit), ReleaseCounter::new(mine.clone())))
    });
    let signals = match parts.slots {
        Some(_) => Signals::with_files(parts.socket.clone())?,
        None => Signals::new(parts.socket.clone())?,
    };
    let liveness = Liveness::new(parts.socket, parts.process);
    let shared = Arc::new(Shared::new(parts.mine, parts.peer, signals, liveness));
    let tx = ShmTx::new(writer, slots, spin.clone(), shared.clone());
    Ok((tx, ShmRx::new(reader, views, spin, shared)))
}

fn session(memory: &impl Memory) -> u64 {
    memory.load(at::SESSION, Ordering::Relaxed)
}
