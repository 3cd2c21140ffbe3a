//! The server's two halves: they deliver the files in `server/` in the order of names, and put answers into
//! `client/`.
//!
//! The server puts the answer into `client/` under the request's name and then removes the request's file. If
//! it dies before the answer, the next server gets the request. If it dies between answer and removal, the
//! next server removes the request ([`remove_answered`]).
//!
//! The requesting user can read its answers, if the file system has access lists. Files of other users that
//! are unreadable, too large or not a value in their encoding move to `rejected/`, and their sender gets an
//! error.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::arrivals::{Arrivals, watch};
use super::client::{highest, is_for, refused};
use super::delivered::Delivered;
use super::folder::{ReadFile, ReadOutcome, SpoolFolder, known_clients, living_clients};
use super::layout::SpoolDirectory;
use super::name::{
    FAILED, LONGEST, MessageFileName, any_name, is_nameless, next_number, session, source, stem,
};
use super::reject;
use super::room::Room;
use super::workers::{self, OtherWorkers};
use crate::codec::{self, Encoding};
use crate::connectionless::ConnectOptions;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, Incoming, Kind, Outgoing};
use crate::sys::inotify::{WatchFlags, WatchSet};
use crate::sys::lock;
use crate::sys::poll::wait_readable;
use crate::sys::record_lock::RecordLock;
use crate::value::Limits;
use crate::{Sent, extension};

struct ServerState {
    layout: Arc<SpoolDirectory>,
    /// With several workers: the locks by which each claims its files.
    taking: Option<lock::Many>,
    /// Held for short times only.
    state: Mutex<ServerDeliveries>,
}

#[derive(Default)]
struct ServerDeliveries {
    /// Delivered, unanswered requests by number: the file and its owner.
    requests: HashMap<u64, (String, u32)>,
    request_files: HashSet<String>,
    delivered: Delivered,
    /// With several workers: the locks of all files that this worker has claimed.
    ///
    /// The kernel releases them at the end of this process.
    locks: HashMap<String, RecordLock>,
    last_assigned: u64,
}

pub struct ServerTx {
    server_state: Arc<ServerState>,
    room: Room,
    /// Reports clients that join and leave, after the first message that is not an answer.
    client_watch: Option<WatchSet>,
    peer: Option<String>,
    number: u64,
}

pub struct ServerRx {
    server_state: Arc<ServerState>,
    arrivals: Arrivals,
    other_workers: Option<OtherWorkers>,
    limit: u64,
    sender: Option<(String, Bytes)>,
}

/// Makes the two halves of the server of a spool whose lock is held, `exclusive` without other workers.
pub fn open(
    layout: Arc<SpoolDirectory>,
    exclusive: bool,
    connect_options: &ConnectOptions,
) -> Result<(ServerTx, ServerRx)> {
    let number = highest(&layout.server)?.max(highest(&layout.client)?);
    layout.sync_messages()?;
    if exclusive {
        remove_answered(&layout)?;
    }
    // Opened before any file is read, so the later death of a worker is seen.
    let taking = if exclusive { None } else { Some(lock::Many::open(&layout.locks)?) };
    let other_workers = taking.as_ref().map(|taking| OtherWorkers::new(taking.file())).transpose()?;
    let arrivals = Arrivals::new(&layout.server, any_name, "")?;
    arrivals.watch_removal(&layout)?;
    let server_state = Arc::new(ServerState { layout, taking, state: Mutex::default() });
    let room = Room::new(connect_options.buffer, is_for);
    let tx = ServerTx { server_state: server_state.clone(), room, client_watch: None, peer: None, number };
    Ok((
        tx,
        ServerRx {
            server_state,
            arrivals,
            other_workers,
            limit: connect_options.max_message_size,
            sender: None,
        },
    ))
}

/// Removes the requests whose answers exist: a server died between answering and removing.
pub fn remove_answered(layout: &SpoolDirectory) -> Result<()> {
    layout.client.each_name(|answer| {
        remove_if_answered(layout, answer.strip_suffix(FAILED).unwrap_or(answer), answer)?;
        Ok(ControlFlow::Continue(()))
    })
}

fn remove_if_answered(layout: &SpoolDirectory, request: &str, answer: &str) -> Result<bool> {
    // Messages to and from a client may have equal names: neither answers the other.
    if MessageFileName::parse(request, Kind::Request).kind != Kind::Request {
        return Ok(false);
    }
    let (Some(asked), Some(given)) = (layout.server.facts(request), layout.client.facts(answer)) else {
        return Ok(false);
    };
    // A script may reuse a name before it has fetched the first answer. A file of another user does not prove
    // an answer.
    let when = |facts: &rustix::fs::Stat| (facts.st_ctime, facts.st_ctime_nsec as i64);
    if when(&given) >= when(&asked) && layout.is_by_server(&given) {
        return layout.server.remove(request);
    }
    Ok(false)
}

impl ServerState {
    fn state(&self) -> MutexGuard<'_, ServerDeliveries> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_delivered(&self, name: &str) -> bool {
        let state = self.state();
        state.request_files.contains(name) || state.delivered.has_file(name)
    }

    fn claim_file(&self, name: &str) -> Result<bool> {
        let Some(taking) = &self.taking else { return Ok(true) };
        let Some(held) = taking.try_take(&workers::lock_of(name))? else { return Ok(false) };
        self.state().locks.insert(name.to_owned(), held);
        Ok(true)
    }

    /// Removes a claimed request if a worker answered it and died before the removal.
    fn is_answered(&self, name: &str) -> Result<bool> {
        if self.taking.is_none() {
            return Ok(false);
        }
        Ok(remove_if_answered(&self.layout, name, name)?
            || remove_if_answered(&self.layout, name, &format!("{name}{FAILED}"))?)
    }

    fn release_file(&self, name: &str) {
        self.state().locks.remove(name);
    }

    fn consumed_but(&self, last: usize) {
        let mut state = self.state();
        state.delivered.remove_all_but(&self.layout.server, last);
        state.release();
    }

    /// Turns the error of a removed directory into `InvalidState`, because no message can arrive there.
    fn with_remedy(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::Disconnected {
            return error;
        }
        Error::new(ErrorKind::InvalidState, format!("{}; close this server, and listen again", error.text()))
    }

    /// Puts an answer and then removes the request: in this order a crash loses nothing.
    fn answer(&self, (request, requester): &(String, u32), name: &str, body: &[u8]) -> Result<()> {
        let (server, client) = (&self.layout.server, &self.layout.client);
        if let Some((_, who)) = MessageFileName::parse(request, Kind::Request).numbered
            && is_nameless(&who)
            && !self.layout.hello.has(&who)
        {
            // A nameless client that has ended never fetches the answer.
            server.remove(request)?;
            return Ok(());
        }
        if !client.put_for(name, body, Some(*requester))? {
            // A script has reused a name: the newer of two answers counts.
            client.replace_for(name, body, Some(*requester))?;
        }
        if !server.remove(request)? {
            // The caller has given up, and may already have read the answer.
            client.remove(name)?;
        }
        Ok(())
    }
}

impl ServerDeliveries {
    fn release(&mut self) {
        let ServerDeliveries { locks, request_files, delivered, .. } = self;
        if !locks.is_empty() {
            locks.retain(|name, _| request_files.contains(name) || delivered.has_file(name));
        }
    }
}

impl ServerTx {
    /// The contract's `try_send`: an answer, or a message to the one client of a channel.
    ///
    /// # Errors
    /// `Unsupported` for a request to a client, and for an answer that cannot be written in the encoding of
    /// its request; `InvalidState` if there are several clients for a message, or the spool was removed.
    pub fn try_send(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
        let server_state = self.server_state.clone();
        match frame.header.kind {
            Kind::Reply | Kind::Error => self.answer(frame),
            // Files stay until they are consumed, which replaces acknowledgements.
            Kind::Ack | Kind::Bye | Kind::Hello => Ok(Sent::Whole),
            Kind::Request | Kind::Command => {
                let text = "the server of a spool answers its clients and sends them no requests; let the other program serve";
                Err(Error::new(ErrorKind::Unsupported, text))
            }
            Kind::Data | Kind::Event => self.send(frame),
        }
        .map_err(|e| server_state.with_remedy(e))
    }

    /// Answers a request; drops an answer to an unknown request.
    fn answer(&self, frame: &Outgoing<'_>) -> Result<Sent> {
        let number = frame.header.correlation;
        let Some(asked) = self.server_state.state().requests.get(&number).cloned() else {
            return Ok(Sent::Whole);
        };
        let request = &asked.0;
        let has_failed = frame.header.kind == Kind::Error;
        // A failed answer is always JSON. Any other answer has the name and the encoding of its request.
        let (name, encoding) = if has_failed {
            (format!("{request}{FAILED}"), Encoding::Json)
        } else {
            (request.clone(), MessageFileName::parse(request, Kind::Request).encoding)
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
        state.request_files.remove(request);
        state.locks.remove(request);
        Ok(Sent::Whole)
    }

    /// Puts a message for the one client of the channel. `Blocked` without a client or room.
    fn send(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
        let Some(who) = self.find_peer()? else { return Ok(Sent::Blocked) };
        let (layout, size) = (&self.server_state.layout, frame.body.len() as u64);
        if !self.room.take(&layout.client, &who, size)? {
            return Ok(Sent::Blocked);
        }
        let reader = layout.hello.facts(&who).map(|facts| facts.st_uid);
        loop {
            let number = next_number(self.number, layout.client.path())?;
            let name =
                MessageFileName::format(number, &who, frame.header.kind, frame.header.encoding, Kind::Reply);
            match layout.client.put_for(&name, frame.body, reader) {
                Ok(put) => {
                    self.number = number;
                    if put {
                        return Ok(Sent::Whole);
                    }
                }
                Err(e) => {
                    self.room.return_credit(size);
                    return Err(e);
                }
            }
        }
    }

    /// Returns the one client: a living one, or a named one that is away.
    fn find_peer(&mut self) -> Result<Option<String>> {
        let SpoolDirectory { hello, locks, .. } = &*self.server_state.layout;
        match &self.client_watch {
            Some(client_watch) => {
                let changes = client_watch.take();
                if self.peer.is_some() && changes.names.is_empty() && !changes.overflown {
                    return Ok(self.peer.clone());
                }
            }
            None => {
                let what = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::DELETE;
                self.client_watch = Some(WatchSet::of(watch(hello, what)?)?);
            }
        }
        let living = living_clients(locks, hello)?;
        let mut clients = if living.is_empty() {
            let mut away = known_clients(hello)?;
            away.retain(|who| !is_nameless(who));
            away
        } else {
            living
        };
        if clients.len() > 1 {
            clients.sort_unstable();
            let text = format!(
                "this spool has several clients ({}), and a channel has one; use serve, and reply to each",
                clients.join(", ")
            );
            return Err(Error::new(ErrorKind::InvalidState, text));
        }
        self.peer = clients.pop();
        Ok(self.peer.clone())
    }

    pub fn consumed_to(&mut self, number: u64) {
        let mut state = self.server_state.state();
        state.delivered.remove_up_to(&self.server_state.layout.server, number);
        state.release();
    }

    /// Waits until a client joins, or one of its files is consumed.
    pub fn wait_room(&mut self, waiting: &mut Waiting<'_>) -> Result<()> {
        let watches = self.client_watch.iter().chain(self.room.watch());
        let on: Vec<_> = watches.map(AsFd::as_fd).collect();
        if on.is_empty() { Ok(()) } else { wait_readable(waiting, &on) }
    }

    pub fn room_descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.room.watch().or(self.client_watch.as_ref()).map(|watch| watch.as_fd())
    }
}

impl ServerRx {
    pub fn try_recv(&mut self) -> Result<Option<Incoming>> {
        self.try_next().map_err(|e| self.server_state.with_remedy(e))
    }

    fn try_next(&mut self) -> Result<Option<Incoming>> {
        if self.arrivals.refresh(&self.server_state.layout.server)? {
            self.server_state.layout.check_exists()?;
        }
        for name in self.other_workers.as_mut().map_or(Ok(Vec::new()), OtherWorkers::retry)? {
            self.arrivals.retry(&name);
        }
        while let Some(name) = self.arrivals.pop(&self.server_state.layout.server)? {
            if self.server_state.is_delivered(&name) {
                continue;
            }
            if !self.server_state.claim_file(&name)? {
                self.other_workers.iter_mut().for_each(|other_workers| other_workers.note_taken(&name));
                continue;
            }
            // After any failure the file still exists, and is tried again.
            let taken = match self.server_state.is_answered(&name) {
                Ok(true) => Ok(None),
                Ok(false) => self.take(&name),
                Err(e) => Err(e),
            };
            if !matches!(taken, Ok(Some(_))) {
                self.server_state.release_file(&name);
            }
            let taken = taken.inspect_err(|_| self.arrivals.retry(&name));
            if let Some(frame) = taken? {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    /// Reads a claimed file; `None` if it was rejected, deferred, or is still being written.
    fn take(&mut self, name: &str) -> Result<Option<Incoming>> {
        let layout = self.server_state.layout.clone();
        let folder: &SpoolFolder = &layout.server;
        let MessageFileName { numbered, kind, encoding } = MessageFileName::parse(name, Kind::Request);
        let found = folder.read(name, self.limit)?;
        if let ReadOutcome::Later(_) = found
            && self.arrivals.defer(name)?
        {
            return Ok(None);
        }
        self.arrivals.forget(name);
        if name.len() > LONGEST && !matches!(found, ReadOutcome::Nothing | ReadOutcome::Other) {
            // No answer can have this name.
            reject::keep(&layout, folder, name)?;
            folder.remove(name)?;
            return Ok(None);
        }
        let ReadFile { body, sent, owner } = match found {
            ReadOutcome::Nothing | ReadOutcome::Other => return Ok(None),
            ReadOutcome::File(read) => {
                let body = &read.body;
                let is_ours = numbered.is_some();
                let checked = reject::check(body, encoding, &Limits::for_message(self.limit), is_ours);
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
            // The sender of a script's file is named after the file.
            None => (None, stem(name).to_owned()),
        };
        let extension = self.extension(who)?;
        let mut state = self.server_state.state();
        let mut number = own_number.unwrap_or(0);
        // Answers find their message by this number, so it must be unique among waiting messages.
        while number == 0 || state.requests.contains_key(&number) || state.delivered.has_number(number) {
            state.last_assigned = state.last_assigned.wrapping_add(1);
            number = state.last_assigned;
        }
        if kind == Kind::Request {
            state.request_files.insert(name.to_owned());
            state.requests.insert(number, (name.to_owned(), owner));
            state.delivered.add_request(number);
        } else {
            state.delivered.add(number, name.to_owned());
        }
        drop(state);
        let header = Header {
            sequence: number,
            sent,
            body: body.len() as u64,
            extension: extension.len(),
            ..Header::new(kind, encoding)
        };
        Ok(Some(Incoming { header, extension, body: body.into() }))
    }

    fn reject(&self, name: &str, kind: Kind, error: &Error) -> Result<()> {
        let layout = &self.server_state.layout;
        let requester = layout.server.facts(name).map(|facts| facts.st_uid);
        reject::keep(layout, &layout.server, name)?;
        let failure = reject::failure(name, error)?;
        if kind == Kind::Request {
            let answer = format!("{name}{FAILED}");
            if !layout.client.put_for(&answer, &failure, requester)? {
                layout.client.replace_for(&answer, &failure, requester)?;
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

    pub fn park(&self) -> bool {
        !self.arrivals.is_empty()
    }

    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.arrivals
            .descriptors()
            .chain(self.other_workers.iter().flat_map(OtherWorkers::descriptors))
            .collect()
    }
}
