//! Ends without a hello: the name is a place (a directory, a mailslot), and whoever uses it has one link to all the others.

use std::any::Any;

use super::endpoint::{Endpoint, Transport};
use super::place::Place;
use super::{Rx, Tx, dgram, spool};
use crate::codec::Encoding;
use crate::deadline::Waiting;
use crate::error::Result;

/// What the channel above says about itself.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// How this side is called: its `client_id`, else its program's name and process number.
    pub source: String,
    /// Whether the program gave that name, so that it stays the same when it starts again.
    pub named: bool,
    /// The number of this incarnation, drawn by chance.
    pub session: u64,
    /// The longest message in bytes.
    pub limit: u64,
    /// How values are written.
    pub encoding: Encoding,
    /// The mode of what is made; none for the directory's own.
    pub mode: Option<u32>,
    /// The group of what is made.
    pub group: Option<u32>,
    /// Bytes that may wait; none for the transport's own number.
    pub buffer: Option<usize>,
    /// Whether what was accepted is to survive the machine's power.
    pub durable: bool,
    /// Whether several processes may serve the name.
    pub shared: bool,
    /// "channel" or "request": for the record that listings read.
    pub pattern: &'static str,
}

/// One side's link.
pub struct ConnectionlessLink {
    /// The way out.
    pub tx: Tx,
    /// The way in.
    pub rx: Rx,
    /// Holds the name as long as it lives.
    pub keeps: Option<Box<dyn Any + Send + Sync>>,
    /// The directory in which messages lie; none where they lie nowhere.
    pub place: Option<Place>,
}

/// Takes the name. `AddressInUse` where a living process has it.
pub fn listen(endpoint: &Endpoint, connect_options: &ConnectOptions) -> Result<ConnectionlessLink> {
    match endpoint.transport() {
        Transport::Dgram => dgram::listen(endpoint, connect_options),
        Transport::Spool => spool::listen(endpoint, connect_options),
        transport => Err(transport.unavailable()),
    }
}

/// Joins whoever has the name, and waits until somebody does.
pub fn connect(
    endpoint: &Endpoint,
    connect_options: &ConnectOptions,
    waiting: &mut Waiting<'_>,
) -> Result<ConnectionlessLink> {
    match endpoint.transport() {
        Transport::Dgram => dgram::connect(endpoint, connect_options, waiting),
        Transport::Spool => spool::connect(endpoint, connect_options, waiting),
        transport => Err(transport.unavailable()),
    }
}

impl Transport {
    /// Whether one side only writes and the other only reads.
    pub const fn is_one_way(self) -> bool {
        matches!(self, Transport::Dgram)
    }

    /// Whether its ends are of this kind.
    pub const fn is_connectionless(self) -> bool {
        matches!(self, Transport::Dgram | Transport::Spool)
    }
}
