//! Queries one listener, over any transport with connections.

use super::listed::Listed;
use crate::deadline::{Timeout, Wait, Waiting};
use crate::engine::service_side::handshake::{self, Hello};
use crate::engine::service_side::{Pattern, open_names};
use crate::error::{Error, ErrorKind, Result};
use crate::transport::driver::Target;
use crate::transport::endpoint::Endpoint;
use crate::transport::hello::Call;

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
    let transport = endpoint.transport();
    let mut waiting = Waiting::start(wait.into(), Timeout::Forever);
    let mut asked = || {
        let Some(connections) = transport.driver().connections() else {
            return Err(transport.unsupported_because("a query", "no program answers there"));
        };
        let mut query = Hello::new(Pattern::Channel, None, 0)?;
        query.ask = true;
        ask(&endpoint, &*connections.target(&endpoint)?, &query, &mut waiting)
    };
    let mut listed = Listed { live: true, ..Listed::unanswered(&endpoint) };
    let peer_hello = asked().map_err(|e| e.on(&endpoint))?;
    listed.pid = Some(peer_hello.pid);
    listed.take(peer_hello);
    Ok(listed)
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
