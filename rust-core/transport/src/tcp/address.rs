//! The kind of TCP, the addresses of its endpoints, and whether an address is within this machine.
//!
//! On loopback the token decides, for other addresses keys. The decision is made for each resolved address
//! and never for a name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::capability::{Capabilities, LINKS};
use crate::deadline::{Deadline, Waiting};
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind, Result};
use crate::kind::{Kind, NameDirectory, Naming, Transport};
use crate::sys::resolve::Lookup;
use crate::sys::socket::Carries;
use crate::sys::{inet, resolve};

pub static KIND: Kind = Kind {
    name: "tcp",
    naming: Naming::Address,
    names: NameDirectory::Runtime,
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

pub fn endpoint_of(address: SocketAddr) -> Endpoint {
    Endpoint::of_address(Transport::of(&KIND), address)
}

#[derive(Clone, Debug)]
pub struct Address {
    host: String,
    port: u16,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{open}{}{close}:{}", self.host, self.port)
    }
}

/// How long a listener waits for the address of its host name.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);

impl Address {
    /// Returns the address of a TCP endpoint.
    ///
    /// # Errors
    /// `Internal` for an endpoint of another transport.
    pub fn of(endpoint: &Endpoint) -> Result<Address> {
        let Some((host, port)) = endpoint.host_and_port() else {
            return Err(Error::new(ErrorKind::Internal, "the address of another transport was requested"));
        };
        Ok(Address { host: host.to_owned(), port })
    }

    /// Resolves the addresses to connect to, in order of preference. Blocks on a name server.
    ///
    /// Returns `None` if a waker ended the wait.
    ///
    /// # Errors
    /// `InvalidEndpoint` for port 0; `NotFound` for a name without an address; `Timeout`.
    pub fn resolve(
        &self,
        wakers: &[BorrowedFd<'_>],
        waiting: &mut Waiting<'_>,
    ) -> Result<Option<Vec<SocketAddr>>> {
        self.check_port()?;
        let found = resolve::resolve(&self.host, self.port, wakers, waiting)?;
        Ok(found.map(|addresses| self.connectable(addresses)))
    }

    /// Returns the addresses to connect to, if they need no name server.
    ///
    /// # Errors
    /// `InvalidEndpoint` for port 0.
    pub fn known(&self) -> Result<Option<Vec<SocketAddr>>> {
        self.check_port()?;
        let known = resolve::without_lookup(&self.host, self.port);
        Ok(known.map(|addresses| self.connectable(addresses)))
    }

    pub fn look_up(&self) -> Result<Lookup> {
        Lookup::begin(&self.host, self.port)
    }

    pub fn connectable(&self, addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
        addresses.into_iter().map(connectable).collect()
    }

    fn check_port(&self) -> Result<()> {
        if self.port == 0 {
            let text = "port 0 is for listeners alone, who get a free one; connect to the port that their endpoint() shows";
            return Err(Error::new(ErrorKind::InvalidEndpoint, text));
        }
        Ok(())
    }

    /// Returns the address if it is within this machine and known without a name server.
    ///
    /// `localhost` is 127.0.0.1.
    pub fn inside(&self) -> Option<SocketAddr> {
        let ip = match &*self.host {
            "localhost" => Ipv4Addr::LOCALHOST.into(),
            host => host.parse().ok()?,
        };
        is_loopback_address(ip).then(|| SocketAddr::new(ip, self.port))
    }

    /// Resolves the address to listen at. Blocks for at most ten seconds.
    ///
    /// # Errors
    /// `NotFound` for a name without an address; `Timeout`.
    pub fn to_listen(&self) -> Result<SocketAddr> {
        let mut waiting = Waiting::until(Deadline::after(LOOKUP_TIMEOUT));
        let found = resolve::resolve(&self.host, self.port, &[], &mut waiting)?.unwrap_or_default();
        let first = found.first().copied();
        first.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("the host {:?} has no address", self.host))
        })
    }

    /// Returns whether a process of this machine could listen at the address.
    pub fn is_of_this_machine(&self) -> Result<bool> {
        Ok(inet::is_of_this_machine(self.to_listen()?.ip()))
    }
}

fn connectable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

pub fn is_loopback_address(ip: IpAddr) -> bool {
    ip.is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::of(&text.parse().unwrap()).unwrap()
    }

    #[test]
    fn addresses_to_call_and_to_listen_at() {
        let mut now = Waiting::at_once();
        let mut called = |text| address(text).resolve(&[], &mut now).unwrap().unwrap()[0];
        assert_eq!(called("tcp://0.0.0.0:7"), "127.0.0.1:7".parse().unwrap());
        assert_eq!(called("tcp://[::]:7"), "[::1]:7".parse().unwrap());
        assert_eq!(called("tcp://[::1]:7"), "[::1]:7".parse().unwrap());
        assert_eq!(address("tcp://0.0.0.0:7").to_listen().unwrap(), "0.0.0.0:7".parse().unwrap());
        let error = address("tcp://localhost:0").resolve(&[], &mut now).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidEndpoint);
        assert!(address("tcp://localhost:0").is_of_this_machine().unwrap());
        assert!(!address("tcp://198.51.100.77:0").is_of_this_machine().unwrap());
    }

    #[test]
    fn addresses_inside_are_known_without_a_name_server() {
        for (text, inside) in [
            ("tcp://127.8.9.1:7", Some("127.8.9.1:7")),
            ("tcp://[::1]:7", Some("[::1]:7")),
            ("tcp://localhost:7", Some("127.0.0.1:7")),
            ("tcp://0.0.0.0:7", None),
            ("tcp://192.0.2.7:7", None),
            ("tcp://example.invalid:7", None),
        ] {
            assert_eq!(address(text).inside(), inside.map(|at| at.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn loopback_addresses_are_within_the_machine() {
        for (ip, inside) in [
            ("127.0.0.1", true),
            ("127.8.9.1", true),
            ("::1", true),
            ("0.0.0.0", false),
            ("::", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(is_loopback_address(ip.parse().unwrap()), inside, "{ip}");
        }
    }
}
