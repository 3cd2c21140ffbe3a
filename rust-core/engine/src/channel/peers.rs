//! The connected peers of a name, for a listing.
//!
//! A list comes in pages, because an answer to a query has at most 16 KiB.

use super::handshake::Hello;
use super::link::{owner_of, qualify};
use crate::sys::peer::Credentials;
use crate::transport::stream::Stream;
use crate::value::{Map, Timestamp, Value};

/// The most peers of a page, each with a source of at most about 200 bytes.
const PAGE: usize = 32;

/// What a listing shows of a connected peer.
#[derive(Clone, Debug)]
pub struct PeerFacts {
    source: String,
    pid: Option<u32>,
    since: Timestamp,
}

impl PeerFacts {
    /// Returns the facts of a peer that connects now. The kernel's process number is preferred.
    pub fn new(hello: Option<&Hello>, stream: &Stream, credentials: Option<&Credentials>) -> PeerFacts {
        let own = hello.map_or_else(|| "a program without Linkspan".to_owned(), Hello::source);
        let pid = credentials.and_then(|credentials| credentials.pid);
        PeerFacts {
            source: qualify(&owner_of(stream, credentials), own),
            pid: pid.or(hello.map(|hello| hello.pid)),
            since: Timestamp::now(),
        }
    }
}

/// Returns the page of the peers with higher ids, and adds it to the answer. `behind` is unknown for clients.
pub fn add_page(state: &mut Map, after: u64, mut peers: Vec<(u64, PeerFacts, Option<u64>)>) {
    peers.retain(|(id, ..)| *id > after);
    peers.sort_by_key(|(id, ..)| *id);
    let entry = |(id, facts, behind): (u64, PeerFacts, Option<u64>)| {
        Value::map([
            ("id", Value::from(id)),
            ("program", facts.source.into()),
            ("pid", facts.pid.into()),
            ("since", facts.since.into()),
            ("behind", behind.into()),
        ])
    };
    let page: Vec<Value> = peers.into_iter().take(PAGE).map(entry).collect();
    state.insert("connected".into(), Value::Array(page));
}
