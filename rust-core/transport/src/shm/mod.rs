//! Shared memory: each side writes its own sealed memory file and maps the peer's read-only.
//!
//! A connection has two rings, one in each side's file, and a Unix socket. The socket carries the hello with the
//! descriptors, then bytes that wake a sleeper and files of slots. Its hang-up shows the peer's end. Every shared word
//! has one writer, so processes need no locks and a SIGKILL leaves nothing to repair or remove. A hostile peer can only
//! end the link with an error. It cannot make this side block, exceed its memory limits or read outside a mapping.
//!
//! `transport::local` introduces the two sides, as for `unix:`. A publisher has one ring that all its subscribers map
//! ([`broadcast`]). Long arrays are in slots: separate memory files that the receiver reads in place ([`slots`],
//! [`views`]).
//!
//! | module | content |
//! |---|---|
//! | `memory` | the memory of rings, and its test double |
//! | `segment` | the layout of a side's file, and the checks of the peer's |
//! | `record`, `ring` | the record header, and the places of records |
//! | `references` | references into slots, in records of both rings |
//! | `writer`, `reader` | the two ends of a ring |
//! | `slots`, `views` | slots for long arrays, and views of the peer's |
//! | `slot_page`, `slot_file` | the memory file of a slot: its content and its borrowers |
//! | `slot_bytes` | the limit on the bytes of all slot files of the process |
//! | `spin`, `park`, `signals` | spinning, parking, waking |
//! | `liveness` | whether the peer lives |
//! | `ack_words` | acknowledgement by a word in each side's page |
//! | `link` | the two halves of a link |
//! | `broadcast` | a publisher's ring and its readers |
//!
//! `unsafe` code is in `reader`, `link::bodies`, `broadcast::views` and `broadcast::ring_reader` (initialising
//! buffers), and in `sys::memory`. The loom models are `loom_tests` here and in `broadcast`; the fuzz targets are
//! `fuzz` and `fuzz_segment`.

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

/// The stateless driver of `shm:`.
pub struct Shm;

/// The properties of this transport. `slots` makes the layers above put long arrays into slots.
///
/// Errors for an unsupported option quote `because`.
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
        // Before the peer is known, so a lack of memory fails the connect, not a later send.
        Ok(Offer::Shm(Segment::create(session, buffer.unwrap_or(DEFAULT_RING))?))
    }
}
