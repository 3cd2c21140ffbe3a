//! Journals of this machine for others: each machine gets the records from a requested number on.
//!
//! For each stream, a local subscriber reads the journal as fast as the stream's window allows. If the journal was
//! replaced or the subscriber fell behind the kept records, the stream ends and the other side opens a new one.

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

const IN_TURN: usize = 64;

#[derive(Default)]
pub struct Exports {
    /// Exported journals, with the value that withdraws each on drop.
    names: BTreeMap<String, (Presence, Box<dyn Any>)>,
    sources: BTreeMap<Id, Source>,
}

struct Source {
    name: String,
    machine: String,
    /// The subscriber and its descriptor; `None` until a first record is requested.
    reader: Option<(Subscriber, OwnedFd)>,
    is_at_end: bool,
    /// Whether an unreadable record precedes the next one, which then begins a segment of the replica.
    follows_gap: bool,
    identity: [u8; 16],
    /// The other side's last record number.
    last: u64,
    /// The first record number that the other side keeps.
    oldest: u64,
    /// The last sent schema; 0 for none.
    schema: u64,
}

impl Exports {
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
                // An unreadable journal stays exported.
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

    pub fn has(&self, presence: &Presence) -> bool {
        self.names.get(&presence.name).is_some_and(|(ours, _)| ours == presence)
    }

    /// Returns the descriptors of sources that wait for records.
    pub fn descriptors(&self) -> impl Iterator<Item = (Id, &OwnedFd)> {
        let waiting = self.sources.iter().filter(|(_, source)| source.is_at_end);
        waiting.filter_map(|(id, source)| Some((*id, &source.reader.as_ref()?.1)))
    }

    /// Returns now, if there is more to send and room for it.
    pub fn deadline(&self, links: &Links) -> Option<Instant> {
        let sends = |(id, source): (&Id, &Source)| {
            source.reader.is_some() && !source.is_at_end && links.has_room(*id)
        };
        self.sources.iter().any(sends).then(Instant::now)
    }

    pub fn wake(&mut self, stream: Id) {
        if let Some(source) = self.sources.get_mut(&stream) {
            source.is_at_end = false;
        }
    }

    /// Describes a journal to a machine that opened a stream for it.
    ///
    /// Closes the stream if the machine may not have the journal, as for a missing journal.
    pub fn opened(&mut self, opened: Opened, links: &mut Links, config: &Config) -> Result<()> {
        let Opened { id, machine, name } = opened;
        if !self.names.contains_key(&name) || !config.gives(&name, &machine) {
            links.close(id);
            return Ok(());
        }
        // A machine reads each journal over one stream; a new one replaces the previous one.
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

    /// Sends records over all streams. Returns whether a journal may be gone.
    ///
    /// A stream's error is sent to its other side and ends only that stream.
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
    /// Errors of reading the journal.
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
                // Local and remote readers get this error and continue after the record.
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
        // Read after the records, to include the segments that they began.
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
            // The other side opens the stream again and gets a new description.
            Some(e)
                if matches!(e.kind(), ErrorKind::Lagged | ErrorKind::Disconnected | ErrorKind::NotFound) =>
            {
                Ok(false)
            }
            Some(e) => Err(Error::new(e.kind(), e.text().to_owned())),
        }
    }

    /// Returns whether the next record belongs to a journal that replaced the described one.
    ///
    /// A subscriber gets all records of such a journal.
    fn begins_anew(&self, next: u64) -> Result<bool> {
        if next <= self.last {
            return Ok(true);
        }
        let is_other = |history: History| history.identity != self.identity;
        Ok(self.last == 0 && registry::history(&self.name)?.is_none_or(is_other))
    }
}
