//! Checks the peers of a TCP listener before their hello is read.
//!
//! | the listener's own address | peers with a hello | peers without |
//! |---|---|---|
//! | loopback | proof of the token | the kernel must identify them as this user, or root |
//! | any other | a trusted key, by TLS | refused |

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::address::is_loopback_address;
use super::proof::{self, ProofStep};
use super::remote;
use super::token::TcpToken;
use crate::authentication::{Authenticator, Proof};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Incoming;
use crate::stream::Stream;
use crate::sys::directory::Directory;
use crate::sys::fork::Guarded;
use crate::sys::inet;

#[derive(Debug)]
pub struct TcpAuthenticator(pub Arc<Directory>);

struct Proving {
    directory: Arc<Directory>,
    /// The listener's address as the kernel reports it for this connection.
    address: SocketAddr,
    exchange: proof::ListenerProof,
}

impl Authenticator for TcpAuthenticator {
    /// Decides by the address that the peer connected to: a listener at all addresses has peers of both
    /// kinds.
    fn admit(&self, socket: OwnedFd, expects_hello: bool) -> Result<(Stream, Option<Box<dyn Proof>>)> {
        let socket = Guarded::new(socket);
        let address = inet::own_address(&socket)?;
        if !is_loopback_address(address.ip()) {
            remote::check_framing(expects_hello)?;
            return Ok((remote::accepted(socket)?, None));
        }
        let socket = Arc::new(socket);
        if !expects_hello {
            check_user(&socket, address)?;
            return Ok((Stream::Inet(socket), None));
        }
        let exchange = proof::ListenerProof::default();
        let proving = Proving { directory: self.0.clone(), address, exchange };
        Ok((Stream::Inet(socket), Some(Box::new(proving))))
    }
}

fn check_user(socket: &Guarded, own: SocketAddr) -> Result<()> {
    let me = rustix::process::geteuid().as_raw();
    match inet::user_calling(inet::peer_address(socket)?, own) {
        Some(uid) if uid == me || uid == 0 => Ok(()),
        _ => Err(Error::new(ErrorKind::PermissionDenied, "a caller of another user")),
    }
}

impl Proof for Proving {
    fn receive(&mut self, frame: &Incoming, stream: &Stream) -> Result<bool> {
        // Read again for each peer, so a removed token is replaced without a restart.
        let token = TcpToken::of(&self.directory)?;
        match self.exchange.receive(frame, self.address, &token)? {
            ProofStep::Send(bytes) => {
                // The first bytes from this side, so there is room.
                if stream.write_bytes(&bytes)? != Some(bytes.len()) {
                    return Err(Error::new(ErrorKind::Internal, "a new connection had no room for a proof"));
                }
                Ok(false)
            }
            ProofStep::Proven => Ok(true),
        }
    }
}
