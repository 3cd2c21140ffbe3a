//! The mailslot as a transport: its kind, and the traits that it implements. The functions are in
//! `mailslot`.

use super::mailslot;
use crate::deadline::Waiting;
use crate::error::Result;
use crate::sys::socket::Carries;
use crate::transport::capability::{Capabilities, LINKS};
use crate::transport::connectionless::{ConnectOptions, ConnectionlessLink};
use crate::transport::driver::{ConnectionlessDriver, Driver, ListingSource};
use crate::transport::endpoint::Endpoint;
use crate::transport::kind::{Kind, Names, Naming};

/// The transport `dgram:`: many writers, one reader.
pub struct Dgram;

/// The name and the capabilities: one way, without hello, session or acknowledgement.
static KIND: Kind = Kind {
    name: "dgram",
    naming: Naming::NameOrPath,
    names: Names::Runtime,
    carries: Carries::Bytes,
    capabilities: Capabilities {
        publish: false,
        replies: false,
        sessions: false,
        allow_lists: false,
        connectionless: true,
        one_way: true,
        because: "a mailslot goes one way, from many writers to one reader, and promises no more than its best effort; use unix: for answers and for delivery that is acknowledged",
        ..LINKS
    },
};

impl Driver for Dgram {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn connectionless(&self) -> Option<&dyn ConnectionlessDriver> {
        Some(self)
    }

    fn listing_source(&self) -> ListingSource {
        ListingSource::OwnerRecord
    }
}

impl ConnectionlessDriver for Dgram {
    fn listen(&self, endpoint: &Endpoint, options: &ConnectOptions) -> Result<ConnectionlessLink> {
        mailslot::listen(endpoint, options)
    }

    fn connect(
        &self,
        endpoint: &Endpoint,
        options: &ConnectOptions,
        waiting: &mut Waiting<'_>,
    ) -> Result<ConnectionlessLink> {
        mailslot::connect(endpoint, options, waiting)
    }
}
