//! How far a program has come with its peer's messages: a number in its own page, which the peer reads when it needs to know.
//!
//! The page outlives its owner: what was consumed before a SIGKILL is known after it. A peer that waits for the number stores
//! in its own page from which one on a frame is worth while; each side stores, fences, and then looks at the other's word, so
//! no wake-up is lost. Both words are hostile input to the other side: any value makes it send a frame for nothing, or is refused
//! by the session.

use std::sync::atomic::Ordering;

use super::memory::{Memory, OwnMemory};
use super::segment::at;
use crate::sys::fork;

/// Both sides' words, as one of them has them.
#[derive(Debug)]
pub(crate) struct Account<M, P> {
    mine: M,
    peer: P,
    generation: u64,
}

impl<M: OwnMemory, P: Memory> Account<M, P> {
    /// The words in these two pages.
    pub fn new(mine: M, peer: P) -> Account<M, P> {
        Account { mine, peer, generation: fork::generation() }
    }

    /// In a forked child the mappings are absent, and the link is the parent's.
    fn is_ours(&self) -> bool {
        fork::generation() == self.generation
    }

    /// Tells that all of the peer's messages up to this number have been consumed. Look at [`Account::wanted`] after this!
    #[inline]
    pub fn tell(&self, consumed: u64) {
        if self.is_ours() {
            self.mine.store_fenced(at::ACKNOWLEDGED, consumed);
        }
    }

    /// The same for a caller that makes a full fence behind it, before it looks at [`Account::wanted`].
    #[inline]
    pub fn tell_before_fence(&self, consumed: u64) {
        if self.is_ours() {
            self.mine.store(at::ACKNOWLEDGED, consumed, Ordering::Release);
        }
    }

    /// From which number on the peer waits for a frame that says it; 0 where it does not wait.
    #[inline]
    pub fn wanted(&self) -> u64 {
        if self.is_ours() { self.peer.load_fenced(at::ACK_WANTED) } else { 0 }
    }

    /// The number up to which the peer's program has consumed ours, as the peer says; known also after its death.
    #[inline]
    pub fn told(&self) -> u64 {
        if self.is_ours() { self.peer.load_fenced(at::ACKNOWLEDGED) } else { 0 }
    }

    /// Asks for a frame once the peer has consumed up to this number; 0 asks for none. Look at [`Account::told`] after this!
    pub fn want(&self, number: u64) {
        if self.is_ours() {
            self.mine.store_fenced(at::ACK_WANTED, number);
        }
    }
}
