//! The next number of each publisher, for later parts and for a recorder that continues after a kill.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use linkspan::{Result, registry};
use linkspan_recording::event::Kind;
use linkspan_recording::reader::Limits;
use linkspan_recording::writer::topic;
use linkspan_recording::{ChannelRecord, Dropped, Entry, Reader, format};

use super::publisher::{Gap, Publisher};
use super::queue::Item;
use super::trigger::is_stored;
use crate::newest::{Newest, NewestMessages, TopicHash};

pub type Next = HashMap<(String, u64), u64>;

/// The most publishers of an earlier recorder whose numbers are kept.
const MOST: usize = 65_536;
/// Up to this many publishers, none is forgotten.
const FEW: usize = 1_024;

#[derive(Debug, Default)]
pub struct Numbers {
    /// Whether this recorder continues the recording of a killed one.
    is_continued: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    publishers: Vec<Arc<Publisher>>,
    /// The count of `publishers` after the last removal.
    kept: usize,
    /// The remaining numbers from the earlier recorder.
    before: Next,
    /// Incarnations in `before` without any message yet, by topic.
    away: HashMap<String, Vec<u64>>,
}

impl State {
    /// Forgets publishers that no thread holds and whose losses are all recorded.
    fn forget(&mut self) {
        self.publishers.retain(|publisher| Arc::strong_count(publisher) > 1 || publisher.written().is_open());
        self.kept = self.publishers.len();
    }
}

impl Numbers {
    /// Takes over the numbers of an earlier recorder, if there was one.
    ///
    /// `names` are the recorded names and patterns: the recorder knows nothing about publishers of other names.
    pub fn new(before: Option<Next>, names: &[String]) -> Numbers {
        let is_continued = before.is_some();
        let mut before = before.unwrap_or_default();
        let excess = before.len().saturating_sub(MOST);
        let removed: HashSet<_> = before.keys().take(excess).cloned().collect();
        before.retain(|key, _| !removed.contains(key));
        let patterns: Vec<_> = names.iter().filter(|name| !is_stored(name)).map(|name| topic(name)).collect();
        let mut away: HashMap<String, Vec<u64>> = HashMap::new();
        for (name, incarnation) in before.keys() {
            if patterns.iter().any(|pattern| registry::matches(pattern, name)) {
                away.entry(name.clone()).or_default().push(*incarnation);
            }
        }
        Numbers { is_continued, state: Mutex::new(State { before, away, ..State::default() }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn is_continued(&self) -> bool {
        self.is_continued
    }

    pub fn take(&self, publisher: &Publisher) -> Option<u64> {
        let (topic, incarnation) = (publisher.endpoint.topic(), publisher.incarnation);
        let mut state = self.state();
        if let Some(away) = state.away.get_mut(topic) {
            away.retain(|one| *one != incarnation);
        }
        state.before.remove(&(topic.to_owned(), incarnation))
    }

    /// Notes that a publisher connected.
    ///
    /// Returns the incarnations of its name that the earlier recorder had. They ended while no recorder ran.
    pub fn connected(&self, topic: &str, incarnation: u64) -> Vec<u64> {
        let mut state = self.state();
        let mut ended = state.away.remove(topic).unwrap_or_default();
        ended.retain(|one| *one != incarnation);
        for one in &ended {
            state.before.remove(&(topic.to_owned(), *one));
        }
        ended
    }

    /// Returns the publishers of the earlier recorder that sent nothing, at the end of the recording.
    pub fn take_away(&self) -> Vec<(String, u64)> {
        let mut state = self.state();
        let away = std::mem::take(&mut state.away).into_iter();
        let mut ended: Vec<_> =
            away.flat_map(|(name, all)| all.into_iter().map(move |one| (name.clone(), one))).collect();
        ended.sort_unstable();
        for key in &ended {
            state.before.remove(key);
        }
        ended
    }

    /// Adds a publisher. If there are many, returns the ended publishers with unrecorded losses.
    pub fn add(&self, publisher: &Arc<Publisher>) -> Vec<Arc<Publisher>> {
        let mut state = self.state();
        state.publishers.push(publisher.clone());
        if state.publishers.len() <= state.kept.saturating_mul(2).max(FEW) {
            return Vec::new();
        }
        state.forget();
        state.publishers.iter().filter(|publisher| Arc::strong_count(publisher) == 1).cloned().collect()
    }

    /// Returns the publishers with unrecorded losses, optionally only of one topic and incarnation.
    pub fn open(&self, of: Option<(&str, u64)>) -> Vec<Arc<Publisher>> {
        let is_asked = |publisher: &Publisher| {
            of.is_none_or(|of| of == (publisher.endpoint.topic(), publisher.incarnation))
        };
        let state = self.state();
        let open = state.publishers.iter().filter(|one| is_asked(one) && one.written().is_open());
        open.cloned().collect()
    }

    pub fn record(&self) -> BTreeMap<String, String> {
        let mut state = self.state();
        state.forget();
        let own = state.publishers.iter().filter_map(|publisher| {
            Some((key(publisher.endpoint.topic(), publisher.incarnation), publisher.written().next?))
        });
        let before =
            state.before.iter().map(|((topic, incarnation), next)| (key(topic, *incarnation), *next));
        before.chain(own).map(|(key, next)| (key, next.to_string())).collect()
    }
}

fn key(topic: &str, incarnation: u64) -> String {
    format!("{incarnation:016x} {topic}")
}

pub struct Numbered<'a> {
    pub publisher: &'a Arc<Publisher>,
    pub begins: u64,
    pub until: u64,
    pub time: u64,
}

impl<'a> Numbered<'a> {
    /// Returns the numbers; `None` for events and for requests of the recorder itself.
    pub fn of(item: &'a Item) -> Option<Numbered<'a>> {
        match item {
            Item::Message(message) => {
                let gap = message.gap.as_deref().map_or(0, Gap::count);
                Some(Numbered {
                    publisher: &message.origin.publisher,
                    begins: message.number.saturating_sub(gap),
                    until: message.number.saturating_add(1),
                    time: message.received,
                })
            }
            Item::Lost(lost) => Some(Numbered {
                publisher: &lost.publisher,
                begins: lost.until.saturating_sub(lost.gap.count()),
                until: lost.until,
                time: lost.time,
            }),
            Item::Event(_) | Item::PeerEvent(_) | Item::Checkpoint | Item::Sync => None,
        }
    }
}

pub struct Last {
    /// Without publishers that are known to have ended.
    pub next: Next,
    ended: HashSet<(String, u64)>,
    pub newest: NewestMessages,
    pub dropped: Dropped,
}

impl Last {
    fn new(limit: u64) -> Last {
        let ended = HashSet::new();
        Last { next: Next::new(), ended, newest: NewestMessages::new(limit), dropped: Dropped::default() }
    }
}

/// Reads the last parts of a recording, until all numbers and some messages are found.
///
/// After a power cut, the last part may be incomplete. `limit` bounds the bytes of newest messages.
///
/// # Errors
/// Errors of the file system.
pub fn read_last(base: &Path, last: &Path, limit: u64) -> Result<Last> {
    let parts = linkspan_recording::parts::existing(base);
    let until = parts.iter().position(|part| part.path == last).map_or(0, |at| at.saturating_add(1));
    let mut found = Last::new(limit);
    let mut has_messages = false;
    let mut identity = None;
    for part in parts.iter().take(until).rev() {
        let mut of_part = Last::new(limit);
        let opened = Reader::of_found(base, part.path.clone(), Limits::default(), identity.clone());
        let mut reader = match opened {
            // Another program's file may have the path of an earlier part.
            Err(_) if identity.is_some() => continue,
            opened => opened?,
        };
        let has_numbers = read_part(&mut reader, &mut of_part)?;
        found.dropped.join(reader.dropped());
        identity = reader.identity().cloned();
        // The highest number wins.
        for (key, next) in of_part.next {
            let known = found.next.entry(key).or_insert(0);
            *known = next.max(*known);
        }
        found.ended.extend(of_part.ended);
        if !has_messages && !of_part.newest.is_empty() {
            has_messages = true;
            found.newest = of_part.newest;
        }
        if has_numbers && has_messages {
            break;
        }
    }
    let Last { next, ended, .. } = &mut found;
    next.retain(|key, _| !ended.contains(key));
    Ok(found)
}

/// Reads a part; returns whether it begins with the numbers of all publishers.
fn read_part(reader: &mut Reader, last: &mut Last) -> Result<bool> {
    let mut has_numbers = false;
    let mut raise = |topic: &str, incarnation: u64, next: u64| {
        let known = last.next.entry((topic.to_owned(), incarnation)).or_insert(0);
        *known = next.max(*known);
    };
    // By address: a channel with its schema, perhaps MiB, is copied only once.
    let mut records = HashMap::new();
    while let Some(entry) = reader.read()? {
        match entry {
            Entry::Message(message) => {
                // Repeated messages count as recorded: an earlier part has them.
                let channel = message.channel;
                let (_, record, hash, next) =
                    records.entry(Arc::as_ptr(channel).addr()).or_insert_with(|| {
                        let record = Arc::new(ChannelRecord::of(channel));
                        (channel.clone(), record, TopicHash::of(&channel.topic), 0)
                    });
                *next = message.number.saturating_add(1).max(*next);
                let (record, hash) = (record.clone(), *hash);
                let body = Bytes::copy_from_slice(message.body);
                last.newest.put(Newest { record, hash, number: message.number, sent: message.sent, body });
            }
            Entry::Event(event) if matches!(event.kind, Kind::Missed | Kind::Skipped) => {
                let next = event.first.unwrap_or(0).saturating_add(event.count.unwrap_or(0));
                raise(&event.name, event.incarnation.unwrap_or(0), next);
            }
            Entry::Event(event) if matches!(event.kind, Kind::Disconnected | Kind::Unaccounted) => {
                if event.kind == Kind::Disconnected {
                    last.newest.remove(&event.name);
                }
                last.ended.extend(event.incarnation.map(|incarnation| (event.name, incarnation)));
            }
            // A publisher over tcp may come back.
            Entry::Event(event) if event.kind == Kind::Connected => {
                event.incarnation.map(|incarnation| last.ended.remove(&(event.name, incarnation)));
            }
            Entry::Metadata(format::metadata::NUMBERS, numbers) => {
                has_numbers = true;
                // A publisher with an unreadable number is reported as missed from 1 on, and `check` names it.
                let numbers = numbers.iter().filter_map(|(key, next)| format::next_number(key, next));
                numbers.for_each(|(incarnation, topic, next)| raise(topic, incarnation, next));
            }
            _ => {}
        }
    }
    for (channel, _, _, next) in records.into_values() {
        raise(&channel.topic, channel.incarnation, next);
    }
    Ok(has_numbers)
}
