//! TCP sockets: listening, connecting without blocking, and the kernel's data about an address.
//!
//! IPv4 addresses from an IPv6 socket are reported as IPv4.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use super::beneath;
use super::descriptor;
use super::fork::Guarded;
use super::poll;
use super::sock_diag::{self, ConnectionOwner};
use crate::error::{Doing, Error, ErrorKind, Result};

/// The most connections that wait for accept.
const BACKLOG: i32 = 128;

/// Silence of a peer until the first probe; up to `KEEP_TIMES` follow, `KEEP_BETWEEN` apart.
///
/// A stopped process's kernel still answers: only the loss of the machine or network is detected.
const KEEP_IDLE: Duration = Duration::from_secs(60);
const KEEP_BETWEEN: Duration = Duration::from_secs(10);
const KEEP_TIMES: u32 = 6;

/// `EACCES` and `EPERM` before any program has answered.
const REFUSED_BY_NETWORK: &str = "this machine refuses it: a firewall or a route that prohibits the address, a security module, or a filter of system calls (seccomp); the other program has not been reached";

fn stream(address: SocketAddr) -> Result<Guarded> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK;
    let doing = || format!("making a socket for {address}");
    let fd = descriptor::socket(family, SocketType::STREAM, flags, None)
        .doing(doing())
        .map_err(beneath::refused_call)?;
    // The kernel sends a short message at once.
    sockopt::set_tcp_nodelay(&fd, true).doing(doing())?;
    sockopt::set_socket_keepalive(&fd, true).doing(doing())?;
    sockopt::set_tcp_keepidle(&fd, KEEP_IDLE).doing(doing())?;
    sockopt::set_tcp_keepintvl(&fd, KEEP_BETWEEN).doing(doing())?;
    sockopt::set_tcp_keepcnt(&fd, KEEP_TIMES).doing(doing())?;
    Ok(Guarded::new(fd))
}

/// Creates a listening socket; accepted sockets inherit its options.
///
/// # Errors
/// `AddressInUse` if a process listens there after 0.1 s or `patience`; `InvalidEndpoint` if this machine lacks the
/// address; `PermissionDenied` for a port below 1024.
pub fn listen(address: SocketAddr, patience: Option<Duration>) -> Result<Guarded> {
    const MOST: u128 = 20;
    let tries =
        patience.map_or(MOST, |patience| patience.as_millis().div_ceil(BETWEEN.as_millis()).clamp(1, MOST));
    listen_within(address, tries as u32)
}

const BETWEEN: Duration = Duration::from_millis(5);

/// Tries repeatedly: a forked child has a closed listener until its exec.
fn listen_within(address: SocketAddr, tries: u32) -> Result<Guarded> {
    for _ in 1..tries {
        match try_listen(address) {
            Err(e) if e.kind() == ErrorKind::AddressInUse => crate::sleeping::sleep(BETWEEN),
            listening => return listening,
        }
    }
    try_listen(address)
}

fn try_listen(address: SocketAddr) -> Result<Guarded> {
    let socket = stream(address)?;
    let doing = |e: Errno| match e {
        Errno::ADDRINUSE => Error::new(
            ErrorKind::AddressInUse,
            format!("a program listens at {address}; connect to it, end it first, or take another port"),
        ),
        Errno::ADDRNOTAVAIL => Error::new(
            ErrorKind::InvalidEndpoint,
            format!(
                "{} is not an address of this machine; listen at one of those that `ip address` shows",
                address.ip()
            ),
        ),
        Errno::ACCESS if address.port() < 1024 => Error::new(
            ErrorKind::PermissionDenied,
            format!("listening at {address}: ports below 1024 are for the administrator; take a higher one"),
        ),
        other => {
            beneath::refused_call(Error::os(format_args!("listening at {address}"), other.raw_os_error()))
        }
    };
    // Ended connections keep the port for a minute (TIME_WAIT). A living listener still prevents listening.
    sockopt::set_socket_reuseaddr(&socket, true).doing("setting up a socket")?;
    rustix::net::bind(&socket, &address).map_err(doing)?;
    rustix::net::listen(&socket, BACKLOG).map_err(doing)?;
    Ok(socket)
}

/// Starts to connect; returns true if done, otherwise [`outcome`] has the result once it is writable.
///
/// # Errors
/// `NotFound` if no process listens.
pub fn begin_connect(address: SocketAddr) -> Result<(Guarded, bool)> {
    let socket = stream(address)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) => Ok((socket, true)),
        // A signal does not end the attempt: the kernel continues it.
        Err(Errno::INPROGRESS | Errno::INTR) => Ok((socket, false)),
        Err(e) => Err(failed(address, e)),
    }
}

/// Returns whether an attempt to connect has ended.
pub fn is_over(socket: &Guarded) -> Result<bool> {
    let mut fds = [PollFd::new(socket, PollFlags::OUT)];
    let ready = poll::look(&mut fds).doing("looking at a connection (ppoll)")?;
    Ok(ready > 0)
}

/// Returns whether the peer has closed its writing side, or the connection is broken.
pub fn is_peer_closed(socket: impl AsFd) -> Result<bool> {
    let mut fds = [PollFd::new(&socket, PollFlags::RDHUP)];
    Ok(poll::look(&mut fds).doing("looking at a connection (ppoll)")? > 0)
}

/// Returns the result of an attempt to connect.
///
/// # Errors
/// As for [`begin_connect`].
pub fn outcome(socket: &Guarded, address: SocketAddr) -> Result<()> {
    sockopt::socket_error(socket).doing("asking how a connection went")?.map_err(|e| failed(address, e))
}

fn failed(address: SocketAddr, errno: Errno) -> Error {
    let kind = match errno {
        // Both may change, so the caller may try again.
        Errno::CONNREFUSED
        | Errno::HOSTUNREACH
        | Errno::NETUNREACH
        | Errno::NETDOWN
        | Errno::HOSTDOWN
        | Errno::TIMEDOUT
        | Errno::ADDRNOTAVAIL => ErrorKind::NotFound,
        _ => {
            let error = Error::os(format_args!("connecting to {address}"), errno.raw_os_error());
            return match errno {
                Errno::ACCESS | Errno::PERM => error.with_hint(REFUSED_BY_NETWORK),
                _ => error,
            };
        }
    };
    let text = std::io::Error::from(errno).to_string();
    Error::new(kind, format!("connecting to {address}: {text}"))
}

/// Limits the queue of written bytes, otherwise megabytes.
pub fn limit_send_queue(socket: impl AsFd, bytes: usize) -> Result<()> {
    // The kernel doubles the number.
    sockopt::set_socket_send_buffer_size(socket, bytes).doing("setting the length of a socket's queue")
}

/// Returns how many bytes the kernel has not sent, because the peer's window is full.
///
/// # Errors
/// The kernel's.
pub fn not_sent(socket: BorrowedFd<'_>) -> Result<usize> {
    /// `SIOCOUTQNSD` of linux/sockios.h.
    const NOT_SENT: libc::Ioctl = 0x894b;
    queued(socket, NOT_SENT)
}

/// Returns how many bytes the peer's kernel has not acknowledged.
///
/// # Errors
/// The kernel's.
pub fn not_acknowledged(socket: BorrowedFd<'_>) -> Result<usize> {
    // The number of `SIOCOUTQ` of linux/sockios.h.
    queued(socket, libc::TIOCOUTQ)
}

fn queued(socket: BorrowedFd<'_>, request: libc::Ioctl) -> Result<usize> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the kernel writes one int, which lives through the call.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), request, &raw mut bytes) };
    if done == 0 {
        Ok(usize::try_from(bytes).unwrap_or(0))
    } else {
        Err(rustix::io::Errno::from_io_error(&std::io::Error::last_os_error())
            .unwrap_or(rustix::io::Errno::IO))
        .doing("asking what of a socket is still to be sent or acknowledged")
    }
}

/// Returns the address of a socket's own end.
pub fn own_address(socket: impl AsFd) -> Result<SocketAddr> {
    let address = rustix::net::getsockname(socket).doing("asking for a socket's address")?;
    SocketAddr::try_from(address).map(canonical).doing("reading a socket's address")
}

/// Returns the peer's address.
///
/// # Errors
/// `Disconnected` if the peer has gone.
pub fn peer_address(socket: impl AsFd) -> Result<SocketAddr> {
    let address = rustix::net::getpeername(socket).doing("reading the peer's address")?;
    match address {
        Some(address) => SocketAddr::try_from(address).map(canonical).doing("reading an address"),
        None => Err(Error::new(ErrorKind::Disconnected, "the peer disconnected")),
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Returns whether this machine has the address, by a bind.
pub fn is_of_this_machine(ip: IpAddr) -> bool {
    let bound = || {
        let address = SocketAddr::new(ip, 0);
        rustix::net::bind(stream(address)?, &address).doing("trying an address")
    };
    bound().is_ok()
}

/// Returns the user that listens at an address of this machine.
pub fn user_listening_at(address: SocketAddr) -> Option<u32> {
    const LISTENING: &str = "0A";
    find(|row| {
        let here = row.own.ip() == address.ip() || row.own.ip().is_unspecified();
        row.state == LISTENING && here && row.own.port() == address.port()
    })
}

/// Returns the user that has the end `from`, on this machine, of a connection to `to`.
pub fn user_calling(from: SocketAddr, to: SocketAddr) -> Option<u32> {
    match sock_diag::owner(from, to) {
        ConnectionOwner::User(uid) => Some(uid),
        // The kernel has found this end, so the other end has no owner.
        ConnectionOwner::NoSocket if matches!(sock_diag::owner(to, from), ConnectionOwner::User(_)) => None,
        // Without the kernel's module every query has this result.
        ConnectionOwner::NoSocket | ConnectionOwner::Unsupported => {
            find(|row| row.own == from && row.other == to)
        }
    }
}

struct Row<'a> {
    own: SocketAddr,
    other: SocketAddr,
    state: &'a str,
    uid: u32,
    inode: u64,
}

fn find(wanted: impl Fn(&Row<'_>) -> bool) -> Option<u32> {
    ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().find_map(|table| {
        let table = std::fs::read_to_string(table).ok()?;
        // Inode 0: no process has the connection open.
        let row = table.lines().skip(1).filter_map(row).find(|row| row.inode != 0 && wanted(row))?;
        Some(row.uid)
    })
}

fn row(line: &str) -> Option<Row<'_>> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let address = |at: usize| {
        let (ip, port) = fields.get(at)?.split_once(':')?;
        Some(SocketAddr::new(read_ip(ip)?.to_canonical(), u16::from_str_radix(port, 16).ok()?))
    };
    Some(Row {
        own: address(1)?,
        other: address(2)?,
        state: fields.get(3)?,
        uid: fields.get(7)?.parse().ok()?,
        inode: fields.get(9)?.parse().ok()?,
    })
}

/// Parses hexadecimal words of the machine's byte order.
fn read_ip(hex: &str) -> Option<IpAddr> {
    let mut bytes = Vec::with_capacity(16);
    for at in (0..hex.len()).step_by(8) {
        let word = u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?;
        #[expect(clippy::host_endian_bytes, reason = "the table shows the host's own order")]
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    match <[u8; 4]>::try_from(&bytes[..]) {
        Ok(four) => Some(four.into()),
        Err(_) => Some(<[u8; 16]>::try_from(&bytes[..]).ok()?.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback() -> SocketAddr {
        "127.0.0.1:0".parse().unwrap()
    }

    #[test]
    fn listener_waits_for_one_that_is_about_to_end() {
        let first = listen(loopback(), None).unwrap();
        let address = own_address(&first).unwrap();
        std::thread::scope(|s| {
            let second = s.spawn(|| listen_within(address, 10_000));
            std::thread::sleep(Duration::from_millis(20));
            drop(first);
            assert_eq!(own_address(second.join().unwrap().unwrap()).unwrap(), address);
        });
    }

    #[test]
    fn port_has_one_listener_and_is_free_when_it_ends() {
        let first = listen(loopback(), None).unwrap();
        let address = own_address(&first).unwrap();
        assert_eq!(listen(address, None).unwrap_err().kind(), ErrorKind::AddressInUse);
        let (caller, _) = begin_connect(address).unwrap();
        let accepted = crate::socket::accept(&first).unwrap().unwrap();
        assert!(sockopt::tcp_nodelay(&accepted).unwrap() && sockopt::socket_keepalive(&accepted).unwrap());
        assert!(is_over(&caller).unwrap() && !is_peer_closed(&caller).unwrap());
        outcome(&caller, address).unwrap();
        assert_eq!(own_address(&accepted).unwrap(), address);
        // Our side ends first, so the port is in TIME_WAIT.
        drop((accepted, first));
        assert!(is_peer_closed(&caller).unwrap());
        drop(caller);
        listen(address, None).unwrap();
    }

    #[test]
    fn kernel_reports_the_owner_of_a_listener() {
        let me = rustix::process::geteuid().as_raw();
        for at in ["127.0.0.1:0", "0.0.0.0:0"] {
            let socket = listen(at.parse().unwrap(), None).unwrap();
            let mut address = own_address(&socket).unwrap();
            address.set_ip("127.0.0.1".parse().unwrap());
            assert_eq!(user_listening_at(address), Some(me), "{at}");
            drop(socket);
            assert_eq!(user_listening_at(address), None);
        }
        let line = "   0: 0000000000000000FFFF00000100007F:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 17 1";
        if cfg!(target_endian = "little") {
            let row = row(line).unwrap();
            assert_eq!((row.own, row.uid, row.inode), ("127.0.0.1:8080".parse().unwrap(), 1000, 17));
        }
    }

    #[test]
    fn kernel_reports_the_owner_of_an_open_caller() {
        let listener = listen(loopback(), None).unwrap();
        let address = own_address(&listener).unwrap();
        let (caller, _) = begin_connect(address).unwrap();
        let from = own_address(&caller).unwrap();
        assert_eq!(user_calling(from, address), Some(rustix::process::geteuid().as_raw()));
        assert_eq!(user_calling(address, from), None, "not accepted yet, so it has no owner");
        drop(caller);
        assert_eq!(user_calling(from, address), None, "one that is gone proves nothing");
    }

    #[test]
    fn unused_address_is_distinguished_from_our_own() {
        assert!(is_of_this_machine("127.0.0.1".parse().unwrap()));
        assert!(!is_of_this_machine("198.51.100.77".parse().unwrap()));
        let error = listen("198.51.100.77:0".parse().unwrap(), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidEndpoint, "{error}");
    }
}
