//! The listing of this machine: the names in the runtime directory and the reports of their holders, and the
//! journals and spools by their files.
//!
//! A listing reads the directories and then queries each name: with a hello that is only a query, with the
//! record beside the name where no hello is exchanged, or by reading the files of a store. Listeners are
//! queried by several threads, because a stopped process answers only when its time-out has passed; a budget
//! bounds what such processes cost in all. Stale files of this user's dead processes are removed on the way
//! (`transport::sweep`).

mod schemas;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::channel::handshake::{self, Hello};
use crate::channel::pattern::Pattern;
use crate::channel::schema_negotiation::stored;
use crate::deadline::{Deadline, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::directory::{Directory, state_path};
use crate::sys::peer::{self, Credentials};
use crate::sys::socket::Carries;
use crate::sys::thread;
use crate::sys::user;
use crate::transport::driver::ListingSource;
use crate::transport::endpoint::Endpoint;
use crate::transport::hello::Call;
use crate::transport::kind::{Names, Transport};
use crate::transport::place::{self, Place};
use crate::transport::store::History;
use crate::transport::{origin, owner, sweep, table};
use crate::value::Value;

pub use schemas::{reply_schema, schema, schema_of, schemas};

/// A name that a living process holds, and what that process reports.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Listed {
    /// The endpoint, with its transport.
    pub endpoint: String,
    /// The pattern of the name: `channel`, `request`, `publish` or `controller`.
    pub pattern: Option<&'static str>,
    /// The process that holds it.
    pub pid: Option<u32>,
    /// The machine that the name belongs to, if it stands for a name of another machine.
    pub machine: Option<String>,
    /// A publisher's incarnation, which its messages carry; for a journal, the random number that it
    /// got when it was created.
    pub incarnation: Option<u64>,
    /// The `client_id`, else the name of the program.
    pub program: Option<String>,
    /// The name of the user, else its number.
    pub user: Option<String>,
    /// The encoding of values.
    pub encoding: Option<String>,
    /// Messages sent and received so far.
    pub messages: Option<u64>,
    /// Clients or subscribers that are connected.
    pub peers: Option<u64>,
    /// How many messages the slowest subscriber has not read; for a spool, how many wait for its
    /// server.
    pub behind: Option<u64>,
    /// Messages that were kept for disconnected clients and are lost because the bounds were
    /// reached.
    pub forgotten: Option<u64>,
    /// The name and version of the schema at the endpoint.
    pub schema: Option<String>,
    /// The name and version of the schema of replies.
    pub reply_schema: Option<String>,
    /// The last report of a caller whose schema does not fit: its program, and the differences.
    pub mismatch: Option<String>,
    /// The named readers of a journal, each with the number of messages that it has not consumed.
    pub consumers: Vec<(String, u64)>,
    /// Why nothing else is known: not permitted, or no answer.
    pub problem: Option<Error>,
}

impl Listed {
    /// Returns the same as a map, with null for unknown values.
    pub fn to_value(&self) -> Value {
        Value::map([
            ("endpoint", Value::from(self.endpoint.as_str())),
            ("pattern", self.pattern.map(str::to_owned).into()),
            ("machine", self.machine.clone().into()),
            ("pid", self.pid.into()),
            ("program", self.program.clone().into()),
            ("user", self.user.clone().into()),
            ("encoding", self.encoding.clone().into()),
            ("messages", self.messages.into()),
            ("peers", self.peers.into()),
            ("behind", self.behind.into()),
            ("forgotten", self.forgotten.into()),
            ("schema", self.schema.clone().into()),
            ("reply_schema", self.reply_schema.clone().into()),
            ("mismatch", self.mismatch.clone().into()),
            (
                "consumers",
                Value::Map(self.consumers.iter().map(|(name, n)| (name.clone(), (*n).into())).collect()),
            ),
            ("problem", self.problem.as_ref().map(|e| format!("{}: {}", e.kind(), e.text())).into()),
        ])
    }
}

/// How long a listing waits for the end of a connection to a process that is ending.
const DISCONNECT_TIMEOUT: Duration = Duration::from_millis(10);
/// After this time without an answer a listener is listed as `Stalled`.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(500);
/// After a thread has waited this long for listeners without an answer, each further one gets
/// [`SHORT_TIMEOUT`], so that many silent listeners do not delay a listing and the names behind
/// them.
const FULL_TIMEOUT_BUDGET: Duration = Duration::from_secs(3);
/// The time for each listener after that.
const SHORT_TIMEOUT: Duration = Duration::from_millis(20);
/// The total time that a thread spends on querying those again that had the short time and did not answer.
const RETRY_BUDGET: Duration = Duration::from_secs(1);
/// Threads that query at the same time, at most.
const MAX_PARALLEL: usize = 32;

/// Returns the runtime directory of this process, which is created if need be: for files that belong
/// to its user's programs beside the names.
pub fn directory() -> Result<std::path::PathBuf> {
    Ok(Directory::runtime()?.path().to_owned())
}

/// Returns the directory of journals and durable spools, which is created if need be.
pub fn state_directory() -> Result<std::path::PathBuf> {
    Ok(Directory::state()?.path().to_owned())
}

/// Returns the identity of the journal at an endpoint and which records it has; none if there is no
/// journal, or the endpoint keeps no history.
pub fn history(endpoint: &str) -> Result<Option<History>> {
    let endpoint: Endpoint = endpoint.parse()?;
    let Some(store) = endpoint.transport().driver().store() else { return Ok(None) };
    Place::of(&endpoint).and_then(|place| store.history(&place)).map_err(|e| e.on(&endpoint))
}

/// Returns the first numbers of the segments of the journal at an endpoint, in order: the part of
/// [`History`] that needs no reading of records.
pub fn segments(endpoint: &str) -> Result<Vec<u64>> {
    let endpoint: Endpoint = endpoint.parse()?;
    let Some(store) = endpoint.transport().driver().store() else { return Ok(Vec::new()) };
    Place::of(&endpoint).and_then(|place| store.segments(&place)).map_err(|e| e.on(&endpoint))
}

/// Returns the user whose process on this machine has the end `from` of a TCP connection open, of which this
/// process has the end `own`: for servers at a loopback address, which every user of the machine can reach.
/// None if the caller has disconnected, or the kernel does not show it.
pub fn user_calling(from: std::net::SocketAddr, own: std::net::SocketAddr) -> Option<u32> {
    crate::sys::inet::user_calling(from, own)
}

/// Returns every name in the runtime directory that a living process holds, every `file:`, and every
/// `journal:` and `spool:`, held or not, sorted by name. Sockets at absolute paths (`unix:/…`) are
/// not in that directory and not listed.
///
/// Listeners are queried in parallel. One that does not answer gets 0.5 s; once such listeners have taken 3
/// s, further ones get 20 ms and, as far as 1 s in all allows, a second query at the end. It is listed with
/// that as its problem. Stale files of this user's dead processes are removed on the way; those of other
/// users are listed with that as their problem.
pub fn list() -> Result<Vec<Listed>> {
    let mut places = places()?;
    places.extend(places_in_state_directory()?);
    examine_all(&places)
}

/// A name in a directory, at the time the directory was read.
struct Found {
    endpoint: Endpoint,
    place: Place,
    /// Whether a temporary file exists for the name, which a dead process may have left.
    has_temporary: bool,
}

/// Examines all names in parallel; sorted by endpoint.
fn examine_all(places: &[Found]) -> Result<Vec<Listed>> {
    let next = AtomicUsize::new(0);
    let examine = || {
        let (mut listed, mut shortened) = (Vec::new(), Vec::new());
        let mut budget = TimeoutBudget::default();
        while let Some(found) = places.get(next.fetch_add(1, Ordering::Relaxed)) {
            listed.extend(match found.endpoint.transport().driver().listing_source() {
                ListingSource::Files { owned } => read_files(found, owned),
                _ => {
                    let listed_name = query_name(found, &mut budget);
                    if std::mem::take(&mut budget.shortened) {
                        shortened.push((found, listed_name));
                        continue;
                    }
                    listed_name
                }
            });
        }
        // A living process on a busy machine may need longer than the short time.
        let each = (RETRY_BUDGET / shortened.len().max(1) as u32).min(ANSWER_TIMEOUT);
        budget.timeout = (each > SHORT_TIMEOUT).then_some(each);
        for (found, listed_name) in shortened {
            listed.extend(if budget.timeout.is_some() {
                query_name(found, &mut budget)
            } else {
                listed_name
            });
        }
        listed
    };
    let mut listed = std::thread::scope(|scope| {
        let help = |_| thread::start_scoped(scope, "linkspan-list", examine).ok();
        // If no further thread can be started, this one examines all.
        let helpers: Vec<_> = (1..places.len().min(MAX_PARALLEL)).map_while(help).collect();
        let mut listed = examine();
        for helper in helpers {
            listed.extend(helper.join().map_err(|_| {
                Error::new(ErrorKind::Internal, "a thread that queried listeners ended in a defect")
            })?);
        }
        Ok::<_, Error>(listed)
    })?;
    listed.sort_by(|a, b| a.endpoint.cmp(&b.endpoint));
    Ok(listed)
}

/// The result of [`clean`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Cleaned {
    /// The endpoints of which everything that was left is removed.
    pub removed: Vec<String>,
    /// The endpoints that still exist, such as a spool with messages, and beside which stale files
    /// were removed.
    pub tidied: Vec<String>,
    /// The endpoints of which something is left, and why: it belongs to another user, or could not
    /// be removed.
    pub left: Vec<(String, Error)>,
}

/// Removes stale files of this user's dead processes in the runtime directory. Files of other users
/// stay and are reported, also for root.
pub fn clean() -> Result<Cleaned> {
    let mut cleaned = Cleaned::default();
    let spools = places_in_state_directory()?
        .into_iter()
        .filter(|found| found.endpoint.transport().names() == Names::RuntimeOrState);
    for Found { endpoint, place, has_temporary } in places()?.into_iter().chain(spools) {
        let endpoint = endpoint.to_string();
        match sweep::clean(&place, has_temporary) {
            Ok(swept) => {
                cleaned.left.extend(swept.remaining.into_iter().map(|why| (endpoint.clone(), why)));
                if swept.any {
                    // A file that cannot be examined counts as existing.
                    let is_there =
                        place.directory.beneath().facts(&place.file).map_or(true, |it| it.is_some())
                            || place.is_claimed().unwrap_or(true);
                    let list = if is_there { &mut cleaned.tidied } else { &mut cleaned.removed };
                    list.push(endpoint);
                }
            }
            Err(e) => cleaned.left.push((endpoint, e)),
        }
    }
    Ok(cleaned)
}

/// The names, or beginnings of names, in the runtime directory.
fn places() -> Result<Vec<Found>> {
    places_in(Directory::runtime()?, |transport| transport.names() != Names::State)
}

/// The journals and spools in the state directory, which is not created for that.
fn places_in_state_directory() -> Result<Vec<Found>> {
    // Without that directory there are neither.
    if !state_path().is_ok_and(|(path, _)| path.is_dir()) {
        return Ok(Vec::new());
    }
    match Directory::state() {
        // The doctor reports a directory of another user.
        Err(e) if e.kind() == ErrorKind::PermissionDenied => Ok(Vec::new()),
        directory => places_in(directory?, |transport| transport.names() != Names::Runtime),
    }
}

/// The names in a directory whose transport is `wanted`.
fn places_in(directory: Directory, wanted: fn(Transport) -> bool) -> Result<Vec<Found>> {
    let directory = Arc::new(directory);
    // Each name, with whether it has a temporary file.
    let mut files: BTreeMap<String, bool> = BTreeMap::new();
    for file in directory.names()? {
        *files.entry(named(&file).to_owned()).or_default() |= place::of_temporary(&file).is_some();
    }
    let found = |(file, has_temporary): (String, bool)| {
        let endpoint = Endpoint::from_file_name(&file)?;
        Some(Found { endpoint, place: Place { directory: directory.clone(), file }, has_temporary })
    };
    Ok(files.into_iter().filter_map(found).filter(|found| wanted(found.endpoint.transport())).collect())
}

/// Returns the name that a file belongs to: its own, or that of the temporary file or record beside
/// it.
pub(crate) fn named(file: &str) -> &str {
    let file = place::of_temporary(file).unwrap_or(file);
    let file = owner::file_of_record(file).unwrap_or(file);
    table::name_of(file)
}

/// Returns whether a process holds the name, and the obstacle to finding out, or to removing stale files. If
/// even the lock may not be read, the listener is queried.
fn is_live(Found { place, has_temporary, .. }: &Found) -> (bool, Option<Error>) {
    let live = match place.is_claimed() {
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
struct TimeoutBudget {
    spent: Duration,
    /// Whether the last one had the short time and did not answer.
    shortened: bool,
    /// The time for each in the second round.
    timeout: Option<Duration>,
}

impl TimeoutBudget {
    /// The time that the next listener gets.
    fn timeout(&self) -> Duration {
        let first = if self.spent < FULL_TIMEOUT_BUDGET { ANSWER_TIMEOUT } else { SHORT_TIMEOUT };
        self.timeout.unwrap_or(first)
    }
}

/// Returns the state of a name that a process holds, or of files of another user there.
fn query_name(found: &Found, budget: &mut TimeoutBudget) -> Option<Listed> {
    let Found { endpoint, place, .. } = found;
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
        (Ok(queried), _) => queried.unwrap_or_else(|| unanswered(endpoint)),
        (Err(e), _) => Listed { problem: Some(e), ..unanswered(endpoint) },
    };
    listed.problem = listed.problem.or(problem);
    Some(listed)
}

/// Returns the information in the files of a store, whether a process holds the name or not. `owned` is
/// whether a process may hold it.
fn read_files(found: &Found, owned: bool) -> Option<Listed> {
    let Found { endpoint, place, .. } = found;
    let can = endpoint.transport().capabilities();
    let mut listed = unanswered(endpoint);
    listed.pattern = can.store.then(|| Pattern::Publish.name());
    let mut live = false;
    if owned {
        (live, listed.problem) = is_live(found);
    }
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

/// Returns an entry without any details.
fn unanswered(endpoint: &Endpoint) -> Listed {
    Listed {
        endpoint: endpoint.to_string(),
        pattern: None,
        machine: None,
        incarnation: None,
        pid: None,
        program: None,
        user: None,
        encoding: None,
        messages: None,
        peers: None,
        behind: None,
        forgotten: None,
        schema: None,
        reply_schema: None,
        mismatch: None,
        consumers: Vec::new(),
        problem: None,
    }
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
    let mut listed = unanswered(endpoint);
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
    let (queried, mut waiting) = (Instant::now(), Waiting::strictly_until(Deadline::after(timeout)));
    let target = endpoint.transport().connections()?.target_at(endpoint, place)?;
    match target.call(&hello.to_frame()?, &[], &[], &mut waiting) {
        Ok(Call::Answered(called)) => {
            if let Some(credentials) = &called.credentials {
                listed.pid = credentials.pid;
                listed.user = Some(user_name(credentials.uid));
            }
            match handshake::read_answer(&called.answer) {
                Ok(peer_hello) => {
                    if peer_hello.shared {
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

/// The name of a user, else its number.
fn user_name(uid: u32) -> String {
    user::name_of_user(uid).unwrap_or_else(|| uid.to_string())
}

impl Listed {
    /// Reads the titles of the schemas that are stored with a spool or a journal.
    fn read_stored(&mut self, place: &Place) {
        match stored::titles(place) {
            Ok(titles) => [self.schema, self.reply_schema] = titles,
            Err(e) => self.problem = self.problem.take().or(Some(e)),
        }
    }

    /// Reads the record beside a name without a hello; keeps the error if it is faulty.
    fn read_record(&mut self, place: &Place) -> Option<Value> {
        match owner::read(place) {
            Ok(record) => {
                let record = record?;
                self.take_record(&record.map);
                // The owner is that of the file, whatever its content claims.
                self.user = Some(user_name(record.owner));
                Some(record.map)
            }
            Err(e) => {
                self.problem = Some(e);
                None
            }
        }
    }

    /// Takes over the content of a record.
    fn take_record(&mut self, record: &Value) {
        let text = |key: &str| record.at(key).and_then(Value::as_text).map(str::to_owned).ok();
        let number =
            |key: &str| record.at(key).and_then(Value::as_u64).ok().and_then(|n| u32::try_from(n).ok());
        self.pattern = text("pattern").and_then(|name| Pattern::from_name(&name)).map(Pattern::name);
        self.pid = number("pid");
        self.program = text("program");
        self.encoding = text("encoding");
    }

    /// Takes over the content of an answer.
    fn take(&mut self, peer_hello: Hello) {
        let state = peer_hello.state.unwrap_or_default();
        let number = |key: &str| state.get(key).and_then(|v| v.as_u64().ok());
        self.pattern = Some(peer_hello.pattern.name());
        self.program = Some(peer_hello.client_id.unwrap_or(peer_hello.title));
        let text = |key: &str| state.get(key).and_then(|v| v.as_text().ok()).map(str::to_owned);
        self.encoding = text("encoding");
        (self.schema, self.reply_schema) = (text("schema"), text("reply_schema"));
        self.mismatch = text("mismatch");
        self.machine = text("machine");
        self.incarnation = (peer_hello.pattern == Pattern::Publish).then_some(peer_hello.session);
        self.messages = number("messages");
        self.peers = number("peers");
        self.behind = number("behind");
        self.forgotten = number("forgotten");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::place::Access;

    #[test]
    fn silent_listeners_do_not_delay_others() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Arc::new(Directory::existing(folder.path()).unwrap());
        let endpoint = |name: String| format!("unix:{name}").parse::<Endpoint>().unwrap();
        let place = |directory: &Arc<Directory>, endpoint: &Endpoint| Place {
            directory: directory.clone(),
            file: endpoint.file_name(),
        };
        let found = |directory: &Arc<Directory>, name: String| {
            let endpoint = endpoint(name);
            Found { place: place(directory, &endpoint), endpoint, has_temporary: false }
        };
        let mut places: Vec<_> = (0..300).map(|i| found(&directory, format!("silent/{i:03}"))).collect();
        // They listen, and never accept, as in a process that was stopped.
        let claims: Vec<_> =
            places.iter().map(|found| found.place.claim(Access::default()).unwrap()).collect();
        // Sorted after them is one that answers.
        let answering = format!("working/{}", std::process::id());
        let answering_listener =
            crate::channel::Listener::listen(&format!("unix:{answering}"), &Default::default()).unwrap();
        places.push(found(&Arc::new(Directory::runtime().unwrap()), answering));
        let started = Instant::now();
        let listed = examine_all(&places).unwrap();
        let names: Vec<_> = listed.iter().map(|listed| listed.endpoint.clone()).collect();
        assert_eq!(names, places.iter().map(|found| found.endpoint.to_string()).collect::<Vec<_>>());
        let (last, silent) = listed.split_last().unwrap();
        assert!(last.problem.is_none() && last.pid == Some(std::process::id()), "{last:?}");
        let text = |one: &Listed| one.problem.as_ref().map(|e| e.text().to_owned()).unwrap_or_default();
        assert!(silent.iter().all(|one| text(one).contains("does not answer")), "{silent:?}");
        // With half a second for each, 32 side by side take 5 s in all, and 300 of them one after the other
        // 150 s.
        assert!(started.elapsed() >= FULL_TIMEOUT_BUDGET, "{:?}", started.elapsed());
        drop(claims);
        drop(answering_listener);
        assert!(examine_all(&places).unwrap().is_empty());
    }
}
