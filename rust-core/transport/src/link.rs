//! A link between two ends, over any transport.
//!
//! [`Tx`] and [`Rx`] are enums, because the latency-critical variants should cost no virtual call. `lib.rs`
//! has the contract of every method; comments here describe only the differences between variants.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use super::plain::{PlainRx, PlainTx};
use super::shm::{
    self, AckWords, Batch, BodyViews, BroadcastReader, FastRecord, InSlots, LinkParts, PeerSegment,
    PublishedTx, Segment, ShmRx, ShmTx, Slots, Small,
};
pub use super::shm::{FastLinked, ViewCount};
use super::socket::{StreamRx, StreamTx};
use super::stream::Stream;
use super::tail::Tail;
use crate::error::{Doing, Result};
use crate::sys::memory::PeerFile;

mod ready;
mod rx;
mod tx;

pub use ready::Polled;
pub use rx::Rx;
pub use tx::Tx;

/// One side's part of a link, before the other side is known.
///
/// A memory file must exist already, because the hello carries it.
pub enum Offer {
    /// Only the stream.
    Stream {
        /// Whether each body has a checksum: true if the bytes leave this machine's memory.
        checked: bool,
    },
    /// The memory that this side writes.
    Shm(Segment),
}

impl Offer {
    /// Returns the descriptors that go with the hello.
    ///
    /// # Errors
    /// If duplicating a descriptor fails.
    pub fn descriptors(&self) -> Result<Vec<OwnedFd>> {
        match self {
            Offer::Stream { .. } => Ok(Vec::new()),
            Offer::Shm(segment) => {
                let file = segment.descriptor_for_peer().try_clone_to_owned();
                Ok(vec![file.doing("duplicating a descriptor for the peer")?])
            }
        }
    }

    /// Makes the link, with the descriptors that came with the peer's hello.
    ///
    /// - `peer_session`: the session number that the peer's memory file must carry
    /// - `limit`: the longest message in bytes
    /// - `slots`: the longest message that both sides take, if both have slots
    /// - `spin`: how long a receiver polls before it sleeps
    ///
    /// # Errors
    /// `Malformed` if the peer's memory file is invalid.
    #[allow(clippy::too_many_arguments, reason = "what a link is made of, known in one place alone")]
    pub fn join(
        self,
        stream: Stream,
        process: Option<Arc<OwnedFd>>,
        peer_session: u64,
        descriptors: Vec<PeerFile>,
        limit: u64,
        slots: Option<u64>,
        spin: Duration,
    ) -> Result<(Tx, Rx)> {
        match self {
            Offer::Stream { checked } => {
                let tx = StreamTx::new(stream.clone(), checked);
                let rx = StreamRx::new(stream, process, limit);
                Ok((Tx::Stream(tx.beside(rx.activity().clone())), Rx::Stream(rx)))
            }
            Offer::Shm(mine) => {
                let socket = stream.into_socket()?;
                let peer = PeerSegment::from_descriptors(descriptors, peer_session)?;
                let (tx, rx) = shm::link(LinkParts { mine, peer, socket, process, slots }, limit, spin)?;
                Ok((Tx::Shm(tx), Rx::Shm(rx)))
            }
        }
    }
}
