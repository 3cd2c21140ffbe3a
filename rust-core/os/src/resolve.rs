//! The addresses of a host name, within a deadline.
//!
//! `getaddrinfo` knows no deadline. So a thread calls it and signals an eventfd. A late result is dropped.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};

use super::eventfd::EventFd;
use super::poll::{is_readable, wait_readable};
use super::thread;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result, quoted};

/// Returns a host's addresses, the best first. `None` if a waker ended the wait.
///
/// # Errors
/// `NotFound` for a name without an address; `Timeout`.
pub fn resolve(
    host: &str,
    port: u16,
    wakers: &[BorrowedFd<'_>],
    waiting: &mut Waiting<'_>,
) -> Result<Option<Vec<SocketAddr>>> {
    if let Some(addresses) = without_lookup(host, port) {
        return Ok(Some(addresses));
    }
    let lookup = Lookup::begin(host, port)?;
    let mut on = wakers.to_vec();
    on.push(lookup.as_fd());
    loop {
        if let Some(addresses) = lookup.take() {
            return addresses.map(Some);
        }
        if wakers.iter().any(|waker| is_readable(*waker)) {
            return Ok(None);
        }
        wait_readable(waiting, &on)?;
    }
}

/// Returns the addresses of a number or `localhost`, without a name server.
pub fn without_lookup(host: &str, port: u16) -> Option<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Some(vec![SocketAddr::new(ip.to_canonical(), port)]);
    }
    host.eq_ignore_ascii_case("localhost").then(|| {
        // As RFC 6761 requires, without a query to a name server.
        let both = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
        both.map(|ip| SocketAddr::new(ip, port)).to_vec()
    })
}

type Answer = Mutex<Option<std::io::Result<Vec<SocketAddr>>>>;

/// A query under way, readable when the result is there.
pub struct Lookup {
    host: String,
    found: Arc<(Answer, EventFd)>,
}

impl Lookup {
    /// Begins a query.
    ///
    /// # Errors
    /// `OutOfMemory` without a descriptor or thread left.
    pub fn begin(host: &str, port: u16) -> Result<Lookup> {
        let found = Arc::new((Mutex::new(None), EventFd::new()?));
        let (for_thread, name) = (found.clone(), (host.to_owned(), port));
        thread::start("linkspan-resolver", move || {
            let addresses = name.to_socket_addrs().map(Iterator::collect::<Vec<_>>);
            *for_thread.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(addresses);
            for_thread.1.wake();
        })?;
        Ok(Lookup { host: host.to_owned(), found })
    }

    /// Takes the addresses, if present, the best first.
    pub fn take(&self) -> Option<Result<Vec<SocketAddr>>> {
        let addresses = self.found.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(match addresses {
            Ok(addresses) if !addresses.is_empty() => Ok(addresses),
            Ok(_) => Err(unknown(&self.host, "it has no address")),
            Err(e) => Err(unknown(&self.host, &e.to_string())),
        })
    }
}

impl AsFd for Lookup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.found.1.as_fd()
    }
}

fn unknown(host: &str, why: &str) -> Error {
    let text = format!(
        "the host {host} was not found: {why}; write its number, or see /etc/hosts",
        host = quoted(host)
    );
    Error::new(ErrorKind::NotFound, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deadline::Deadline;

    #[test]
    fn numbers_and_localhost_need_no_name_server() {
        let mut now = Waiting::at_once();
        let mut of = |host| resolve(host, 7, &[], &mut now).unwrap().unwrap();
        assert_eq!(of("127.0.0.2"), ["127.0.0.2:7".parse().unwrap()]);
        assert_eq!(of("::ffff:127.0.0.1"), ["127.0.0.1:7".parse().unwrap()]);
        assert_eq!(of("LocalHost"), ["127.0.0.1:7".parse().unwrap(), "[::1]:7".parse().unwrap()]);
    }

    #[test]
    fn unknown_name_is_not_found() {
        let mut waiting = Waiting::until(Deadline::after(std::time::Duration::from_secs(60)));
        // Longer than a label may be: no query.
        let error = resolve(&"x".repeat(64), 7, &[], &mut waiting).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
}
