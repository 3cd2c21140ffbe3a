//! The spool as a transport: its kind, and the traits of `transport::driver`.
//!
//! No process may be there to ask, so the driver does listings, sweeping and the removal of an unused spool.

use std::ops::ControlFlow;
use std::os::fd::AsFd;

use super::folder::SpoolFolder;
use super::layout::{self, FOLDERS};
use super::name::is_hidden;
use super::sweep;
use crate::capability::{Capabilities, LINKS};
use crate::connectionless::{ConnectOptions, ConnectionlessDriver, ConnectionlessLink};
use crate::deadline::Waiting;
use crate::driver::{Driver, Listing, ListingSource};
use crate::endpoint::Endpoint;
use crate::error::Result;
use crate::kind::{Kind, NameDirectory, Naming};
use crate::place::Place;
use crate::sys::beneath::{Beneath, RequiredOwner};
use crate::sys::socket::Carries;
use crate::sys::staging::Swept;

pub struct Spool;

/// `because` is the reason in errors about unsupported operations.
static KIND: Kind = Kind {
    name: "spool",
    naming: Naming::NameOrPath,
    names: NameDirectory::RuntimeOrState,
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
        listing(place)
    }

    fn durable_place(&self, endpoint: &Endpoint) -> Option<Place> {
        layout::durable_place(endpoint)
    }

    /// Messages stay for the spool's next server. Only other files of dead programs are removed.
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

/// Returns how many messages wait for the server of the spool at a place.
///
/// Returns `None` without a spool, and for a spool from before the machine's last start, which its next user
/// wipes. It opens only the files that it reads, takes no lock, and changes nothing.
///
/// # Errors
/// Errors of reading the directory.
fn listing(place: &Place) -> Result<Option<Listing>> {
    let path = place.path();
    let Some(opened) = place.directory.beneath().directory(&place.file, RequiredOwner::AnyUser)? else {
        return Ok(None);
    };
    let root = Beneath::new(opened.fd.as_fd(), &path);
    if layout::is_of_earlier_boot(root, &opened.facts)? {
        return Ok(None);
    }
    let Some(server) = SpoolFolder::open(root, FOLDERS[0], None, false)? else { return Ok(None) };
    let mut waiting = 0;
    server.each_name(|name| {
        waiting += u64::from(!is_hidden(name));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(Some(Listing { waiting: Some(waiting), uid: Some(opened.facts.st_uid), ..Listing::default() }))
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
