//! Acknowledgement over shared memory: in its page each side stores the number up to which its
//! program has consumed the peer's messages, and the number from which on it needs an
//! acknowledgement frame.
//!
//! The page outlives its owner, so what was consumed before a SIGKILL is known afterwards. A sender
//! loads the peer's number when it needs room in its store, at close, and after the link has ended;
//! so a dialogue sends no acknowledgement frames. A sender that has to sleep until something is
//! acknowledged stores in its own page the number from which on it needs a frame. Each side stores
//! its word, makes a full fence, and then loads the other's word: at least one of the two sees the
//! other's store, so no wake-up is lost (`loom_tests.rs` has the model).
//!
//! The third word is the number of the newest request that a side has taken: a request behind it goes to the next
//! incarnation, and one up to it may have been carried out.
//!
//! All words are hostile input to the other side. A false value either makes that side send a
//! superfluous frame, or is refused by the session, which knows the highest number that it has
//! sent.

use std::sync::atomic::Ordering;

use super::memory::{Memory, OwnMemory};
use super::segment::at;
use crate::sys::fork;

/// The words of both pages, as one side uses them. Shared by the sending and the receiving path;
/// every call is one atomic access and never blocks.
#[derive(Debug)]
pub struct AckWords<M, P> {
    /// This side's page.
    mine: M,
    /// The peer's page, mapped read-only.
    peer: P,
    /// The fork generation of the link.
    generation: u64,
}

impl<M: OwnMemory, P: Memory> AckWords<M, P> {
    /// The words in these two pages.
    pub(crate) fn new(mine: M, peer: P) -> AckWords<M, P> {
        AckWords { mine, peer, generation: fork::generation() }
    }

    /// False in a forked child: the mappings are absent there, and the link belongs to the parent.
    fn is_ours(&self) -> bool {
        fork::generation() == self.generation
    }

    /// Stores that all of the peer's messages up to this number have been consumed, then makes a
    /// full fence. Load [`AckWords::wanted`] after this.
    pub fn publish(&self, consumed: u64) {
        if self.is_ours() {
            self.mine.store_fenced(at::ACKNOWLEDGED, consumed);
        }
    }

    /// The same without the fence, for a caller that makes one before it loads
    /// [`AckWords::wanted`].
    pub fn publish_before_fence(&self, consumed: u64) {
        if self.is_ours() {
            self.mine.store(at::ACKNOWLEDGED, consumed, Ordering::Release);
        }
    }

    /// The number from which on the peer waits for an acknowledgement frame; 0 if it does not wait.
    pub fn wanted(&self) -> u64 {
        if self.is_ours() { self.peer.load_fenced(at::ACK_WANTED) } else { 0 }
    }

    /// The number up to which the peer's program has consumed our messages, as its page claims.
    /// Known also after the peer's death.
    pub fn acknowledged(&self) -> u64 {
        if self.is_ours() { self.peer.load_fenced(at::ACKNOWLEDGED) } else { 0 }
    }

    /// Stores that the request of this number is taken. To be called before anything of it reaches the program.
    #[inline]
    pub fn publish_taken(&self, request: u64) {
        if self.is_ours() {
            self.mine.store(at::TAKEN, request, Ordering::Release);
        }
    }

    /// The number up to which the peer has taken our requests, as its page claims. Known also after the peer's death.
    pub fn taken(&self) -> u64 {
        if self.is_ours() { self.peer.load(at::TAKEN, Ordering::Acquire) } else { 0 }
    }

    /// Prefetches the counts of released references, which the search for a slot reads.
    pub fn prefetch_released(&self) {
        if self.is_ours() {
            self.peer.prefetch(at::RELEASED);
        }
    }

    /// Asks for a frame once the peer has consumed up to this number; 0 asks for none. Load
    /// [`AckWords::acknowledged`] after this and before sleeping.
    pub fn want(&self, number: u64) {
        if self.is_ours() {
            self.mine.store_fenced(at::ACK_WANTED, number);
        }
    }
}
