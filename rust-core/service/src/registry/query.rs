//! The state of one name: its record and its holder's answer, or the files of its store.

use std::time::Duration;

use super::listed::{Listed, user_name};
use super::places::ListedName;
use crate::engine::service_side::Pattern;
use crate::engine::service_side::handshake;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::peer::Credentials;
use crate::transport::driver::ListingSource;
use crate::transport::hello::{AnsweredCall, Asked, Call};
use crate::transport::{origin, sweep};
use crate::value::Value;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stale {
    Remove,
    Keep,
}

/// Returns whether a process holds the name, and the obstacle to finding out or removing stale files.
///
/// If this user may not even read the lock, the listener is queried.
fn is_live(found: &ListedName, stale: Stale) -> (bool, Option<Error>) {
    let place = &found.place;
    let live = match place.is_bound() {
        Ok(live) => live,
        Err(e) if e.kind() == ErrorKind::PermissionDenied => return (true, None),
        Err(e) => return (true, Some(e)),
    };
    if stale == Stale::Keep {
        return (live, None);
    }
    match sweep::sweep(place, found.has_temporary()) {
        // Another user may be able to remove these files.
        Err(e) if e.kind() == ErrorKind::PermissionDenied && e.errno().is_some() => (live, None),
        Err(e) => (live, Some(e)),
        Ok(swept) => (live, swept.remaining.into_iter().next()),
    }
}

pub(super) struct Query<'a> {
    found: &'a ListedName,
    listed: Listed,
    stale: Stale,
    /// The result of [`is_live`], if it was needed first.
    held: Option<(bool, Option<Error>)>,
}

#[allow(clippy::large_enum_variant, reason = "taken apart at once")]
pub(super) enum Start<'a> {
    /// The holder was queried.
    Asked(Query<'a>, Asked),
    /// No wait is needed: the entry, or `None` if no program listens.
    Over(Option<Listed>),
    /// This process cannot open a descriptor for the query now.
    NoDescriptor(Query<'a>, Error),
}

#[allow(clippy::large_enum_variant, reason = "taken apart at once")]
pub(super) enum Outcome {
    /// The record of the name has everything.
    Recorded,
    /// An answer or the end of the connection, and the listening process, if the kernel reports it.
    Ended(Result<Call>, Option<Credentials>),
    /// The listener cannot take another connection.
    Full,
    Unreached(Error),
    /// No answer came in time: the error, and the listening process.
    Silent(Error, Option<Credentials>),
}

impl<'a> Query<'a> {
    /// Reads the record of a name and sends this hello to its holder if necessary, without waiting.
    ///
    /// A socket is queried before its lock is read: an answering process lives, and its files are not stale. Reading a
    /// lock takes time in proportion to all locks of the directory.
    pub(super) fn begin(found: &'a ListedName, hello: &[u8], stale: Stale) -> Start<'a> {
        let ListedName { endpoint, place, .. } = found;
        let driver = endpoint.transport().driver();
        let source = driver.listing_source();
        let listed = Listed { live: true, ..Listed::unanswered(endpoint) };
        let mut query = Query { found, listed, stale, held: None };
        if source != ListingSource::Socket {
            let (live, obstacle) = is_live(found, stale);
            if !live {
                let entry = |e| Listed { problem: Some(e), ..Listed::unanswered(endpoint) };
                return Start::Over(obstacle.map(entry));
            }
            query.held = Some((live, obstacle));
        }
        let record = query.listed.read_record(place);
        if let Some(peers) = driver.peers(place) {
            query.listed.peers = Some(peers);
        }
        // A record that clients read as well is complete.
        let is_complete =
            |record: Value| source != ListingSource::OwnerRecordAndCall || record.at("framing").is_ok();
        if record.is_some_and(is_complete) || source == ListingSource::OwnerRecord {
            return Start::Over(query.finish(Outcome::Recorded));
        }
        let connections = endpoint.transport().connections();
        let target = connections.and_then(|connections| connections.target_at(endpoint, place));
        match target.and_then(|target| target.ask(hello, &[])) {
            Ok(Call::Answered(asked)) => Start::Asked(query, asked),
            Ok(Call::NotListening) => Start::Over(query.finish(Outcome::Ended(Ok(Call::NotListening), None))),
            Ok(Call::Busy) => Start::Over(query.finish(Outcome::Full)),
            Err(e) if matches!(e.errno(), Some(libc::EMFILE | libc::ENFILE)) => Start::NoDescriptor(query, e),
            Err(e) => Start::Over(query.finish(Outcome::Unreached(e))),
        }
    }

    pub(super) fn finish(mut self, outcome: Outcome) -> Option<Listed> {
        let found = self.found;
        let (there, problem) = match outcome {
            Outcome::Ended(Ok(Call::Answered(called)), _) => (There::Process, self.take(&called)),
            Outcome::Ended(Ok(Call::Busy), credentials) => {
                self.listen_by(credentials);
                (There::Closed, Some(closed()))
            }
            Outcome::Ended(Ok(Call::NotListening), _) => (There::Nobody, None),
            Outcome::Ended(Err(e), credentials) => {
                self.listen_by(credentials);
                (There::Process, Some(e))
            }
            Outcome::Silent(e, credentials) => {
                self.listen_by(credentials);
                (There::Process, Some(e))
            }
            Outcome::Full => (There::Process, Some(full())),
            Outcome::Unreached(e) if e.kind() == ErrorKind::PermissionDenied => {
                let facts = found.place.directory.beneath().facts(&found.place.file).ok().flatten();
                self.listed.user = facts.map(|facts| user_name(facts.st_uid));
                (There::Closed, Some(e))
            }
            Outcome::Unreached(e) => (There::Unknown, Some(e)),
            Outcome::Recorded => (There::Record, None),
        };
        self.listed.problem = problem.or(self.listed.problem);
        let (live, obstacle) = match self.held.take() {
            Some(held) => held,
            // A process with the socket lives even if its lock is free, and its files are not stale.
            None if there == There::Process => return Some(self.listed),
            None => is_live(found, self.stale),
        };
        let is_there = match there {
            There::Process => true,
            There::Closed => live || found.place.listener().is_some(),
            There::Record => {
                live || obstacle.is_some() && found.place.is_answered(Duration::ZERO).unwrap_or(false)
            }
            There::Unknown => live,
            There::Nobody => false,
        };
        match (is_there.then_some(self.listed), obstacle) {
            (Some(listed), _) if !live => Some(listed),
            (None, None) => None,
            (entry, obstacle) => {
                let mut listed = entry.unwrap_or_else(|| Listed::unanswered(&found.endpoint));
                listed.live |= live;
                listed.problem = listed.problem.or(obstacle);
                Some(listed)
            }
        }
    }

    fn take(&mut self, called: &AnsweredCall) -> Option<Error> {
        self.listen_by(called.credentials.clone());
        match handshake::read_answer(&called.answer) {
            Ok(peer_hello) => {
                if peer_hello.shared && self.listed.pid.is_some() {
                    // With several processes at one socket, the kernel reports the process that bound it.
                    self.listed.pid = Some(peer_hello.pid);
                }
                self.listed.take(peer_hello);
                None
            }
            Err(refusal) => Some(refusal),
        }
    }

    fn listen_by(&mut self, credentials: Option<Credentials>) {
        if let Some(credentials) = credentials {
            self.listed.pid = credentials.pid;
            self.listed.is_elsewhere = credentials.pid.is_none();
            self.listed.user = Some(user_name(credentials.uid));
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum There {
    /// A process with the socket.
    Process,
    /// A socket whose process closed the connection: it may be ending, or refuse this user.
    Closed,
    /// A record, whose process may listen.
    Record,
    /// An object that cannot be connected to.
    Unknown,
    Nobody,
}

fn closed() -> Error {
    let text = "a program listens there and closed the connection without an answer: it has no room for another one, or is ending";
    Error::new(ErrorKind::Full, text)
}

fn full() -> Error {
    Error::new(ErrorKind::Full, "a program listens there and has no room for another connection")
}

pub(super) fn read_files(found: &ListedName, owned: bool, stale: Stale) -> Option<Listed> {
    let ListedName { endpoint, place, .. } = found;
    let can = endpoint.transport().capabilities();
    let mut listed = Listed::unanswered(endpoint);
    listed.pattern = can.store.then(|| Pattern::Publish.name());
    let mut live = false;
    if owned {
        (live, listed.problem) = is_live(found, stale);
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
