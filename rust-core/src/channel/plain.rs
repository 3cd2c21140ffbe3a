//! Links to programs that know nothing of Linkspan: no hello, so what is known of the other side is what the kernel says.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::acceptor::{ConnectionGuard, Link, Peer};
use super::greeting::{Greeting, Pattern};
use super::jsonrpc::JsonRpc;
use super::options::{Framing, Options};
use super::session::Owner;
use crate::error::Result;
use crate::sys::peer::Credentials;
use crate::transport::endpoint::Endpoint;
use crate::transport::owner::OwnerRecord;
use crate::transport::place::Place;
use crate::transport::plain::{self, Division};
use crate::transport::stream::Stream;
use crate::transport::{Rx, Tx};
use crate::value::{Map, Value};

/// What divides the bytes of a link. `numbers` counts what comes: links that follow each other share it, so that an answer
/// to a request of an earlier one is never taken for another's.
pub fn division(pattern: Pattern, options: &Options, numbers: &Arc<AtomicU64>) -> Division {
    match options.framing {
        Framing::Raw => Division::Raw,
        _ => {
            let rpc = JsonRpc::new(pattern == Pattern::Request, options.limits(), numbers.clone());
            Division::Lines(Arc::new(rpc))
        }
    }
}

/// A link of our pattern over a connection that was made, taken as it is: one that we `dialled`, or one that came to us.
pub fn link(
    stream: Stream,
    pattern: Pattern,
    options: &Options,
    numbers: &Arc<AtomicU64>,
    dialled: bool,
) -> Result<Link> {
    let credentials = stream.credentials()?;
    let owner = Owner::of(&stream, credentials.as_ref());
    let source = match &credentials {
        Some(who) => owner.mark(name(who)),
        None => stream.peer_address(),
    };
    let guard = Arc::new(ConnectionGuard::new(stream.clone()));
    let (tx, rx) = plain::link(stream, division(pattern, options, numbers), options.limit, dialled);
    // Whether it answers is not known before it does.
    let (source, pattern) = (source.into(), Pattern::Channel);
    let peer = Peer { source, pattern, limit: options.limit, session: 0, owner, relayed: false };
    Ok(Link { tx: Tx::Plain(tx), rx: Rx::Plain(rx), peer, guard: Some(guard), negotiated: None })
}

/// The program's name and number, as a hello would say them; neither where it runs in a container of its own, whose processes
/// have no number here.
fn name(who: &Credentials) -> String {
    let Some(pid) = who.pid else { return "process".to_owned() };
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let name: String = name.trim().chars().filter(char::is_ascii_graphic).take(32).collect();
    format!("{}-{pid}", if name.is_empty() { "process" } else { &name })
}

/// What tells of a name at which no hello is said, to those who list the runtime directory; written under its lock.
pub fn owner_record(
    endpoint: &Endpoint,
    place: &Place,
    pattern: Pattern,
    options: &Options,
) -> Result<Option<Box<dyn Any + Send + Sync>>> {
    if options.framing == Framing::Linkspan || endpoint.absolute().is_some() {
        return Ok(None);
    }
    let program = Greeting::new(pattern, options.client_id.clone(), options.limit)?;
    let program = program.client_id.unwrap_or(program.title);
    let more = Map::from_iter([
        ("encoding".to_owned(), Value::from(options.encoding().name())),
        ("framing".to_owned(), Value::from(options.framing.name())),
    ]);
    Ok(Some(Box::new(OwnerRecord::write(place, pattern.name(), &program, more)?)))
}
