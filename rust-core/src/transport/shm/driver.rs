//! Shared memory as a transport: its kind, its capabilities, and the traits that `transport::table`
//! calls.
//!
//! A Unix socket in the runtime directory introduces the two sides, as for `unix:`;
//! `transport::local` does that. What is particular to shared memory is the offer: each side brings
//! a memory file, whose descriptor goes along with its hello.

use super::broadcast::RingDriver;
use super::{DEFAULT_RING, SLOTS, Segment};
use crate::error::Result;
use crate::sys::socket::Carries;
use crate::transport::acceptor::ListenSource;
use crate::transport::broadcast::BroadcastDriver;
use crate::transport::capability::{Capabilities, LINKS};
use crate::transport::driver::{ConnectionDriver, Driver, ListenRequest, ListingSource, Target};
use crate::transport::endpoint::Endpoint;
use crate::transport::kind::{Kind, Names, Naming};
use crate::transport::link::Offer;
use crate::transport::local;
use crate::transport::place::Place;

/// The driver of `shm:`; it has no state.
pub struct Shm;

/// What the layers above know of this transport. `slots` makes them put long arrays where the peer
/// reads them; `because` is the reason that an error gives for an option that the transport cannot
/// serve.
static KIND: Kind = Kind {
    name: "shm",
    naming: Naming::Name,
    names: Names::Runtime,
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
