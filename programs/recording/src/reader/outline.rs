//! Reads the names and times of a recording from the summaries of closed parts.

use std::collections::{BTreeSet, HashMap};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use linkspan::Result;
use mcap::records::{ChunkIndex, Record, op};

use super::entry::is_events;
use super::part::{EVENT, MESSAGE, OpenPart};
use super::{Channel, Entry, Limits, Problem, Reader, Schema};
use crate::chunk;
use crate::event::{Event, Kind};
use crate::parts::Place;
use crate::timeline::is_timeless;

/// A recording's names and times of receipt in nanoseconds since 1970, by closed parts' summaries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// Its names, without events.
    pub names: BTreeSet<String>,
    /// Names without messages but with reported losses.
    pub lacking: BTreeSet<String>,
    /// The first and last time; `None` for an empty recording.
    pub time: Option<(u64, u64)>,
    /// They may hide names and times.
    pub problems: Vec<Problem>,
}

impl Outline {
    /// Reads the outline of a recording.
    ///
    /// # Errors
    /// As for [`Reader::open`].
    pub fn read(path: &Path) -> Result<Outline> {
        Outline::with_limits(path, Limits::default())
    }

    /// As [`Outline::read`], with other limits.
    ///
    /// # Errors
    /// As for [`Reader::open`].
    pub fn with_limits(path: &Path, limits: Limits) -> Result<Outline> {
        let mut reader = Reader::with_limits(path, limits)?;
        let mut outline = Outline::default();
        while let Some(part) = &mut reader.part {
            let may_repeat = part.identity.may_repeat;
            let has_summary = outline.add_summary(part, may_repeat)? && outline.add_events(part)?;
            if !has_summary {
                let part = Place { number: part.number, path: part.path.clone() };
                let (base, identity) = (reader.base.clone(), reader.identity.clone());
                let mut whole = Reader::begin(vec![part], reader.limits, base, identity)?;
                while let Some(entry) = whole.read()? {
                    outline.add(entry);
                }
                whole.problems.into_iter().for_each(|problem| reader.keep(problem));
            }
            reader.open_next()?;
        }
        let Outline { names, lacking, .. } = &mut outline;
        lacking.retain(|name| !names.contains(name));
        outline.problems = reader.problems;
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
            Entry::Event(event) => {
                self.include(event.time, event.time);
                self.add_event(event);
            }
            _ => {}
        }
    }

    fn add_event(&mut self, event: Event) {
        if matches!(event.kind, Kind::Missed | Kind::Skipped) && !self.names.contains(&event.name) {
            self.lacking.insert(event.name);
        }
    }

    /// Adds names without messages from events. Returns whether all were read.
    fn add_events(&mut self, part: &mut OpenPart) -> Result<bool> {
        let (mut ids, mut chunks, mut statistics) = (BTreeSet::new(), Vec::new(), None);
        let mut held = 0_u64;
        let is_taken = part.each_of_summary(|part, code, data| {
            match chunk::parse(code, data) {
                Ok(Some(Record::Channel(found))) if is_events(&found.topic, &found.metadata) => {
                    ids.insert(found.id);
                }
                Ok(Some(Record::ChunkIndex(found))) => {
                    held = held.saturating_add(data.len() as u64);
                    chunks.push(found);
                }
                Ok(Some(Record::Statistics(found))) => statistics = Some(found),
                _ => {}
            }
            held <= part.limits.described
        })?;
        let limit = part.limits.record;
        let Some(statistics) = statistics.filter(|_| is_taken) else { return Ok(false) };
        ids.retain(|id| statistics.channel_message_counts.get(id).is_some_and(|count| *count > 0));
        if ids.is_empty() {
            return Ok(true);
        }
        if chunks.is_empty() || chunks.len() as u64 != u64::from(statistics.chunk_count) {
            return Ok(false);
        }
        let has_events = |chunk: &ChunkIndex| {
            chunk.message_index_offsets.is_empty()
                || ids.iter().any(|id| chunk.message_index_offsets.contains_key(id))
        };
        for found in chunks.into_iter().filter(has_events) {
            let end = found.chunk_start_offset.checked_add(found.chunk_length);
            let is_there = end.is_some_and(|end| end <= part.length);
            if !is_there || found.chunk_length > limit || !part.has_room(found.chunk_length)? {
                return Ok(false);
            }
            let mut record = chunk::zeroed(found.chunk_length, "a chunk")?;
            if part.file.read_exact_at(&mut record, found.chunk_start_offset).is_err() {
                return Ok(false);
            }
            let mut left = match chunk::next_record(&mut Bytes::from(record)) {
                Ok(Some((op::CHUNK, data))) => match chunk::records(&data, limit)? {
                    Ok(records) => records,
                    Err(_) => return Ok(false),
                },
                _ => return Ok(false),
            };
            while let Ok(Some((code, data))) = chunk::next_record(&mut left) {
                let id = data.first_chunk::<2>().map(|id| u16::from_le_bytes(*id));
                if code == op::MESSAGE
                    && id.is_some_and(|id| ids.contains(&id))
                    && let Some(body) = data.get(MESSAGE..).filter(|body| body.len() as u64 <= EVENT)
                    && let Ok(event) = Event::from_json(body)
                {
                    self.add_event(event);
                }
            }
        }
        Ok(true)
    }

    fn include(&mut self, first: u64, last: u64) {
        let (begin, end) = self.time.unwrap_or((first, last));
        let end = end.max(last);
        let begin = [begin, first].into_iter().filter(|time| !is_timeless(*time, end)).min();
        self.time = Some((begin.unwrap_or(end), end));
    }

    /// Adds a part's summary; returns whether it is complete and valid.
    fn add_summary(&mut self, part: &mut OpenPart, may_repeat: bool) -> Result<bool> {
        let (mut schemas, mut channels, mut statistics) = (HashMap::new(), Vec::new(), None);
        let mut described = 0_u64;
        let is_taken = part.each_of_summary(|part, code, data| {
            match chunk::parse(code, data) {
                Ok(Some(Record::Schema { header, data })) => {
                    described = described.saturating_add(data.len() as u64);
                    let schema = Schema::new(header.name, header.encoding, data.into_owned());
                    schemas.entry(header.id).or_insert_with(|| Arc::new(schema));
                }
                Ok(Some(Record::Channel(found))) => match Channel::read(found, &schemas) {
                    Ok(channel) => {
                        described = described.saturating_add(data.len() as u64);
                        channels.push(channel);
                    }
                    Err(_) => return false,
                },
                Ok(Some(Record::Statistics(found))) => statistics = Some(found),
                _ => {}
            }
            described <= part.limits.described
        })?;
        let Some(statistics) = statistics.filter(|_| is_taken) else { return Ok(false) };
        let mut repeated = BTreeSet::new();
        for channel in channels {
            let count = statistics.channel_message_counts.get(&channel.id).copied().unwrap_or(0);
            // A name has at most one repeated message.
            let is_more = !may_repeat || count > 1 || repeated.contains(&channel.topic);
            if count > 0 && channel.repeated && !is_more {
                repeated.insert(channel.topic);
            } else if count > 0 && !channel.is_events() {
                self.names.insert(channel.topic);
            }
        }
        if statistics.message_count > 0 {
            if is_timeless(statistics.message_start_time, statistics.message_end_time) {
                // Only the messages have the least time.
                return Ok(false);
            }
            self.include(statistics.message_start_time, statistics.message_end_time);
        }
        Ok(true)
    }
}
