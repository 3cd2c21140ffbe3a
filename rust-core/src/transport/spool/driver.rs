//! The spool as a transport: its kind, and the traits of `transport::driver`.
//!
//! It is connectionless: there is no hello, and messages wait for readers that may start later. So
//! listings, sweeping and removing an unused spool are part of the driver, because there may be no
//! process to ask.

use super::{layout, listing, sweep};
use crate::deadline::Waiting;
use crate::error::Result;
use crate::sys::socket::Carries;
use crate::sys::staging::Swept;
use crate::transport::capability::{Capabilities, LINKS};
use crate::transport::connectionless::{ConnectOptions, ConnectionlessLink};
use crate::transport::driver::{ConnectionlessDriver, Driver, Listing, ListingSource};
use crate::transport::endpoint::Endpoint;
use crate::transport::kind::{Kind, Names, Naming};
use crate::transport::place::Place;

/// The driver of `spool:`; it has no state.
pub struct Spool;

/// The name and the capabilities; `because` is the reason in errors about operations that a spool
/// does not support.
static KIND: Kind = Kind {
    name: "spool",
    naming: Naming::NameOrPath,
    names: Names::RuntimeOrState,
    carries: Carries::Bytes,
    capabilities: Capabilities {
        publish: false,
        sessions: false,
        keeps: true,
        durable: true,
        allow_lists: false,
        connectionless: true,
        shared: true,
        because: "each file of a spool is one message to one reader, and modes and owners decide who may write; use file: or journal: to publish",
        ..LINKS
    },
};

impl Driver for Spool {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn connectionless(&self) -> Option<&dyn ConnectionlessDriver> {
        Some(self)
    }

    fn listing_source(&self) -> ListingSource {
        ListingSource::Files { owned: true }
    }

    fn listing(&self, place: &Place) -> Result<Option<Listing>> {
        listing::listing(place)
    }

    fn durable_place(&self, endpoint: &Endpoint) -> Option<Place> {
        layout::durable_place(endpoint)
    }

    /// The messages are for the spool's next server; only other files of dead programs are
    /// removed.
    fn sweep(&self, place: &Place, _begun: bool) -> Result<Swept> {
        sweep::sweep_unserved(place)
    }

    fn sweep_beside(&self, place: &Place) -> Result<Swept> {
        sweep::sweep_beside(place)
    }

    fn remove_unused(&self, place: &Place) -> Result<bool> {
        sweep::remove_if_unused(place)
    }
}

impl ConnectionlessDriver for Spool {
    fn listen(&self, endpoint: &Endpoint, options: &ConnectOptions) -> Result<ConnectionlessLink> {
        super::listen(endpoint, options)
    }

    fn connect(
        &self,
        endpoint: &Endpoint,
        options: &ConnectOptions,
        waiting: &mut Waiting<'_>,
    ) -> Result<ConnectionlessLink> {
        super::connect(endpoint, options, waiting)
    }
}
