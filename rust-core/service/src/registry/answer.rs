//! Queries one listener, over any transport with connections.

use super::listed::Listed;
use crate::deadline::{Timeout, Wait, Waiting};
use crate::engine::service_side::handshake::{self, Hello};
use crate::engine::service_side::{Pattern, open_names};
use crate::error::{Error, ErrorKind, Result};
use crate::transport::driver::Target;
use crate::transport::endpoint::Endpoint;
use crate::transport::hello::Call;
use crate::value::Value;

/// Asks the program that listens at an endpoint for its counters, without a connection.
///
/// The acceptor thread of that program answers, also while the program works.
///
/// # Errors
///
/// `NotFound` if no program listens; `Stalled` if it does not answer within the wait; `Full` if it lacks room;
/// `Unsupported` for a transport without listeners, such as a journal.
pub fn answer<'a>(endpoint: &str, wait: impl Into<Wait<'a>>) -> Result<Listed> {
    let endpoint: Endpoint = endpoint.parse()?;
    let mut waiting = Waiting::start(wait.into(), Timeout::Forever);
    let mut listed = Listed { live: true, ..Listed::unanswered(&endpoint) };
    let peer_hello = query(&endpoint, None, &mut waiting).map_err(|e| e.on(&endpoint))?;
    listed.pid = Some(peer_hello.pid);
    listed.take(peer_hello);
    Ok(listed)
}

/// Returns the subscribers or clients that are connected to an endpoint, oldest first, each as a map.
///
/// | key | value |
/// |---|---|
/// | `program` | the `client_id`, or the program and its process |
/// | `pid` | the process, as the kernel or else the peer states it |
/// | `since` | when it connected |
/// | `behind` | how many messages a subscriber has not read; null for a client |
///
/// # Errors
///
/// Errors of [`answer`].
pub fn peers<'a>(endpoint: &str, wait: impl Into<Wait<'a>>) -> Result<Vec<Value>> {
    let endpoint: Endpoint = endpoint.parse()?;
    let mut waiting = Waiting::start(wait.into(), Timeout::Forever);
    let (mut all, mut last) = (Vec::new(), 0);
    loop {
        let peer_hello = query(&endpoint, Some(last), &mut waiting).map_err(|e| e.on(&endpoint))?;
        let state = peer_hello.state.unwrap_or_default();
        let page = state.get("connected").and_then(|page| page.as_array().ok()).unwrap_or_default();
        let id = |peer: &Value| peer.at("id").and_then(Value::as_u64).unwrap_or(0);
        // A listener that repeats ids cannot prolong the list.
        let page: Vec<_> = page.iter().filter(|peer| id(peer) > last).cloned().collect();
        let Some(highest) = page.iter().map(id).max().filter(|_| all.len() < MAX_PEERS) else {
            return Ok(all);
        };
        (last, all) = (highest, [all, page].concat());
    }
}

/// The most peers of a list, which bounds the memory and time that a listener can take.
const MAX_PEERS: usize = 65_536;

fn query(endpoint: &Endpoint, peers_after: Option<u64>, waiting: &mut Waiting<'_>) -> Result<Hello> {
    let transport = endpoint.transport();
    let Some(connections) = transport.driver().connections() else {
        return Err(transport.unsupported_because("a query", "no program answers there"));
    };
    let mut query = Hello::new(Pattern::Channel, None, 0)?;
    (query.ask, query.peers_after) = (true, peers_after);
    ask(endpoint, &*connections.target(endpoint)?, &query, waiting)
}

/// Sends a query, and waits for the answer.
pub(super) fn ask(
    endpoint: &Endpoint,
    target: &dyn Target,
    query: &Hello,
    waiting: &mut Waiting<'_>,
) -> Result<Hello> {
    match target.ask(&query.to_frame()?, &[])?.wait(waiting)? {
        Call::Answered(called) => handshake::read_answer(&called.answer),
        Call::NotListening => {
            let error = Error::new(ErrorKind::NotFound, "no program listens there; start the one that does");
            Err(open_names::named(error, &endpoint.to_string()))
        }
        Call::Busy => {
            Err(Error::new(ErrorKind::Full, "the program that listens there has no time; try again"))
        }
    }
}
