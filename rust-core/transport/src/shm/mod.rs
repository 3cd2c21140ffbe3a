//! Shared memory: each side owns one sealed memory file that only it writes, and maps the other's
//! read-only.
//!
//! A connection has two rings, one in each side's file, and a Unix socket beside them: it carries
//! the hello with the descriptors, then only bytes that wake a sleeper and files of slots, and its
//! hang-up shows the peer's end. Every shared word has one writer, so there are no locks between
//! processes and nothing is left to repair, or to remove, after a SIGKILL. Whatever a hostile peer
//! writes into its own file is at most an error that ends the link; it cannot make this side block,
//! allocate beyond its limits or read outside of a mapping.
//!
//! A Unix socket in the runtime directory introduces the two sides, as for `unix:`;
//! `transport::local` does that. What is particular to shared memory is the offer: each side brings
//! a memory file, whose descriptor goes along with its hello.
//!
//! A publisher has one ring that all its subscribers map ([`broadcast`]); long arrays are in slots,
//! memory files of their own, which the receiver reads in place ([`slots`], [`views`]).
//!
//! | what | defined in |
//! |---|---|
//! | the memory of rings, and its double for tests | `memory` |
//! | the layout of a side's file, and what is checked of the peer's | `segment` |
//! | the record header, and where a record goes | `record`, `ring` |
//! | references into slots, in records of both rings | `references` |
//! | the writing end and the reading end of a ring | `writer`, `reader` |
//! | slots for long arrays, and views of the peer's, of channels and publishers alike | `slots`, `views` |
//! | long bodies in slots of a channel, copied out of them | `link::bodies` |
//! | the memory file of a slot: what is in it, and to whom it is lent | `slot_page`, `slot_file` |
//! | the bytes of all files of slots of the process, bounded | `slot_bytes` |
//! | spinning, parking, waking | `spin`, `park`, `signals` |
//! | whether the peer lives | `liveness` |
//! | acknowledgement by a word in each side's page | `ack_words` |
//! | the two halves of a link, as the transport contract describes them | `link` |
//! | a publisher's ring and its readers | `broadcast/` |
//! | the traits of a transport | here |
//!
//! `unsafe` code is in `reader`, `link::bodies`, `broadcast::views` and `broadcast::ring_reader` (initialising
//! buffers), and in `sys::memory`. The loom models are `loom_tests` here and in `broadcast`; fuzz targets are `fuzz`
//! and `fuzz_segment`.

mod ack_words;
#[cfg(test)]
#[cfg(not(loom))]
mod bodies_tests;
mod broadcast;
#[cfg(all(any(test, fuzzing), not(loom)))]
pub mod fuzz;
#[cfg(all(any(test, fuzzing), not(loom)))]
pub mod fuzz_segment;
mod link;
mod liveness;
#[cfg(test)]
#[cfg(loom)]
mod loom_tests;
mod memory;
mod park;
mod reader;
mod record;
mod references;
mod ring;
#[cfg(test)]
#[cfg(not(loom))]
mod ring_tests;
mod segment;
mod signals;
mod slot_bytes;
mod slot_file;
mod slot_page;
mod slots;
#[cfg(test)]
#[cfg(not(loom))]
mod slots_tests;
mod spin;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;
mod views;
mod writer;

pub use broadcast::{BroadcastReader, PublishedSlots, PublishedTx, ViewCount};
pub use link::{AckWords, Batch, InSlots, LinkParts, ShmRx, ShmTx, link};
pub use record::{FastLinked, FastRecord, Small};
pub use segment::{DEFAULT_RING, PeerSegment, SLOTS, Segment};
pub use slot_file::WritableSlot;
pub use slots::Slots;
pub use views::BodyViews;

use self::broadcast::RingDriver;
use crate::acceptor::ListenSource;
use crate::broadcast::BroadcastDriver;
use crate::capability::{Capabilities, LINKS};
use crate::driver::{ConnectionDriver, Driver, ListenRequest, ListingSource, Target};
use crate::endpoint::Endpoint;
use crate::error::Result;
use crate::kind::{Kind, NameDirectory, Naming};
use crate::link::Offer;
use crate::local;
use crate::place::Place;
use crate::sys::socket::Carries;

/// The driver of `shm:`; it has no state.
pub struct Shm;

/// What the layers above know of this transport. `slots` makes them put long arrays where the peer
/// reads them; `because` is the reason that an error gives for an option that the transport cannot
/// serve.
static KIND: Kind = Kind {
    name: "shm",
    naming: Naming::Name,
    names: NameDirectory::Runtime,
    carries: Carries::Descriptors,
    capabilities: Capabilities {
        shared: true,
        relays: true,
        relays_links: true,
        slots: SLOTS as u64,
        because: "shared memory holds frames, not text, and dies with its owners; use unix: for framing, spool: or journal: for durability",
        ..LINKS
    },
};

impl Driver for Shm {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn connections(&self) -> Option<&dyn ConnectionDriver> {
        Some(self)
    }

    fn broadcast(&self) -> Option<&dyn BroadcastDriver> {
        Some(&RingDriver)
    }

    fn listing_source(&self) -> ListingSource {
        ListingSource::Socket
    }
}

impl ConnectionDriver for Shm {
    fn listen(&self, endpoint: &Endpoint, request: &ListenRequest<'_>) -> Result<(ListenSource, Endpoint)> {
        local::listen(endpoint, request)
    }

    fn target(&self, endpoint: &Endpoint) -> Result<Box<dyn Target>> {
        local::target(endpoint)
    }

    fn target_at(&self, endpoint: &Endpoint, place: &Place) -> Result<Box<dyn Target>> {
        Ok(local::target_at(endpoint, place.clone()))
    }

    fn offer(&self, session: u64, buffer: Option<usize>) -> Result<Offer> {
        // Allocated and sealed here, before the peer is known: a lack of memory fails the connect
        // and not a later send.
        Ok(Offer::Shm(Segment::create(session, buffer.unwrap_or(DEFAULT_RING))?))
    }
}
