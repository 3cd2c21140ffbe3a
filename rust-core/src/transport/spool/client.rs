//! A client's two halves: its messages go into `server/`, what is for it comes in `client/` and bears its name.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::arrivals::Arrivals;
use super::folder::{Folder, Found, Read};
use super::given::Given;
use super::layout::Layout;
use super::name::{DIGITS, FAILED, LARGEST_COUNTED, Name, next_number};
use super::presence::{Presence, Progress, SERVER, read};
use super::room::Room;
use super::{everybody, reject};
use crate::codec::Encoding;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, Incoming, Kind, Outgoing};
use crate::sys::poll::wait_readable;
use crate::transport::connectionless::ConnectOptions;
use crate::transport::{Sent, extension};
use crate::value::Limits;

/// What the two halves share.
struct Client {
    presence: Presence,
    layout: Arc<Layout>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    progress: Progress,
    /// Requests without an answer: the file, and the number that the channel gave it.
    asked: HashMap<String, u64>,
    /// Messages that were given and not consumed.
    given: Given,
}

/// The sending half.
pub struct ClientTx {
    shared: Arc<Client>,
    room: Room,
}

/// The receiving half.
pub struct ClientRx {
    shared: Arc<Client>,
    arrivals: Arrivals,
    limit: u64,
    extension: Bytes,
}

/// The two halves of a client that has just come.
pub fn join(
    layout: Arc<Layout>,
    presence: Presence,
    before: Progress,
    connect_options: &ConnectOptions,
) -> Result<(ClientTx, ClientRx)> {
    let arrivals = Arrivals::new(&layout.client, is_for, presence.who())?;
    arrivals.mind(&layout)?;
    // One above the highest that was seen or used.
    let seen = [&layout.server, &layout.client]
        .into_iter()
        .map(highest)
        .try_fold(0, |most, number| number.map(|number| most.max(number)))?;
    layout.settle()?;
    let progress = Progress { used: before.used.max(before.consumed).max(seen), ..before };
    let about = read(&layout.hello, SERVER).unwrap_or_default();
    let server = about.get("program").and_then(|program| program.as_text().ok()).unwrap_or(SERVER);
    let extension = extension::write(server, super::name::session(server))?.into();
    let state = Mutex::new(State { progress, ..State::default() });
    let shared = Arc::new(Client { presence, layout, state });
    let tx = ClientTx { shared: shared.clone(), room: Room::new(connect_options.buffer, everybody) };
    Ok((tx, ClientRx { shared, arrivals, limit: connect_options.limit, extension }))
}

/// The highest number in a directory that is counted on from.
pub fn highest(folder: &Folder) -> Result<u64> {
    let mut highest = 0;
    folder.each_name(|name| {
        let number = Name::parse(name, Kind::Data).numbered.map_or(0, |(number, _)| number);
        if number <= LARGEST_COUNTED {
            highest = highest.max(number);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(highest)
}

/// The name of the request that a file answers, where it answers one.
fn answered(name: &str) -> &str {
    name.strip_suffix(FAILED).unwrap_or(name)
}

/// Whether a file in `client/` is for this client.
pub fn is_for(name: &str, who: &str) -> bool {
    // Most are for others, and that is seen at once.
    name.get(DIGITS + 1..).is_some_and(|rest| rest.starts_with(who))
        && Name::parse(answered(name), Kind::Reply).numbered.is_some_and(|(_, whose)| whose == who)
}

impl Client {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that was given but the last so many has been dealt with.
    fn consumed_but(&self, last: usize) {
        self.state().given.take_away_but(&self.layout.client, last);
    }
}

impl ClientTx {
    pub fn try_send(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
        let kind = frame.header.kind;
        match kind {
            Kind::Data | Kind::Request | Kind::Command | Kind::Event => {}
            // What was sent lies in the spool, and stays there until it is consumed: nobody has to say or hear more.
            Kind::Ack | Kind::Bye | Kind::Hello => return Ok(Sent::Whole),
            Kind::Reply | Kind::Error => {
                let text = "the server of a spool asks nothing of its clients, so there is nothing to answer";
                return Err(Error::new(ErrorKind::Unsupported, text));
            }
        }
        let (layout, size) = (&self.shared.layout, frame.body.len() as u64);
        if !self.room.take(&layout.server, "", size)? {
            return Ok(Sent::Blocked);
        }
        let who = self.shared.presence.who();
        let put = loop {
            // The number is taken under the lock: a script's file may have the name, and then the next one is tried.
            let mut state = self.shared.state();
            let number = next_number(state.progress.used, layout.hello.path())?;
            let name = Name::format(number, who, kind, frame.header.encoding, Kind::Request);
            if kind == Kind::Request {
                // Before it can be answered.
                state.asked.insert(name.clone(), frame.header.sequence);
            }
            drop(state);
            let put = layout.server.put(&name, frame.body);
            let mut state = self.shared.state();
            match put {
                Ok(true) => {
                    state.progress.used = state.progress.used.max(number);
                    break Ok(state.progress);
                }
                Ok(false) => {
                    state.asked.remove(&name);
                    state.progress.used = state.progress.used.max(number);
                }
                Err(e) => {
                    state.asked.remove(&name);
                    break Err(e);
                }
            }
        };
        match put {
            Ok(progress) => {
                self.shared.presence.note(progress);
                Ok(Sent::Whole)
            }
            Err(e) => {
                self.room.give_back(size);
                Err(e)
            }
        }
    }

    /// Sleeps until something was consumed.
    pub fn wait_room(&mut self, waiting: &mut Waiting<'_>) -> Result<()> {
        match self.room.watch() {
            Some(watch) => wait_readable(waiting, &watch.descriptors()),
            None => Ok(()),
        }
    }

    /// The caller of this request has given up: nobody is to work for it any more.
    pub fn withdraw(&mut self, sequence: u64) {
        let mut state = self.shared.state();
        let name = state.asked.iter().find(|(_, number)| **number == sequence).map(|(name, _)| name.clone());
        let Some(name) = name else { return };
        state.asked.remove(&name);
        drop(state);
        // Where it has been answered just now, the answer is met by the receiving half, which knows nobody who waits.
        // One that cannot be removed is served, and its answer dropped.
        let _ = self.shared.layout.server.remove(&name);
    }

    /// What is ready once there may be room.
    pub fn room_descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.room.watch().map(|watch| watch.descriptors()[0])
    }
}

impl ClientRx {
    pub fn try_recv(&mut self) -> Result<Option<Incoming>> {
        if self.arrivals.look(&self.shared.layout.client)? {
            self.shared.layout.check_there()?;
        }
        while let Some(name) = self.arrivals.pop(&self.shared.layout.client)? {
            if self.shared.state().given.has(&name) {
                continue;
            }
            // Whatever fails, the file is still there, and is looked at again.
            let taken = self.take(&name).inspect_err(|_| self.arrivals.put_back(&name));
            if let Some(frame) = taken? {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    fn take(&mut self, name: &str) -> Result<Option<Incoming>> {
        let layout = self.shared.layout.clone();
        let request = answered(name);
        let parsed = Name::parse(request, Kind::Reply);
        let Some((number, _)) = parsed.numbered else { return Ok(None) };
        let asked = self.shared.state().asked.get(request).copied();
        let has_failed = request.len() < name.len();
        let is_answer = has_failed || asked.is_some() || parsed.kind == Kind::Reply;
        let (mut kind, mut encoding) = match is_answer {
            true if has_failed => (Kind::Error, Encoding::Json),
            true => (Kind::Reply, parsed.encoding),
            false => (parsed.kind, parsed.encoding),
        };
        let found = layout.client.read(name, self.limit)?;
        if let Found::Later(_) = found
            && self.arrivals.put_off(name)?
        {
            return Ok(None);
        }
        self.arrivals.settled(name);
        let (body, sent) = match found {
            Found::Nothing | Found::Other => return Ok(None),
            Found::File(Read { body, sent, .. }) => {
                let limits = Limits::for_message(self.limit);
                // Half a file is what a script is still copying from elsewhere: it is told once that is done.
                if reject::check(&body, encoding, &limits, false).is_err()
                    && layout.client.is_being_written(name)
                {
                    return Ok(None);
                }
                (body, sent)
            }
            found => {
                let error = refused(found, self.limit);
                let told = reject::failure(name, &error)?;
                reject::keep(&layout, &layout.client, name)?;
                layout.client.remove(name)?;
                if !is_answer {
                    return Err(error);
                }
                (kind, encoding) = (Kind::Error, Encoding::Json);
                (told.into(), 0)
            }
        };
        if is_answer {
            layout.client.remove(name)?;
            // An answer that was taken leaves no request behind for the next server, should this one have died in
            // between. What a script serves it removes itself.
            if asked.is_some() && layout.server.has(request) && layout.hello.has(SERVER) {
                layout.server.remove(request)?;
            }
        }
        let mut state = self.shared.state();
        if !is_answer {
            state.given.add(number, name.to_owned());
        }
        state.asked.remove(request);
        // A number that is nobody's to count on from is that of one file alone.
        if number <= LARGEST_COUNTED {
            state.progress.used = state.progress.used.max(number);
            state.progress.consumed = state.progress.consumed.max(number);
        }
        let header = Header {
            sequence: number,
            correlation: if is_answer { asked.unwrap_or(0) } else { 0 },
            sent,
            body: body.len() as u64,
            extension: self.extension.len(),
            ..Header::new(kind, encoding)
        };
        Ok(Some(Incoming { header, extension: self.extension.clone(), body }))
    }

    pub fn consumed_but(&mut self, last: usize) {
        self.shared.consumed_but(last);
    }

    /// Whether there is something after all.
    pub fn park(&self) -> bool {
        !self.arrivals.is_empty()
    }

    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.arrivals.descriptors().collect()
    }
}

/// What is wrong with a file that cannot be taken.
pub fn refused(found: Found, limit: u64) -> Error {
    match found {
        Found::TooLarge(size) => {
            let text = format!("over the message limit: {size} bytes, {limit} allowed (option limit)");
            Error::new(ErrorKind::TooLarge, text)
        }
        Found::Closed(error) | Found::Later(error) => error,
        Found::File(..) | Found::Nothing | Found::Other => {
            Error::new(ErrorKind::Internal, "a file was refused that is fine")
        }
    }
}
