//! Reads recordings and other MCAP files from their beginning to their end, or as far as they are whole; also while they are written.
//!
//! A file is read in blocks, never mapped: another program may shorten it at any time. What is held is one record, at most of
//! [`Limits::record`] bytes, and what a chunk decompresses to. A message is a slice of that memory.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use linkspan::{Encoding, Error, ErrorKind, Result, Wait};
use mcap::records::{Record, op};

use crate::chunk::{self, HEAD};
use crate::event::Event;
use crate::follower::Follower;
use crate::format::{self, channel};
use crate::parts;
use crate::writer::of_io;

/// What a reader holds at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one record, and of one chunk before and after it is decompressed.
    pub record: u64,
}

impl Default for Limits {
    /// 1 GiB: a message may have 64 MiB by default, and a chunk ends behind its last message.
    fn default() -> Limits {
        Limits { record: 1 << 30 }
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
    /// Its bytes, a slice of what was read: whoever keeps them keeps the chunk in memory.
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
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: byte {}: {}", self.path.display(), self.offset, self.text)
    }
}

/// Reads the parts of a recording, one after the other.
#[derive(Debug)]
pub struct Reader {
    parts: VecDeque<PathBuf>,
    limits: Limits,
    part: Option<OpenPart>,
    /// The times of the messages that are asked for.
    window: Option<(u64, u64)>,
    problems: Vec<Problem>,
    current: Current,
    follower: Option<Follower>,
}

/// What was read last.
#[derive(Debug, Default)]
struct Current {
    channel: Option<Arc<Channel>>,
    number: u64,
    sent: u64,
    received: u64,
    body: Bytes,
    name: String,
    metadata: BTreeMap<String, String>,
    length: u64,
}

enum Found {
    Message,
    Event(Event),
    Metadata,
    Attachment,
    End,
}

impl Reader {
    /// Opens a recording: all of its parts, if this is the first one, and otherwise this file alone.
    ///
    /// # Errors
    /// `NotFound`, and those of the file system; `Malformed` for a file that is no MCAP file.
    pub fn open(path: &Path) -> Result<Reader> {
        let existing = parts::existing(path);
        Reader::of(if existing.is_empty() { vec![path.to_owned()] } else { existing }, Limits::default())
    }

    /// Reads these files as one recording.
    ///
    /// # Errors
    /// As for [`Reader::open`].
    pub fn of(paths: Vec<PathBuf>, limits: Limits) -> Result<Reader> {
        let mut reader = Reader {
            parts: paths.into(),
            limits,
            part: None,
            window: None,
            problems: Vec::new(),
            current: Current::default(),
            follower: None,
        };
        reader.open_next()?;
        Ok(reader)
    }

    /// Opens a recording that may still be written: where [`Reader::read`] finds no more, there may be more after [`Reader::wait`].
    ///
    /// # Errors
    /// As for [`Reader::open`]; those of inotify.
    pub fn follow(path: &Path) -> Result<Reader> {
        // Before the first look at the file, so that no change of it is missed.
        let follower = Follower::new(path)?;
        follower.wait_until_begun()?;
        Ok(Reader { follower: Some(follower), ..Reader::open(path)? })
    }

    /// The same for messages that were received within these times, in nanoseconds since 1970: chunks without one are not read, where
    /// the file was closed. Events, metadata and messages outside of the times may be given nevertheless.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn within(mut self, from: u64, to: u64) -> Result<Reader> {
        self.window = Some((from, to));
        if let Some(part) = &mut self.part {
            part.skip_outside(from, to)?;
        }
        Ok(self)
    }

    /// Waits until the recording that is followed may have more; returns whether it may, or the wait ended before.
    ///
    /// # Errors
    /// Those of the kernel, and `Interrupted` or `Cancelled` where the wait was ended.
    pub fn wait(&mut self, wait: Wait<'_>) -> Result<bool> {
        match &self.follower {
            Some(follower) => follower.wait(wait),
            None => Ok(false),
        }
    }

    /// Returns whether its recorder has ended it: nothing will come behind what was read.
    pub fn has_ended(&self) -> bool {
        self.part.is_none()
    }

    fn open_next(&mut self) -> Result<bool> {
        if self.parts.is_empty()
            && let (Some(follower), Some(part)) = (&self.follower, &self.part)
        {
            self.parts = follower.parts_behind(&part.path);
        }
        let Some(path) = self.parts.pop_front() else {
            // A recording that goes on has a next part soon: this one names it.
            let goes_on = self.follower.is_some() && self.part.as_ref().is_some_and(|part| part.has_next);
            if !goes_on {
                self.part = None;
            }
            return Ok(false);
        };
        let mut part = OpenPart::open(path, self.limits)?;
        if let Some((from, to)) = self.window {
            part.skip_outside(from, to)?;
        }
        self.part = Some(part);
        Ok(true)
    }

    /// Returns the file that is read, and the byte behind the last record.
    pub fn place(&self) -> Option<(&Path, u64)> {
        self.part.as_ref().map(|part| (&*part.path, part.offset))
    }

    /// Returns what was found wrong so far.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Returns the next entry; `None` at the end of the last part, and where one that is followed has no more yet. What is wrong in a file
    /// is in [`Reader::problems`]; the next part is read then.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn read(&mut self) -> Result<Option<Entry<'_>>> {
        let found = loop {
            let Some(part) = &mut self.part else { return Ok(None) };
            match part.next(&mut self.current)? {
                Ok(Found::End) => {}
                Ok(found) => break found,
                Err(problem) => {
                    if let (true, Some(follower)) = (problem.is_cut, &self.follower) {
                        if self.parts.is_empty() {
                            self.parts = follower.parts_behind(&part.path);
                        }
                        // Behind the look for parts: what was written before the next one was begun is read first.
                        if part.has_grown()? {
                            continue;
                        }
                        if self.parts.is_empty() {
                            return Ok(None);
                        }
                    }
                    self.problems.push(problem);
                }
            }
            if !self.open_next()? {
                return Ok(None);
            }
        };
        let current = &self.current;
        Ok(Some(match (found, &current.channel) {
            (Found::Message, Some(channel)) => Entry::Message(Message {
                channel,
                number: current.number,
                sent: current.sent,
                received: current.received,
                body: &current.body,
            }),
            (Found::Event(event), _) => Entry::Event(event),
            (Found::Attachment, _) => Entry::Attachment(&current.name, current.length),
            _ => Entry::Metadata(&current.name, &current.metadata),
        }))
    }
}

/// A channel that messages may have.
#[derive(Debug)]
struct Known {
    channel: Arc<Channel>,
    /// The number after the last one.
    next: u64,
    is_events: bool,
}

/// Bytes of a message before its body.
const MESSAGE: usize = 22;

/// A file that is read.
#[derive(Debug)]
struct OpenPart {
    file: File,
    path: PathBuf,
    limits: Limits,
    /// The byte behind the last whole record.
    offset: u64,
    /// The bytes of the file when it was opened.
    length: u64,
    /// What is left of a chunk that is being read, and where that begins.
    chunk: Option<(Bytes, u64)>,
    /// The last record with its head.
    record: Bytes,
    schemas: HashMap<u16, Arc<Schema>>,
    /// The channels by their numbers.
    channels: Vec<Option<Known>>,
    /// Chunks without a message in these times are not read.
    window: Option<(u64, u64)>,
    has_ended: bool,
    /// Whether its last record names a next part.
    has_next: bool,
}

impl OpenPart {
    fn open(path: PathBuf, limits: Limits) -> Result<OpenPart> {
        let file = File::open(&path).map_err(|error| of_io(&error, "opening", &path))?;
        let length = file.metadata().map_err(|error| of_io(&error, "reading", &path))?.len();
        let mut magic = [0; mcap::MAGIC.len()];
        let is_mcap = length >= magic.len() as u64
            && file
                .read_exact_at(&mut magic, 0)
                .map(|()| magic == mcap::MAGIC)
                .map_err(|error| of_io(&error, "reading", &path))?;
        if !is_mcap {
            let text = format!(
                "{} is no MCAP file: it does not begin with the bytes that each of them begins with",
                path.display()
            );
            return Err(Error::new(ErrorKind::Malformed, text).at(0));
        }
        Ok(OpenPart {
            file,
            path,
            limits,
            offset: mcap::MAGIC.len() as u64,
            length,
            chunk: None,
            record: Bytes::new(),
            schemas: HashMap::new(),
            channels: Vec::new(),
            window: None,
            has_ended: false,
            has_next: false,
        })
    }

    fn problem(&self, offset: u64, text: impl Into<String>, is_cut: bool) -> Problem {
        Problem { path: self.path.clone(), offset, text: text.into(), is_cut }
    }

    /// Takes the length of the file as it is now; returns whether it is longer than before.
    fn has_grown(&mut self) -> Result<bool> {
        let facts = self.file.metadata().map_err(|error| of_io(&error, "reading", &self.path))?;
        let has_grown = facts.len() > self.length;
        self.length = facts.len();
        Ok(has_grown)
    }

    /// Reads only chunks that have a message in these times, if the file was closed: the schemas and channels are repeated at its end, so
    /// that no chunk needs another one.
    fn skip_outside(&mut self, from: u64, to: u64) -> Result<()> {
        let Some(mut left) = self.summary()? else { return Ok(()) };
        while let Ok(Some((code, data))) = chunk::next_record(&mut left) {
            if matches!(code, op::SCHEMA | op::CHANNEL)
                && self.record(code, &data, 0, &mut Current::default()).is_err()
            {
                // A summary that is wrong is not used: each chunk is read.
                return Ok(());
            }
        }
        self.window = Some((from, to));
        Ok(())
    }

    /// Reads the next thing that a caller gets.
    fn next(&mut self, current: &mut Current) -> Result<std::result::Result<Found, Problem>> {
        // The memory of the last chunk is used again where nobody holds it.
        current.body = Bytes::new();
        loop {
            let (code, data, begins) = if let Some((left, begins)) = &mut self.chunk {
                let begins = *begins;
                match chunk::next_record(left) {
                    Ok(Some((code, data))) => (code, data, begins),
                    Ok(None) => {
                        self.chunk = None;
                        continue;
                    }
                    Err(text) => {
                        self.chunk = None;
                        return Ok(Err(self.wrong_chunk(begins, &text)));
                    }
                }
            } else if self.has_ended {
                return Ok(Ok(Found::End));
            } else {
                let begins = self.offset;
                match self.read_record()? {
                    Ok(Some(code)) => (code, self.record.slice(HEAD..), begins),
                    Ok(None) => continue,
                    Err(problem) => return Ok(Err(problem)),
                }
            };
            let found = if code != op::CHUNK {
                self.record(code, &data, begins, current)
            } else if self.chunk.is_some() {
                Err(self.wrong_chunk(begins, "it has another chunk in it"))
            } else {
                match chunk::records(&data, self.limits.record) {
                    Ok(records) => self.chunk = Some((records, begins)),
                    Err(text) => return Ok(Err(self.wrong_chunk(begins, &text))),
                }
                Ok(None)
            };
            match found {
                Ok(Some(found)) => return Ok(Ok(found)),
                Ok(None) => {}
                Err(problem) => return Ok(Err(problem)),
            }
        }
    }

    fn wrong_chunk(&self, begins: u64, text: &str) -> Problem {
        self.problem(begins, format!("the chunk that begins here: {text}"), false)
    }

    /// Reads a record of the file itself into `record`, and returns its operation code; none where it is a chunk that is not asked for.
    fn read_record(&mut self) -> Result<std::result::Result<Option<u8>, Problem>> {
        let mut head = [0; HEAD];
        let left = self.length.saturating_sub(self.offset);
        let cut = |part: &OpenPart, what: &str| {
            Err(part.problem(part.offset, format!("the file ends here, {what}: it was not closed"), true))
        };
        let Some(left) = left.checked_sub(HEAD as u64) else {
            return Ok(cut(
                self,
                if left == 0 { "without its last record" } else { "in the head of a record" },
            ));
        };
        let failed = |error: std::io::Error, path: &Path| of_io(&error, "reading", path);
        self.file.read_exact_at(&mut head, self.offset).map_err(|error| failed(error, &self.path))?;
        let [code, length @ ..] = head;
        let length = u64::from_le_bytes(length);
        if length > left {
            // What is larger than a record can be was never written; the rest may be missing.
            return Ok(if length > self.limits.record {
                Err(self.problem(
                    self.offset,
                    format!("a record of {length} bytes, which is more than a record may have"),
                    false,
                ))
            } else {
                cut(self, "in a record")
            });
        }
        if length > self.limits.record {
            let text = format!("a record of {length} bytes; at most {} are read", self.limits.record);
            return Ok(Err(self.problem(self.offset, text, false)));
        }
        let begins = self.offset + HEAD as u64;
        if code == op::CHUNK
            && let Some((from, to)) = self.window
        {
            let mut times = [[0; 8]; 2];
            self.file
                .read_exact_at(times.as_flattened_mut(), begins)
                .map_err(|error| failed(error, &self.path))?;
            let [first, last] = times.map(u64::from_le_bytes);
            if last < from || first > to {
                self.offset = begins + length;
                return Ok(Ok(None));
            }
        }
        // What exists in the file, so no length alone takes memory.
        let mut record = std::mem::take(&mut self.record).try_into_mut().unwrap_or_default();
        record.resize(usize::try_from(HEAD as u64 + length).unwrap_or(usize::MAX), 0);
        self.file.read_exact_at(&mut record, self.offset).map_err(|error| failed(error, &self.path))?;
        self.record = BytesMut::freeze(record);
        self.offset = begins + length;
        Ok(Ok(Some(code)))
    }

    /// Takes a record, of the file or of a chunk.
    fn record(
        &mut self,
        code: u8,
        data: &Bytes,
        begins: u64,
        current: &mut Current,
    ) -> std::result::Result<Option<Found>, Problem> {
        if code == op::MESSAGE {
            return self.message(data, begins, current);
        }
        if code == op::ATTACHMENT {
            let Some((name, length)) = attachment(data) else {
                return Err(self.problem(begins, "an attachment that is shorter than it says", false));
            };
            (current.name, current.length) = (name, length);
            return Ok(Some(Found::Attachment));
        }
        // Behind the messages the schemas and channels are repeated.
        self.has_ended |= code == op::DATA_END;
        let record = chunk::parse(code, data)
            .map_err(|error| self.problem(begins, format!("a record that cannot be read: {error}"), false))?;
        let Some(record) = record else { return Ok(None) };
        match record {
            Record::Schema { header, data } => {
                let schema = Schema { name: header.name, encoding: header.encoding, data: data.into_owned() };
                self.schemas.insert(header.id, Arc::new(schema));
                Ok(None)
            }
            Record::Channel(found) => {
                let schema = self.schemas.get(&found.schema_id).cloned();
                if found.schema_id != 0 && schema.is_none() {
                    let text = format!(
                        "the channel {:?} has the schema {}, which the file does not have before it",
                        found.topic, found.schema_id
                    );
                    return Err(self.problem(begins, text, false));
                }
                let channel = channel_of(found, schema);
                let next = channel.first.unwrap_or(0);
                // A file may repeat a channel.
                let id = usize::from(channel.id);
                if self.channels.len() <= id {
                    self.channels.resize_with(id + 1, || None);
                }
                if let Some(place @ None) = self.channels.get_mut(id) {
                    let is_events = channel.topic == format::EVENTS;
                    *place = Some(Known { channel: Arc::new(channel), next, is_events });
                }
                Ok(None)
            }
            Record::Metadata(found) => {
                self.has_next |= found.name == format::metadata::END && found.metadata.contains_key("next");
                (current.name, current.metadata) = (found.name, found.metadata);
                Ok(Some(Found::Metadata))
            }
            _ => Ok(None),
        }
    }
}

impl OpenPart {
    /// Takes a message: nearly all records are some, so that their few bytes are read here.
    fn message(
        &mut self,
        data: &Bytes,
        begins: u64,
        current: &mut Current,
    ) -> std::result::Result<Option<Found>, Problem> {
        let Some((
            [c0, c1, sequence @ .., l0, l1, l2, l3, l4, l5, l6, l7, p0, p1, p2, p3, p4, p5, p6, p7],
            _,
        )) = data.split_first_chunk::<MESSAGE>()
        else {
            return Err(self.problem(begins, "a message that is shorter than its head", false));
        };
        let id = u16::from_le_bytes([*c0, *c1]);
        let Some(Some(known)) = self.channels.get_mut(usize::from(id)) else {
            let text = format!("a message of the channel {id}, which the file does not have before it");
            return Err(self.problem(begins, text, false));
        };
        current.body = data.slice(MESSAGE..);
        if known.is_events {
            return match Event::from_json(&current.body) {
                Ok(event) => Ok(Some(Found::Event(event))),
                Err(error) => {
                    Err(self.problem(begins, format!("an event that cannot be read: {error}"), false))
                }
            };
        }
        current.number = full(known.next, u32::from_le_bytes(*sequence));
        known.next = current.number.wrapping_add(1);
        if !current.channel.as_ref().is_some_and(|channel| Arc::ptr_eq(channel, &known.channel)) {
            current.channel = Some(known.channel.clone());
        }
        current.received = u64::from_le_bytes([*l0, *l1, *l2, *l3, *l4, *l5, *l6, *l7]);
        current.sent = u64::from_le_bytes([*p0, *p1, *p2, *p3, *p4, *p5, *p6, *p7]);
        Ok(Some(Found::Message))
    }

    /// Returns the summary of the file, if it was closed: the schemas and channels are repeated there.
    fn summary(&self) -> Result<Option<Bytes>> {
        let failed = |error: std::io::Error| of_io(&error, "reading", &self.path);
        let Some((begin, end)) = chunk::summary(&self.file, self.length)
            .map_err(failed)?
            .filter(|(begin, end)| end - begin <= self.limits.record)
        else {
            return Ok(None);
        };
        let mut summary = vec![0; usize::try_from(end - begin).unwrap_or(usize::MAX)];
        self.file.read_exact_at(&mut summary, begin).map_err(failed)?;
        Ok(Some(summary.into()))
    }
}

/// The names of a recording, and when its first and its last message or event was received, in nanoseconds since 1970: without a look at the
/// messages of parts that were closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// Its names, without events.
    pub names: BTreeSet<String>,
    /// The times; `None` where there is nothing.
    pub time: Option<(u64, u64)>,
}

impl Outline {
    /// Reads it.
    ///
    /// # Errors
    /// As for [`Reader::open`].
    pub fn read(path: &Path) -> Result<Outline> {
        let mut reader = Reader::open(path)?;
        let mut outline = Outline::default();
        while let Some(part) = &mut reader.part {
            let has_summary = part.summary()?.is_some_and(|summary| part.outline(summary, &mut outline));
            if !has_summary {
                let mut whole = Reader::of(vec![part.path.clone()], reader.limits)?;
                while let Some(entry) = whole.read()? {
                    outline.add(entry);
                }
            }
            reader.open_next()?;
        }
        Ok(outline)
    }

    fn add(&mut self, entry: Entry<'_>) {
        match entry {
            Entry::Message(message) if !message.channel.repeated => {
                if !self.names.contains(&message.channel.topic) {
                    self.names.insert(message.channel.topic.clone());
                }
                self.include(message.received, message.received);
            }
            Entry::Event(event) => self.include(event.time, event.time),
            _ => {}
        }
    }

    fn include(&mut self, first: u64, last: u64) {
        let known = self.time.unwrap_or((first, last));
        self.time = Some((known.0.min(first), known.1.max(last)));
    }
}

impl OpenPart {
    /// Adds what a summary says; returns whether it says all.
    fn outline(&self, mut summary: Bytes, outline: &mut Outline) -> bool {
        let (mut channels, mut statistics) = (Vec::new(), None);
        while let Ok(Some((code, data))) = chunk::next_record(&mut summary) {
            match chunk::parse(code, &data) {
                Ok(Some(Record::Channel(found))) => channels.push(found),
                Ok(Some(Record::Statistics(found))) => statistics = Some(found),
                _ => {}
            }
        }
        let Some(statistics) = statistics else { return false };
        for found in channels {
            let count = statistics.channel_message_counts.get(&found.id).copied().unwrap_or(0);
            let is_repeated = found.metadata.get(channel::REPEATED).is_some_and(|text| text == "true");
            if count > 0 && !is_repeated && found.topic != format::EVENTS {
                outline.names.insert(found.topic);
            }
        }
        if statistics.message_count > 0 {
            outline.include(statistics.message_start_time, statistics.message_end_time);
        }
        true
    }
}

/// Returns the number whose lower 32 bits are these that is closest to `next`.
fn full(next: u64, low: u32) -> u64 {
    // The lower half of `next` is meant.
    let ahead = low.wrapping_sub(next as u32);
    let back = (next as u32).wrapping_sub(low);
    // A file of another program may have numbers in any order.
    if back < ahead && next >= u64::from(back) {
        next - u64::from(back)
    } else {
        next.wrapping_add(u64::from(ahead))
    }
}

/// Returns the name and the length of an attachment.
fn attachment(data: &[u8]) -> Option<(String, u64)> {
    // Two times, then the name and the type with their lengths.
    let mut rest = data.get(16..)?;
    let mut text = || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let found = after.get(..length)?;
        rest = after.get(length..)?;
        Some(found)
    };
    let name = String::from_utf8_lossy(text()?).into_owned();
    text()?;
    let (length, after) = rest.split_first_chunk::<8>()?;
    let length = u64::from_le_bytes(*length);
    // What stands behind the sum is for later versions of the format.
    (after.len() as u64 >= length.checked_add(4)?).then_some((name, length))
}

fn channel_of(found: mcap::records::Channel, schema: Option<Arc<Schema>>) -> Channel {
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
