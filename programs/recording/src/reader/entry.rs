//! What a reader gives: channels, messages, events, and where a file is not whole.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use linkspan::Encoding;

use crate::event::Event;
use crate::format::{self, MAX_TEXT, brief, channel};

/// What a reader holds at most of a file, which a stranger may have made.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one record, and of one chunk before and after it is decompressed.
    pub record: u64,
    /// Bytes of the schemas and channels of one part together.
    pub described: u64,
    /// Those of one message and its value.
    pub message: linkspan::Limits,
    /// What is held or written of a recording as a whole.
    pub room: Room,
}

/// How much larger than a recording a table of it may be, or another thing that is made of all of it: a file of some
/// bytes may stand for GiB.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Bytes that are held in memory at most, for instance of a table.
    pub held: u64,
    /// Cells at most that are written for fields which a message does not have.
    pub blank: u64,
}

/// Bytes of a name and an endpoint at most, which may be a path: a message of 40 bytes stands beside it in each line of
/// an export.
const MAX_NAME: usize = 4_200;

/// Bytes and cells for each byte of the files.
const FOR_EACH_BYTE: u64 = 64;

impl Room {
    /// That of files of so many bytes.
    pub(super) fn of_files(self, bytes: u64) -> Room {
        let more = |base: u64| base.saturating_add(bytes.saturating_mul(FOR_EACH_BYTE));
        Room { held: more(self.held), blank: more(self.blank) }
    }
}

impl Limits {
    /// Those for messages of at most so many bytes: a chunk is begun before its last message, so it has some more.
    pub fn of_messages(bytes: u64) -> Limits {
        let room = Room { held: bytes.saturating_mul(4), blank: bytes };
        let message = linkspan::Limits::for_message(bytes);
        Limits { record: bytes.saturating_add(16 << 20), described: 256 << 20, message, room }
    }
}

impl Default for Limits {
    /// Those for messages as large as a channel takes them by default, 64 MiB.
    fn default() -> Limits {
        Limits::of_messages(linkspan::Limits::default().message)
    }
}

/// Returns whether a channel of this name has the events of the recorder, which are no publisher's.
pub(super) fn is_events(topic: &str, metadata: &BTreeMap<String, String>) -> bool {
    topic == format::EVENTS && !metadata.contains_key(channel::INCARNATION)
}

/// A channel of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Channel {
    /// The number that the file gives it.
    pub id: u16,
    /// The name.
    pub topic: String,
    /// The endpoint with its transport; the name in a file of another program.
    pub endpoint: String,
    /// The incarnation of the publisher; 0 in a file of another program.
    pub incarnation: u64,
    /// How messages are encoded, as the file says it.
    pub encoding: String,
    /// The publisher; empty where the file does not say it.
    pub source: String,
    /// The machine that the name was imported from.
    pub machine: Option<String>,
    /// The number of the first message.
    pub first: Option<u64>,
    /// Whether its messages are those of an earlier part.
    pub repeated: bool,
    /// The schema.
    pub schema: Option<Arc<Schema>>,
    /// All of its metadata.
    pub metadata: BTreeMap<String, String>,
}

impl Channel {
    /// Returns the channel of a record, with the schema that it names.
    ///
    /// # Errors
    /// A number that is none: messages would be those of another publisher, or have other numbers.
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

    /// Returns the same channel with messages of its own part.
    pub(super) fn with_own_messages(&self) -> Channel {
        let (topic, endpoint, source) = (self.topic.clone(), self.endpoint.clone(), self.source.clone());
        let (encoding, machine) = (self.encoding.clone(), self.machine.clone());
        let mut metadata = self.metadata.clone();
        metadata.remove(channel::REPEATED);
        let schema = self.schema.clone();
        Channel { topic, endpoint, source, encoding, machine, metadata, schema, repeated: false, ..*self }
    }

    /// The same with the schemas that a file has before it.
    ///
    /// # Errors
    /// What is wrong with it.
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

    /// Returns what of it that stands beside each message is too long: how many bytes it has, and how many it may have.
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

    /// Returns the incarnation of the publisher as files and tables have it: zeros in a file of another program.
    pub fn incarnation_text(&self) -> String {
        format!("{:016x}", self.incarnation)
    }

    /// Returns whether it has the events of the recorder: a publisher may have their name, whose messages are none.
    pub(super) fn is_events(&self) -> bool {
        is_events(&self.topic, &self.metadata)
    }

    /// Returns the encoding of its messages, where this library knows it.
    pub fn encoding(&self) -> Option<Encoding> {
        Encoding::from_name(&self.encoding).ok()
    }

    /// Returns the schema in Linkspan's notation, where there is one.
    pub fn notation(&self) -> Option<&str> {
        match self.metadata.get(channel::SCHEMA) {
            Some(notation) => Some(notation),
            None => notation_in(self.shared_notation()?),
        }
    }

    /// Returns whether there is one, without a look at it.
    pub fn has_notation(&self) -> bool {
        self.metadata.contains_key(channel::SCHEMA) || self.shared_notation().is_some()
    }

    /// Returns the schema that is in Linkspan's notation itself.
    fn shared_notation(&self) -> Option<&Arc<Schema>> {
        self.schema.as_ref().filter(|schema| schema.is_notation)
    }
}

/// Returns a number that tells something from others, by keys that nobody outside of this process knows.
pub(super) fn keyed(what: impl Hash) -> u64 {
    static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    KEYS.hash_one(what)
}

/// A schema as the file has it. Thousands of channels may share one of MiB: it is held, compared and written once.
#[derive(Debug)]
pub struct Schema {
    /// Its name.
    pub name: String,
    /// Its notation.
    pub encoding: String,
    /// Its text.
    pub data: Vec<u8>,
    /// Whether it is in Linkspan's notation.
    is_notation: bool,
    /// What tells it from others, by keys that nobody outside of this process knows.
    hash: u64,
}

/// Returns the text of a schema that is in Linkspan's notation.
pub(crate) fn notation_in(schema: &Schema) -> Option<&str> {
    std::str::from_utf8(&schema.data).ok().filter(|_| schema.is_notation)
}

/// Returns the fingerprint of a schema in Linkspan's notation, for [`ByNotation`]; `None` of one that this version does
/// not read.
pub fn fingerprint(notation: &str) -> Option<[u8; 32]> {
    Some(linkspan::schema::Schema::parse(notation).ok()?.fingerprint().ok()?.0)
}

/// What is made of each schema in Linkspan's notation, once, however many channels have it.
#[derive(Debug)]
pub struct ByNotation<T> {
    /// By the address of what has the text, which is held so that nothing else gets the address.
    known: HashMap<usize, (Arc<Channel>, T)>,
}

/// Schemas of which something is known at a time: as many as one part may have.
const MAX_KNOWN: usize = 1 << 16;

impl<T> Default for ByNotation<T> {
    fn default() -> ByNotation<T> {
        ByNotation { known: HashMap::new() }
    }
}

impl<T> ByNotation<T> {
    /// Returns what is made of the schema of a channel; `None` where it has none.
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
    /// Makes one.
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
    /// Its number, in full.
    pub number: u64,
    /// When it was sent, in nanoseconds since 1970.
    pub sent: u64,
    /// When it was received.
    pub received: u64,
    /// Its bytes, a slice of what was read. A copy of this slice keeps the whole chunk in memory.
    pub body: &'a Bytes,
}

/// What a file has, in its order.
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

/// Where a file is not whole, or not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// The byte at which it is.
    pub offset: u64,
    /// What is wrong.
    pub text: String,
    /// What that is for the recording.
    pub kind: ProblemKind,
    /// Whether what the file has behind it was not read.
    pub(super) is_end: bool,
}

/// What a problem is for a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// Something in a file cannot be read.
    Damaged,
    /// A file ends within a record: its recorder was killed, or its disk lost the rest.
    Torn,
    /// A file was not closed, and all that it has was read: its recorder was killed, or is still at work.
    Unclosed,
    /// Parts are not there.
    Absent,
    /// A part was named that is not the first one: the recording goes on in others, which were not.
    Alone,
    /// Parts are not there because their recorder removed them, as it was asked to.
    Dropped,
    /// Messages of another program are not in the order of their times: too much of them overlaps.
    Unordered,
}

impl ProblemKind {
    /// Returns whether there may be parts that were not found.
    pub(super) fn may_hide_parts(self) -> bool {
        matches!(self, ProblemKind::Torn | ProblemKind::Unclosed | ProblemKind::Absent | ProblemKind::Damaged)
    }
}

impl Problem {
    /// A part that cannot be opened.
    pub(super) fn of_part(path: PathBuf, error: &linkspan::Error) -> Problem {
        Problem { path, offset: 0, text: error.to_string(), kind: ProblemKind::Damaged, is_end: true }
    }

    /// Returns whether something that the recording had is left out for it.
    pub fn is_loss(&self) -> bool {
        use ProblemKind::{Alone, Dropped, Unclosed, Unordered};
        !matches!(self.kind, Unclosed | Alone | Dropped | Unordered)
    }

    /// Returns whether the file ends there without an end.
    pub fn is_cut(&self) -> bool {
        matches!(self.kind, ProblemKind::Torn | ProblemKind::Unclosed)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: byte {}: {}", self.path.display(), self.offset, self.text)
    }
}
