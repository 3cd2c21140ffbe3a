//! Unix stream sockets: frames as bytes.
//!
//! Bytes stay in the machine's memory, so bodies need no check sums. Several processes of one user may listen at a
//! `shared` socket: the first process makes it, and others ask a listening process for the descriptor (`bind`). The
//! kernel gives each new connection to any listening process.

use crate::acceptor::ListenSource;
use crate::capability::{Capabilities, LINKS};
use crate::driver::{ConnectionDriver, Driver, ListenRequest, ListingSource, Target};
use crate::endpoint::Endpoint;
use crate::error::Result;
use crate::kind::{Kind, NameDirectory, Naming};
use crate::link::Offer;
use crate::local;
use crate::place::Place;
use crate::sys::socket::Carries;

pub struct Unix;

static KIND: Kind = Kind {
    name: "unix",
    naming: Naming::NameOrPath,
    names: NameDirectory::Runtime,
    carries: Carries::Bytes,
    capabilities: Capabilities {
        framing: true,
        shared: true,
        relays: true,
        relays_links: true,
        because: "a socket keeps nothing when both sides die; use spool: or journal:",
        ..LINKS
    },
};

impl Driver for Unix {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn connections(&self) -> Option<&dyn ConnectionDriver> {
        Some(self)
    }

    /// A Unix socket can carry the memory file. A subscriber takes one, and no other descriptor.
    fn brings_memory(&self) -> bool {
        true
    }

    /// The listening process answers for itself, which replaces an owner record.
    fn listing_source(&self) -> ListingSource {
        ListingSource::Socket
    }
}

impl ConnectionDriver for Unix {
    fn listen(&self, endpoint: &Endpoint, request: &ListenRequest<'_>) -> Result<(ListenSource, Endpoint)> {
        local::listen(endpoint, request)
    }

    fn target(&self, endpoint: &Endpoint) -> Result<Box<dyn Target>> {
        local::target(endpoint)
    }

    fn target_at(&self, endpoint: &Endpoint, place: &Place) -> Result<Box<dyn Target>> {
        Ok(local::target_at(endpoint, place.clone()))
    }

    fn offer(&self, _session: u64, _buffer: Option<usize>) -> Result<Offer> {
        Ok(Offer::Stream { checked: false })
    }
}
