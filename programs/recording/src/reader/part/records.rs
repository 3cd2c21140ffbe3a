//! Reads the records of a file and of its chunks.

use std::collections::HashSet;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use linkspan::Result;
use mcap::records::{Record, op};

use super::{ATTACHMENT, Attached, Current, Described, EVENT, Found, Known, MESSAGE, OpenPart, attachment};
use crate::chunk::{self, HEAD};
use crate::event::Event;
use crate::files::of_io;
use crate::format;
use crate::reader::entry::keyed;
use crate::reader::order::{Held, Order};
use crate::reader::seen::{self, Indexes};
use crate::reader::{Channel, Problem, ProblemKind, Schema};

/// Reported individually: a small chunk can have millions.
const MOST_IN_CHUNK: usize = 100;

impl OpenPart {
    /// Reads the next entry. After damage, the next call continues if the length is known.
    pub fn next(&mut self, current: &mut Current) -> Result<std::result::Result<Found, Problem>> {
        let found = self.look(current)?;
        if let Err(problem) = &found
            && !problem.is_cut()
            && !std::mem::replace(&mut self.has_problem, true)
        {
            // The summary repeats a damaged chunk's schemas and channels.
            self.take_summary()?;
        }
        Ok(found)
    }

    /// Reads in file order, or by time for another program's file.
    pub fn next_in_order(&mut self, current: &mut Current) -> Result<std::result::Result<Found, Problem>> {
        if self.is_in_order {
            return self.next(current);
        }
        let mut order = match self.order.take() {
            Some(order) => order,
            None => Box::new(
                Order::look(&self.file, self.length, self.limits.room.held)
                    .map_err(|error| of_io(&error, "reading", &self.path))?,
            ),
        };
        let found = self.next_of(&mut order, current);
        self.order = Some(order);
        found
    }

    fn next_of(
        &mut self,
        order: &mut Order,
        current: &mut Current,
    ) -> Result<std::result::Result<Found, Problem>> {
        loop {
            let place = self.chunk.as_ref().map_or(self.offset, |(_, begins)| *begins);
            match order.next(place) {
                Some(Held::Event(event)) => return Ok(Ok(Found::Event(event))),
                Some(Held::Message { channel, number, sent, received, body }) => {
                    current.channel = Some(channel);
                    (current.number, current.body) = (number, body);
                    (current.sent, current.received) = (sent, received);
                    return Ok(Ok(Found::Message));
                }
                None => {}
            }
            if let Some(most) = order.take_full() {
                let text = format!(
                    "what overlaps in time is more than the {most} bytes that are held for its order: from here on messages are not in the order of their times; --max-message-size (max_message_size) raises that"
                );
                return Ok(Err(self.problem(self.offset, ProblemKind::Unordered, text)));
            }
            if let Some(problem) = order.ended() {
                return Ok(problem.map_or(Ok(Found::End), Err));
            }
            match self.next(current)? {
                Ok(Found::End) => order.end(None),
                Ok(Found::Event(event)) => order.hold(Held::Event(event), self.offset),
                Ok(Found::Message) => {
                    let Current { number, sent, received, .. } = *current;
                    let Some(channel) = current.channel.clone() else { continue };
                    let body = std::mem::take(&mut current.body);
                    order.hold(Held::Message { channel, number, sent, received, body }, self.offset);
                }
                Ok(found) => return Ok(Ok(found)),
                Err(problem) if problem.is_end => order.end(Some(problem)),
                Err(problem) => return Ok(Err(problem)),
            }
        }
    }

    pub(super) fn look(&mut self, current: &mut Current) -> Result<std::result::Result<Found, Problem>> {
        // Dropping the last body lets its memory be reused.
        current.body = Bytes::new();
        loop {
            if let Some(problem) = self.found.pop_front() {
                return Ok(Err(problem));
            }
            let is_of_file = self.held.is_none() && self.chunk.is_none();
            let mut place = 0;
            let (code, data, begins) = if let Some((data, begins)) = self.held.take() {
                (op::MESSAGE, data, begins)
            } else if let Some((left, begins)) = &mut self.chunk {
                let begins = *begins;
                place = self.chunk_length.saturating_sub(left.len()) as u64;
                match chunk::next_record(left) {
                    Ok(Some((code, data))) => (code, data, begins),
                    Ok(None) => {
                        self.chunk = None;
                        continue;
                    }
                    Err(text) => {
                        self.chunk = None;
                        self.is_indexed = false;
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
            let found = if code == op::DATA_END && self.chunk.is_none() {
                self.end_of_data(begins, &data)?
            } else if code == op::ATTACHMENT
                && let Some(problem) = self.wrong_attachment(&data, begins)?
            {
                Err(problem)
            } else if code == op::MESSAGE {
                self.message(&data, begins, place, current)
            } else if code != op::CHUNK {
                self.record(code, &data, begins, current)
            } else if self.chunk.is_some() {
                Err(self.wrong_chunk(begins, "it has another chunk in it"))
            } else {
                match chunk::records(&data, self.limits.record)? {
                    Ok(records) => {
                        (self.chunk_length, self.wrong_in_chunk) = (records.len(), 0);
                        self.chunk = Some((records, begins));
                        self.is_indexed = true;
                    }
                    Err(text) => return Ok(Err(self.wrong_chunk(begins, &text))),
                }
                Ok(None)
            };
            if is_of_file
                && begins == mcap::MAGIC.len() as u64
                && code != op::HEADER
                && found.is_ok()
                && self.seen.say(begins)
            {
                let text = "the file does not begin with a header, which says who wrote it";
                self.found.push_back(self.damage(begins, text));
            }
            match found {
                Ok(Some(found)) => return Ok(Ok(found)),
                Ok(None) => {}
                Err(problem) => {
                    self.seen.say(problem.offset);
                    // Only some of the chunk's messages are known then.
                    self.is_indexed = false;
                    self.wrong_in_chunk = self.wrong_in_chunk.saturating_add(1);
                    if self.wrong_in_chunk >= MOST_IN_CHUNK
                        && let Some((left, begins)) = self.chunk.take()
                        && !left.is_empty()
                    {
                        let text = format!(
                            "{} of its records cannot be read: the others are left out",
                            self.wrong_in_chunk
                        );
                        let problem = self.wrong_chunk(begins, &text);
                        self.found.push_back(problem);
                    }
                    if problem.is_end && !problem.is_cut() {
                        self.has_ended = true;
                        self.chunk = None;
                    }
                    return Ok(Err(problem));
                }
            }
        }
    }

    pub(in crate::reader) fn wrong_chunk(&self, begins: u64, text: &str) -> Problem {
        self.damage(begins, format!("the chunk that begins here: {text}"))
    }

    /// Reads a record outside of chunks: its operation code, `None` for a skipped chunk.
    pub(super) fn read_record(&mut self) -> Result<std::result::Result<Option<u8>, Problem>> {
        let mut head = [0; HEAD];
        let left = self.length.saturating_sub(self.offset);
        let cut = |part: &OpenPart, text: &str, is_whole: bool| {
            // During writing, an incomplete record is not a loss.
            let is_written = !is_whole && part.is_written();
            let text = match is_written {
                true => format!("{text} that is being written"),
                false => format!("{text}, and was not closed"),
            };
            let kind = if is_whole || is_written { ProblemKind::Unclosed } else { ProblemKind::Torn };
            Err(Problem { kind, ..part.end(part.offset, text) })
        };
        let Some(left) = left.checked_sub(HEAD as u64) else {
            if left == 0 && self.has_problem {
                // A problem was already reported, and a missing last record adds no information.
                self.has_ended = true;
                return Ok(Ok(None));
            }
            return Ok(if left == 0 {
                cut(self, "the file is whole up to here, where it ends", true)
            } else {
                cut(self, "the file ends here, in the head of a record", false)
            });
        };
        let failed = |error: std::io::Error, path: &Path| of_io(&error, "reading", path);
        self.file.read_exact_at(&mut head, self.offset).map_err(|error| failed(error, &self.path))?;
        let [code, length @ ..] = head;
        let length = u64::from_le_bytes(length);
        // Up to its name; the caller reads its content.
        let is_attachment = code == op::ATTACHMENT;
        if length > left {
            // Never written; a smaller length can be a truncated record.
            return Ok(if length > self.limits.record && !is_attachment {
                let text = format!("a record of {length} bytes, which is more than a record may have");
                Err(self.end(self.offset, text))
            } else {
                cut(self, "the file ends here, in a record", false)
            });
        }
        if code != op::MESSAGE_INDEX {
            self.end_of_indexes();
        }
        let begins = self.offset.saturating_add(HEAD as u64);
        let whole = length.saturating_add(HEAD as u64);
        let taken = if is_attachment { length.min(ATTACHMENT) } else { length };
        let is_long = length > self.limits.record && !is_attachment;
        if is_long || !self.has_room(taken)? {
            let text = format!("a record of {length} bytes; at most {} are read", self.limits.record);
            let problem = if is_long { self.damage(self.offset, text) } else { self.sparse(self.offset) };
            self.seen.add(self.offset, code, whole, &[]);
            (self.seen.is_in_part, self.sum) = (true, None);
            self.offset = begins.saturating_add(length);
            return Ok(Err(problem));
        }
        if code == op::CHUNK
            && let Some((from, to)) = self.window
        {
            let mut times = [[0; 8]; 2];
            self.file
                .read_exact_at(times.as_flattened_mut(), begins)
                .map_err(|error| failed(error, &self.path))?;
            let [first, last] = times.map(u64::from_le_bytes);
            let is_outside = last < from || first > to;
            // The summary repeats a skipped chunk's schemas and channels.
            if is_outside && !self.has_skipped && from <= to && !self.take_summary()? {
                self.window = None;
            } else if is_outside {
                self.seen.add(self.offset, code, whole, times.as_flattened());
                (self.has_skipped, self.sum) = (true, None);
                self.offset = begins.saturating_add(length);
                return Ok(Ok(None));
            }
        }
        // The file has these bytes, so a false length allocates nothing.
        let whole_bytes = taken.saturating_add(HEAD as u64);
        let bytes = usize::try_from(whole_bytes).unwrap_or(usize::MAX);
        let mut record = std::mem::take(&mut self.record).try_into_mut().unwrap_or_default();
        if record.capacity() < bytes {
            // Growing would end the program on a lack of memory.
            drop(record);
            record = Bytes::from(chunk::zeroed(whole_bytes, "a record")?).into();
        }
        record.resize(bytes, 0);
        self.file.read_exact_at(&mut record, self.offset).map_err(|error| failed(error, &self.path))?;
        self.record = BytesMut::freeze(record);
        let data = self.record.slice(HEAD..);
        if code == op::MESSAGE_INDEX {
            self.take_index(&data);
        } else {
            self.seen.add(self.offset, code, whole, &data);
        }
        // The sum of an attachment includes its content later.
        if !is_attachment
            && code != op::DATA_END
            && let Some(sum) = &mut self.sum
        {
            sum.update(&self.record);
        }
        self.offset = begins.saturating_add(length);
        Ok(Ok(Some(code)))
    }

    /// Compares the index of a chunk with its messages.
    fn take_index(&mut self, data: &Bytes) {
        let place = self.offset;
        if let Some(wrong) = self.seen.add_index(place, data) {
            let text = "the record that begins here is to be a chunk or the index of one, by what stands behind it or by its length, and is none: what it had cannot be read";
            self.found.push_back(self.damage(wrong, text));
            self.is_indexed = false;
            return;
        }
        let Some((id, said)) = Indexes::of(data).filter(|_| self.is_indexed) else { return };
        self.has_index = true;
        let known = self.channels.get_mut(usize::from(id)).and_then(Option::as_mut);
        let read = known.map_or_else(Indexes::default, |known| std::mem::take(&mut known.in_chunk));
        if read != said && self.seen.say(place) {
            let text = format!(
                "the index of a chunk that begins here does not have the messages that the chunk has of the channel {id}"
            );
            self.found.push_back(self.damage(place, text));
        }
    }

    /// Each channel of the last chunk needs an index.
    fn end_of_indexes(&mut self) {
        let mut lacking = None;
        for id in self.in_chunk.drain(..) {
            if let Some(Some(known)) = self.channels.get_mut(usize::from(id))
                && !std::mem::take(&mut known.in_chunk).is_none()
            {
                lacking = Some(id);
            }
        }
        // Other programs may omit indexes.
        if let Some(id) = lacking.filter(|_| self.is_indexed && (self.has_index || self.told.is_of_linkspan))
            && self.seen.say(self.offset)
        {
            let text =
                format!("the index of the channel {id} of the chunk before is to begin here, and does not");
            self.found.push_back(self.damage(self.offset, text));
        }
        (self.is_indexed, self.has_index) = (false, false);
    }

    /// Handles a record other than a message.
    pub(super) fn record(
        &mut self,
        code: u8,
        data: &Bytes,
        begins: u64,
        current: &mut Current,
    ) -> std::result::Result<Option<Found>, Problem> {
        if code == op::ATTACHMENT {
            let length = self.offset.saturating_sub(begins).saturating_sub(HEAD as u64);
            let Some((name, bytes, attached)) = attachment(data, length) else {
                return Err(self.damage(begins, "an attachment that is shorter than it says"));
            };
            let offset = begins.saturating_add(HEAD as u64).saturating_add(attached.offset);
            (current.name, current.length) = (name, bytes);
            current.attached = Some(Attached { offset, ..attached });
            return Ok(Some(Found::Attachment));
        }
        self.told.take_header(code, data);
        if seen::is_unknown(code) {
            let text = format!(
                "a record of the kind {code:#04x}, which no version of the format has: what it had cannot be read"
            );
            return Err(self.damage(begins, text));
        }
        let record = chunk::parse(code, data)
            .map_err(|error| self.damage(begins, format!("a record that cannot be read: {error}")))?;
        let Some(record) = record else { return Ok(None) };
        self.hold(code, data, begins)?;
        match record {
            Record::Schema { header, data } => {
                let schema = Schema::new(header.name, header.encoding, data.into_owned());
                self.schemas.entry(header.id).or_insert_with(|| Arc::new(schema));
                Ok(None)
            }
            Record::Channel(found) => {
                if found.schema_id != 0 && !self.schemas.contains_key(&found.schema_id) {
                    self.take_schemas();
                }
                let channel =
                    Channel::read(found, &self.schemas).map_err(|text| self.damage(begins, text))?;
                let next = channel.first.unwrap_or(0);
                // A file may repeat a channel.
                let id = usize::from(channel.id);
                if self.channels.len() <= id {
                    self.channels.resize_with(id.saturating_add(1), || None);
                }
                let is_new = self.channels.get(id).is_some_and(Option::is_none);
                let is_events = channel.is_events();
                if is_new && !is_events {
                    self.admit(begins, |all, room, bytes| all.take_channel(&channel, room, bytes))?;
                }
                if let Some(place @ None) = self.channels.get_mut(id) {
                    let (count, in_chunk) = (0, Indexes::default());
                    *place = Some(Known { channel: Arc::new(channel), next, is_events, count, in_chunk });
                }
                Ok(None)
            }
            Record::Metadata(found) => {
                self.told.take_metadata(&found);
                if found.name == format::metadata::END {
                    self.next = found.metadata.get("next").cloned();
                }
                (current.name, current.metadata) = (found.name, found.metadata);
                Ok(Some(Found::Metadata))
            }
            _ => Ok(None),
        }
    }
}

impl OpenPart {
    /// Parsed here, because most records are messages. `place` is the offset in the chunk.
    fn message(
        &mut self,
        data: &Bytes,
        begins: u64,
        place: u64,
        current: &mut Current,
    ) -> std::result::Result<Option<Found>, Problem> {
        let Some((
            [c0, c1, sequence @ .., l0, l1, l2, l3, l4, l5, l6, l7, p0, p1, p2, p3, p4, p5, p6, p7],
            _,
        )) = data.split_first_chunk::<MESSAGE>()
        else {
            return Err(self.damage(begins, "a message that is shorter than its head"));
        };
        let id = u16::from_le_bytes([*c0, *c1]);
        let Some(Some(known)) = self.channels.get_mut(usize::from(id)) else {
            let text = format!("a message of the channel {id}, which the file does not have before it");
            return Err(self.damage(begins, text));
        };
        current.body = data.slice(MESSAGE..);
        if known.is_events && current.body.len() as u64 > EVENT {
            let text = format!("an event of {} bytes; at most {EVENT} are read", current.body.len());
            return Err(self.damage(begins, text));
        }
        let received = u64::from_le_bytes([*l0, *l1, *l2, *l3, *l4, *l5, *l6, *l7]);
        self.told.take_message(received);
        known.count = known.count.saturating_add(1);
        if self.is_indexed {
            if known.in_chunk.is_none() {
                self.in_chunk.push(id);
            }
            known.in_chunk.add(received, place);
        }
        if known.is_events {
            let event = Event::from_json(&current.body)
                .map_err(|error| self.damage(begins, format!("an event that cannot be read: {error}")))?;
            self.admit(begins, |all, room, bytes| all.take_event(&event, room, bytes))?;
            return Ok(Some(Found::Event(event)));
        }
        if !known.channel.repeated {
            if !self.has_own {
                self.has_own = true;
                self.repeated = HashSet::new();
            }
        } else if self.has_own
            || !self.identity.may_repeat
            || !self.repeated.insert(known.channel.topic.clone())
        {
            // A false mark would hide them from tables, counts and copies.
            known.channel = Arc::new(known.channel.with_own_messages());
            let text = format!(
                "the channel {id} says that its messages are repeated from an earlier part, and here none can be: they are taken for messages of this part"
            );
            self.held = Some((data.clone(), begins));
            return Err(self.damage(begins, text));
        }
        current.number = full(known.next, u32::from_le_bytes(*sequence));
        known.next = current.number.wrapping_add(1);
        if !current.channel.as_ref().is_some_and(|channel| Arc::ptr_eq(channel, &known.channel)) {
            current.channel = Some(known.channel.clone());
        }
        current.received = received;
        current.sent = u64::from_le_bytes([*p0, *p1, *p2, *p3, *p4, *p5, *p6, *p7]);
        Ok(Some(Found::Message))
    }

    /// Reads ahead for schemas, because a writer may put a channel before its schema.
    ///
    /// Each chunk, and the file, is searched once.
    fn take_schemas(&mut self) {
        let scope = self.chunk.as_ref().map_or(0, |(_, begins)| *begins);
        if self.taken_schemas.replace(scope) == Some(scope) {
            return;
        }
        let take = |part: &mut OpenPart, data: &Bytes| {
            // The reader reports an unreadable schema at its own place.
            let _ = part.record(op::SCHEMA, data, 0, &mut Current::default());
        };
        if let Some((left, _)) = &self.chunk {
            let mut left = left.clone();
            while let Ok(Some((code, data))) = chunk::next_record(&mut left) {
                if code == op::SCHEMA {
                    take(self, &data);
                }
            }
        }
        let taken = self.each_of_summary(|part, code, data| {
            if code == op::SCHEMA {
                take(part, &Bytes::copy_from_slice(data));
            }
            true
        });
        // A file without a readable summary lacks further schemas.
        drop(taken);
    }

    /// Counts held schemas and channels. A file may repeat them unchanged.
    fn hold(&mut self, code: u8, data: &Bytes, begins: u64) -> std::result::Result<(), Problem> {
        let what = match code {
            op::SCHEMA => "schema",
            op::CHANNEL => "channel",
            _ => return Ok(()),
        };
        let Some(id) = data.first_chunk::<2>().map(|id| u16::from_le_bytes(*id)) else { return Ok(()) };
        // A summary's records have the offset 0.
        let (hash, is_of_data) = (keyed(chunk::known(code, data)), begins != 0);
        if let Some(known) = self.hashes.get_mut(&(code, id)) {
            known.is_of_data |= is_of_data;
            if known.hash == hash {
                return Ok(());
            }
            let text = format!("the {what} {id} comes once more and is another one: the first one counts");
            return Err(self.damage(begins, text));
        }
        self.hashes.insert((code, id), Described { hash, is_of_data });
        self.described = self.described.saturating_add(data.len() as u64);
        if self.described <= self.limits.described {
            return Ok(());
        }
        let text = format!("schemas and channels of more than {} bytes", self.limits.described);
        Err(self.end(begins, text))
    }
}

/// The number with these lower bits that is closest to `next`.
fn full(next: u64, low: u32) -> u64 {
    // Only the lower half of `next` is needed.
    let ahead = low.wrapping_sub(next as u32);
    let back = (next as u32).wrapping_sub(low);
    // Other programs' numbers may have any order.
    if back < ahead && next >= u64::from(back) {
        next.saturating_sub(u64::from(back))
    } else {
        next.wrapping_add(u64::from(ahead))
    }
}
