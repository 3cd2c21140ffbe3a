//! One file of a recording, record by record: what is in chunks as what is not.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use linkspan::{Error, ErrorKind, Result};
use mcap::records::{Record, op};

use super::{Channel, Limits, Problem, Schema};
use crate::chunk::{self, HEAD};
use crate::event::Event;
use crate::writer::of_io;
use crate::{files, format};

/// What was read last.
#[derive(Debug, Default)]
pub(super) struct Current {
    pub channel: Option<Arc<Channel>>,
    pub number: u64,
    pub sent: u64,
    pub received: u64,
    pub body: Bytes,
    pub name: String,
    pub metadata: BTreeMap<String, String>,
    pub length: u64,
}

/// What a record is to a caller.
pub(super) enum Found {
    Message,
    Event(Event),
    Metadata,
    Attachment,
    End,
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
pub(super) struct OpenPart {
    file: File,
    pub path: PathBuf,
    limits: Limits,
    /// The byte behind the last whole record.
    pub offset: u64,
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
    pub has_next: bool,
}

impl OpenPart {
    pub fn open(path: PathBuf, limits: Limits) -> Result<OpenPart> {
        let file = files::open(&path)?;
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
    pub fn has_grown(&mut self) -> Result<bool> {
        let facts = self.file.metadata().map_err(|error| of_io(&error, "reading", &self.path))?;
        let has_grown = facts.len() > self.length;
        self.length = facts.len();
        Ok(has_grown)
    }

    /// Reads only chunks that have a message in these times, if the file was closed: the schemas and channels are repeated at its end, so
    /// that no chunk needs another one.
    pub fn skip_outside(&mut self, from: u64, to: u64) -> Result<()> {
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
    pub fn next(&mut self, current: &mut Current) -> Result<std::result::Result<Found, Problem>> {
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
        let begins = self.offset.saturating_add(HEAD as u64);
        if code == op::CHUNK
            && let Some((from, to)) = self.window
        {
            let mut times = [[0; 8]; 2];
            self.file
                .read_exact_at(times.as_flattened_mut(), begins)
                .map_err(|error| failed(error, &self.path))?;
            let [first, last] = times.map(u64::from_le_bytes);
            if last < from || first > to {
                self.offset = begins.saturating_add(length);
                return Ok(Ok(None));
            }
        }
        // What exists in the file, so no length alone takes memory.
        let mut record = std::mem::take(&mut self.record).try_into_mut().unwrap_or_default();
        record.resize(usize::try_from(length.saturating_add(HEAD as u64)).unwrap_or(usize::MAX), 0);
        self.file.read_exact_at(&mut record, self.offset).map_err(|error| failed(error, &self.path))?;
        self.record = BytesMut::freeze(record);
        self.offset = begins.saturating_add(length);
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
                let channel = Channel::of(found, schema);
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
    pub fn summary(&self) -> Result<Option<Bytes>> {
        let failed = |error: std::io::Error| of_io(&error, "reading", &self.path);
        let Some((begin, end)) = chunk::summary(&self.file, self.length)
            .map_err(failed)?
            .filter(|(begin, end)| end.saturating_sub(*begin) <= self.limits.record)
        else {
            return Ok(None);
        };
        let mut summary = vec![0; usize::try_from(end.saturating_sub(begin)).unwrap_or(usize::MAX)];
        self.file.read_exact_at(&mut summary, begin).map_err(failed)?;
        Ok(Some(summary.into()))
    }
}

/// Returns the number whose lower 32 bits are these that is closest to `next`.
fn full(next: u64, low: u32) -> u64 {
    // The lower half of `next` is meant.
    let ahead = low.wrapping_sub(next as u32);
    let back = (next as u32).wrapping_sub(low);
    // A file of another program may have numbers in any order.
    if back < ahead && next >= u64::from(back) {
        next.saturating_sub(u64::from(back))
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
