//! The name and the capabilities of TCP, and the endpoints of its addresses.

use std::net::SocketAddr;

use crate::sys::socket::Carries;
use crate::transport::capability::{Capabilities, LINKS};
use crate::transport::endpoint::Endpoint;
use crate::transport::kind::{Kind, Names, Naming, Transport};

/// The kind of TCP.
pub static KIND: Kind = Kind {
    name: "tcp",
    naming: Naming::Address,
    names: Names::Runtime,
    carries: Carries::Bytes,
    capabilities: Capabilities {
        cuts: true,
        allow_lists: false,
        framing: true,
        modes: false,
        relays: true,
        because: "TCP does not say which user connects, and keeps nothing when both sides die; use unix: for lists of users, spool: or journal: for durability",
        ..LINKS
    },
};

/// Returns the endpoint of an address, in numbers.
pub fn endpoint_of(address: SocketAddr) -> Endpoint {
    Endpoint::of_address(Transport::of(&KIND), address)
}
