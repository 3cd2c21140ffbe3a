//! The output of a reader: channels, messages, events and problems.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use linkspan::Encoding;

use crate::event::Event;
use crate::format::{self, MAX_TEXT, brief, channel};

/// The limits for a file that a stranger may have made.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most bytes of a record, and of a chunk before and after decompression.
    pub record: u64,
    /// The most bytes of all schemas and channels in a part.
    pub described: u64,
    /// The limits of a message and its value.
    pub message: linkspan::Limits,
    /// The limits for a whole recording's results.
    pub room: Room,
}

/// The limits for a whole recording's result: a tiny file can expand to GiB.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// The most bytes in memory, for instance of a table.
    pub held: u64,
    /// The most cells for absent fields.
    pub blank: u64,
}

/// Possibly a path; an export repeats it for each message.
const MAX_NAME: usize = 4_200;

const FOR_EACH_BYTE: u64 = 64;

impl Room {
    /// Returns the limits for files of this size.
    pub(super) fn of_files(self, bytes: u64) -> Room {
        let more = |base: u64| base.saturating_add(bytes.saturating_mul(FOR_EACH_BYTE));
        Room { held: more(self.held), blank: more(self.blank) }
    }
}

impl Limits {
    /// For messages of at most `bytes`; a chunk can exceed its last message by some MiB.
    pub fn of_messages(bytes: u64) -> Limits {
        let room = Room { held: bytes.saturating_mul(4), blank: bytes };
        let message = linkspan::Limits::for_message(bytes);
        Limits { record: bytes.saturating_add(16 << 20), described: 256 << 20, message, room }
    }
}

impl Default for Limits {
    /// Returns the limits for the default longest message, 64 MiB.
    fn default() -> Limits {
        Limits::of_messages(linkspan::Limits::default().message)
    }
}

pub(super) fn is_events(topic: &str, metadata: &BTreeMap<String, String>) -> bool {
    topic == format::EVENTS && !metadata.contains_key(channel::INCARNATION)
}

/// A channel of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Channel {
    /// Its number in the file.
    pub id: u16,
    /// The name.
    pub topic: String,
    /// The endpoint with its transport; in a file of another program, the name.
    pub endpoint: String,
    /// The incarnation of the publisher; 0 in a file of another program.
    pub incarnation: u64,
    /// The encoding of its messages.
    pub encoding: String,
    /// The publisher; empty if unknown.
    pub source: String,
    /// The machine that the name was imported from.
    pub machine: Option<String>,
    /// The number of the first message.
    pub first: Option<u64>,
    /// Whether it repeats an earlier part's messages.
    pub repeated: bool,
    /// The schema.
    pub schema: Option<Arc<Schema>>,
    /// All metadata.
    pub metadata: BTreeMap<String, String>,
}

impl Channel {
    /// Returns a record's channel with its schema.
    ///
    /// # Errors
    /// A text for an invalid number, which would change the publisher or the numbers.
    pub(super) fn of(found: mcap::records::Channel, schema: Option<Arc<Schema>>) -> Result<Channel, String> {
        let text = |key: &str| found.metadata.get(key).cloned();
        let number = |key: &str, radix| {
            let Some(text) = found.metadata.get(key) else { return Ok(None) };
            format::number(text, radix).map(Some).ok_or_else(|| {
                format!("the channel {} has {key} {:?}, which is no number", found.id, brief(text))
            })
        };
        Ok(Channel {
            id: found.id,
            endpoint: text(channel::ENDPOINT).unwrap_or_else(|| found.topic.clone()),
            incarnation: number(channel::INCARNATION, 16)?.unwrap_or(0),
            encoding: found.message_encoding.clone(),
            source: text(channel::SOURCE).unwrap_or_default(),
            machine: text(channel::MACHINE),
            first: number(channel::FIRST, 10)?,
            repeated: found.metadata.get(channel::REPEATED).is_some_and(|text| text == "true"),
            schema,
            topic: found.topic,
            metadata: found.metadata,
        })
    }

    /// Returns this channel without the mark of repeated messages.
    pub(super) fn with_own_messages(&self) -> Channel {
        let (topic, endpoint, source) = (self.topic.clone(), self.endpoint.clone(), self.source.clone());
        let (encoding, machine) = (self.encoding.clone(), self.machine.clone());
        let mut metadata = self.metadata.clone();
        metadata.remove(channel::REPEATED);
        let schema = self.schema.clone();
        Channel { topic, endpoint, source, encoding, machine, metadata, schema, repeated: false, ..*self }
    }

    /// Returns a record's channel, with a schema of the file.
    ///
    /// # Errors
    /// A text about the damage.
    pub(super) fn read(
        found: mcap::records::Channel,
        schemas: &HashMap<u16, Arc<Schema>>,
    ) -> Result<Channel, String> {
        let schema = schemas.get(&found.schema_id).cloned();
        if found.schema_id != 0 && schema.is_none() {
            return Err(format!(
                "the channel {:?} has the schema {}, which the file does not have before it",
                found.topic, found.schema_id
            ));
        }
        let channel = Channel::of(found, schema)?;
        match channel.too_long() {
            None => Ok(channel),
            Some((what, bytes, most)) => Err(format!(
                "the channel {} has {what} of {bytes} bytes; at most {most} are read",
                channel.id
            )),
        }
    }

    /// Returns a text that is too long for an export, with length and limit.
    pub(super) fn too_long(&self) -> Option<(&'static str, usize, usize)> {
        let schema = self.schema.as_ref().map_or("", |schema| &schema.name);
        let machine = self.machine.as_deref().unwrap_or_default();
        let texts = [
            ("a name", &*self.topic, MAX_NAME),
            ("an endpoint", &self.endpoint, MAX_NAME),
            ("an encoding", &self.encoding, MAX_TEXT),
            ("a publisher", &self.source, MAX_TEXT),
            ("a machine", machine, MAX_TEXT),
            ("a schema's name", schema, MAX_TEXT),
        ];
        texts
            .into_iter()
            .map(|(what, text, most)| (what, text.len(), most))
            .find(|(_, bytes, most)| bytes > most)
    }

    /// Returns the incarnation as text: zeros for another program.
    pub fn incarnation_text(&self) -> String {
        format!("{:016x}", self.incarnation)
    }

    pub(super) fn is_events(&self) -> bool {
        is_events(&self.topic, &self.metadata)
    }

    /// Returns the encoding of its messages, if this library supports it.
    pub fn encoding(&self) -> Option<Encoding> {
        Encoding::from_name(&self.encoding).ok()
    }

    /// Returns the schema in Linkspan's notation, if there is one.
    pub fn notation(&self) -> Option<&str> {
        match self.metadata.get(channel::SCHEMA) {
            Some(notation) => Some(notation),
            None => notation_in(self.shared_notation()?),
        }
    }

    /// Returns whether it has a schema in Linkspan's notation.
    pub fn has_notation(&self) -> bool {
        self.metadata.contains_key(channel::SCHEMA) || self.shared_notation().is_some()
    }

    fn shared_notation(&self) -> Option<&Arc<Schema>> {
        self.schema.as_ref().filter(|schema| schema.is_notation)
    }
}

/// Returns a hash with random keys: strangers cannot provoke collisions.
pub(super) fn keyed(what: impl Hash) -> u64 {
    static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    KEYS.hash_one(what)
}

/// A schema of the file, held once for thousands of channels.
#[derive(Debug)]
pub struct Schema {
    /// Its name.
    pub name: String,
    /// Its notation.
    pub encoding: String,
    /// Its text.
    pub data: Vec<u8>,
    is_notation: bool,
    /// A hash with random keys for fast comparisons.
    hash: u64,
}

/// Returns the text of a schema in Linkspan's notation.
pub(crate) fn notation_in(schema: &Schema) -> Option<&str> {
    std::str::from_utf8(&schema.data).ok().filter(|_| schema.is_notation)
}

/// Returns a notation's fingerprint, for [`ByNotation`]; `None` if unsupported.
pub fn fingerprint(notation: &str) -> Option<[u8; 32]> {
    Some(linkspan::schema::Schema::parse(notation).ok()?.fingerprint().ok()?.0)
}

/// A cache of a value per schema in Linkspan's notation.
#[derive(Debug)]
pub struct ByNotation<T> {
    /// By the address of the text's owner, which is held.
    known: HashMap<usize, (Arc<Channel>, T)>,
}

/// As many schemas as a part can have.
const MAX_KNOWN: usize = 1 << 16;

impl<T> Default for ByNotation<T> {
    fn default() -> ByNotation<T> {
        ByNotation { known: HashMap::new() }
    }
}

impl<T> ByNotation<T> {
    /// Returns the value for a channel's schema, if any.
    pub fn of(&mut self, channel: &Arc<Channel>, make: impl FnOnce(&str) -> T) -> Option<&T> {
        let address = match channel.shared_notation() {
            _ if !channel.has_notation() => return None,
            Some(shared) if !channel.metadata.contains_key(channel::SCHEMA) => Arc::as_ptr(shared).addr(),
            _ => Arc::as_ptr(channel).addr(),
        };
        if !self.known.contains_key(&address) {
            let made = make(channel.notation()?);
            if self.known.len() >= MAX_KNOWN {
                self.known.clear();
            }
            self.known.insert(address, (channel.clone(), made));
        }
        self.known.get(&address).map(|(_, made)| made)
    }
}

impl Schema {
    /// Makes a schema.
    pub fn new(name: String, encoding: String, data: Vec<u8>) -> Schema {
        let hash = keyed((&name, &encoding, &data));
        let is_notation = encoding == format::schema_encoding::LINKSPAN && std::str::from_utf8(&data).is_ok();
        Schema { name, encoding, data, is_notation, hash }
    }
}

impl PartialEq for Schema {
    fn eq(&self, other: &Schema) -> bool {
        std::ptr::eq(self, other)
            || self.hash == other.hash
                && (&self.name, &self.encoding, &self.data) == (&other.name, &other.encoding, &other.data)
    }
}

impl Eq for Schema {}

impl Hash for Schema {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

/// A message.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Its channel.
    pub channel: &'a Arc<Channel>,
    /// Its complete number.
    pub number: u64,
    /// When it was sent, in nanoseconds since 1970.
    pub sent: u64,
    /// When it was received.
    pub received: u64,
    /// Its bytes. A clone keeps the whole chunk in memory.
    pub body: &'a Bytes,
}

/// An entry of a file.
#[derive(Debug)]
pub enum Entry<'a> {
    /// A message.
    Message(Message<'a>),
    /// An event of a recording.
    Event(Event),
    /// A metadata record.
    Metadata(&'a str, &'a BTreeMap<String, String>),
    /// The name and the length of an attached file.
    Attachment(&'a str, u64),
}

/// A fault of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// The offset of the fault.
    pub offset: u64,
    /// The description.
    pub text: String,
    /// The effect on the recording.
    pub kind: ProblemKind,
    /// Whether the rest of the file was not read.
    pub(super) is_end: bool,
}

/// The effect of a problem on a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// Data in a file cannot be read.
    Damaged,
    /// A file ends within a record: a kill, or a lost rest.
    Torn,
    /// A complete file was not closed: a kill, or still recording.
    Unclosed,
    /// Parts are missing.
    Absent,
    /// A later part was named, and the other parts of its recording were not.
    Alone,
    /// Its recorder removed parts on request.
    Dropped,
    /// Too many chunks overlap to sort another program's messages by time.
    Unordered,
}

impl ProblemKind {
    /// Returns whether unknown parts may exist.
    pub(super) fn may_hide_parts(self) -> bool {
        matches!(self, ProblemKind::Torn | ProblemKind::Unclosed | ProblemKind::Absent | ProblemKind::Damaged)
    }
}

impl Problem {
    pub(super) fn of_part(path: PathBuf, error: &linkspan::Error) -> Problem {
        Problem { path, offset: 0, text: error.to_string(), kind: ProblemKind::Damaged, is_end: true }
    }

    /// Returns whether the reader left out data.
    pub fn is_loss(&self) -> bool {
        use ProblemKind::{Alone, Dropped, Unclosed, Unordered};
        !matches!(self.kind, Unclosed | Alone | Dropped | Unordered)
    }

    /// Returns whether the file stops without a proper end.
    pub fn is_cut(&self) -> bool {
        matches!(self.kind, ProblemKind::Torn | ProblemKind::Unclosed)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: byte {}: {}", self.path.display(), self.offset, self.text)
    }
}
