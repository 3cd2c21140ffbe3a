//! The addresses behind a host's name, within a deadline: the C library's own look-up knows none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};

use super::eventfd::EventFd;
use super::poll::{is_readable, wait_readable};
use super::thread;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result, quoted};

/// The addresses of a host, the best first, with this port. None where one of `wakers` ended the wait; `NotFound` where
/// the name is nobody's.
///
/// Numbers and `localhost` need nobody's help. Any other name is looked up by a thread of its own, which outlives a caller
/// who gave up: there is no way to interrupt it.
pub fn resolve(
    host: &str,
    port: u16,
    wakers: &[BorrowedFd<'_>],
    waiting: &mut Waiting<'_>,
) -> Result<Option<Vec<SocketAddr>>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(Some(vec![SocketAddr::new(ip.to_canonical(), port)]));
    }
    if host.eq_ignore_ascii_case("localhost") {
        // As the standards say, whatever a name server says.
        let both = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
        return Ok(Some(both.map(|ip| SocketAddr::new(ip, port)).to_vec()));
    }
    let found = Arc::new((Mutex::new(None), EventFd::new()?));
    let (theirs, name) = (found.clone(), (host.to_owned(), port));
    thread::start("linkspan-resolver", move || {
        let addresses = name.to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        *theirs.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(addresses);
        theirs.1.wake();
    })?;
    let mut on = wakers.to_vec();
    on.push(found.1.as_fd());
    loop {
        if let Some(addresses) = found.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return match addresses {
                Ok(addresses) if !addresses.is_empty() => Ok(Some(addresses)),
                Ok(_) => Err(unknown(host, "it has no address")),
                Err(e) => Err(unknown(host, &e.to_string())),
            };
        }
        if wakers.iter().any(|waker| is_readable(*waker)) {
            return Ok(None);
        }
        wait_readable(waiting, &on)?;
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
    fn numbers_and_this_machine_need_no_look_up() {
        let mut now = Waiting::at_once();
        let mut of = |host| resolve(host, 7, &[], &mut now).unwrap().unwrap();
        assert_eq!(of("127.0.0.2"), ["127.0.0.2:7".parse().unwrap()]);
        assert_eq!(of("::ffff:127.0.0.1"), ["127.0.0.1:7".parse().unwrap()]);
        assert_eq!(of("LocalHost"), ["127.0.0.1:7".parse().unwrap(), "[::1]:7".parse().unwrap()]);
    }

    #[test]
    fn a_name_of_nobody_is_not_found() {
        let mut waiting = Waiting::until(Deadline::after(std::time::Duration::from_secs(60)));
        // A label may have 63 characters, so no name server is asked.
        let error = resolve(&"x".repeat(64), 7, &[], &mut waiting).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
}
