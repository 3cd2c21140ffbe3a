//! The server's two halves: what lies in `server/` is taken in the order of names, answers go into `client/`.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::arrivals::{Arrivals, watch};
use super::client::{highest, is_for, refused};
use super::folder::{Folder, Found, Read};
use super::given::Given;
use super::layout::Layout;
use super::name::{FAILED, LONGEST, Name, is_nameless, next_number, session, source, stem};
use super::presence::{known, living};
use super::room::Room;
use super::workers::{self, Others};
use super::{everybody, reject};
use crate::codec::{self, Encoding};
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, Incoming, Kind, Outgoing};
use crate::sys::inotify::{Watch, WatchFlags};
use crate::sys::lock;
use crate::sys::poll::wait_readable;
use crate::sys::record_lock::Held;
use crate::transport::connectionless::ConnectOptions;
use crate::transport::{Sent, extension};
use crate::value::Limits;

/// What the two halves share.
struct ServerState {
    layout: Arc<Layout>,
    /// Where several serve: the locks by which each takes what it works on.
    taking: Option<lock::Many>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Requests that were given and not answered: the number that they were given under, the file, and whose it is.
    requests: HashMap<u64, (String, u32)>,
    /// Their files.
    held: HashSet<String>,
    /// Messages that want no answer, and were given and not consumed.
    given: Given,
    /// Where several serve: what of all this is ours. Each lock ends with its file, or with this process.
    locks: HashMap<String, Held>,
    /// The last number that was given to a file that had none of its own.
    drawn: u64,
}

/// The sending half.
pub struct ServerTx {
    server_state: Arc<ServerState>,
    room: Room,
    /// Clients that come and go, once something was sent that nobody asked for.
    comings: Option<Watch>,
    peer: Option<String>,
    number: u64,
}

/// The receiving half.
pub struct ServerRx {
    server_state: Arc<ServerState>,
    arrivals: Arrivals,
    others: Option<Others>,
    limit: u64,
    /// The sender that the last extension tells of.
    sender: Option<(String, Bytes)>,
}

/// The two halves of the server of a spool, whose lock is held.
///
/// `alone` where nobody else does, or will.
pub fn open(
    layout: Arc<Layout>,
    alone: bool,
    connect_options: &ConnectOptions,
) -> Result<(ServerTx, ServerRx)> {
    let number = highest(&layout.server)?.max(highest(&layout.client)?);
    layout.settle()?;
    if alone {
        finish_answers(&layout)?;
    }
    // Before anything is looked at: who dies from here on is noticed.
    let taking = if alone { None } else { Some(lock::Many::open(&layout.locks)?) };
    let others = taking.as_ref().map(|taking| Others::new(taking.file())).transpose()?;
    let arrivals = Arrivals::new(&layout.server, everybody, "")?;
    arrivals.mind(&layout)?;
    let server_state = Arc::new(ServerState { layout, taking, state: Mutex::default() });
    let room = Room::new(connect_options.buffer, is_for);
    let tx = ServerTx { server_state: server_state.clone(), room, comings: None, peer: None, number };
    Ok((tx, ServerRx { server_state, arrivals, others, limit: connect_options.limit, sender: None }))
}

/// Removes the requests whose answers are there: a server died between the one and the other.
pub fn finish_answers(layout: &Layout) -> Result<()> {
    layout.client.each_name(|answer| {
        finish_answer(layout, answer.strip_suffix(FAILED).unwrap_or(answer), answer)?;
        Ok(ControlFlow::Continue(()))
    })
}

/// Removes a request where this is its answer, which is there; true where it was.
fn finish_answer(layout: &Layout, request: &str, answer: &str) -> Result<bool> {
    // A message to a client may have the same name as one of that client's: neither answers the other.
    if Name::parse(request, Kind::Request).kind != Kind::Request {
        return Ok(false);
    }
    let (Some(asked), Some(given)) = (layout.server.facts(request), layout.client.facts(answer)) else {
        return Ok(false);
    };
    // A script may use a name again before it has fetched the answer to the first. What another user put there does not say
    // that somebody's request was answered.
    let when = |facts: &rustix::fs::Stat| (facts.st_ctime, facts.st_ctime_nsec as i64);
    if when(&given) >= when(&asked) && layout.is_server_s(&given) {
        return layout.server.remove(request);
    }
    Ok(false)
}

impl ServerState {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_given(&self, name: &str) -> bool {
        let state = self.state();
        state.held.contains(name) || state.given.has(name)
    }

    /// Takes a file for this server; false where another one works on it.
    fn take(&self, name: &str) -> Result<bool> {
        let Some(taking) = &self.taking else { return Ok(true) };
        let Some(held) = taking.try_take(&workers::lock_of(name))? else { return Ok(false) };
        self.state().locks.insert(name.to_owned(), held);
        Ok(true)
    }

    /// Whether a request was answered by a server that died before it could take it away. To be asked by whoever has taken it.
    fn is_answered(&self, name: &str) -> Result<bool> {
        if self.taking.is_none() {
            return Ok(false);
        }
        Ok(finish_answer(&self.layout, name, name)?
            || finish_answer(&self.layout, name, &format!("{name}{FAILED}"))?)
    }

    /// A file was not given after all.
    fn let_go(&self, name: &str) {
        self.state().locks.remove(name);
    }

    /// All that was given but the last so many has been dealt with.
    fn consumed_but(&self, last: usize) {
        let mut state = self.state();
        state.given.take_away_but(&self.layout.server, last);
        state.release();
    }

    /// What a server is told whose directory is gone: nothing will come there any more.
    fn told(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::Disconnected {
            return error;
        }
        Error::new(ErrorKind::InvalidState, format!("{}; close this server, and listen again", error.text()))
    }

    /// Leaves an answer, and takes the request away. In this order, so that nothing is lost in between.
    fn answer(&self, (request, asker): &(String, u32), name: &str, body: &[u8]) -> Result<()> {
        let (server, client) = (&self.layout.server, &self.layout.client);
        if let Some((_, who)) = Name::parse(request, Kind::Request).numbered
            && is_nameless(&who)
            && !self.layout.hello.has(&who)
        {
            // It has gone, and never comes back.
            server.remove(request)?;
            return Ok(());
        }
        // For whoever asked, and for nobody else who uses the spool.
        if !client.put_for(name, body, Some(*asker))? {
            // A name that a script uses again: of two answers the newer one counts.
            client.replace_for(name, body, Some(*asker))?;
        }
        if !server.remove(request)? {
            // Its caller has given up, and may have met the answer already.
            client.remove(name)?;
        }
        Ok(())
    }
}

impl State {
    /// Lets go of what has been dealt with.
    fn release(&mut self) {
        let State { locks, held, given, .. } = self;
        if !locks.is_empty() {
            locks.retain(|name, _| held.contains(name) || given.has(name));
        }
    }
}

impl ServerTx {
    pub fn try_send(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
        let server_state = self.server_state.clone();
        match frame.header.kind {
            Kind::Reply | Kind::Error => self.answer(frame),
            // What was sent lies in the spool, and stays there until it is consumed: nobody has to say or hear more.
            Kind::Ack | Kind::Bye | Kind::Hello => Ok(Sent::Whole),
            Kind::Request | Kind::Command => {
                let text = "the server of a spool answers its clients and asks them nothing; let the other side serve";
                Err(Error::new(ErrorKind::Unsupported, text))
            }
            Kind::Data | Kind::Event => self.send(frame),
        }
        .map_err(|e| server_state.told(e))
    }

    fn answer(&self, frame: &Outgoing<'_>) -> Result<Sent> {
        let number = frame.header.correlation;
        let Some(asked) = self.server_state.state().requests.get(&number).cloned() else {
            return Ok(Sent::Whole);
        };
        let request = &asked.0;
        let has_failed = frame.header.kind == Kind::Error;
        // A failed answer is text for everybody; any other is written as its request is, and bears the same name.
        let (name, encoding) = if has_failed {
            (format!("{request}{FAILED}"), Encoding::Json)
        } else {
            (request.clone(), Name::parse(request, Kind::Request).encoding)
        };
        if encoding == frame.header.encoding {
            self.server_state.answer(&asked, &name, frame.body)?;
        } else {
            let body = codec::transcode(frame.body, frame.header.encoding, encoding).map_err(|e| {
                let text = format!(
                    "an answer is written as its request is, and this one cannot be written as {}: {e}",
                    encoding.name()
                );
                Error::new(ErrorKind::Unsupported, text)
            })?;
            self.server_state.answer(&asked, &name, &body)?;
        }
        let mut state = self.server_state.state();
        state.requests.remove(&number);
        state.held.remove(request);
        state.locks.remove(request);
        Ok(Sent::Whole)
    }

    fn send(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
        let Some(who) = self.find_peer()? else { return Ok(Sent::Blocked) };
        let (layout, size) = (&self.server_state.layout, frame.body.len() as u64);
        if !self.room.take(&layout.client, &who, size)? {
            return Ok(Sent::Blocked);
        }
        let reader = layout.hello.facts(&who).map(|facts| facts.st_uid);
        loop {
            let number = next_number(self.number, layout.client.path())?;
            let name = Name::format(number, &who, frame.header.kind, frame.header.encoding, Kind::Reply);
            match layout.client.put_for(&name, frame.body, reader) {
                Ok(put) => {
                    self.number = number;
                    if put {
                        return Ok(Sent::Whole);
                    }
                }
                Err(e) => {
                    self.room.give_back(size);
                    return Err(e);
                }
            }
        }
    }

    /// The one client that there is; none where nobody is there. Looked for again when somebody has come or gone.
    fn find_peer(&mut self) -> Result<Option<String>> {
        let Layout { hello, locks, .. } = &*self.server_state.layout;
        match &self.comings {
            Some(comings) => {
                let news = comings.take();
                if self.peer.is_some() && news.names.is_empty() && !news.overflown {
                    return Ok(self.peer.clone());
                }
            }
            None => {
                let what = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::DELETE;
                self.comings = Some(watch(hello, what)?);
            }
        }
        let living = living(locks, hello)?;
        let mut there = if living.is_empty() {
            let mut away = known(hello)?;
            away.retain(|who| !is_nameless(who));
            away
        } else {
            living
        };
        if there.len() > 1 {
            there.sort_unstable();
            let text = format!(
                "this spool has several clients ({}), and a channel has one; use serve, and reply to each",
                there.join(", ")
            );
            return Err(Error::new(ErrorKind::InvalidState, text));
        }
        self.peer = there.pop();
        Ok(self.peer.clone())
    }

    /// What was given is consumed up to this number.
    pub fn consumed_to(&mut self, number: u64) {
        let mut state = self.server_state.state();
        state.given.take_away(&self.server_state.layout.server, number);
        state.release();
    }

    /// Sleeps until somebody comes, or something was consumed.
    pub fn wait_room(&mut self, waiting: &mut Waiting<'_>) -> Result<()> {
        let watches = self.comings.iter().chain(self.room.watch());
        let on: Vec<_> = watches.flat_map(Watch::descriptors).collect();
        if on.is_empty() { Ok(()) } else { wait_readable(waiting, &on) }
    }

    pub fn room_descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.room.watch().or(self.comings.as_ref()).map(|watch| watch.descriptors()[0])
    }
}

impl ServerRx {
    pub fn try_recv(&mut self) -> Result<Option<Incoming>> {
        self.try_next().map_err(|e| self.server_state.told(e))
    }

    fn try_next(&mut self) -> Result<Option<Incoming>> {
        if self.arrivals.look(&self.server_state.layout.server)? {
            self.server_state.layout.check_there()?;
        }
        for name in self.others.as_mut().map_or(Ok(Vec::new()), Others::perhaps_free)? {
            self.arrivals.put_back(&name);
        }
        while let Some(name) = self.arrivals.pop(&self.server_state.layout.server)? {
            if self.server_state.has_given(&name) {
                continue;
            }
            if !self.server_state.take(&name)? {
                self.others.iter_mut().for_each(|others| others.has(&name));
                continue;
            }
            // Whatever fails, the file is still there, and is looked at again.
            let taken = match self.server_state.is_answered(&name) {
                Ok(true) => Ok(None),
                Ok(false) => self.take(&name),
                Err(e) => Err(e),
            };
            if !matches!(taken, Ok(Some(_))) {
                self.server_state.let_go(&name);
            }
            let taken = taken.inspect_err(|_| self.arrivals.put_back(&name));
            if let Some(frame) = taken? {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    fn take(&mut self, name: &str) -> Result<Option<Incoming>> {
        let layout = self.server_state.layout.clone();
        let folder: &Folder = &layout.server;
        let Name { numbered, kind, encoding } = Name::parse(name, Kind::Request);
        let found = folder.read(name, self.limit)?;
        if let Found::Later(_) = found
            && self.arrivals.put_off(name)?
        {
            return Ok(None);
        }
        self.arrivals.settled(name);
        if name.len() > LONGEST && !matches!(found, Found::Nothing | Found::Other) {
            // Nobody could be answered under this name.
            reject::keep(&layout, folder, name)?;
            folder.remove(name)?;
            return Ok(None);
        }
        let Read { body, sent, owner } = match found {
            Found::Nothing | Found::Other => return Ok(None),
            Found::File(read) => {
                let body = &read.body;
                let is_ours = numbered.is_some();
                let checked = reject::check(body, encoding, &Limits::for_message(self.limit), is_ours);
                // What is being written, in place or by a copy from elsewhere, is looked at again once that is done.
                if (checked.is_err() || !is_ours) && folder.is_being_written(name) {
                    return Ok(None);
                }
                if let Err(error) = checked {
                    self.reject(name, kind, &error)?;
                    return Ok(None);
                }
                read
            }
            found => {
                self.reject(name, kind, &refused(found, self.limit))?;
                return Ok(None);
            }
        };
        let (own_number, who) = match numbered {
            Some((number, who)) => (Some(number), who),
            // A script: it is called as its file is.
            None => (None, stem(name).to_owned()),
        };
        let extension = self.extension(who)?;
        let mut state = self.server_state.state();
        let mut number = own_number.unwrap_or(0);
        // An answer finds its way by this number, and so does what is said of a message: no two of those that wait for it
        // have the same.
        while number == 0 || state.requests.contains_key(&number) || state.given.holds(number) {
            state.drawn = state.drawn.wrapping_add(1);
            number = state.drawn;
        }
        if kind == Kind::Request {
            state.held.insert(name.to_owned());
            state.requests.insert(number, (name.to_owned(), owner));
            state.given.pass(number);
        } else {
            state.given.add(number, name.to_owned());
        }
        drop(state);
        let header = Header {
            sequence: number,
            sent,
            body: body.len() as u64,
            extension: extension.len(),
            ..Header::new(kind, encoding)
        };
        Ok(Some(Incoming { header, extension, body }))
    }

    /// Keeps a file that cannot be taken, tells its sender why, and goes on with the next.
    fn reject(&self, name: &str, kind: Kind, error: &Error) -> Result<()> {
        let layout = &self.server_state.layout;
        let asker = layout.server.facts(name).map(|facts| facts.st_uid);
        reject::keep(layout, &layout.server, name)?;
        let told = reject::failure(name, error)?;
        if kind == Kind::Request {
            let answer = format!("{name}{FAILED}");
            if !layout.client.put_for(&answer, &told, asker)? {
                layout.client.replace_for(&answer, &told, asker)?;
            }
        }
        layout.server.remove(name).map(drop)
    }

    fn extension(&mut self, who: String) -> Result<Bytes> {
        if let Some((last, extension)) = &self.sender
            && *last == who
        {
            return Ok(extension.clone());
        }
        let extension: Bytes = extension::write(source(&who), session(&who))?.into();
        self.sender = Some((who, extension.clone()));
        Ok(extension)
    }

    pub fn consumed_but(&mut self, last: usize) {
        self.server_state.consumed_but(last);
    }

    /// Whether there is something after all.
    pub fn park(&self) -> bool {
        !self.arrivals.is_empty()
    }

    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.arrivals.descriptors().chain(self.others.iter().flat_map(Others::descriptors)).collect()
    }
}
