//! What a reader gives: channels, messages, events, and where a file is not whole.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use linkspan::Encoding;

use crate::event::Event;
use crate::format::{self, channel};

/// What a reader holds at most of a file, which a stranger may have made.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one record, and of one chunk before and after it is decompressed.
    pub record: u64,
    /// Bytes of the schemas and channels of one part together.
    pub described: u64,
}

impl Limits {
    /// Those for messages of at most so many bytes: a chunk is begun before its last message, so it has some more.
    pub fn of_messages(bytes: u64) -> Limits {
        Limits { record: bytes.saturating_add(16 << 20), described: 256 << 20 }
    }
}

impl Default for Limits {
    /// Those for messages as large as a channel takes them by default, 64 MiB.
    fn default() -> Limits {
        Limits::of_messages(linkspan::Limits::default().message)
    }
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
    pub(super) fn of(found: mcap::records::Channel, schema: Option<Arc<Schema>>) -> Channel {
        let text = |key: &str| found.metadata.get(key).cloned();
        Channel {
            id: found.id,
            endpoint: text(channel::ENDPOINT).unwrap_or_else(|| found.topic.clone()),
            incarnation: text(channel::INCARNATION)
                .and_then(|text| u64::from_str_radix(&text, 16).ok())
                .unwrap_or(0),
            encoding: found.message_encoding.clone(),
            source: text(channel::SOURCE).unwrap_or_default(),
            machine: text(channel::MACHINE),
            first: text(channel::FIRST).and_then(|text| text.parse().ok()),
            repeated: found.metadata.get(channel::REPEATED).is_some_and(|text| text == "true"),
            schema,
            topic: found.topic,
            metadata: found.metadata,
        }
    }

    /// Returns the encoding of its messages, where this library knows it.
    pub fn encoding(&self) -> Option<Encoding> {
        Encoding::from_name(&self.encoding).ok()
    }

    /// Returns the schema in Linkspan's notation, where there is one.
    pub fn notation(&self) -> Option<&str> {
        if let Some(notation) = self.metadata.get(channel::SCHEMA) {
            return Some(notation);
        }
        let schema =
            self.schema.as_ref().filter(|schema| schema.encoding == format::schema_encoding::LINKSPAN)?;
        std::str::from_utf8(&schema.data).ok()
    }
}

/// A schema as the file has it.
#[derive(Debug, PartialEq, Eq)]
pub struct Schema {
    /// Its name.
    pub name: String,
    /// Its notation.
    pub encoding: String,
    /// Its text.
    pub data: Vec<u8>,
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
    /// Whether the file ends there: its recorder was killed, or is still at work.
    pub is_cut: bool,
    /// Whether all that the file has was read: it was not closed, and that is all.
    pub is_whole: bool,
    /// Whether what the file has behind it was not read.
    pub(super) is_end: bool,
}

impl Problem {
    /// A part that cannot be opened.
    pub(super) fn of_part(path: PathBuf, error: &linkspan::Error) -> Problem {
        Problem { path, offset: 0, text: error.to_string(), is_cut: false, is_whole: false, is_end: true }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: byte {}: {}", self.path.display(), self.offset, self.text)
    }
}
