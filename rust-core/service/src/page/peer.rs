//! The client of a web server, without its token.

use std::net::{IpAddr, SocketAddr};

use crate::registry;

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    /// A user of this machine.
    User(u32),
    /// Another machine, or a local user that the kernel does not report.
    Address(IpAddr),
}

impl Peer {
    /// Returns the peer of a connection; `own` is the address of this end.
    pub fn of(from: SocketAddr, own: SocketAddr) -> Peer {
        let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        let (from, own) = (canonical(from), canonical(own));
        let is_local = from.ip().is_loopback() || from.ip() == own.ip();
        match is_local.then(|| registry::user_calling(from, own)).flatten() {
            Some(uid) => Peer::User(uid),
            None => Peer::at(from.ip()),
        }
    }

    /// Returns the peer at an address. With IPv6 one machine has a whole network of addresses.
    pub fn at(ip: IpAddr) -> Peer {
        Peer::Address(match ip.to_canonical() {
            IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() & !u128::from(u64::MAX)).into()),
            four => four,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_of_an_ipv6_machine_is_one_peer() {
        let at = |text: &str| Peer::at(text.parse().unwrap());
        assert_eq!(at("2001:db8:1:2:3:4:5:6"), at("2001:db8:1:2::9"));
        assert_ne!(at("2001:db8:1:2::9"), at("2001:db8:1:3::9"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
    }
}
