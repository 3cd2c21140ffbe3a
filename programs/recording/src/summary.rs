//! Summarizes a recording: names with counts, times and losses; facts, notes and events.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use linkspan::{Map, Result, Value};

use crate::claims::Claims;
use crate::dropped::Dropped;
use crate::event::Kind;
use crate::format;
use crate::reader::{Channel, Entry, Problem, Reader};
use crate::timeline::{Extent, Timeline};

/// The content of a name.
#[derive(Clone, Debug, Default)]
pub struct Name {
    /// Its messages, without repeated ones.
    pub messages: u64,
    /// The bytes of their bodies.
    pub bytes: u64,
    /// Messages that were not received.
    pub missed: u64,
    /// Messages that were received but not recorded, on request.
    pub skipped: u64,
    /// The first and last time of receipt; `None` without messages.
    pub extent: Option<Extent>,
    /// The incarnations of its publishers.
    pub incarnations: Vec<u64>,
    /// The encodings of its messages.
    pub encodings: Vec<String>,
    /// The names of its schemas.
    pub schemas: Vec<String>,
    /// The newest message's channel with a schema in Linkspan's notation.
    pub described_by: Option<Arc<Channel>>,
    /// Its publishers.
    pub sources: Vec<String>,
    /// The items of these lists, for a fast search.
    seen: HashSet<Seen>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Seen {
    Incarnation(u64),
    Encoding(String),
    Schema(String),
    Source(String),
}

/// The content of a recording.
#[derive(Debug, Default)]
pub struct Summary {
    /// Its names, without events.
    pub names: BTreeMap<String, Name>,
    /// The recorder's facts at the beginning.
    pub facts: BTreeMap<String, String>,
    /// The notes.
    pub notes: BTreeMap<String, String>,
    /// Attached files and their bytes.
    pub attachments: Vec<(String, u64)>,
    /// The count of events by kind.
    pub events: BTreeMap<String, u64>,
    /// Of a message or event.
    pub extent: Option<Extent>,
    timeline: Timeline,
    /// Omissions of the originals, if this is a copy.
    pub omitted: Vec<String>,
    /// Parts of the originals that their recorder removed.
    pub removed: Vec<String>,
    claims: Claims,
    /// Included channels, by address.
    described: HashMap<usize, Arc<Channel>>,
}

const MAX_OMITTED: usize = 1_000;

/// The most channels of a part.
const MAX_DESCRIBED: usize = 1 << 16;

impl Name {
    fn describe(&mut self, channel: &Channel) {
        if self.seen.insert(Seen::Incarnation(channel.incarnation)) {
            self.incarnations.push(channel.incarnation);
        }
        let texts = [
            (&mut self.encodings, Some(&channel.encoding), Seen::Encoding as fn(String) -> Seen),
            (&mut self.sources, Some(&channel.source), Seen::Source),
            (&mut self.schemas, channel.schema.as_ref().map(|schema| &schema.name), Seen::Schema),
        ];
        for (list, text, seen) in texts {
            if let Some(text) = text.filter(|text| !text.is_empty())
                && self.seen.insert(seen(text.clone()))
            {
                list.push(text.clone());
            }
        }
    }
}

impl Summary {
    /// Reads a recording to its end.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn read(reader: &mut Reader) -> Result<Summary> {
        let mut summary = Summary::default();
        while let Some(entry) = reader.read()? {
            summary.add(entry);
        }
        Ok(summary)
    }

    fn add(&mut self, entry: Entry<'_>) {
        match entry {
            Entry::Message(message) if message.channel.repeated => {}
            Entry::Message(message) => {
                self.timeline.take(message.received);
                Extent::include(&mut self.extent, &self.timeline, message.received);
                let channel = message.channel;
                self.claims.message(channel, message.number);
                if !self.names.contains_key(&channel.topic) {
                    self.names.insert(channel.topic.clone(), Name::default());
                }
                let Some(name) = self.names.get_mut(&channel.topic) else { return };
                name.messages = name.messages.saturating_add(1);
                name.bytes = name.bytes.saturating_add(message.body.len() as u64);
                Extent::include(&mut name.extent, &self.timeline, message.received);
                let address = Arc::as_ptr(channel).addr();
                if !self.described.contains_key(&address) {
                    if self.described.len() >= MAX_DESCRIBED {
                        self.described.clear();
                    }
                    self.described.insert(address, channel.clone());
                    name.describe(channel);
                }
                let is_known = name.described_by.as_ref().is_some_and(|known| Arc::ptr_eq(known, channel));
                if !is_known && channel.has_notation() {
                    name.described_by = Some(channel.clone());
                }
            }
            Entry::Event(event) => {
                self.timeline.note(&event);
                self.claims.event(&event);
                Extent::include(&mut self.extent, &self.timeline, event.time);
                let events = self.events.entry(event.kind.name().to_owned()).or_default();
                *events = events.saturating_add(1);
                let count = event.count.unwrap_or(0);
                if matches!(event.kind, Kind::Missed | Kind::Skipped) {
                    let name = self.names.entry(event.name).or_default();
                    let counter =
                        if event.kind == Kind::Missed { &mut name.missed } else { &mut name.skipped };
                    *counter = counter.saturating_add(count);
                }
            }
            Entry::Metadata(format::metadata::RECORDING, facts) if self.facts.is_empty() => {
                self.facts.clone_from(facts)
            }
            Entry::Metadata(format::metadata::NOTES, notes) => self.notes.clone_from(notes),
            Entry::Metadata(format::metadata::OMITTED, omitted) => {
                // The limit protects against a malicious file.
                if self.omitted.len() < MAX_OMITTED {
                    self.omitted.push(format::omitted(omitted));
                }
            }
            Entry::Metadata(format::metadata::DROPPED, entries) if self.removed.len() < MAX_OMITTED => {
                self.removed.extend(Dropped::of_original(entries));
            }
            Entry::Metadata(..) => {}
            Entry::Attachment(name, length) => self.attachments.push((name.to_owned(), length)),
        }
    }

    /// Returns why counts of losses are false, if so.
    pub fn fault_of_losses(&self) -> Option<String> {
        self.claims.fault()
    }

    /// Returns the summary as a value, with the problems and paths of the files.
    pub fn to_value(&self, problems: &[Problem], files: &[PathBuf]) -> Value {
        let names = self.name_values().map(|(topic, of)| (topic.to_owned(), of)).collect();
        let mut value = Map::from_iter([(NAMES.to_owned(), Value::Map(names))]);
        value.extend(self.other_values(problems, files));
        Value::Map(value)
    }

    /// Returns the entries of [`NAMES`] one at a time: there may be very many.
    pub fn name_values(&self) -> impl Iterator<Item = (&str, Value)> {
        self.names.iter().map(|(topic, name)| (topic.as_str(), name.to_value()))
    }

    /// Returns all other entries.
    pub fn other_values(&self, problems: &[Problem], files: &[PathBuf]) -> Map {
        let map = |entries: &BTreeMap<String, String>| -> Value {
            Value::Map(entries.iter().map(|(key, text)| (key.clone(), text.as_str().into())).collect())
        };
        let mut value = Map::new();
        value.insert(
            "parts".into(),
            Value::Array(files.iter().map(|file| file.display().to_string().into()).collect()),
        );
        value.insert("recording".into(), map(&self.facts));
        value.insert("notes".into(), map(&self.notes));
        let events = self.events.iter().map(|(kind, count)| (kind.clone(), (*count).into())).collect();
        value.insert("events".into(), Value::Map(events));
        if let Some((first, last)) = self.extent.map(|extent| extent.times()) {
            value.insert("begin".into(), first.into());
            value.insert("end".into(), last.into());
        }
        value.insert("omitted".into(), texts(&self.omitted));
        value.insert("removed".into(), texts(&self.removed));
        let problems = problems.iter().map(ToString::to_string).chain(self.fault_of_losses());
        value.insert("problems".into(), Value::Array(problems.map(Value::from).collect()));
        value
    }
}

/// The key of the names in the value of a summary.
pub const NAMES: &str = "names";

fn texts(list: &[String]) -> Value {
    Value::Array(list.iter().map(|text| text.as_str().into()).collect())
}

impl Name {
    fn to_value(&self) -> Value {
        let numbers = [
            ("messages", Some(self.messages)),
            ("bytes", Some(self.bytes)),
            ("missed", Some(self.missed)),
            ("skipped", Some(self.skipped)),
            ("first", self.extent.map(|extent| extent.times().0)),
            ("last", self.extent.map(|extent| extent.times().1)),
        ];
        let value = |number: Option<u64>| number.map_or(Value::Null, Value::from);
        let mut of: Map = numbers.into_iter().map(|(key, number)| (key.to_owned(), value(number))).collect();
        let incarnations = self.incarnations.iter().map(|number| format!("{number:016x}").into()).collect();
        of.insert("incarnations".into(), Value::Array(incarnations));
        of.insert("encodings".into(), texts(&self.encodings));
        of.insert("schemas".into(), texts(&self.schemas));
        of.insert("sources".into(), texts(&self.sources));
        Value::Map(of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;

    #[test]
    fn name_that_begins_with_missed_messages_begins_with_its_first_message() {
        let mut summary = Summary::default();
        let missed =
            Event { count: Some(3), first: Some(1), ..Event::new(50, Kind::Missed).of("lab/a", Some(7)) };
        summary.add(Entry::Event(missed));
        assert_eq!(summary.names["lab/a"].extent, None);
        let Value::Map(value) = summary.to_value(&[], &[]) else { unreachable!() };
        let Value::Map(names) = &value["names"] else { unreachable!() };
        let Value::Map(name) = &names["lab/a"] else { unreachable!() };
        assert_eq!(
            (&name["first"], &name["last"], &name["missed"]),
            (&Value::Null, &Value::Null, &3u64.into())
        );
        for received in [60, 55] {
            let channel = Arc::new(Channel::named("lab/a"));
            let body = bytes::Bytes::new();
            let message =
                crate::reader::Message { channel: &channel, number: 4, sent: 1, received, body: &body };
            summary.add(Entry::Message(message));
        }
        assert_eq!(summary.names["lab/a"].extent.unwrap().times(), (55, 60));
        assert_eq!(summary.extent.unwrap().times(), (50, 60));
    }
}
