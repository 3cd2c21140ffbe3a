//! The user at one end of a TCP connection of this machine, from the kernel (`sock_diag(7)`).
//!
//! Each read of `/proc/net/tcp` walks the kernel's table of connections for at least 20 ms.
//!
//! A request has a netlink header of 16 bytes and an `inet_diag_req_v2` of 56. An answer has the header and an
//! `inet_diag_msg` of 72. Addresses and ports are in network order, all else in the machine's.

use std::net::{IpAddr, SocketAddr};

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const IPPROTO_TCP: u8 = 6;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
/// Bytes of a netlink header, a request and an answer.
const HEADER: usize = 16;
const QUESTION: usize = 56;
const ANSWER: usize = 72;

#[derive(Debug, PartialEq, Eq)]
pub enum ConnectionOwner {
    /// A process of this user has the connection open.
    User(u32),
    /// No such connection exists, or no process has it open.
    NoSocket,
    /// The module is missing, or a filter of system calls forbids the request.
    Unsupported,
}

pub fn owner(own: SocketAddr, other: SocketAddr) -> ConnectionOwner {
    match query(own, other) {
        Ok(found) => found,
        Err(_) => ConnectionOwner::Unsupported,
    }
}

fn query(own: SocketAddr, other: SocketAddr) -> Result<ConnectionOwner, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = crate::descriptor::socket(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        flags,
        Some(netlink::SOCK_DIAG),
    )?;
    rustix::net::send(&socket, &question(own, other), SendFlags::empty())?;
    let mut buffer = [0; 512];
    // The kernel has queued its answer when `send` returns.
    let (got, _) = rustix::net::recv(&socket, &mut buffer, RecvFlags::DONTWAIT)?;
    Ok(answer(buffer.get(..got).unwrap_or(&buffer), other))
}

#[expect(clippy::host_endian_bytes, reason = "netlink uses the machine's own byte order")]
fn question(own: SocketAddr, other: SocketAddr) -> [u8; HEADER + QUESTION] {
    let mut bytes = [0; HEADER + QUESTION];
    let mut put = |at: usize, part: &[u8]| bytes[at..at + part.len()].copy_from_slice(part);
    put(0, &((HEADER + QUESTION) as u32).to_ne_bytes());
    put(4, &SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    put(6, &NLM_F_REQUEST.to_ne_bytes());
    put(HEADER, &[if own.is_ipv4() { AF_INET } else { AF_INET6 }, IPPROTO_TCP]);
    put(HEADER + 4, &u32::MAX.to_ne_bytes()); // in whichever state
    put(HEADER + 8, &own.port().to_be_bytes());
    put(HEADER + 10, &other.port().to_be_bytes());
    for (at, ip) in [(HEADER + 12, own.ip()), (HEADER + 28, other.ip())] {
        match ip {
            IpAddr::V4(ip) => put(at, &ip.octets()),
            IpAddr::V6(ip) => put(at, &ip.octets()),
        }
    }
    put(HEADER + 48, &[0xff; 8]); // any socket with the addresses
    bytes
}

/// Decodes an answer; anything invalid counts as [`ConnectionOwner::Unsupported`].
fn answer(bytes: &[u8], other: SocketAddr) -> ConnectionOwner {
    let four = |at: usize| bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_ne_bytes);
    let kind = bytes.get(4..6).and_then(|b| b.try_into().ok()).map(u16::from_ne_bytes);
    if kind == Some(NLMSG_ERROR) {
        let refused = four(HEADER).map(|code| Errno::from_raw_os_error((code as i32).wrapping_neg()));
        return if refused == Some(Errno::NOENT) {
            ConnectionOwner::NoSocket
        } else {
            ConnectionOwner::Unsupported
        };
    }
    if kind != Some(SOCK_DIAG_BY_FAMILY) || bytes.len() < HEADER + ANSWER {
        return ConnectionOwner::Unsupported;
    }
    // Without a match, the kernel returns a listener, without another end.
    let port = bytes.get(HEADER + 6..HEADER + 8).and_then(|b| b.try_into().ok()).map(u16::from_be_bytes);
    match (four(HEADER + 64), four(HEADER + 68)) {
        // Inode 0: no process has the end open.
        (Some(uid), Some(inode)) if inode != 0 && port == Some(other.port()) => ConnectionOwner::User(uid),
        _ => ConnectionOwner::NoSocket,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn on_loopback(at: &str) {
        let me = rustix::process::geteuid().as_raw();
        let listener = TcpListener::bind(at).unwrap();
        let own = listener.local_addr().unwrap();
        let caller = TcpStream::connect(own).unwrap();
        let from = caller.local_addr().unwrap();
        assert_eq!(owner(from, own), ConnectionOwner::User(me), "{at}");
        assert_eq!(owner(own, from), ConnectionOwner::NoSocket, "not accepted yet, so it has no owner");
        let accepted = listener.accept().unwrap();
        assert_eq!(owner(own, from), ConnectionOwner::User(me));
        drop(caller);
        assert_eq!(owner(from, own), ConnectionOwner::NoSocket, "one that is gone proves nothing");
        drop((accepted, listener));
        assert_eq!(owner(own, from), ConnectionOwner::NoSocket);
        assert_eq!(owner(SocketAddr::new(own.ip(), 1), from), ConnectionOwner::NoSocket);
    }

    #[test]
    fn connection_owner_is_found_over_ipv4_and_ipv6() {
        on_loopback("127.0.0.1:0");
        on_loopback("[::1]:0");
    }

    #[test]
    fn connection_owner_is_found_for_ipv4_mapped_address() {
        let me = rustix::process::geteuid().as_raw();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap();
        let mapped = TcpStream::connect(("::ffff:127.0.0.1", own.port())).unwrap();
        let mut from = mapped.local_addr().unwrap();
        from.set_ip(from.ip().to_canonical());
        assert_eq!(owner(from, own), ConnectionOwner::User(me));
    }

    #[test]
    fn truncated_or_error_answers_are_unsupported() {
        let other: SocketAddr = "127.0.0.1:9".parse().unwrap();
        for bytes in [&[][..], &[0; 15], &[0xff; 87], &[0; 512]] {
            assert_eq!(answer(bytes, other), ConnectionOwner::Unsupported);
        }
    }
}
