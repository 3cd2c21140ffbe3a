//! `dgram:`, the mailslot: a Unix datagram socket with many writers and one reader.
//!
//! There is neither a hello nor a way back. A message is one datagram: it arrives whole or not at all, in the
//! order of each sender, and is never sent again. At the reader's end the kernel's messages (at most
//! `net.unix.max_dgram_qlen`) are lost. A reader counts the gaps in each sender's numbers.
//!
//! The reader owns the name by its lock, like a listener. After its end, a writer's next message fails with
//! `Disconnected`; the writer waits for the name and sends the message there.

mod mailslot;
mod receive;
mod send;

use crate::capability::{Capabilities, LINKS};
use crate::connectionless::{ConnectOptions, ConnectionlessDriver, ConnectionlessLink};
use crate::deadline::Waiting;
use crate::driver::{Driver, ListingSource};
use crate::endpoint::Endpoint;
use crate::error::Result;
use crate::kind::{Kind, NameDirectory, Naming};
use crate::sys::socket::Carries;

pub struct Dgram;

static KIND: Kind = Kind {
    name: "dgram",
    naming: Naming::NameOrPath,
    names: NameDirectory::Runtime,
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
