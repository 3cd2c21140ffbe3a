//! What a newcomer has to show before its hello is heard.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::address::stays_inside;
use super::proof::{self, Step};
use super::remote;
use super::token::Token;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Incoming;
use crate::sys::directory::Directory;
use crate::sys::fork::Guarded;
use crate::sys::{inet, socket};
use crate::transport::stream::Stream;

/// What stands between a listening socket and the hellos of those who connect.
#[derive(Clone, Debug, Default)]
pub enum Gate {
    /// Nothing: the kernel and the file system's modes have decided.
    #[default]
    Open,
    /// The token of this directory for those on this machine.
    Tcp(Arc<Directory>),
}

/// How far a newcomer is.
pub enum Entry {
    /// Its hello may be read.
    Open,
    /// It has to prove that it knows the token.
    Token(Proving),
}

/// A newcomer that proves that it knows the token.
pub struct Proving {
    directory: Arc<Directory>,
    address: SocketAddr,
    exchange: proof::Listener,
}

impl Gate {
    /// A newcomer's connection, and what it has to show.
    /// One who says no hello has nothing to show either: there the kernel has to say that it is of our user.
    pub fn admit(&self, socket: OwnedFd, greets: bool) -> Result<(Stream, Entry)> {
        let Gate::Tcp(directory) = self else {
            return Ok((Stream::Socket(Arc::new(socket::of_caller(socket)?)), Entry::Open));
        };
        let socket = Guarded::new(socket);
        let address = inet::own_address(&socket)?;
        if !stays_inside(address.ip()) {
            remote::check_framing(greets)?;
            return Ok((remote::called(socket)?, Entry::Open));
        }
        let socket = Arc::new(socket);
        if !greets {
            check_user(&socket, address)?;
            return Ok((Stream::Inet(socket), Entry::Open));
        }
        let exchange = proof::Listener::default();
        let proving = Proving { directory: directory.clone(), address, exchange };
        Ok((Stream::Inet(socket), Entry::Token(proving)))
    }
}

/// Refuses callers on this machine that are of another user.
fn check_user(socket: &Guarded, own: SocketAddr) -> Result<()> {
    let me = rustix::process::geteuid().as_raw();
    match inet::user_calling(inet::peer_address(socket)?, own) {
        Some(uid) if uid == me || uid == 0 => Ok(()),
        _ => Err(Error::new(ErrorKind::PermissionDenied, "a caller of another user")),
    }
}

impl Entry {
    /// Takes what the newcomer said; true where that was its hello. `PermissionDenied` for one who does not know the token.
    pub fn hear(&mut self, said: &Incoming, stream: &Stream) -> Result<bool> {
        let Entry::Token(proving) = self else { return Ok(true) };
        // Read anew each time: whoever removes the file gets a new token without starting anything again.
        let token = Token::of(&proving.directory)?;
        match proving.exchange.hear(said, proving.address, &token)? {
            Step::Say(bytes) => {
                // The first thing on this connection from our side, so there is room for it.
                if stream.write_bytes(&bytes)? != Some(bytes.len()) {
                    return Err(Error::new(ErrorKind::Internal, "a new connection had no room for a proof"));
                }
            }
            Step::Proven => *self = Entry::Open,
        }
        Ok(false)
    }
}
