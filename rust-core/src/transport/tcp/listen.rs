//! Listening over TCP: the kernel gives the address, a file in the runtime directory tells of it.

use std::sync::Arc;

use super::address::{Address, stays_inside};
use super::entry::Gate;
use super::remote;
use super::token::Token;
use crate::error::Result;
use crate::sys::directory::Directory;
use crate::sys::inet;
use crate::transport::endpoint::{Endpoint, Transport};
use crate::transport::owner::OwnerRecord;
use crate::transport::place::{Claim, Place};
use crate::value::Map;

/// Whether this machine can listen at an endpoint: at one on another machine it can only connect. True for every other
/// transport.
pub fn can_listen(endpoint: &Endpoint) -> Result<bool> {
    if endpoint.transport() == Transport::Tcp {
        Address::of(endpoint)?.is_of_this_machine()
    } else {
        Ok(true)
    }
}

/// Listens at a TCP endpoint; gives it with the port that it got. `AddressInUse` at once where somebody listens there.
///
/// Beyond this machine there have to be keys, and hellos: `greets` says whether there are. `pattern`, `program` and `more` are for the
/// file that listings read.
pub fn listen(
    endpoint: &Endpoint,
    greets: bool,
    pattern: &str,
    program: &str,
    more: Map,
) -> Result<(Claim, Endpoint)> {
    let address = Address::of(endpoint)?.to_listen()?;
    if !stays_inside(address.ip()) {
        remote::check_framing(greets)?;
        remote::check(&format!("listening at {address}"))?;
    }
    let directory = Arc::new(Directory::runtime()?);
    // Whatever is wrong with the token is said now, and not to the first who connects.
    Token::of(&directory)?;
    let socket = inet::listen(address)?;
    let address = inet::own_address(&socket)?;
    let place = Place { directory: directory.clone(), file: Endpoint::of_address(address).file_name() };
    let claim =
        place.tell_of(socket, Gate::Tcp(directory), || OwnerRecord::write(&place, pattern, program, more))?;
    Ok((claim, endpoint.with_port(address.port())))
}
