//! Listening over TCP: the kernel assigns the address, and an owner record in the runtime directory announces
//! it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::address::{Address, endpoint_of, is_loopback_address};
use super::authenticator::TcpAuthenticator;
use super::remote;
use super::token::TcpToken;
use crate::bind::BoundName;
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind, Result};
use crate::owner::{self, OwnerRecord};
use crate::place::Place;
use crate::sys::directory::Directory;
use crate::sys::{inet, lock};
use crate::value::Map;

/// Listens at a TCP endpoint; returns it with the assigned port.
///
/// Beyond this machine keys and hellos are required; `expects_hello` tells whether peers send a hello.
/// `pattern`, `program` and `more` go into the owner record.
///
/// # Errors
/// `AddressInUse` if a process listens there; `PermissionDenied` without keys; `Unsupported` for plain
/// framing beyond this machine.
pub fn listen(
    endpoint: &Endpoint,
    expects_hello: bool,
    patience: Option<Duration>,
    pattern: &str,
    program: &str,
    more: Map,
) -> Result<(BoundName, Endpoint)> {
    let address = Address::of(endpoint)?.to_listen()?;
    if !is_loopback_address(address.ip()) {
        remote::check_framing(expects_hello)?;
        remote::check(&format!("listening at {address}"))?;
    }
    let directory = Arc::new(Directory::runtime()?);
    // The listener, not its first client, reports a problem with the token.
    TcpToken::of(&directory)?;
    let socket = inet::listen(address, patience).map_err(|e| named(e, &place_of(&directory, address)))?;
    let address = inet::own_address(&socket)?;
    let place = place_of(&directory, address);
    let bound = place.register(socket, Arc::new(TcpAuthenticator(directory)), || {
        OwnerRecord::write(&place, pattern, program, more)
    })?;
    Ok((bound, endpoint.with_port(address.port())))
}

fn place_of(directory: &Arc<Directory>, address: SocketAddr) -> Place {
    Place { directory: directory.clone(), file: endpoint_of(address).file_name() }
}

fn named(error: Error, place: &Place) -> Error {
    let is_ours = || lock::is_held(&place.directory, &place.file).unwrap_or(false);
    if error.kind() != ErrorKind::AddressInUse || !is_ours() {
        return error;
    }
    match owner::process(place) {
        Some(process) => {
            let shown =
                Endpoint::from_file_name(&place.file).map_or_else(|| place.file.clone(), |e| e.to_string());
            owner::in_use(
                Some(process),
                "listens at",
                shown,
                "connect to it, end it first, or take another port",
            )
        }
        None => error,
    }
}
