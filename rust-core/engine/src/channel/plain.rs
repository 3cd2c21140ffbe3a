//! Links to programs without Linkspan (`framing="lines"` or `"raw"`).
//!
//! Without a hello, only the kernel's report about the peer is known, which gives the source of messages. Without a
//! session, nothing is acknowledged or replayed.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::handshake::Hello;
use super::jsonrpc::JsonRpc;
use super::link::{ConnectionGuard, Link, Peer, owner_of, qualify};
use super::options::{Framing, Options};
use super::pattern::Pattern;
use crate::error::Result;
use crate::sys::peer::Credentials;
use crate::transport::endpoint::Endpoint;
use crate::transport::owner::OwnerRecord;
use crate::transport::place::Place;
use crate::transport::plain::{self, Division};
use crate::transport::stream::Stream;
use crate::transport::{Rx, Tx};
use crate::value::{Map, Value};

/// Successive links share `numbers`, so an answer cannot match a request of an earlier link.
pub fn division(pattern: Pattern, options: &Options, numbers: &Arc<AtomicU64>) -> Division {
    match options.framing {
        Framing::Raw => Division::Raw,
        _ => {
            let rpc = JsonRpc::new(pattern == Pattern::Request, options.limits(), numbers.clone());
            Division::Lines(Arc::new(rpc))
        }
    }
}

pub fn link(
    stream: Stream,
    pattern: Pattern,
    options: &Options,
    numbers: &Arc<AtomicU64>,
    dialled: bool,
) -> Result<Link> {
    let credentials = stream.credentials()?;
    let owner = owner_of(&stream, credentials.as_ref());
    let source = match &credentials {
        Some(credentials) => qualify(&owner, program_name(credentials)),
        None => stream.peer_address(),
    };
    let guard = Arc::new(ConnectionGuard::new(stream.clone()));
    let (tx, rx) =
        plain::link(stream, division(pattern, options, numbers), options.max_message_size, dialled);
    // Whether the peer answers calls is unknown until it does.
    let peer = Peer { source: source.into(), owner, ..Peer::unknown(Pattern::Channel, options) };
    Ok(Link { tx: Tx::Plain(tx), rx: Rx::Plain(rx), peer, guard: Some(guard), negotiated: None })
}

/// Returns the peer's name and process number as a hello has them.
///
/// The result is "process" if the peer's container hides its process number.
fn program_name(credentials: &Credentials) -> String {
    let Some(pid) = credentials.pid else { return "process".to_owned() };
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let name: String = name.trim().chars().filter(char::is_ascii_graphic).take(32).collect();
    format!("{}-{pid}", if name.is_empty() { "process" } else { &name })
}

/// Writes the record that describes a name without a hello to listings.
///
/// The caller holds the lock of the name. Dropping the returned value removes the record. None for a name that
/// answers queries, and for a path outside the runtime directory.
pub fn owner_record(
    endpoint: &Endpoint,
    place: &Place,
    pattern: Pattern,
    options: &Options,
) -> Result<Option<Box<dyn Any + Send + Sync>>> {
    if options.framing == Framing::Linkspan || endpoint.absolute().is_some() {
        return Ok(None);
    }
    let program = Hello::new(pattern, options.client_id.clone(), options.max_message_size)?;
    let program = program.client_id.unwrap_or(program.title);
    let more = Map::from_iter([
        ("encoding".to_owned(), Value::from(options.encoding().name())),
        ("framing".to_owned(), Value::from(options.framing.name())),
    ]);
    Ok(Some(Box::new(OwnerRecord::write(place, pattern.name(), &program, more)?)))
}
