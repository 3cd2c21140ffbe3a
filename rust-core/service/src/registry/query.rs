//! The state of one name: its holder is queried, or the files of its store are read.

use std::time::{Duration, Instant};

use super::listed::{Listed, user_name};
use super::places::ListedName;
use crate::deadline::{Deadline, Waiting};
use crate::engine::service_side::Pattern;
use crate::engine::service_side::handshake::{self, Hello};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::peer::{self, Credentials};
use crate::sys::socket::Carries;
use crate::transport::driver::ListingSource;
use crate::transport::endpoint::Endpoint;
use crate::transport::hello::Call;
use crate::transport::place::Place;
use crate::transport::{origin, sweep};
use crate::value::Value;

/// How long a listing waits for the end of a connection to a process that is ending.
const DISCONNECT_TIMEOUT: Duration = Duration::from_millis(10);
/// After this time without an answer a listener is listed as `Stalled`.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_millis(500);
/// After a thread has waited this long for listeners without an answer, each further one gets
/// [`SHORT_TIMEOUT`], so that many silent listeners do not delay a listing and the names behind
/// them.
pub(super) const FULL_TIMEOUT_BUDGET: Duration = Duration::from_secs(3);
/// The time for each listener after that.
pub(super) const SHORT_TIMEOUT: Duration = Duration::from_millis(20);

/// Returns whether a process holds the name, and the obstacle to finding out, or to removing stale files. If
/// even the lock may not be read, the listener is queried.
fn is_live(ListedName { place, has_temporary, .. }: &ListedName) -> (bool, Option<Error>) {
    let live = match place.is_bound() {
        Ok(live) => live,
        Err(e) if e.kind() == ErrorKind::PermissionDenied => return (true, None),
        Err(e) => return (true, Some(e)),
    };
    match sweep::sweep(place, *has_temporary) {
        // Another user may remove what this one may not.
        Err(e) if e.kind() == ErrorKind::PermissionDenied && e.errno().is_some() => (live, None),
        Err(e) => (live, Some(e)),
        Ok(swept) => (live, swept.remaining.into_iter().next()),
    }
}

/// The time that one thread has spent on listeners that did not answer.
#[derive(Default)]
pub(super) struct TimeoutBudget {
    pub(super) spent: Duration,
    /// Whether the last one had the short time and did not answer.
    pub(super) shortened: bool,
    /// The time for each in the second round.
    pub(super) timeout: Option<Duration>,
}

impl TimeoutBudget {
    /// The time that the next listener gets.
    pub(super) fn timeout(&self) -> Duration {
        let first = if self.spent < FULL_TIMEOUT_BUDGET { ANSWER_TIMEOUT } else { SHORT_TIMEOUT };
        self.timeout.unwrap_or(first)
    }
}

/// Returns the state of a name that a process holds, or of files of another user there.
pub(super) fn query_name(found: &ListedName, budget: &mut TimeoutBudget) -> Option<Listed> {
    let ListedName { endpoint, place, .. } = found;
    // A socket is queried first: a process that answers lives, and nothing of it is stale. Reading its lock
    // costs more, because the kernel goes through all locks of the directory: the cost would be quadratic in
    // the number of names.
    let is_socket = endpoint.transport().driver().listing_source() == ListingSource::Socket;
    let first = is_socket.then(|| query(endpoint, place, budget));
    if let Some(Ok(Some((listed_name, Reached::Answer)))) = first {
        return Some(listed_name);
    }
    let (live, problem) = is_live(found);
    // A process may live although its lock cannot be read.
    let is_queried =
        live || is_socket && problem.is_some() && place.is_answered(DISCONNECT_TIMEOUT).unwrap_or(false);
    let queried = match first {
        _ if !is_queried => Ok(None),
        Some(first) => first,
        None => query(endpoint, place, budget),
    }
    .map(|listed_name| listed_name.map(|(listed, _)| listed));
    if let (false, Ok(Some(listed_name))) = (live, &queried) {
        return Some(listed_name.clone());
    }
    let mut listed = match (queried, &problem) {
        (Ok(None), None) => return None,
        (Ok(queried), _) => queried.unwrap_or_else(|| Listed::unanswered(endpoint)),
        (Err(e), _) => Listed { problem: Some(e), ..Listed::unanswered(endpoint) },
    };
    listed.live |= live;
    listed.problem = listed.problem.or(problem);
    Some(listed)
}

/// Returns the information in the files of a store, whether a process holds the name or not. `owned` is
/// whether a process may hold it.
pub(super) fn read_files(found: &ListedName, owned: bool) -> Option<Listed> {
    let ListedName { endpoint, place, .. } = found;
    let can = endpoint.transport().capabilities();
    let mut listed = Listed::unanswered(endpoint);
    listed.pattern = can.store.then(|| Pattern::Publish.name());
    let mut live = false;
    if owned {
        (live, listed.problem) = is_live(found);
    }
    listed.live = live;
    if live {
        listed.read_record(place);
    }
    match endpoint.transport().driver().listing(place) {
        Ok(None) if !live && listed.problem.is_none() => return None,
        Ok(None) => {}
        Ok(Some(there)) => {
            if owned {
                listed.read_stored(place);
                match origin::read(place) {
                    Ok(origin) => listed.machine = origin.map(|origin| origin.machine),
                    Err(e) => listed.problem = listed.problem.or(Some(e)),
                }
            }
            if let Some(uid) = there.uid {
                listed.user.get_or_insert_with(|| user_name(uid));
            }
            listed.program = there.source.or(listed.program);
            listed.encoding = there.encoding.map(|encoding| encoding.name().to_owned()).or(listed.encoding);
            (listed.messages, listed.incarnation) = (there.messages, there.identity);
            listed.behind = there.waiting;
            if let Some(consumers) = there.consumers {
                listed.peers = Some(consumers.iter().filter(|one| one.live).count() as u64);
                listed.behind = consumers.iter().map(|one| one.behind).max();
                listed.consumers = consumers.into_iter().map(|one| (one.name, one.behind)).collect();
            }
        }
        Err(e) => listed.problem = listed.problem.or(Some(e)),
    }
    Some(listed)
}

/// How the details of a name are known.
enum Reached {
    /// A living process has answered.
    Answer,
    /// From a file, or there was no proper answer.
    Otherwise,
}

/// Queries the process that holds a name; none if no program listens.
fn query(
    endpoint: &Endpoint,
    place: &Place,
    budget: &mut TimeoutBudget,
) -> Result<Option<(Listed, Reached)>> {
    let mut listed = Listed { live: true, ..Listed::unanswered(endpoint) };
    let record = listed.read_record(place);
    let driver = endpoint.transport().driver();
    if let Some(peers) = driver.peers(place) {
        listed.peers = Some(peers);
    }
    // A record that a client reads as well, not only a listing, is complete.
    let is_complete = |record: Value| {
        driver.listing_source() != ListingSource::OwnerRecordAndCall || record.at("framing").is_ok()
    };
    // Without a record there is nothing to query; an error of reading it is kept already.
    if record.is_some_and(is_complete) || driver.listing_source() == ListingSource::OwnerRecord {
        return Ok(Some((listed, Reached::Otherwise)));
    }
    let mut hello = Hello::new(Pattern::Channel, None, 0)?;
    hello.ask = true;
    let timeout = budget.timeout();
    let (queried, mut waiting) = (Instant::now(), Waiting::until(Deadline::after(timeout)));
    let target = endpoint.transport().connections()?.target_at(endpoint, place)?;
    match target.ask(&hello.to_frame()?, &[]).and_then(|asked| asked.wait(&mut waiting)) {
        Ok(Call::Answered(called)) => {
            if let Some(credentials) = &called.credentials {
                listed.pid = credentials.pid;
                listed.user = Some(user_name(credentials.uid));
            }
            match handshake::read_answer(&called.answer) {
                Ok(peer_hello) => {
                    if peer_hello.shared && listed.pid.is_some() {
                        // With several processes at one socket, the kernel reports the one that bound it.
                        listed.pid = Some(peer_hello.pid);
                    }
                    listed.take(peer_hello);
                    if listed.problem.is_none() {
                        return Ok(Some((listed, Reached::Answer)));
                    }
                }
                Err(refusal) => listed.problem = Some(refusal),
            }
        }
        Ok(Call::NotListening) => return Ok(None),
        Ok(Call::Busy) => {
            let text = "a program listens there and has no room for another connection";
            listed.problem = Some(Error::new(ErrorKind::Full, text));
        }
        Err(e) => {
            budget.spent += queried.elapsed();
            budget.shortened = timeout == SHORT_TIMEOUT;
            // The kernel reports the listener even if it does not answer.
            if let Some(credentials) = listener(place) {
                listed.pid = credentials.pid;
                listed.user = Some(user_name(credentials.uid));
            }
            listed.problem = Some(e);
        }
    }
    Ok(Some((listed, Reached::Otherwise)))
}

/// Returns the credentials of the process that listens at a socket, which the kernel provides even if
/// that process does not answer.
fn listener(place: &Place) -> Option<Credentials> {
    let socket = place.connect(Carries::Bytes, Duration::ZERO).ok()??;
    peer::credentials(&socket).ok()
}
