//! Reads the entries of a recording for a copy, and reports the messages of removed parts by number.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use linkspan::Result;
use linkspan_recording::event::Kind;
use linkspan_recording::format::{self, metadata, omitted};
use linkspan_recording::{Attachment, Channel, Dropped, Entry, Event, Reader};

use super::opening::{FAILED, is_failed, limits, open};
use crate::parts::Times;

pub enum Next {
    Message {
        channel: Arc<Channel>,
        number: u64,
        times: Times,
        body: Bytes,
    },
    Event(Event),
    Metadata(String, BTreeMap<String, String>),
    Attachment(Attachment<'static>),
    /// An omission of the original, other than damage of its file.
    Omitted(BTreeMap<String, String>),
    /// The recorder removed the parts with these first and last numbers here.
    Removed(u64, u64),
    /// The next number of each publisher after the earlier parts.
    Numbers(BTreeMap<String, String>),
}

impl Next {
    pub fn time(&self) -> u64 {
        match self {
            Next::Message { times, .. } => times.received,
            Next::Event(event) => event.time,
            _ => 0,
        }
    }
}

/// Returns the record of an omission that concerns a whole file.
pub fn whole_file(path: String, text: String) -> BTreeMap<String, String> {
    BTreeMap::from([(omitted::FILE.to_owned(), path), (omitted::TEXT.to_owned(), text)])
}

pub struct Source {
    pub reader: Reader,
    file: String,
    /// Present if the recorder removed parts.
    removed: Option<Removed>,
    ready: VecDeque<Next>,
}

/// The numbers of publishers before the removed parts.
struct Removed {
    dropped: Dropped,
    /// The next number by name and incarnation, with the count of holes before it.
    next: HashMap<(String, u64), (u64, usize)>,
    holes: usize,
    time: u64,
}

impl Source {
    pub fn open(path: &Path) -> Result<Source> {
        let reader = open(path)?;
        let removed = match Reader::removed(path, limits())? {
            dropped if dropped.is_empty() => None,
            dropped => Some(Removed { dropped, next: HashMap::new(), holes: 0, time: 0 }),
        };
        Ok(Source { reader, file: path.display().to_string(), removed, ready: VecDeque::new() })
    }

    /// Returns the next entry to copy. The body of a message is a slice of the read chunk.
    pub fn next(&mut self) -> Result<Option<Next>> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Ok(Some(ready));
            }
            let Some(next) = read(&mut self.reader)? else { return Ok(None) };
            let (holes, hole) = (self.reader.holes(), self.reader.hole());
            let Some(removed) = &mut self.removed else {
                if matches!(next, Next::Numbers(_)) {
                    continue;
                }
                return Ok(Some(next));
            };
            removed.follow(&next, (holes, hole), &self.file, &mut self.ready);
            if !matches!(next, Next::Numbers(_)) {
                self.ready.push_back(next);
            }
        }
    }
}

impl Removed {
    /// Takes an entry, and adds the entries that must come before it.
    fn follow(
        &mut self,
        next: &Next,
        (holes, hole): (usize, Option<(u64, u64)>),
        file: &str,
        before: &mut VecDeque<Next>,
    ) {
        let hole = hole.filter(|(first, last)| self.dropped.has(*first, *last));
        if let (true, Some((first, last))) = (holes != self.holes, hole) {
            before.push_back(Next::Removed(first, last));
        }
        self.holes = holes;
        let hole = hole.map(|hole| (hole, file));
        match next {
            Next::Message { channel, number, times, .. } => {
                let key = (channel.topic.clone(), channel.incarnation);
                self.time = times.received;
                self.advance(key, *number, number.saturating_add(1), hole, before);
            }
            Next::Event(event) => {
                self.time = event.time;
                if let (Kind::Missed | Kind::Skipped, Some(first), Some(count)) =
                    (event.kind, event.first, event.count)
                {
                    let key = (event.name.clone(), event.incarnation.unwrap_or(0));
                    self.advance(key, first, first.saturating_add(count), hole, before);
                }
            }
            Next::Numbers(numbers) => {
                let numbers = numbers.iter().filter_map(|(key, next)| format::next_number(key, next));
                for (incarnation, topic, next) in numbers {
                    let key = (topic.to_owned(), incarnation);
                    if self.next.contains_key(&key) {
                        self.advance(key, next, next, hole, before);
                    }
                }
            }
            _ => {}
        }
    }

    /// Takes numbers of a publisher, and reports the numbers in removed parts as missed.
    fn advance(
        &mut self,
        key: (String, u64),
        first: u64,
        end: u64,
        hole: Option<((u64, u64), &str)>,
        before: &mut VecDeque<Next>,
    ) {
        let (known, behind) = self.next.get(&key).copied().unwrap_or((first, self.holes));
        if behind != self.holes
            && first > known
            && let Some(((from, to), file)) = hole
        {
            let parts = if from == to { format!("part {from}") } else { format!("parts {from}-{to}") };
            let text = format!("in {parts} of {file}, which its recorder removed for a full disk");
            let event = Event::new(self.time, Kind::Missed).of(&key.0, Some(key.1)).with_text(text);
            let count = Some(first.saturating_sub(known));
            before.push_back(Next::Event(Event { first: Some(known), count, ..event }));
        }
        self.next.insert(key, (end.max(known), self.holes));
    }
}

fn read(reader: &mut Reader) -> Result<Option<Next>> {
    while let Some(entry) = reader.read()? {
        let name = match entry {
            Entry::Message(message) if message.channel.repeated => continue,
            Entry::Message(message) => {
                return Ok(Some(Next::Message {
                    channel: message.channel.clone(),
                    number: message.number,
                    times: Times { sent: message.sent, received: message.received },
                    body: message.body.clone(),
                }));
            }
            Entry::Event(event) => return Ok(Some(Next::Event(event))),
            // The recorder ended with an error. The copy reports the original as incomplete.
            Entry::Metadata(metadata::END, end) if is_failed(end) => {
                let path = reader.place().map_or_else(String::new, |(path, _)| path.display().to_string());
                return Ok(Some(Next::Omitted(whole_file(path, FAILED.to_owned()))));
            }
            Entry::Metadata(metadata::NUMBERS, numbers) => return Ok(Some(Next::Numbers(numbers.clone()))),
            // The new recording writes its own records of these kinds. A record of an earlier copy about its original
            // stays.
            Entry::Metadata(metadata::RECORDING | metadata::END, _) => continue,
            Entry::Metadata(metadata::DROPPED, entries) if !entries.contains_key(omitted::FILE) => continue,
            Entry::Metadata(name, entries) => {
                return Ok(Some(Next::Metadata(name.to_owned(), entries.clone())));
            }
            Entry::Attachment(name, _) => name.to_owned(),
        };
        let (content, [log_time, create_time], media_type) = reader.attachment()?;
        let media_type = media_type.to_owned();
        let data = content.into();
        return Ok(Some(Next::Attachment(Attachment { log_time, create_time, name, media_type, data })));
    }
    Ok(None)
}
