//! Journals of this machine for others: each importing machine gets the records from the number on that it
//! requests.
//!
//! For each stream a subscriber reads the journal as any local program does, as fast as the window of the
//! stream has room. A stream is ended, and the other side opens a new one, when the journal was replaced or
//! the subscriber fell behind the records that are kept.

use std::any::Any;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::Instant;

use linkspan::registry::{self, Listed};
use linkspan::{Error, ErrorKind, History, Options, Result, StartAt, Subscriber};
use linkspan_relay::ReplicaRecord;

use super::message::Message;
use crate::config::{Config, is_journal};
use crate::engine::{Engine, LONGEST, Pattern, Presence};
use crate::joining::dup;
use crate::links::{Id, Links, Opened, Received};
use crate::status::Status;

/// The most records of one journal that are sent in a row.
const IN_TURN: usize = 64;

/// Exported journals, and the machines that read them.
#[derive(Default)]
pub struct Exports {
    /// The exported journals, each with the value that withdraws it when dropped.
    names: BTreeMap<String, (Presence, Box<dyn Any>)>,
    /// The machines that read them, by stream.
    sources: BTreeMap<Id, Source>,
}

/// The state of sending one journal to one machine.
struct Source {
    name: String,
    machine: String,
    /// The subscriber and its descriptor; `None` until the other side has requested a first record.
    reader: Option<(Subscriber, OwnedFd)>,
    /// Whether all records have been sent.
    is_at_end: bool,
    /// Whether the next record follows one that cannot be read: a segment of the replica begins with it then.
    follows_gap: bool,
    /// The identity of the journal that was described to the other side.
    identity: [u8; 16],
    /// The number of the last record that the other side has.
    last: u64,
    /// The number of the first record that the other side keeps.
    oldest: u64,
    /// The schema that was sent last; 0 for none.
    schema: u64,
}

impl Exports {
    /// See [`super::Journals::update`].
    pub fn update(
        &mut self,
        listed: &[Listed],
        config: &Config,
        engine: &dyn Engine,
        status: &mut Status,
    ) -> Result<()> {
        let machine = config.machine()?;
        let mut before = std::mem::take(&mut self.names);
        for one in listed {
            let name = &one.endpoint;
            let is_named = is_journal(name) && !name.contains(":/") && config.exports(name);
            if !is_named || one.machine.is_some() {
                continue;
            }
            let was = before.remove(name);
            let Some(incarnation) = one.incarnation else {
                // A journal that cannot be read just now stays exported.
                self.names.extend(was.filter(|_| one.problem.is_some()).map(|was| (name.clone(), was)));
                continue;
            };
            let machine = machine.clone();
            let presence = Presence { name: name.clone(), pattern: Pattern::Journal, machine, incarnation };
            let exported = match was.filter(|(was, _)| *was == presence) {
                Some(was) => was,
                None => {
                    let shown = engine.export_channel(&presence)?;
                    (presence, shown)
                }
            };
            self.names.insert(name.clone(), exported);
        }
        let names: Vec<_> = self.names.keys().cloned().collect();
        if status.exported_journals != names {
            status.exported_journals = names;
            status.touch();
        }
        Ok(())
    }

    /// Returns whether this presence is of this bridge.
    pub fn has(&self, presence: &Presence) -> bool {
        self.names.get(&presence.name).is_some_and(|(ours, _)| ours == presence)
    }

    /// Returns the descriptors of sources that wait for records.
    pub fn descriptors(&self) -> impl Iterator<Item = (Id, &OwnedFd)> {
        let waiting = self.sources.iter().filter(|(_, source)| source.is_at_end);
        waiting.filter_map(|(id, source)| Some((*id, &source.reader.as_ref()?.1)))
    }

    /// Returns the present time if there is more to send and room for it.
    pub fn deadline(&self, links: &Links) -> Option<Instant> {
        let sends = |(id, source): (&Id, &Source)| {
            source.reader.is_some() && !source.is_at_end && links.has_room(*id)
        };
        self.sources.iter().any(sends).then(Instant::now)
    }

    /// Marks a source that has something to read.
    pub fn wake(&mut self, stream: Id) {
        if let Some(source) = self.sources.get_mut(&stream) {
            source.is_at_end = false;
        }
    }

    /// Describes a journal to a machine that has opened a stream for it. The stream is closed if the machine
    /// may not have the journal, as if there were none.
    pub fn opened(&mut self, opened: Opened, links: &mut Links, config: &Config) -> Result<()> {
        let Opened { id, machine, name } = opened;
        if !self.names.contains_key(&name) || !config.gives(&name, &machine) {
            links.close(id);
            return Ok(());
        }
        // A machine reads each journal over one stream: a new one replaces the previous one.
        self.sources.retain(|before, source| {
            let is_same = source.machine == machine && source.name == name;
            if is_same {
                links.close(*before);
            }
            !is_same
        });
        match registry::history(&name) {
            Ok(Some(history)) if history.machine.is_none() => {
                let source = Source {
                    name,
                    machine,
                    reader: None,
                    is_at_end: false,
                    follows_gap: false,
                    identity: history.identity,
                    last: 0,
                    oldest: history.segments.first().copied().unwrap_or(1),
                    schema: 0,
                };
                links.send(id, Message::Journal(history).to_bytes());
                self.sources.insert(id, source);
            }
            // It is the replica of another machine's journal, or has gone.
            Ok(_) => links.close(id),
            Err(e) => {
                links.send(id, Message::Failed(e.to_string()).to_bytes());
                links.close(id);
            }
        }
        Ok(())
    }

    /// Sends records over all streams. Returns whether a journal may be gone. The error of one stream is sent
    /// to its other side, and ends that stream alone.
    pub fn work(&mut self, links: &mut Links, status: &mut Status) -> Result<bool> {
        let mut look = false;
        self.sources.retain(|id, source| {
            let is_going_on = source.work(*id, links, status).unwrap_or_else(|e| {
                links.send(*id, Message::Failed(e.to_string()).to_bytes());
                false
            });
            if !is_going_on {
                links.close(*id);
                look = true;
            }
            is_going_on
        });
        Ok(look)
    }
}

impl Source {
    /// Sends records while the window has room. Returns whether the stream continues.
    ///
    /// # Errors
    /// Those of reading the journal.
    fn work(&mut self, id: Id, links: &mut Links, status: &mut Status) -> Result<bool> {
        loop {
            match links.receive(id) {
                Received::Nothing => break,
                Received::End => return Ok(false),
                Received::Message(bytes) => {
                    let Some(Message::From(first)) = Message::from_bytes(&bytes) else { return Ok(false) };
                    let mut options = Options::default();
                    (options.from, options.max_message_size) = (Some(StartAt::Sequence(first)), LONGEST);
                    let subscriber = Subscriber::new(&self.name, &options)?;
                    let descriptor = dup(&subscriber)?;
                    (self.reader, self.is_at_end) = (Some((subscriber, descriptor)), false);
                    self.last = first.saturating_sub(1);
                }
            }
        }
        if self.is_at_end || !links.has_room(id) {
            return Ok(true);
        }
        let Some((subscriber, _)) = &self.reader else { return Ok(true) };
        let (mut messages, mut bytes) = (Vec::new(), 0);
        let mut ended = None;
        while messages.len() < IN_TURN && bytes < crate::links::WINDOW {
            match subscriber.try_recv() {
                Ok(message) => {
                    bytes = bytes.saturating_add(message.body().len());
                    messages.push((message, std::mem::take(&mut self.follows_gap)));
                }
                Err(e) if e.kind() == ErrorKind::Empty => {
                    self.is_at_end = true;
                    break;
                }
                // Local readers get the same error and continue behind the record; so do remote ones.
                Err(e) if matches!(e.kind(), ErrorKind::Corrupt | ErrorKind::TooLarge) => {
                    status.refuse(&self.name, e.to_string());
                    self.follows_gap = true;
                }
                Err(e) => {
                    ended = Some(e);
                    break;
                }
            }
        }
        // Read after the records: it includes the segments that began with one of them.
        let segments = registry::segments(&self.name)?;
        for (message, follows_gap) in messages {
            if self.begins_anew(message.sequence())? {
                return Ok(false);
            }
            let begins = follows_gap || segments.contains(&message.sequence());
            let record = ReplicaRecord::of(&message, begins);
            if record.schema != 0 && record.schema != self.schema {
                let form = registry::schema_of(&self.name, &message)?;
                links.send(id, Message::Schema(form.into()).to_bytes());
                self.schema = record.schema;
            }
            self.last = record.sequence;
            links.send(id, Message::Record(record).to_bytes());
            status.sent(&self.name);
        }
        if let Some(oldest) = segments.first().copied().filter(|oldest| *oldest > self.oldest) {
            links.send(id, Message::Oldest(oldest).to_bytes());
            self.oldest = oldest;
        }
        match ended {
            None => Ok(true),
            // The other side opens the stream again, and then receives a new description of the journal.
            Some(e)
                if matches!(e.kind(), ErrorKind::Lagged | ErrorKind::Disconnected | ErrorKind::NotFound) =>
            {
                Ok(false)
            }
            Some(e) => Err(Error::new(e.kind(), e.text().to_owned())),
        }
    }

    /// Returns whether the next record is of another journal, which has replaced the one that was described
    /// to the other side: a subscriber gets all records of such a journal.
    fn begins_anew(&self, next: u64) -> Result<bool> {
        if next <= self.last {
            return Ok(true);
        }
        let is_other = |history: History| history.identity != self.identity;
        Ok(self.last == 0 && registry::history(&self.name)?.is_none_or(is_other))
    }
}
