//! Up to which number a recording has each publisher: for the parts that follow, and for a recorder that goes on after
//! this one was killed.

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

/// The number after the last one of publishers, by topic and incarnation.
pub type Next = HashMap<(String, u64), u64>;

/// Publishers of a recorder before this one of which the numbers are kept.
const MOST: usize = 65_536;
/// Publishers of which none is forgotten yet.
const FEW: usize = 1_024;

/// The numbers of all publishers.
#[derive(Debug, Default)]
pub struct Numbers {
    /// Whether a recorder was there before this one, and was killed.
    is_continued: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Those that were received from.
    publishers: Vec<Arc<Publisher>>,
    /// How many of them there were when those were removed that have gone.
    kept: usize,
    /// The numbers that the recorder before left, without those.
    before: Next,
    /// The incarnations among them of which nothing came yet, by their topics.
    away: HashMap<String, Vec<u64>>,
}

impl State {
    /// Forgets the publishers of which nothing can come any more, as nobody else has them, and all is told.
    fn forget(&mut self) {
        self.publishers.retain(|publisher| Arc::strong_count(publisher) > 1 || publisher.written().is_open());
        self.kept = self.publishers.len();
    }
}

impl Numbers {
    /// Those of a new recording, or of one that has these already.
    ///
    /// `names` are the recorded names and patterns: the recorder knows nothing of publishers of other names.
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

    /// Returns whether a recorder was there before this one.
    pub fn is_continued(&self) -> bool {
        self.is_continued
    }

    /// Takes the number that the recorder before left of a publisher.
    pub fn take(&self, publisher: &Publisher) -> Option<u64> {
        let (topic, incarnation) = (publisher.endpoint.topic(), publisher.incarnation);
        let mut state = self.state();
        if let Some(away) = state.away.get_mut(topic) {
            away.retain(|one| *one != incarnation);
        }
        state.before.remove(&(topic.to_owned(), incarnation))
    }

    /// Takes that a publisher is connected.
    ///
    /// Returns the incarnations of its name that the former recorder had. They ended while no recorder was there.
    pub fn connected(&self, topic: &str, incarnation: u64) -> Vec<u64> {
        let mut state = self.state();
        let mut ended = state.away.remove(topic).unwrap_or_default();
        ended.retain(|one| *one != incarnation);
        for one in &ended {
            state.before.remove(&(topic.to_owned(), *one));
        }
        ended
    }

    /// Returns the publishers of the recorder before of which nothing came, at the end of the recording.
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

    /// Adds a publisher. Returns, where there are many, those of which nothing can come any more and not all is told.
    pub fn add(&self, publisher: &Arc<Publisher>) -> Vec<Arc<Publisher>> {
        let mut state = self.state();
        state.publishers.push(publisher.clone());
        if state.publishers.len() <= state.kept.saturating_mul(2).max(FEW) {
            return Vec::new();
        }
        state.forget();
        state.publishers.iter().filter(|publisher| Arc::strong_count(publisher) == 1).cloned().collect()
    }

    /// Returns the publishers of which not all is told; those of this topic and incarnation, where they are given.
    pub fn open(&self, of: Option<(&str, u64)>) -> Vec<Arc<Publisher>> {
        let is_asked = |publisher: &Publisher| {
            of.is_none_or(|of| of == (publisher.endpoint.topic(), publisher.incarnation))
        };
        let state = self.state();
        let open = state.publishers.iter().filter(|one| is_asked(one) && one.written().is_open());
        open.cloned().collect()
    }

    /// Returns the metadata record of a part that begins.
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

/// What an item says of the numbers of a publisher.
pub struct Numbered<'a> {
    pub publisher: &'a Arc<Publisher>,
    /// The first number that it is about, and the one behind its last.
    pub begins: u64,
    pub until: u64,
    pub time: u64,
}

impl<'a> Numbered<'a> {
    /// Returns it; `None` for an event, and for what the recorder asks itself.
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

/// What the last parts of a recording leave.
pub struct Last {
    /// Without the publishers that are known to have ended.
    pub next: Next,
    ended: HashSet<(String, u64)>,
    pub newest: NewestMessages,
    pub dropped: Dropped,
}

impl Last {
    /// Nothing, with room for so many bytes.
    fn new(limit: u64) -> Last {
        let ended = HashSet::new();
        Last { next: Next::new(), ended, newest: NewestMessages::new(limit), dropped: Dropped::default() }
    }
}

/// Reads the last part, and those before it up to one that begins with the numbers of all publishers: a power cut may
/// leave a part of which only the beginning is there. The newest messages take at most so many bytes.
///
/// # Errors
/// Those of the file system.
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
            // What another program put in the place of a part before the last one.
            Err(_) if identity.is_some() => continue,
            opened => opened?,
        };
        let has_numbers = read_part(&mut reader, &mut of_part)?;
        found.dropped.join(reader.dropped());
        identity = reader.identity().cloned();
        // What is in a later part counts.
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
    // By their addresses: what a channel has, a schema of MiB perhaps, is copied once, and not for each message.
    let mut records = HashMap::new();
    while let Some(entry) = reader.read()? {
        match entry {
            Entry::Message(message) => {
                // Those that are repeated as well: the part before has them.
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
            // Over tcp: a publisher may come back.
            Entry::Event(event) if event.kind == Kind::Connected => {
                event.incarnation.map(|incarnation| last.ended.remove(&(event.name, incarnation)));
            }
            Entry::Metadata(format::metadata::NUMBERS, numbers) => {
                has_numbers = true;
                // Of one that cannot be read all from its first message on is said to be missed, and `check` names it.
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
