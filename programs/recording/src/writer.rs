//! Writes a part of a recording: schemas, channels, messages, events, attachments.
//!
//! docs/recording-format.md describes it.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use linkspan::schema::Schema;
use linkspan::{Encoding, Error, ErrorKind, Result};
use mcap::records::{MessageHeader, Record, op};
use mcap::write::Metadata;
use mcap::{Attachment, Compression, McapError, McapResult, WriteOptions, Writer};

use crate::chunk;
use crate::dropped::Dropped;
use crate::event::{Event, SCHEMA};
use crate::files::{Making, NewFile, of_io};
use crate::format::{self, brief, channel, metadata, schema_encoding};
use crate::pending::Output;
use crate::reader::{Schema as FileSchema, notation_in};
use crate::reservation::Reservation;

/// The options for writing a part.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The compression of chunks.
    pub compression: Option<Compression>,
    /// The size of a chunk before compression.
    pub chunk: u64,
    /// The mode of the file, and whether it may replace another one.
    pub making: Making,
    /// Whether the file is for viewers, in ROS 2's encoding, and without schemas of JSON.
    pub is_ros2: bool,
}

impl Default for Settings {
    /// Returns no compression, chunks of 1 MiB, and the default mode for new files.
    fn default() -> Settings {
        Settings { compression: None, chunk: 1 << 20, making: Making::default(), is_ros2: false }
    }
}

/// A schema as JSON Schema, in two forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonSchemas {
    /// The form that admits all messages of the schema.
    pub of_all: String,
    /// For viewers: neither null nor NaN nor infinities.
    pub of_viewers: String,
}

/// A channel for writing, without its first number and the mark of repetition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ChannelRecord {
    /// The topic.
    pub topic: String,
    /// The encoding of its messages.
    pub encoding: String,
    /// The schema.
    pub schema: Option<Arc<FileSchema>>,
    /// The metadata.
    pub metadata: BTreeMap<String, String>,
}

fn texts(entries: &BTreeMap<String, String>) -> u64 {
    let of = |(key, text): (&String, &String)| key.len().saturating_add(text.len()).saturating_add(8) as u64;
    entries.iter().map(of).fold(0, u64::saturating_add)
}

/// Returns an endpoint without its transport.
pub fn topic(endpoint: &str) -> &str {
    endpoint.split_once(':').map_or(endpoint, |(_, name)| name)
}

impl ChannelRecord {
    /// Returns the channel for the messages of a publisher.
    pub fn new(endpoint: &str, incarnation: u64, encoding: Encoding, source: &str) -> ChannelRecord {
        let mut metadata = BTreeMap::from([
            (channel::ENDPOINT.to_owned(), endpoint.to_owned()),
            (channel::INCARNATION.to_owned(), format!("{incarnation:016x}")),
            (channel::SOURCE.to_owned(), brief(source)),
        ]);
        // A bridge imported this name.
        if let Some((_, machine)) = source.rsplit_once('@') {
            metadata.insert(channel::MACHINE.to_owned(), brief(machine));
        }
        ChannelRecord {
            topic: topic(endpoint).to_owned(),
            encoding: encoding.name().to_owned(),
            schema: None,
            metadata,
        }
    }

    /// Adds both notations. JSON messages get the viewers' form as schema.
    #[must_use]
    pub fn with_schema(mut self, schema: &Schema, json_schemas: Option<JsonSchemas>) -> ChannelRecord {
        let notation = schema.to_toml();
        let is_json = self.encoding == Encoding::Json.name();
        let mut own = (schema_encoding::LINKSPAN, notation);
        if let Some(JsonSchemas { of_all, of_viewers }) = json_schemas {
            self.metadata.insert(channel::JSON_SCHEMA.to_owned(), of_all);
            if is_json {
                self.metadata.insert(channel::SCHEMA.to_owned(), own.1);
                own = (schema_encoding::JSON_SCHEMA, of_viewers);
            }
        }
        let (encoding, data) = own;
        let schema = FileSchema::new(brief(&schema.name), encoding.to_owned(), data.into_bytes());
        self.schema = Some(Arc::new(schema));
        self
    }

    /// Returns the schema in Linkspan's notation, if there is one.
    pub fn notation(&self) -> Option<&str> {
        match self.metadata.get(channel::SCHEMA) {
            Some(notation) => Some(notation),
            None => notation_in(self.schema.as_ref()?),
        }
    }

    /// Returns whether its schema is the viewers' form.
    pub fn is_for_viewers(&self) -> bool {
        self.schema.as_ref().is_some_and(|schema| schema.encoding == schema_encoding::JSON_SCHEMA)
    }

    /// Returns the channel for messages beyond the viewers' schema.
    #[must_use]
    pub fn without_viewers(&self) -> ChannelRecord {
        ChannelRecord { schema: None, ..self.clone() }
    }

    /// Returns a read channel for another file.
    pub fn of(found: &crate::reader::Channel) -> ChannelRecord {
        let mut metadata = found.metadata.clone();
        metadata.remove(channel::FIRST);
        metadata.remove(channel::REPEATED);
        ChannelRecord {
            topic: found.topic.clone(),
            encoding: found.encoding.clone(),
            schema: found.schema.clone(),
            metadata,
        }
    }

    /// Returns its approximate bytes in a file without the schema.
    pub fn size(&self) -> u64 {
        texts(&self.metadata).saturating_add(self.topic.len() as u64)
    }
}

/// A part of a recording: one file.
///
/// It is complete after [`Part::flush`] and on the disk after [`Part::sync`]. On a full disk, methods fail with
/// `NoSpace` and write nothing; the part can still be closed. Other errors cut the file to its last flush and close the
/// part.
pub struct Part {
    /// `None` after `close` or an error.
    writer: Option<Writer<Output>>,
    output: Output,
    file: File,
    path: PathBuf,
    /// Present until the file has its name.
    new: Option<NewFile>,
    events: u16,
    /// Its schemas with their numbers.
    schemas: HashMap<Arc<FileSchema>, u16>,
    /// Bytes of schemas and channels for this part's messages, and for repeated ones; all stay in memory.
    described: u64,
    repeated: u64,
    newest: u16,
    reservation: Reservation,
    /// Bytes of the file at its last flush, up to which it is complete.
    whole: u64,
    /// The most bytes written since then.
    more: u64,
    chunks: u64,
    /// Bytes for the last events in the reserved space.
    last: u64,
    dropped: Dropped,
}

/// Bytes for closing a file: per chunk, and in addition.
const CLOSING_CHUNK: u64 = 512;
const CLOSING: u64 = 1 << 20;
/// The share of this space for the events about the end.
const LAST_EVENTS: u64 = CLOSING / 4;
/// The MCAP library counts one further, and panics beyond the range.
const MAX_NUMBER: u16 = u16::MAX - 2;
/// The most bytes of schemas and channels, half of a reader's limit; and of repeated messages' ones.
const MAX_DESCRIBED: u64 = 128 << 20;
const MAX_REPEATED: u64 = 96 << 20;
/// Bytes of a message besides its body: its record and its entry in the index.
const MESSAGE: u64 = 64;
/// From here on, memory is reserved first. Compression adds at most `SLACK` and a fraction.
const LONG_BODY: usize = 64 << 10;
const SLACK: usize = 256 << 10;

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Part {
    /// Makes a new file with the facts of the recording.
    ///
    /// It gets its name after the facts are on the disk, even in a power cut.
    ///
    /// # Errors
    /// `AddressInUse` if the file exists; errors of the file system.
    pub fn create(path: &Path, facts: &BTreeMap<String, String>, settings: Settings) -> Result<Part> {
        let mut part = Part::create_unnamed(path, facts, settings)?;
        part.give_name()?;
        Ok(part)
    }

    /// [`Part::create`] without a name until it is named or closed; a drop removes it.
    ///
    /// # Errors
    /// As for [`Part::create`].
    pub fn create_unnamed(path: &Path, facts: &BTreeMap<String, String>, settings: Settings) -> Result<Part> {
        let new = NewFile::create(path, settings.making)?;
        Part::begin(new, facts, settings)
    }

    /// Syncs the part and gives the file its name.
    ///
    /// # Errors
    /// `AddressInUse` if the name is taken; errors of the file system.
    pub fn give_name(&mut self) -> Result<()> {
        self.sync()?;
        self.new.take().map_or(Ok(()), NewFile::name)
    }

    fn begin(new: NewFile, facts: &BTreeMap<String, String>, settings: Settings) -> Result<Part> {
        let path = &new.path().to_owned();
        let copy = || new.file().try_clone().map_err(|error| of_io(&error, "creating", path));
        let (file, again) = (copy()?, copy()?);
        let options = WriteOptions::new()
            .profile(if settings.is_ros2 { format::PROFILE_ROS2 } else { format::PROFILE })
            .library(format!("{}{}", format::LIBRARY, env!("CARGO_PKG_VERSION")))
            .compression(settings.compression)
            .chunk_size(Some(settings.chunk))
            // The only sum of data between chunks.
            .calculate_data_section_crc(true)
            .compression_threads(0);
        let output = Output::new(file);
        let wrong = |error| of_mcap(error, path);
        let mut writer = options.create(output.clone()).map_err(wrong)?;
        let record = Metadata { name: metadata::RECORDING.to_owned(), metadata: facts.clone() };
        writer.write_metadata(&record).map_err(wrong)?;
        let schema = if settings.is_ros2 {
            0
        } else {
            writer
                .add_schema(format::EVENT_SCHEMA, schema_encoding::JSON_SCHEMA, SCHEMA.as_bytes())
                .map_err(wrong)?
        };
        let events = writer.add_channel(schema, format::EVENTS, "json", &BTreeMap::new()).map_err(wrong)?;
        let mut part = Part {
            writer: Some(writer),
            output,
            file: again,
            path: path.to_owned(),
            new: Some(new),
            events,
            schemas: HashMap::new(),
            described: 0,
            repeated: 0,
            newest: 0,
            reservation: Reservation::new(),
            whole: 0,
            more: 0,
            chunks: 0,
            last: LAST_EVENTS,
            dropped: Dropped::default(),
        };
        part.reserve(0)?;
        part.flush()?;
        Ok(part)
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the file, for its lock and disk.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Reserves space for more bytes and for closing.
    fn reserve(&mut self, bytes: u64) -> Result<()> {
        let closing = self.chunks.saturating_mul(CLOSING_CHUNK).saturating_add(CLOSING);
        let more = self.more.saturating_add(bytes);
        let length = self.whole.saturating_add(more).saturating_add(closing);
        self.reservation.extend(&self.file, length).map_err(|error| of_io(&error, "writing", &self.path))?;
        self.more = more;
        Ok(())
    }

    /// After an error, the file is cut to its complete part.
    fn write<T>(&mut self, what: impl FnOnce(&mut Writer<Output>) -> McapResult<T>) -> Result<T> {
        let Some(writer) = &mut self.writer else {
            return Err(Error::new(ErrorKind::InvalidState, format!("{} is closed", self.path.display())));
        };
        what(writer).map_err(|error| {
            let is_whole = matches!(error, McapError::TooManyChannels | McapError::TooManySchemas);
            if !is_whole {
                self.cut();
            }
            of_mcap(error, &self.path)
        })
    }

    fn cut(&mut self) {
        if let Some(writer) = self.writer.take() {
            // Buffered data belongs to an incomplete chunk.
            drop(writer.into_inner());
            // Readers stop here in any case.
            let _ = self.file.set_len(self.whole);
        }
    }

    /// Writes a channel, and returns its number in this part; equal channels share a number.
    ///
    /// `first` is its first message's number in this part.
    ///
    /// # Errors
    /// `TooLarge` if the part has 65,535 channels: begin the next one.
    pub fn channel(&mut self, record: &ChannelRecord, first: u64, repeated: bool) -> Result<u16> {
        let mut metadata = record.metadata.clone();
        metadata.insert(channel::FIRST.to_owned(), first.to_string());
        if repeated {
            metadata.insert(channel::REPEATED.to_owned(), "true".to_owned());
        }
        let size = record.size().saturating_add(MESSAGE);
        if self.newest >= MAX_NUMBER || self.is_more(size, repeated) {
            return Err(of_mcap(McapError::TooManyChannels, &self.path));
        }
        let schema = record.schema.as_ref().map_or(Ok(0), |schema| self.schema(schema, repeated))?;
        // Once before its messages, once at the end.
        self.reserve(size.saturating_mul(2))?;
        let id =
            self.write(|writer| writer.add_channel(schema, &record.topic, &record.encoding, &metadata))?;
        if id > self.newest {
            self.describe(size, repeated);
        }
        self.newest = self.newest.max(id);
        Ok(id)
    }

    /// Whether descriptions exceed the limit; a single one may.
    fn is_more(&self, size: u64, repeated: bool) -> bool {
        let (known, most) =
            if repeated { (self.repeated, MAX_REPEATED) } else { (self.described, MAX_DESCRIBED) };
        (known > 0 || repeated) && known.saturating_add(size) > most
    }

    fn describe(&mut self, size: u64, repeated: bool) {
        let known = if repeated { &mut self.repeated } else { &mut self.described };
        *known = known.saturating_add(size);
    }

    fn schema(&mut self, schema: &Arc<FileSchema>, repeated: bool) -> Result<u16> {
        if let Some(id) = self.schemas.get(schema) {
            return Ok(*id);
        }
        let size = (schema.data.len() as u64).saturating_add(MESSAGE);
        if self.schemas.len() >= usize::from(MAX_NUMBER) || self.is_more(size, repeated) {
            return Err(of_mcap(McapError::TooManySchemas, &self.path));
        }
        self.reserve(size.saturating_mul(2))?;
        let id = self.write(|writer| writer.add_schema(&schema.name, &schema.encoding, &schema.data))?;
        self.schemas.insert(schema.clone(), id);
        self.describe(size, repeated);
        Ok(id)
    }

    /// Writes a message with its number, its times in nanoseconds since 1970, and its body.
    ///
    /// # Errors
    /// `OutOfMemory` for a long body's chunk. Then, as with `NoSpace`, nothing was written.
    pub fn message(
        &mut self,
        channel: u16,
        number: u64,
        sent: u64,
        received: u64,
        body: &[u8],
    ) -> Result<()> {
        // docs/recording-format.md defines these lower 32 bits.
        let sequence = (number & u64::from(u32::MAX)) as u32;
        let header = MessageHeader { channel_id: channel, sequence, log_time: received, publish_time: sent };
        self.require_memory(number, body.len())?;
        self.reserve(MESSAGE.saturating_add(body.len() as u64))?;
        self.write(|writer| writer.write_to_known_channel(&header, body))
    }

    /// A later failure would end the part.
    fn require_memory(&self, number: u64, length: usize) -> Result<()> {
        if length < LONG_BODY || self.output.reserve(length.saturating_add(length / 64).saturating_add(SLACK))
        {
            return Ok(());
        }
        let text = format!(
            "writing message {number} into {}: no memory for the {length} bytes of a chunk with it; free some, or raise the limit of this process or its control group",
            self.path.display()
        );
        Err(Error::new(ErrorKind::OutOfMemory, text))
    }

    /// Writes an event.
    pub fn event(&mut self, event: &Event) -> Result<()> {
        let json = event.to_json()?;
        self.message(self.events, 0, event.time, event.time, &json)
    }

    /// Writes a last event, on a full disk in the reserved space.
    ///
    /// # Errors
    /// `NoSpace` if that is used up.
    pub fn last_event(&mut self, event: &Event) -> Result<()> {
        let json = event.to_json()?;
        let bytes = MESSAGE.saturating_add(json.len() as u64);
        let Some(left) = self.last.checked_sub(bytes) else {
            return self.message(self.events, 0, event.time, event.time, &json);
        };
        self.last = left;
        self.more = self.more.saturating_add(bytes);
        let header = MessageHeader {
            channel_id: self.events,
            sequence: 0,
            log_time: event.time,
            publish_time: event.time,
        };
        self.write(|writer| writer.write_to_known_channel(&header, &json))
    }

    /// Writes a metadata record.
    pub fn metadata(&mut self, name: &str, entries: &BTreeMap<String, String>) -> Result<()> {
        let record = Metadata { name: name.to_owned(), metadata: entries.clone() };
        self.reserve(texts(entries).saturating_add(MESSAGE))?;
        self.write(|writer| writer.write_metadata(&record))
    }

    /// Records removed parts: here if there is space (returns true), and always at the end.
    ///
    /// # Errors
    /// Errors of the file system except `NoSpace`.
    pub fn dropped(&mut self, dropped: &Dropped) -> Result<bool> {
        self.dropped = dropped.clone();
        if dropped.is_empty() {
            return Ok(true);
        }
        match self.metadata(metadata::DROPPED, &dropped.record()).and_then(|()| self.flush()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NoSpace && self.writer.is_some() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Attaches the content of a file under its name.
    pub fn attach(&mut self, name: &str, time: u64, content: &[u8]) -> Result<()> {
        self.attach_as(&Attachment {
            log_time: time,
            create_time: time,
            name: name.to_owned(),
            media_type: String::from("application/octet-stream"),
            data: content.into(),
        })
    }

    /// Copies an attachment of another file.
    pub fn attach_as(&mut self, attachment: &Attachment<'_>) -> Result<()> {
        let texts = attachment.name.len().saturating_add(attachment.media_type.len());
        let bytes = attachment.data.len().saturating_add(texts.saturating_mul(2)) as u64;
        self.reserve(bytes.saturating_add(2 * MESSAGE))?;
        self.write(|writer| writer.flush())?;
        let output = self.output.clone();
        output.between_chunks(|| self.write(|writer| writer.attach(attachment)))
    }

    /// Ends the chunk: readers can see it.
    pub fn flush(&mut self) -> Result<()> {
        self.write(|writer| writer.flush())?;
        self.whole = self.size()?;
        self.more = 0;
        self.chunks = self.chunks.saturating_add(1);
        Ok(())
    }

    /// Ends and syncs the chunk.
    pub fn sync(&mut self) -> Result<()> {
        self.flush()?;
        self.file.sync_data().map_err(|error| of_io(&error, "syncing", &self.path))
    }

    /// Returns the current bytes of the file.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn size(&self) -> Result<u64> {
        self.file
            .metadata()
            .map(|facts| facts.len())
            .map_err(|error| of_io(&error, "reading the size of", &self.path))
    }

    /// Writes reason, next part, indexes and footer in reserved space, and syncs; returns the file's bytes.
    pub fn close(self, reason: &str, next: Option<&str>) -> Result<u64> {
        let (length, new) = self.close_unnamed(reason, next)?;
        new.map_or(Ok(()), NewFile::name)?;
        Ok(length)
    }

    /// [`Part::close`] for a file that gets its name later, which is also returned.
    ///
    /// # Errors
    /// As for [`Part::close`].
    pub fn close_unnamed(mut self, reason: &str, next: Option<&str>) -> Result<(u64, Option<NewFile>)> {
        let mut entries = BTreeMap::from([("reason".to_owned(), reason.to_owned())]);
        if let Some(next) = next {
            entries.insert("next".to_owned(), next.to_owned());
        }
        if !self.dropped.is_empty() {
            entries.insert(format::DROPPED.to_owned(), self.dropped.to_string());
        }
        let record = Metadata { name: metadata::END.to_owned(), metadata: entries };
        // Before the footer: such a part is never continued, even after a power cut.
        self.sync()?;
        self.write(|writer| {
            writer.write_metadata(&record)?;
            writer.finish()
        })?;
        let io = |error: std::io::Error| of_io(&error, "closing", &self.path);
        if let Some(writer) = self.writer.take() {
            writer.into_inner().flush().map_err(io)?;
        }
        let length = self.size()?;
        self.file.set_len(length).map_err(io)?;
        self.file.sync_all().map_err(io)?;
        Ok((length, self.new.take()))
    }
}

impl Drop for Part {
    /// The MCAP library would write a footer, even after a panic.
    fn drop(&mut self) {
        self.cut();
    }
}

fn of_mcap(error: McapError, path: &Path) -> Error {
    match error {
        McapError::Io(error) => of_io(&error, "writing", path),
        McapError::TooManyChannels | McapError::TooManySchemas => {
            Error::new(ErrorKind::TooLarge, format!("{}: {error}; begin another part", path.display()))
        }
        error => Error::new(ErrorKind::Internal, format!("writing {}: {error}", path.display())),
    }
}

/// Returns a recording's facts from its first bytes.
pub fn facts(beginning: &[u8]) -> Option<BTreeMap<String, String>> {
    facts_and_origin(beginning).map(|(facts, _)| facts)
}

/// Returns the facts, and whether the recording is a copy.
pub(crate) fn facts_and_origin(beginning: &[u8]) -> Option<(BTreeMap<String, String>, bool)> {
    let mut left = Bytes::copy_from_slice(beginning.strip_prefix(mcap::MAGIC)?);
    let mut facts = None;
    // A truncated record ends the search.
    while let Ok(Some((code, data))) = chunk::next_record(&mut left) {
        if code != op::METADATA {
            continue;
        }
        match chunk::parse(code, &data) {
            Ok(Some(Record::Metadata(found))) if found.name == metadata::RECORDING && facts.is_none() => {
                facts = Some(found.metadata);
            }
            Ok(Some(Record::Metadata(found))) if found.name == metadata::ORIGINAL => {
                return facts.map(|facts| (facts, true));
            }
            _ => {}
        }
    }
    facts.map(|facts| (facts, false))
}
