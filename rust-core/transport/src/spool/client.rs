//! A client's two halves: its messages go into `server/`, its files appear in `client/` under its name.
//!
//! The client remembers a request by its file name until the answer appears: a file with an equal name, or
//! with `.error` appended. Numbers continue from the client's last one under this name, and skip every number
//! seen in the spool. An answer's file is removed when it is read.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::arrivals::Arrivals;
use super::delivered::Delivered;
use super::folder::{ReadFile, ReadOutcome, SERVER, SpoolFolder};
use super::layout::SpoolDirectory;
use super::name::{DIGITS, FAILED, LARGEST_COUNTED, MessageFileName, any_name, next_number};
use super::presence::{ClientProgress, Presence, read};
use super::reject;
use super::room::Room;
use crate::codec::Encoding;
use crate::connectionless::ConnectOptions;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result, over_message_limit};
use crate::frame::{Header, Incoming, Kind, Outgoing};
use crate::sys::poll::wait_readable;
use crate::value::Limits;
use crate::{Sent, extension};

struct SpoolClient {
    presence: Presence,
    layout: Arc<SpoolDirectory>,
    /// Held for short times only.
    state: Mutex<ClientDeliveries>,
}

#[derive(Default)]
struct ClientDeliveries {
    progress: ClientProgress,
    /// Requests without an answer: the file, and the channel's number.
    pending: HashMap<String, u64>,
    delivered: Delivered,
}

pub struct ClientTx {
    shared: Arc<SpoolClient>,
    room: Room,
}

pub struct ClientRx {
    shared: Arc<SpoolClient>,
    arrivals: Arrivals,
    limit: u64,
    /// The extension of each message: the server's name and session.
    extension: Bytes,
}

/// Makes the two halves of a client; `before` is its earlier progress.
pub fn join(
    layout: Arc<SpoolDirectory>,
    presence: Presence,
    before: ClientProgress,
    connect_options: &ConnectOptions,
) -> Result<(ClientTx, ClientRx)> {
    let arrivals = Arrivals::new(&layout.client, is_for, presence.who())?;
    arrivals.watch_removal(&layout)?;
    // New numbers begin above every number that was seen or used.
    let seen = [&layout.server, &layout.client]
        .into_iter()
        .map(highest)
        .try_fold(0, |most, number| number.map(|number| most.max(number)))?;
    layout.sync_messages()?;
    let progress = ClientProgress { used: before.used.max(before.consumed).max(seen), ..before };
    let server_record = read(&layout.hello, SERVER).unwrap_or_default();
    let server = server_record.get("program").and_then(|program| program.as_text().ok()).unwrap_or(SERVER);
    let extension = extension::write(server, super::name::session(server))?.into();
    let state = Mutex::new(ClientDeliveries { progress, ..ClientDeliveries::default() });
    let shared = Arc::new(SpoolClient { presence, layout, state });
    let tx = ClientTx { shared: shared.clone(), room: Room::new(connect_options.buffer, any_name) };
    Ok((tx, ClientRx { shared, arrivals, limit: connect_options.max_message_size, extension }))
}

/// Returns the highest number in a directory from which new clients continue.
pub fn highest(folder: &SpoolFolder) -> Result<u64> {
    let mut highest = 0;
    folder.each_name(|name| {
        let number = MessageFileName::parse(name, Kind::Data).numbered.map_or(0, |(number, _)| number);
        if number <= LARGEST_COUNTED {
            highest = highest.max(number);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(highest)
}

fn request_name(name: &str) -> &str {
    name.strip_suffix(FAILED).unwrap_or(name)
}

pub fn is_for(name: &str, who: &str) -> bool {
    // Most files are for others; the first comparison shows that without parsing.
    name.get(DIGITS + 1..).is_some_and(|rest| rest.starts_with(who))
        && MessageFileName::parse(request_name(name), Kind::Reply)
            .numbered
            .is_some_and(|(_, whose)| whose == who)
}

impl SpoolClient {
    fn state(&self) -> MutexGuard<'_, ClientDeliveries> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn consumed_but(&self, last: usize) {
        self.state().delivered.remove_all_but(&self.layout.client, last);
    }
}

impl ClientTx {
    /// The contract's `try_send`: puts a message or request. `Blocked` if there is no room.
    ///
    /// # Errors
    /// `Unsupported` for an answer; `InvalidState` if the numbers are used up; `NoSpace`; `Disconnected` if
    /// the spool was removed.
    pub fn try_send(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
        let kind = frame.header.kind;
        match kind {
            Kind::Data | Kind::Request | Kind::Command | Kind::Event => {}
            // Files stay until they are consumed, which replaces acknowledgements.
            Kind::Ack | Kind::Bye | Kind::Hello => return Ok(Sent::Whole),
            Kind::Reply | Kind::Error => {
                let text =
                    "the server of a spool sends its clients no requests, so there is nothing to answer";
                return Err(Error::new(ErrorKind::Unsupported, text));
            }
        }
        let (layout, size) = (&self.shared.layout, frame.body.len() as u64);
        if !self.room.take(&layout.server, "", size)? {
            return Ok(Sent::Blocked);
        }
        let who = self.shared.presence.who();
        let put = loop {
            // If a script's file has the name, the next number is tried.
            let mut state = self.shared.state();
            let number = next_number(state.progress.used, layout.hello.path())?;
            let name = MessageFileName::format(number, who, kind, frame.header.encoding, Kind::Request);
            if kind == Kind::Request {
                // Stored before the file exists, and therefore before an answer can exist.
                state.pending.insert(name.clone(), frame.header.sequence);
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
                    state.pending.remove(&name);
                    state.progress.used = state.progress.used.max(number);
                }
                Err(e) => {
                    state.pending.remove(&name);
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
                self.room.return_credit(size);
                Err(e)
            }
        }
    }

    pub fn wait_room(&mut self, waiting: &mut Waiting<'_>) -> Result<()> {
        match self.room.watch() {
            Some(watch) => wait_readable(waiting, &[watch.as_fd()]),
            None => Ok(()),
        }
    }

    /// Removes a request whose caller has given up, so no server works on it.
    pub fn withdraw(&mut self, sequence: u64) {
        let mut state = self.shared.state();
        let name =
            state.pending.iter().find(|(_, number)| **number == sequence).map(|(name, _)| name.clone());
        let Some(name) = name else { return };
        state.pending.remove(&name);
        drop(state);
        // The receiving half drops an answer that was just given.
        let _ = self.shared.layout.server.remove(&name);
    }

    pub fn room_descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.room.watch().map(|watch| watch.as_fd())
    }
}

impl ClientRx {
    /// The contract's `try_recv`: the next answer or message.
    ///
    /// # Errors
    /// Errors of reading a message that was kept in `rejected/`; `Disconnected` if the spool was removed. An
    /// unreadable answer becomes a failed answer instead.
    pub fn try_recv(&mut self) -> Result<Option<Incoming>> {
        if self.arrivals.refresh(&self.shared.layout.client)? {
            self.shared.layout.check_exists()?;
        }
        while let Some(name) = self.arrivals.pop(&self.shared.layout.client)? {
            if self.shared.state().delivered.has_file(&name) {
                continue;
            }
            // After any failure the file still exists, and is tried again.
            let taken = self.take(&name).inspect_err(|_| self.arrivals.retry(&name));
            if let Some(frame) = taken? {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    /// Reads a file for this client. `None` if it is gone, deferred, or still being written.
    fn take(&mut self, name: &str) -> Result<Option<Incoming>> {
        let layout = self.shared.layout.clone();
        let request = request_name(name);
        let parsed = MessageFileName::parse(request, Kind::Reply);
        let Some((number, _)) = parsed.numbered else { return Ok(None) };
        let pending = self.shared.state().pending.get(request).copied();
        let has_failed = request.len() < name.len();
        let is_answer = has_failed || pending.is_some() || parsed.kind == Kind::Reply;
        let (mut kind, mut encoding) = match is_answer {
            true if has_failed => (Kind::Error, Encoding::Json),
            true => (Kind::Reply, parsed.encoding),
            false => (parsed.kind, parsed.encoding),
        };
        let found = layout.client.read(name, self.limit)?;
        if let ReadOutcome::Later(_) = found
            && self.arrivals.defer(name)?
        {
            return Ok(None);
        }
        self.arrivals.forget(name);
        let (body, sent) = match found {
            ReadOutcome::Nothing | ReadOutcome::Other => return Ok(None),
            ReadOutcome::File(ReadFile { body, sent, .. }) => {
                let limits = Limits::for_message(self.limit);
                // A script may still be copying the file.
                if reject::check(&body, encoding, &limits, false).is_err()
                    && layout.client.is_being_written(name)
                {
                    return Ok(None);
                }
                (body, sent)
            }
            found => {
                let error = refused(found, self.limit);
                let failure = reject::failure(name, &error)?;
                reject::keep(&layout, &layout.client, name)?;
                layout.client.remove(name)?;
                if !is_answer {
                    return Err(error);
                }
                (kind, encoding) = (Kind::Error, Encoding::Json);
                (failure.into(), 0)
            }
        };
        if is_answer {
            layout.client.remove(name)?;
            // The server may have died before it removed the request, and the next server must not find it. A
            // serving script removes requests itself.
            if pending.is_some() && layout.server.has(request) && layout.hello.has(SERVER) {
                layout.server.remove(request)?;
            }
        }
        let mut state = self.shared.state();
        if !is_answer {
            state.delivered.add(number, name.to_owned());
        }
        state.pending.remove(request);
        // Too large to continue from; only this file uses it.
        if number <= LARGEST_COUNTED {
            state.progress.used = state.progress.used.max(number);
            state.progress.consumed = state.progress.consumed.max(number);
        }
        let header = Header {
            sequence: number,
            correlation: if is_answer { pending.unwrap_or(0) } else { 0 },
            sent,
            body: body.len() as u64,
            extension: self.extension.len(),
            ..Header::new(kind, encoding)
        };
        Ok(Some(Incoming { header, extension: self.extension.clone(), body: body.into() }))
    }

    pub fn consumed_but(&mut self, last: usize) {
        self.shared.consumed_but(last);
    }

    pub fn park(&self) -> bool {
        !self.arrivals.is_empty()
    }

    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.arrivals.descriptors().collect()
    }
}

pub fn refused(found: ReadOutcome, limit: u64) -> Error {
    match found {
        ReadOutcome::TooLarge(size) => over_message_limit(size, limit),
        ReadOutcome::Closed(error) | ReadOutcome::Later(error) => error,
        ReadOutcome::File(..) | ReadOutcome::Nothing | ReadOutcome::Other => {
            Error::new(ErrorKind::Internal, "a file was refused although it could be read")
        }
    }
}
