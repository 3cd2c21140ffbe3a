//! A part of a recording that is written: schemas, channels, messages, events, what was attached;
//! docs/recording-format.md.

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

/// How a part is written.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How chunks are compressed.
    pub compression: Option<Compression>,
    /// Bytes of a chunk before it is compressed, beyond which the next one begins.
    pub chunk: u64,
    /// The mode of the file, and whether it may take the place of another one.
    pub making: Making,
    /// Whether the file is for viewers: messages are as ROS 2 writes them, and what is JSON has no schema, since
    /// readers of such files know none.
    pub is_ros2: bool,
}

impl Default for Settings {
    /// No compression, chunks of 1 MiB; only this user, or the group that shares the folder, reads it.
    fn default() -> Settings {
        Settings { compression: None, chunk: 1 << 20, making: Making::default(), is_ros2: false }
    }
}

/// A schema as JSON Schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonSchemas {
    /// Of all messages that the schema admits.
    pub of_all: String,
    /// As viewers read it: it admits no null, NaN and infinities.
    pub of_viewers: String,
}

/// A channel as it is written: its name, how its messages are encoded, its schema, and its metadata but for the number
/// of the first message and whether it has repeated messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ChannelRecord {
    /// The topic.
    pub topic: String,
    /// How messages are encoded.
    pub encoding: String,
    /// The schema.
    pub schema: Option<Arc<FileSchema>>,
    /// The rest.
    pub metadata: BTreeMap<String, String>,
}

/// Bytes of texts with their lengths.
fn texts(entries: &BTreeMap<String, String>) -> u64 {
    let of = |(key, text): (&String, &String)| key.len().saturating_add(text.len()).saturating_add(8) as u64;
    entries.iter().map(of).fold(0, u64::saturating_add)
}

/// Returns an endpoint without its transport.
pub fn topic(endpoint: &str) -> &str {
    endpoint.split_once(':').map_or(endpoint, |(_, name)| name)
}

impl ChannelRecord {
    /// The channel of the messages of a publisher.
    pub fn new(endpoint: &str, incarnation: u64, encoding: Encoding, source: &str) -> ChannelRecord {
        let mut metadata = BTreeMap::from([
            (channel::ENDPOINT.to_owned(), endpoint.to_owned()),
            (channel::INCARNATION.to_owned(), format!("{incarnation:016x}")),
            (channel::SOURCE.to_owned(), brief(source)),
        ]);
        // Of a name that a bridge has brought.
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

    /// The same with a schema in both notations: that of JSON, for viewers, where the messages are JSON.
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

    /// Returns the schema in Linkspan's notation, where there is one.
    pub fn notation(&self) -> Option<&str> {
        match self.metadata.get(channel::SCHEMA) {
            Some(notation) => Some(notation),
            None => notation_in(self.schema.as_ref()?),
        }
    }

    /// Whether its schema is one for viewers, which admits no null, NaN and infinities.
    pub fn is_for_viewers(&self) -> bool {
        self.schema.as_ref().is_some_and(|schema| schema.encoding == schema_encoding::JSON_SCHEMA)
    }

    /// The same for messages that the schema for viewers does not admit: without one of its own.
    #[must_use]
    pub fn without_viewers(&self) -> ChannelRecord {
        ChannelRecord { schema: None, ..self.clone() }
    }

    /// The channel of a file that was read, for another file.
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

    /// Bytes that it takes in a file without its schema, about.
    pub fn size(&self) -> u64 {
        texts(&self.metadata).saturating_add(self.topic.len() as u64)
    }
}

/// A part of a recording: one file. What is written is in the file after [`Part::flush`], and on the disk after
/// [`Part::sync`].
///
/// Its methods fail with `NoSpace` where the disk is full: nothing was written then, and the part can still be closed,
/// for which it has reserved room. After another error of the file system the file is cut to its last flush, and the
/// part is closed.
pub struct Part {
    /// Taken by `close`, and by an error.
    writer: Option<Writer<Output>>,
    /// What the writer has not put into the file yet.
    output: Output,
    /// Another descriptor of the file, for its syncs.
    file: File,
    path: PathBuf,
    /// Until it has its name.
    new: Option<NewFile>,
    events: u16,
    /// The schemas that it has, each with its number.
    schemas: HashMap<Arc<FileSchema>, u16>,
    /// Bytes of schemas and channels that came with messages of this part, which are all held until its end, and of
    /// those that it began with.
    described: u64,
    repeated: u64,
    /// The number of the newest channel.
    newest: u16,
    reservation: Reservation,
    /// Bytes of the file at its last flush: up to here it is whole.
    whole: u64,
    /// Bytes that were written since then, at most.
    more: u64,
    /// How often it was flushed.
    chunks: u64,
    /// Bytes that the last events may take of what is reserved for closing the file.
    last: u64,
    /// What its end says of parts that were removed.
    dropped: Dropped,
}

/// What closes a file takes so much for each chunk, and so much beside that, at most.
const CLOSING_CHUNK: u64 = 512;
const CLOSING: u64 = 1 << 20;
/// So much of that is for the events that say why the file ends.
const LAST_EVENTS: u64 = CLOSING / 4;
/// Schemas of a part, and the number of its last channel: MCAP's library counts one further, and panics where that has
/// no number.
const MAX_NUMBER: u16 = u16::MAX - 2;
/// Bytes of schemas and channels of a part: half of what a reader takes; and of those of names that it began with.
const MAX_DESCRIBED: u64 = 128 << 20;
const MAX_REPEATED: u64 = 96 << 20;
/// Bytes of a message in the file beside its body: its record and its entry in the index.
const MESSAGE: u64 = 64;
/// A body of so many bytes is long. What a compressor makes of one is longer by a part of it and this, at most.
const LONG_BODY: usize = 64 << 10;
const SLACK: usize = 256 << 10;

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Part {
    /// Makes the file, which must not exist, and writes the facts of the recording into it. It gets its name when these
    /// are on the disk, so that a reader that finds the name finds a recording, also after a power cut.
    ///
    /// # Errors
    /// `AddressInUse` where the file exists; those of the file system.
    pub fn create(path: &Path, facts: &BTreeMap<String, String>, settings: Settings) -> Result<Part> {
        let mut part = Part::create_unnamed(path, facts, settings)?;
        part.give_name()?;
        Ok(part)
    }

    /// The same, but the file has no name until it is given it or closed: where the part is dropped before, nothing is
    /// left of it.
    ///
    /// # Errors
    /// As for [`Part::create`].
    pub fn create_unnamed(path: &Path, facts: &BTreeMap<String, String>, settings: Settings) -> Result<Part> {
        let new = NewFile::create(path, settings.making)?;
        Part::begin(new, facts, settings)
    }

    /// Gives the file its name, once what was written is on the disk.
    ///
    /// # Errors
    /// `AddressInUse` where another file has got it; those of the file system.
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
            // What is between the chunks has no sum of its own.
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

    /// Returns the file, for its lock and what is known of its disk.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Reserves room for so many bytes, and for what closes the file then.
    fn reserve(&mut self, bytes: u64) -> Result<()> {
        let closing = self.chunks.saturating_mul(CLOSING_CHUNK).saturating_add(CLOSING);
        let more = self.more.saturating_add(bytes);
        let length = self.whole.saturating_add(more).saturating_add(closing);
        self.reservation.extend(&self.file, length).map_err(|error| of_io(&error, "writing", &self.path))?;
        self.more = more;
        Ok(())
    }

    /// Writes with MCAP's library. After an error of it the file is cut to what is whole.
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

    /// Cuts a file that is not closed to what is whole.
    fn cut(&mut self) {
        if let Some(writer) = self.writer.take() {
            // Without what is buffered: it belongs to a chunk that is not whole.
            drop(writer.into_inner());
            // A file that cannot be cut is read up to here as well.
            let _ = self.file.set_len(self.whole);
        }
    }

    /// Writes a channel; `first` is the number of its first message in this part. Returns its number in this part, the
    /// same for the same channel and first number.
    ///
    /// # Errors
    /// `TooLarge` where the part has 65,535 channels: begin the next one.
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
        // It stands twice: among the messages, and at the end of the file.
        self.reserve(size.saturating_mul(2))?;
        let id =
            self.write(|writer| writer.add_channel(schema, &record.topic, &record.encoding, &metadata))?;
        if id > self.newest {
            self.describe(size, repeated);
        }
        self.newest = self.newest.max(id);
        Ok(id)
    }

    /// Returns whether so many bytes more that describe messages are too many. What is larger than all others may be is
    /// alone.
    fn is_more(&self, size: u64, repeated: bool) -> bool {
        let (known, most) =
            if repeated { (self.repeated, MAX_REPEATED) } else { (self.described, MAX_DESCRIBED) };
        (known > 0 || repeated) && known.saturating_add(size) > most
    }

    fn describe(&mut self, size: u64, repeated: bool) {
        let known = if repeated { &mut self.repeated } else { &mut self.described };
        *known = known.saturating_add(size);
    }

    /// Writes a schema, and returns its number in this part.
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

    /// Writes a message: its number, when it was sent and when it was received, in nanoseconds since 1970, and its
    /// body.
    ///
    /// # Errors
    /// `OutOfMemory` for a long one without memory for its chunk: nothing was written then, as with `NoSpace`.
    pub fn message(
        &mut self,
        channel: u16,
        number: u64,
        sent: u64,
        received: u64,
        body: &[u8],
    ) -> Result<()> {
        // The lower 32 bits, as docs/recording-format.md says.
        let sequence = (number & u64::from(u32::MAX)) as u32;
        let header = MessageHeader { channel_id: channel, sequence, log_time: received, publish_time: sent };
        self.require_memory(number, body.len())?;
        self.reserve(MESSAGE.saturating_add(body.len() as u64))?;
        self.write(|writer| writer.write_to_known_channel(&header, body))
    }

    /// Makes room in memory for a long body: what fails later is the end of the part.
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

    /// Writes an event as one of the last: where the disk is full, into the room that is reserved for closing the part.
    ///
    /// # Errors
    /// `NoSpace` where that has been used up.
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

    /// Says that the recorder removed these parts: in any case at the end, and here, where there is room for it.
    /// Returns whether there was.
    ///
    /// # Errors
    /// Those of the file system, but `NoSpace`.
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

    /// Attaches a file's content under its name.
    pub fn attach(&mut self, name: &str, time: u64, content: &[u8]) -> Result<()> {
        self.attach_as(&Attachment {
            log_time: time,
            create_time: time,
            name: name.to_owned(),
            media_type: String::from("application/octet-stream"),
            data: content.into(),
        })
    }

    /// Attaches what another file has.
    pub fn attach_as(&mut self, attachment: &Attachment<'_>) -> Result<()> {
        let texts = attachment.name.len().saturating_add(attachment.media_type.len());
        let bytes = attachment.data.len().saturating_add(texts.saturating_mul(2)) as u64;
        self.reserve(bytes.saturating_add(2 * MESSAGE))?;
        self.write(|writer| writer.flush())?;
        let output = self.output.clone();
        output.between_chunks(|| self.write(|writer| writer.attach(attachment)))
    }

    /// Ends the chunk, so that readers of the file get what was written.
    pub fn flush(&mut self) -> Result<()> {
        self.write(|writer| writer.flush())?;
        self.whole = self.size()?;
        self.more = 0;
        self.chunks = self.chunks.saturating_add(1);
        Ok(())
    }

    /// Ends the chunk, and waits until the disk has it.
    pub fn sync(&mut self) -> Result<()> {
        self.flush()?;
        self.file.sync_data().map_err(|error| of_io(&error, "syncing", &self.path))
    }

    /// Returns the bytes of the file now.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn size(&self) -> Result<u64> {
        self.file
            .metadata()
            .map(|facts| facts.len())
            .map_err(|error| of_io(&error, "reading the size of", &self.path))
    }

    /// Writes why the part ends and which one is next, its indexes and its footer, and syncs it. Room for them was
    /// reserved. Returns the bytes of the file.
    pub fn close(self, reason: &str, next: Option<&str>) -> Result<u64> {
        let (length, new) = self.close_unnamed(reason, next)?;
        new.map_or(Ok(()), NewFile::name)?;
        Ok(length)
    }

    /// The same for a file that gets its name later, which is returned, too.
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
        // A footer goes to the disk behind what it ends: a part that has one is not continued, whatever a power cut has
        // taken of it.
        self.sync()?;
        self.write(|writer| {
            writer.write_metadata(&record)?;
            writer.finish()
        })?;
        let io = |error: std::io::Error| of_io(&error, "closing", &self.path);
        if let Some(writer) = self.writer.take() {
            writer.into_inner().flush().map_err(io)?;
        }
        // Gives back what was reserved and not used.
        let length = self.size()?;
        self.file.set_len(length).map_err(io)?;
        self.file.sync_all().map_err(io)?;
        Ok((length, self.new.take()))
    }
}

impl Drop for Part {
    /// Leaves a part that was not closed without a footer, which MCAP's library would write: its thread may have
    /// panicked.
    fn drop(&mut self) {
        self.cut();
    }
}

/// The error of MCAP's library on a file.
fn of_mcap(error: McapError, path: &Path) -> Error {
    match error {
        McapError::Io(error) => of_io(&error, "writing", path),
        McapError::TooManyChannels | McapError::TooManySchemas => {
            Error::new(ErrorKind::TooLarge, format!("{}: {error}; begin another part", path.display()))
        }
        error => Error::new(ErrorKind::Internal, format!("writing {}: {error}", path.display())),
    }
}

/// Returns the facts of the recording that begins with these bytes; `None` where they are no recording of Linkspan.
pub fn facts(beginning: &[u8]) -> Option<BTreeMap<String, String>> {
    facts_and_origin(beginning).map(|(facts, _)| facts)
}

/// The same, and whether the recording says that it was made of another one.
pub(crate) fn facts_and_origin(beginning: &[u8]) -> Option<(BTreeMap<String, String>, bool)> {
    let mut left = Bytes::copy_from_slice(beginning.strip_prefix(mcap::MAGIC)?);
    let mut facts = None;
    // What is cut off ends the search.
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
