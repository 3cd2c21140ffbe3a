//! Replicas of other machines' journals. Each continues after its last record following any interruption.
//!
//! A name has a stream and a writer. Without a stream, one is opened at `retry`. After a stream ends, the writer
//! still writes queued records. A failed writer ends the stream, and both restart after a longer delay. If the local
//! replica belongs to another machine's journal, the next machine is tried.
//!
//! A journal of this machine is never changed: a remote journal with its name is refused.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use linkspan::{ErrorKind, Options, Result, registry};

use super::message::Message;
use super::writer::Writer;
use crate::clocks::after;
use crate::engine::{LONGEST, Presence};
use crate::inbox::Inbox;
use crate::links::{Id, Links, Received};
use crate::status::Status;

/// The delay before an ended stream is opened again.
const AGAIN: Duration = Duration::from_millis(500);
/// The delay before a refused replica is tried again.
const REFUSED: Duration = Duration::from_secs(5);
/// The most replicas; each has a thread.
const REPLICAS: usize = 256;
const PRESENCES: usize = 64;

pub struct Imports {
    inbox: Inbox,
    /// Journals by endpoint, which is equal on both machines.
    names: BTreeMap<String, Name>,
    /// The number of the last stream, which matches a thread's result with its stream.
    streams: u64,
}

struct Name {
    presences: Vec<Presence>,
    /// The index of the presence to try next; it advances if the local replica belongs to another journal.
    turn: usize,
    stream: Option<Stream>,
    /// The replica's thread, after the journal was described.
    writer: Option<Writer>,
    /// When to open a stream, if there is none.
    retry: Instant,
}

struct Stream {
    id: Id,
    number: u64,
    presence: Presence,
}

impl Imports {
    pub fn new(inbox: Inbox) -> Imports {
        Imports { inbox, names: BTreeMap::new(), streams: 0 }
    }

    pub fn appeared(&mut self, presence: Presence, status: &mut Status) {
        if !self.names.contains_key(&presence.name) && self.names.len() >= REPLICAS {
            let why = format!("{REPLICAS} journals of other machines are carried, and no more are taken");
            status.refuse(&presence.name, why);
            return;
        }
        let name = self.names.entry(presence.name.clone()).or_insert_with(|| Name {
            presences: Vec::new(),
            turn: 0,
            stream: None,
            writer: None,
            retry: Instant::now(),
        });
        if !name.presences.contains(&presence) && name.presences.len() < PRESENCES {
            name.presences.push(presence);
        }
    }

    /// As [`super::Journals::gone`]. The replica stays.
    pub fn gone(&mut self, presence: &Presence, links: &mut Links, status: &mut Status) {
        let Some(name) = self.names.get_mut(&presence.name) else { return };
        name.presences.retain(|it| it != presence);
        if let Some(stream) = name.stream.take_if(|stream| stream.presence == *presence) {
            links.close(stream.id);
            name.retry = Instant::now();
        }
        if name.presences.is_empty() {
            self.names.remove(&presence.name);
            status.allow(&presence.name);
        }
        self.update_status(status);
    }

    pub fn retry(&mut self) {
        for name in self.names.values_mut().filter(|name| name.stream.is_none() && name.writer.is_none()) {
            name.retry = Instant::now();
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.names.values().filter(|name| name.stream.is_none()).map(|name| name.retry).min()
    }

    /// Opens streams, passes received messages to the replicas, and reports their progress.
    ///
    /// # Errors
    /// Errors of starting a replica's thread.
    pub fn work(&mut self, links: &mut Links, status: &mut Status) -> Result<()> {
        let mut has_changed = false;
        for (endpoint, name) in &mut self.names {
            if name.stream.is_none() && name.retry <= Instant::now() {
                self.streams = self.streams.saturating_add(1);
                has_changed |= name.open(endpoint, self.streams, links, status)?;
            }
            name.take_progress(endpoint, links, status);
            let was_open = name.stream.is_some();
            name.receive(endpoint, links, &self.inbox, status)?;
            has_changed |= was_open && name.stream.is_none();
        }
        if has_changed {
            self.update_status(status);
        }
        Ok(())
    }

    fn update_status(&self, status: &mut Status) {
        let machine = |name: &Name| Some(name.stream.as_ref()?.presence.machine.clone());
        let imported =
            self.names.iter().filter_map(|(endpoint, name)| Some((endpoint.clone(), machine(name)?)));
        let imported = imported.collect();
        if status.imported_journals != imported {
            status.imported_journals = imported;
            status.touch();
        }
    }
}

impl Name {
    fn open(&mut self, endpoint: &str, number: u64, links: &mut Links, status: &mut Status) -> Result<bool> {
        self.retry = after(Instant::now(), AGAIN);
        let Some(presence) =
            self.presences.get(self.turn.checked_rem(self.presences.len()).unwrap_or(0)).cloned()
        else {
            return Ok(false);
        };
        // `Replica::open` reports an unreadable replica.
        if self.writer.is_none()
            && registry::history(endpoint).is_ok_and(|it| it.is_some_and(|it| it.machine.is_none()))
        {
            status.refuse(endpoint, "a journal of this machine has the name, and stays as it is".into());
            self.retry = after(Instant::now(), REFUSED);
            return Ok(false);
        }
        let Some(id) = links.open_stream(endpoint, &presence.machine) else { return Ok(false) };
        self.stream = Some(Stream { id, number, presence });
        Ok(true)
    }

    /// Passes received messages to the replica's thread while its queue has room.
    fn receive(
        &mut self,
        endpoint: &str,
        links: &mut Links,
        inbox: &Inbox,
        status: &mut Status,
    ) -> Result<()> {
        while let Some(stream) = &self.stream
            && self.writer.as_ref().is_none_or(Writer::has_room)
        {
            let message = match links.receive(stream.id) {
                Received::Nothing => return Ok(()),
                Received::Message(bytes) => Message::from_bytes(&bytes),
                Received::End => None,
            };
            match (message, &self.writer) {
                (Some(Message::Journal(history)), _) => {
                    let machine = stream.presence.machine.clone();
                    let mut options = Options::default().with_machine(&machine);
                    options.max_message_size = LONGEST;
                    let number = stream.number;
                    let writer = match self.writer.take() {
                        Some(writer) => writer,
                        None => Writer::start(endpoint, inbox)?,
                    };
                    // The same thread opens the replica again after writing its queue.
                    self.writer.insert(writer).open(number, history, options);
                }
                (Some(Message::Schema(form)), Some(writer)) => writer.schema(form),
                (Some(Message::Record(record)), Some(writer)) => {
                    status.look_at_clock(endpoint, record.sent);
                    writer.record(record);
                }
                (Some(Message::Oldest(number)), Some(writer)) => writer.retire_before(number),
                (Some(Message::Failed(why)), _) => {
                    let machine = &stream.presence.machine;
                    status.refuse(endpoint, format!("{machine} sends no more of it: {why}"));
                }
                // The stream has ended, or the message is invalid in this state.
                _ => {
                    links.close(stream.id);
                    (self.stream, self.retry) = (None, after(Instant::now(), AGAIN));
                }
            }
        }
        Ok(())
    }

    /// Handles the thread's progress: requests records after the replica is open, and counts written ones.
    fn take_progress(&mut self, endpoint: &str, links: &mut Links, status: &mut Status) {
        let Some(writer) = &self.writer else { return };
        let progress = writer.progress();
        if let Some((number, last)) = progress.opened
            && let Some(stream) = self.stream.as_ref().filter(|stream| stream.number == number)
        {
            status.allow(endpoint);
            links.send(stream.id, Message::From(last.saturating_add(1)).to_bytes());
        }
        status.received_records(endpoint, progress.written);
        match progress.problem {
            Some(Some(e)) => status.refuse(endpoint, format!("{e}; it is tried again each second")),
            Some(None) => status.allow(endpoint),
            None => {}
        }
        if let Some(error) = progress.failed {
            status.refuse(endpoint, error.to_string());
            // The local replica belongs to another journal, so the next machine is tried.
            if error.kind() == ErrorKind::AddressInUse {
                self.turn = self.turn.saturating_add(1);
            }
            if let Some(stream) = self.stream.take() {
                links.close(stream.id);
            }
            (self.writer, self.retry) = (None, after(Instant::now(), REFUSED));
        }
    }
}
