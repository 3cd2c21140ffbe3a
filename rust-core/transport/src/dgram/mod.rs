//! `dgram:`, the mailslot: a Unix datagram socket, which many processes write and one reads.
//!
//! There is no hello and no way back. A message is one datagram: header, extension with the
//! sender's name and session, body. It arrives whole or not at all, in the order of each sender,
//! and nothing is sent again. What the kernel holds (at most `net.unix.max_dgram_qlen` messages) is
//! lost when the reader ends. A reader counts the numbers that are missing from each sender.
//!
//! The reader owns the name by its lock, as a listener does. A writer whose reader has ended gets
//! `Disconnected` at its next message, which was not sent: it waits for the name and sends the
//! message there.
//!
//! | what | defined in |
//! |---|---|
//! | the name and its owner | `mailslot` |
//! | writing | `send` |
//! | reading, and counting what is missing | `receive` |
//! | the traits of a transport | here |

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

/// The transport `dgram:`: many writers, one reader.
pub struct Dgram;

/// The name and the capabilities: one way, without hello, session or acknowledgement.
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
