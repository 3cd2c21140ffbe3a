//! Acknowledgement by words in each side's page, instead of frames.
//!
//! A side stores the number of the peer's last message that its program has consumed. The page outlives its owner, so
//! the number is known after a SIGKILL. A sender loads it when it needs room in its store, at close, and after the
//! link's end.
//!
//! A sender that must sleep until an acknowledgement stores the number to acknowledge with a frame. Each side stores
//! its word, makes a full fence, and then loads the other's word, so no wake-up is lost (`loom_tests.rs` has the
//! model).
//!
//! The third word is the newest request that a side has taken. Later requests go to the next incarnation; earlier ones
//! may have been carried out.
//!
//! All words are hostile input. A false value causes a superfluous frame, or exceeds the highest number sent, and the
//! session refuses it.

use std::sync::atomic::Ordering;

use super::memory::{Memory, OwnMemory};
use super::segment::at;
use crate::sys::fork;

/// The words of both pages, as one side uses them. Every call is one atomic access and never blocks.
#[derive(Debug)]
pub struct AckWords<M, P> {
    mine: M,
    /// The peer's page, mapped read-only.
    peer: P,
    generation: u64,
}

impl<M: OwnMemory, P: Memory> AckWords<M, P> {
    pub(crate) fn new(mine: M, peer: P) -> AckWords<M, P> {
        AckWords { mine, peer, generation: fork::generation() }
    }

    /// False in a forked child: the mappings are absent there, and the link belongs to the parent.
    fn is_ours(&self) -> bool {
        fork::generation() == self.generation
    }

    /// Stores that the peer's messages up to this number are consumed, then makes a full fence.
    ///
    /// Load [`AckWords::wanted`] afterwards.
    pub fn publish(&self, consumed: u64) {
        if self.is_ours() {
            self.mine.store_fenced(at::ACKNOWLEDGED, consumed);
        }
    }

    /// [`AckWords::publish`] without the fence; the caller makes it before [`AckWords::wanted`].
    pub fn publish_before_fence(&self, consumed: u64) {
        if self.is_ours() {
            self.mine.store(at::ACKNOWLEDGED, consumed, Ordering::Release);
        }
    }

    /// The number that the peer needs acknowledged with a frame; 0 if none.
    pub fn wanted(&self) -> u64 {
        if self.is_ours() { self.peer.load_fenced(at::ACK_WANTED) } else { 0 }
    }

    /// The number of our last message that the peer's program has consumed, as its page claims.
    pub fn acknowledged(&self) -> u64 {
        if self.is_ours() { self.peer.load_fenced(at::ACKNOWLEDGED) } else { 0 }
    }

    /// Stores that the request of this number is taken. Call it before the program gets any of the request.
    #[inline]
    pub fn publish_taken(&self, request: u64) {
        if self.is_ours() {
            self.mine.store(at::TAKEN, request, Ordering::Release);
        }
    }

    /// The number of our last request that the peer has taken, as its page claims.
    pub fn taken(&self) -> u64 {
        if self.is_ours() { self.peer.load(at::TAKEN, Ordering::Acquire) } else { 0 }
    }

    /// Prefetches the counts of released references for the search for a slot.
    pub fn prefetch_released(&self) {
        if self.is_ours() {
            self.peer.prefetch(at::RELEASED);
        }
    }

    /// Asks for a frame once the peer has consumed up to this number; 0 asks for none.
    ///
    /// Load [`AckWords::acknowledged`] afterwards, before sleeping.
    pub fn want(&self, number: u64) {
        if self.is_ours() {
            self.mine.store_fenced(at::ACK_WANTED, number);
        }
    }
}
