//! What is open here: the names in the runtime directory, and what their owners tell of themselves; the journals, and what
//! their files tell.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::channel::agreement::{self, Describes, stored};
use crate::channel::greeting::{self, Greeting, Pattern};
use crate::deadline::{Deadline, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;
use crate::sys::directory::{Directory, state_path};
use crate::sys::peer::{self, Credentials};
use crate::sys::socket::Carries;
use crate::sys::thread;
use crate::sys::user;
use crate::transport::endpoint::{Endpoint, Transport};
use crate::transport::fifo;
use crate::transport::file;
use crate::transport::hello::{self, Call};
use crate::transport::journal;
use crate::transport::owner;
use crate::transport::place::{self, Place};
use crate::transport::spool;
use crate::transport::tcp::{self, Address};
use crate::value::Value;

/// A name that a living process holds, and what that process told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Listed {
    /// The endpoint, with its transport.
    pub endpoint: String,
    /// What the name is for: `channel`, `request`, `publish` or `controller`.
    pub pattern: Option<&'static str>,
    /// Its process.
    pub pid: Option<u32>,
    /// The machine that the name is of, where it stands for one of another machine.
    pub machine: Option<String>,
    /// The number of a publisher's incarnation, which its messages carry.
    pub incarnation: Option<u64>,
    /// Its `client_id`, else its program's name.
    pub program: Option<String>,
    /// Its user's name, else the number.
    pub user: Option<String>,
    /// How its values are written.
    pub encoding: Option<String>,
    /// Messages sent and received so far.
    pub messages: Option<u64>,
    /// Clients or subscribers that are connected.
    pub peers: Option<u64>,
    /// How many messages the slowest subscriber has still to read; of a spool, how many wait in it for its server.
    pub behind: Option<u64>,
    /// Messages that were kept for clients that are away, and are lost because too many were.
    pub forgotten: Option<u64>,
    /// The name and the version of the schema that was given for the endpoint.
    pub schema: Option<String>,
    /// The same for the schema of replies.
    pub reply_schema: Option<String>,
    /// What the last caller said whose schema does not fit: who it was, and what differs.
    pub mismatch: Option<String>,
    /// Who reads a journal under a name of its own, and how many messages each has still to consume.
    pub consumers: Vec<(String, u64)>,
    /// Why nothing was told: not permitted, or no answer.
    pub trouble: Option<Error>,
}

impl Listed {
    /// The same as a map, with null for what was not told.
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
            ("trouble", self.trouble.as_ref().map(|e| format!("{}: {}", e.kind(), e.text())).into()),
        ])
    }
}

/// How long a listing waits for the hang-up of a process that is just ending.
const ENDING: Duration = Duration::from_millis(10);
/// A listener that has not told anything after so long is listed as `Stalled`.
const PATIENCE: Duration = Duration::from_millis(500);
/// After a thread has waited so long for listeners that said nothing, each further one has [`SHORT_PATIENCE`]: many silent
/// listeners do not hold up a listing, and keep nobody else from being heard.
const PATIENCE_WITH_SILENCE: Duration = Duration::from_secs(3);
const SHORT_PATIENCE: Duration = Duration::from_millis(20);
/// What a thread spends, in all, to ask those again that had the short time and said nothing.
const SECOND_LOOK: Duration = Duration::from_secs(1);
/// Listeners that are asked at the same time.
const AT_ONCE: usize = 32;

/// The runtime directory of this process, made if need be: for files that belong to its user's programs beside the names.
pub fn directory() -> Result<std::path::PathBuf> {
    Ok(Directory::runtime()?.path().to_owned())
}

/// The user whose process on this machine has the other end of a TCP connection open, where we have the end at `own`: for servers
/// at loopback, which every user of the machine reaches. None for a caller that is gone, and where the kernel does not tell.
pub fn user_calling(from: std::net::SocketAddr, own: std::net::SocketAddr) -> Option<u32> {
    crate::sys::inet::user_calling(from, own)
}

/// Every name in the runtime directory that a living process holds, every `file:`, and every `journal:` and every
/// `spool:`, served or not, in the order of the names. Listeners are asked side by side; one that says nothing is waited for
/// 0.5 s, or 20 ms after such ones have taken 3 s, and once more at the end, for as long as a second in all allows. It is
/// listed with that as its trouble. What dead processes of this user
/// left is removed on the way; what other users left is not, and is listed with that as its trouble. Sockets at absolute
/// paths (`unix:/…`) are not in that directory, and not listed.
pub fn list() -> Result<Vec<Listed>> {
    let mut places = places()?;
    places.extend(lasting()?);
    look_at_all(&places)
}

/// A name in a directory, when that was read.
struct Found {
    endpoint: Endpoint,
    place: Place,
    /// Whether something was being made for the name, which a dead process may have left.
    begun: bool,
}

/// Looks at all of them side by side; in the order of the names.
fn look_at_all(places: &[Found]) -> Result<Vec<Listed>> {
    let next = AtomicUsize::new(0);
    let look = || {
        let (mut listed, mut hurried) = (Vec::new(), Vec::new());
        let mut silence = Silence::default();
        while let Some(found) = places.get(next.fetch_add(1, Ordering::Relaxed)) {
            listed.extend(match found.endpoint.transport() {
                Transport::File => look_into(&found.endpoint, &found.place),
                Transport::Journal => look_into_journal(found),
                Transport::Spool => look_into_spool(found),
                _ => {
                    let told = look_at(found, &mut silence);
                    if std::mem::take(&mut silence.hurried) {
                        hurried.push((found, told));
                        continue;
                    }
                    told
                }
            });
        }
        // A living one on a busy machine may need longer than the short time; all of these together have the time of one more look.
        let each = (SECOND_LOOK / hurried.len().max(1) as u32).min(PATIENCE);
        silence.patience = (each > SHORT_PATIENCE).then_some(each);
        for (found, told) in hurried {
            listed.extend(if silence.patience.is_some() { look_at(found, &mut silence) } else { told });
        }
        listed
    };
    let mut listed = std::thread::scope(|scope| {
        let help = |_| thread::start_scoped(scope, "linkspan-list", look).ok();
        // Where no thread can be had, this one does it all.
        let helpers: Vec<_> = (1..places.len().min(AT_ONCE)).map_while(help).collect();
        let mut listed = look();
        for helper in helpers {
            listed.extend(helper.join().map_err(|_| {
                Error::new(ErrorKind::Internal, "a thread that asked listeners ended in a defect")
            })?);
        }
        Ok::<_, Error>(listed)
    })?;
    listed.sort_by(|a, b| a.endpoint.cmp(&b.endpoint));
    Ok(listed)
}

/// What [`clean`] did.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Cleaned {
    /// The endpoints of which something was removed and nothing is left.
    pub removed: Vec<String>,
    /// The endpoints that are still there, such as a spool with messages, and of which something was removed that dead
    /// processes had left beside them.
    pub tidied: Vec<String>,
    /// The endpoints of which something was left, and why: because it belongs to another user, or could not be removed.
    pub left: Vec<(String, Error)>,
}

/// Removes what dead processes of this user left in the runtime directory. What belongs to other users stays, and is told;
/// so it is for root.
pub fn clean() -> Result<Cleaned> {
    let mut cleaned = Cleaned::default();
    let spools = lasting()?.into_iter().filter(|found| found.endpoint.transport() == Transport::Spool);
    for Found { endpoint, place, begun } in places()?.into_iter().chain(spools) {
        let endpoint = endpoint.to_string();
        match place.clean(begun) {
            Ok(swept) => {
                cleaned.left.extend(swept.left.into_iter().map(|why| (endpoint.clone(), why)));
                if swept.any {
                    // What cannot be looked at is still there.
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

/// The endpoints whose names, or beginnings of names, lie in the runtime directory.
fn places() -> Result<Vec<Found>> {
    places_in(Directory::runtime()?, |transport| transport != Transport::Journal)
}

/// The journals and spools in the state directory, which is not made for that.
fn lasting() -> Result<Vec<Found>> {
    // One who has no such directory has neither.
    if !state_path().is_ok_and(|(path, _)| path.is_dir()) {
        return Ok(Vec::new());
    }
    match Directory::state() {
        // What is kept in another user's directory is that user's affair; whose it is the doctor says.
        Err(e) if e.kind() == ErrorKind::PermissionDenied => Ok(Vec::new()),
        directory => {
            places_in(directory?, |transport| matches!(transport, Transport::Journal | Transport::Spool))
        }
    }
}

fn places_in(directory: Directory, wanted: fn(Transport) -> bool) -> Result<Vec<Found>> {
    let directory = Arc::new(directory);
    // Of each name, whether something is begun for it.
    let mut files: BTreeMap<String, bool> = BTreeMap::new();
    for file in directory.names()? {
        *files.entry(named(&file).to_owned()).or_default() |= place::of_temporary(&file).is_some();
    }
    let found = |(file, begun): (String, bool)| {
        let endpoint = Endpoint::from_file_name(&file)?;
        Some(Found { endpoint, place: Place { directory: directory.clone(), file }, begun })
    };
    Ok(files.into_iter().filter_map(found).filter(|found| wanted(found.endpoint.transport())).collect())
}

/// The name that a file belongs to, whether it is what is made before the name, or tells of it.
pub(crate) fn named(file: &str) -> &str {
    let file = place::of_temporary(file).unwrap_or(file);
    let file = owner::file_of_record(file).unwrap_or(file);
    fifo::of_reply(file).unwrap_or(file)
}

/// Whether somebody holds the name, and what keeps us from knowing, or from removing what is left where nobody does. Where
/// the lock may not even be looked at, whoever listens there is asked.
fn is_live(Found { place, begun, .. }: &Found) -> (bool, Option<Error>) {
    let live = match place.is_claimed() {
        Ok(live) => live,
        Err(e) if e.kind() == ErrorKind::PermissionDenied => return (true, None),
        Err(e) => return (true, Some(e)),
    };
    match place.sweep_of(*begun) {
        // What may not be changed by us, others may.
        Err(e) if e.kind() == ErrorKind::PermissionDenied && e.errno().is_some() => (live, None),
        Err(e) => (live, Some(e)),
        Ok(swept) => (live, swept.left.into_iter().next()),
    }
}

/// The time that a thread has spent on listeners that said nothing.
#[derive(Default)]
struct Silence {
    spent: Duration,
    /// Whether the last one had the short time and said nothing.
    hurried: bool,
    /// How long each is waited for in a second look.
    patience: Option<Duration>,
}

impl Silence {
    fn patience(&self) -> Duration {
        let first = if self.spent < PATIENCE_WITH_SILENCE { PATIENCE } else { SHORT_PATIENCE };
        self.patience.unwrap_or(first)
    }
}

/// What there is to tell of a name that a process holds, or of what another user has left there.
fn look_at(found: &Found, silence: &mut Silence) -> Option<Listed> {
    let Found { endpoint, place, .. } = found;
    // Who answers at a socket lives, and nothing of his is left over. Of the others the lock is looked at: for that the kernel
    // goes through all locks of the directory, so that many names would cost their square.
    let is_socket = matches!(endpoint.transport(), Transport::Shm | Transport::Unix);
    let first = is_socket.then(|| look(endpoint, place, silence));
    if let Some(Ok(Some((told, Heard::Answer)))) = first {
        return Some(told);
    }
    let (live, trouble) = is_live(found);
    // Whoever serves what we may not remove may live although no lock says so.
    let asks = live || is_socket && trouble.is_some() && place.is_answered(ENDING).unwrap_or(false);
    let asked = match first {
        _ if !asks => Ok(None),
        Some(first) => first,
        None => look(endpoint, place, silence),
    }
    .map(|told| told.map(|(listed, _)| listed));
    if let (false, Ok(Some(told))) = (live, &asked) {
        return Some(told.clone());
    }
    let mut listed = match (asked, &trouble) {
        (Ok(None), None) => return None,
        (Ok(asked), _) => asked.unwrap_or_else(|| nothing_told(endpoint)),
        (Err(e), _) => Listed { trouble: Some(e), ..nothing_told(endpoint) },
    };
    listed.trouble = listed.trouble.or(trouble);
    Some(listed)
}

/// What the file of a name says; its writers hold no name, and it outlives them.
fn look_into(endpoint: &Endpoint, place: &Place) -> Option<Listed> {
    let mut listed = nothing_told(endpoint);
    listed.pattern = Some(Pattern::Publish.name());
    match file::listing(place) {
        Ok(there) => {
            let there = there?;
            listed.user = Some(name_of(there.uid));
            listed.program = there.source.map(|source| source.to_string());
            listed.encoding = there.header.map(|header| header.encoding.name().to_owned());
            listed.messages = there.header.map(|header| header.sequence);
        }
        Err(e) => listed.trouble = Some(e),
    }
    Some(listed)
}

/// What the files of a journal say; it is there whether somebody writes it or not.
fn look_into_journal(found: &Found) -> Option<Listed> {
    let Found { endpoint, place, .. } = found;
    let mut listed = nothing_told(endpoint);
    listed.pattern = Some(Pattern::Publish.name());
    let (live, trouble) = is_live(found);
    listed.trouble = trouble;
    if live {
        listed.read_record(place);
    }
    match journal::listing(place) {
        Ok(None) if listed.trouble.is_none() => return None,
        Ok(None) => {}
        Ok(Some(there)) => {
            listed.messages = Some(there.last);
            listed.read_stored(place);
            listed.peers = Some(there.consumers.iter().filter(|one| one.live).count() as u64);
            listed.behind = there.consumers.iter().map(|one| one.behind).max();
            listed.consumers = there.consumers.into_iter().map(|one| (one.name, one.behind)).collect();
        }
        Err(e) => listed.trouble = Some(e),
    }
    Some(listed)
}

/// What a spool holds; it is there whether somebody serves it or not.
fn look_into_spool(found: &Found) -> Option<Listed> {
    let Found { endpoint, place, .. } = found;
    let mut listed = nothing_told(endpoint);
    let (live, trouble) = is_live(found);
    listed.trouble = trouble;
    if live {
        listed.read_record(place);
    }
    match spool::listing(place) {
        Ok(None) if !live && listed.trouble.is_none() => return None,
        Ok(None) => {}
        Ok(Some(there)) => {
            listed.behind = Some(there.waiting);
            listed.read_stored(place);
            listed.user.get_or_insert_with(|| name_of(there.uid));
        }
        Err(e) => listed.trouble = listed.trouble.or(Some(e)),
    }
    Some(listed)
}

fn nothing_told(endpoint: &Endpoint) -> Listed {
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
        trouble: None,
    }
}

/// How it is known what is told of a name.
enum Heard {
    /// A living process has answered.
    Answer,
    /// A file says so, or nobody can be asked, or nobody answered as he should.
    Otherwise,
}

/// Asks whoever holds a name; none where nobody listens.
fn look(endpoint: &Endpoint, place: &Place, silence: &mut Silence) -> Result<Option<(Listed, Heard)>> {
    let mut listed = nothing_told(endpoint);
    let said = listed.read_record(place);
    if endpoint.transport() == Transport::Fifo {
        listed.peers = fifo::has_client(place).map(u64::from).ok();
    }
    if said.is_some_and(|said| endpoint.transport() != Transport::Tcp || said.at("framing").is_ok()) {
        return Ok(Some((listed, Heard::Otherwise)));
    }
    // Nobody can be asked at the others: what is wrong with their record has been told.
    if matches!(endpoint.transport(), Transport::Fifo | Transport::Dgram) {
        return Ok(Some((listed, Heard::Otherwise)));
    }
    let mut hello = Greeting::new(Pattern::Channel, None, 0)?;
    hello.ask = true;
    let patience = silence.patience();
    let (asked, mut waiting) = (Instant::now(), Waiting::strictly_until(Deadline::after(patience)));
    let call = match endpoint.transport() {
        Transport::Tcp => tcp::call(&Address::of(endpoint)?, &hello.to_frame()?, &[], &mut waiting),
        other => hello::call(place, other.carries(), &hello.to_frame()?, &[], &mut waiting),
    };
    match call {
        Ok(Call::Answered(called)) => {
            if let Some(who) = &called.credentials {
                listed.pid = who.pid;
                listed.user = Some(name_of(who.uid));
            }
            match greeting::read_answer(&called.answer) {
                Ok(theirs) => {
                    if theirs.shared {
                        // The kernel names the one of several that was first.
                        listed.pid = Some(theirs.pid);
                    }
                    listed.take(theirs);
                    if listed.trouble.is_none() {
                        return Ok(Some((listed, Heard::Answer)));
                    }
                }
                Err(refusal) => listed.trouble = Some(refusal),
            }
        }
        Ok(Call::Nobody) => return Ok(None),
        Ok(Call::Busy) => {
            let text = "somebody listens there and has no place for another connection";
            listed.trouble = Some(Error::new(ErrorKind::Full, text));
        }
        Err(e) => {
            silence.spent += asked.elapsed();
            silence.hurried = patience == SHORT_PATIENCE;
            // The kernel knows who listens, even where that process says nothing.
            if let Some(who) = listener(place) {
                listed.pid = who.pid;
                listed.user = Some(name_of(who.uid));
            }
            listed.trouble = Some(e);
        }
    }
    Ok(Some((listed, Heard::Otherwise)))
}

/// The canonical form of the schema that was given for an endpoint, from whoever listens there, or where it is stored in a spool or
/// a journal. `NotFound` where nobody listens, `Missing` where no schema was given.
pub fn schema(endpoint: &str) -> Result<Vec<u8>> {
    let endpoint: Endpoint = endpoint.parse()?;
    find_schema(&endpoint, Describes::Messages).map_err(|e| e.on(&endpoint))
}

/// The same for the schema of what is replied there: the option `reply_schema`.
pub fn reply_schema(endpoint: &str) -> Result<Vec<u8>> {
    let endpoint: Endpoint = endpoint.parse()?;
    find_schema(&endpoint, Describes::Replies).map_err(|e| e.on(&endpoint))
}

/// The canonical form of the schema that a message of an endpoint was written with. In a journal each record names its own; everywhere
/// else, and for records that name none, it is [`schema`]. `Corrupt` where a journal has lost it.
pub fn schema_of(endpoint: &str, message: &Message) -> Result<Vec<u8>> {
    let parsed: Endpoint = endpoint.parse()?;
    if parsed.transport() == Transport::Journal {
        let place = Place::of(&parsed)?;
        let form = stored::form_of_record(&place, message.header()).map_err(|e| e.on(&parsed))?;
        if let Some(form) = form {
            return Ok(form);
        }
    }
    schema(endpoint)
}

/// Each schema that the records of a journal were written with, from the oldest record on, as the number of the first record of it
/// and its canonical form. Elsewhere, and in a journal whose records name none, it is [`schema`], with the number 0.
pub fn schemas(endpoint: &str) -> Result<Vec<(u64, Vec<u8>)>> {
    let parsed: Endpoint = endpoint.parse()?;
    if parsed.transport() == Transport::Journal {
        let found = Place::of(&parsed).and_then(|place| stored::forms_in_journal(&place));
        let found = found.map_err(|e| e.on(&parsed))?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(vec![(0, schema(endpoint)?)])
}

/// Whoever is asked for a schema gives all of it within so long.
const SCHEMA_PATIENCE: Duration = Duration::from_secs(3);

fn find_schema(endpoint: &Endpoint, describes: Describes) -> Result<Vec<u8>> {
    let transport = endpoint.transport();
    let mut waiting = Waiting::until(Deadline::after(SCHEMA_PATIENCE));
    let nobody = || Error::new(ErrorKind::NotFound, "nobody listens there; start the program that does");
    let none = || {
        let title = describes.title();
        let text = format!("no {title} was given for this endpoint by the program that holds it");
        Error::new(ErrorKind::Missing, text)
    };
    if matches!(transport, Transport::Spool | Transport::Journal) {
        let durable = if transport == Transport::Spool { spool::durable_place(endpoint) } else { None };
        let place = durable.map_or_else(|| Place::of(endpoint), Ok)?;
        return stored::stored_form(&place, describes)?.ok_or_else(none);
    }
    let mut ask = |asking: &Greeting| -> Result<Option<Greeting>> {
        let frame = asking.to_frame()?;
        let call = match transport {
            Transport::Tcp => tcp::call(&Address::of(endpoint)?, &frame, &[], &mut waiting),
            Transport::Fifo => fifo::call(&Place::of(endpoint)?, &frame, &mut waiting),
            Transport::Shm | Transport::Unix => {
                hello::call(&Place::of(endpoint)?, transport.carries(), &frame, &[], &mut waiting)
            }
            other => Err(other.unsupported_because("a schema", "nobody can be asked there")),
        };
        match call? {
            Call::Answered(called) => greeting::read_answer(&called.answer).map(Some),
            Call::Nobody => Err(nobody()),
            Call::Busy => Err(Error::new(ErrorKind::Full, "whoever listens there has no time; try again")),
        }
    };
    let mut asking = Greeting::new(Pattern::Channel, None, 0)?;
    asking.ask = true;
    agreement::fetch(&mut asking, describes, None, &mut ask)?.ok_or_else(none)
}

fn listener(place: &Place) -> Option<Credentials> {
    let socket = place.connect(Carries::Bytes, Duration::ZERO).ok()??;
    peer::credentials(&socket).ok()
}

fn name_of(uid: u32) -> String {
    user::name_of_user(uid).unwrap_or_else(|| uid.to_string())
}

impl Listed {
    /// The schemas that are stored with a spool or a journal, or what is wrong with them.
    fn read_stored(&mut self, place: &Place) {
        match stored::titles(place) {
            Ok(titles) => [self.schema, self.reply_schema] = titles,
            Err(e) => self.trouble = self.trouble.take().or(Some(e)),
        }
    }

    /// What a file beside the name tells, where nobody can be asked; gives that, or keeps what is wrong with it.
    fn read_record(&mut self, place: &Place) -> Option<Value> {
        match owner::look(place) {
            Ok(record) => {
                let record = record?;
                self.take_written(&record.said);
                // Whose file it is the kernel says, whatever the file does.
                self.user = Some(name_of(record.owner));
                Some(record.said)
            }
            Err(e) => {
                self.trouble = Some(e);
                None
            }
        }
    }

    fn take_written(&mut self, said: &Value) {
        let text = |key: &str| said.at(key).and_then(Value::as_text).map(str::to_owned).ok();
        let number =
            |key: &str| said.at(key).and_then(Value::as_u64).ok().and_then(|n| u32::try_from(n).ok());
        self.pattern = text("pattern").and_then(|name| Pattern::from_name(&name)).map(Pattern::name);
        self.pid = number("pid");
        self.program = text("program");
        self.encoding = text("encoding");
    }

    fn take(&mut self, theirs: Greeting) {
        let state = theirs.state.unwrap_or_default();
        let number = |key: &str| state.get(key).and_then(|v| v.as_u64().ok());
        self.pattern = Some(theirs.pattern.name());
        self.program = Some(theirs.client_id.unwrap_or(theirs.title));
        let text = |key: &str| state.get(key).and_then(|v| v.as_text().ok()).map(str::to_owned);
        self.encoding = text("encoding");
        (self.schema, self.reply_schema) = (text("schema"), text("reply_schema"));
        self.mismatch = text("mismatch");
        self.machine = text("machine");
        self.incarnation = (theirs.pattern == Pattern::Publish).then_some(theirs.session);
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
    fn silent_listeners_keep_nobody_else_from_being_heard() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Arc::new(Directory::existing(folder.path()).unwrap());
        let endpoint = |name: String| format!("unix:{name}").parse::<Endpoint>().unwrap();
        let place = |directory: &Arc<Directory>, endpoint: &Endpoint| Place {
            directory: directory.clone(),
            file: endpoint.file_name(),
        };
        let found = |directory: &Arc<Directory>, name: String| {
            let endpoint = endpoint(name);
            Found { place: place(directory, &endpoint), endpoint, begun: false }
        };
        let mut places: Vec<_> = (0..300).map(|i| found(&directory, format!("silent/{i:03}"))).collect();
        // They listen, and nobody accepts, as in a process that was stopped.
        let claims: Vec<_> =
            places.iter().map(|found| found.place.claim(Access::default()).unwrap()).collect();
        // After them comes one that answers.
        let speaking = format!("speaking/{}", std::process::id());
        let heard =
            crate::channel::Listener::listen(&format!("unix:{speaking}"), &Default::default()).unwrap();
        places.push(found(&Arc::new(Directory::runtime().unwrap()), speaking));
        let begun = Instant::now();
        let listed = look_at_all(&places).unwrap();
        let names: Vec<_> = listed.iter().map(|listed| listed.endpoint.clone()).collect();
        assert_eq!(names, places.iter().map(|found| found.endpoint.to_string()).collect::<Vec<_>>());
        let (last, silent) = listed.split_last().unwrap();
        assert!(last.trouble.is_none() && last.pid == Some(std::process::id()), "{last:?}");
        let text = |one: &Listed| one.trouble.as_ref().map(|e| e.text().to_owned()).unwrap_or_default();
        assert!(silent.iter().all(|one| text(one).contains("does not answer")), "{silent:?}");
        // With half a second for each, 32 side by side take 5 s in all, and 300 of them one after the other 150 s.
        assert!(begun.elapsed() >= PATIENCE_WITH_SILENCE, "{:?}", begun.elapsed());
        drop(claims);
        drop(heard);
        assert!(look_at_all(&places).unwrap().is_empty());
    }
}
