//! Finds which messages the recordings of a merge share, by publisher and number.
//!
//! A first pass over all files collects which numbers any file has, and which numbers events report as not received. A
//! message of one file is therefore never reported as missed by another. The numbers of each publisher ascend in the
//! result. Messages with equal numbers must be equal.
//!
//! A message that no file has is reported by number if all files agree. After the last message of a publisher, every
//! file that has messages of it must report the loss; otherwise the merge reports it as unknown. An event without an
//! incarnation counts only if no other file has the name.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;

use linkspan::{Error, ErrorKind, Result};
use linkspan_recording::event::Kind;
use linkspan_recording::reader::Message;
use linkspan_recording::{Channel, Claims, Event, Ranges, format};

use super::progress::Progress;
use super::source::{Next, Source};
use crate::record::counted;

/// The most ranges of numbers over all publishers; each range takes about 50 bytes.
const MOST_RANGES: usize = 1 << 22;
/// The most written messages that are remembered for comparison with messages of equal number.
const MOST_COMPARED: usize = 1 << 22;
const MAX_CHANNELS: usize = 1 << 17;

#[derive(Debug, Default)]
struct Publisher {
    messages: Ranges,
    /// These numbers, and the numbers of reported losses, without the numbers that were already written.
    left: Ranges,
    /// Per file with messages of the publisher: losses that its events report after its last message.
    behind: BTreeMap<usize, Ranges>,
    /// Numbers that events report as missed; empty after `settle`.
    missed: Ranges,
    /// Whether events report skipped messages, and the numbers that no such event counts: of messages and missed ones.
    has_skipped: bool,
    not_skipped: Ranges,
    /// Numbers that only some of the files with messages of the publisher report as missed.
    unknown: Ranges,
}

impl Publisher {
    /// Adds the numbers of a message or of a reported loss; returns how many ranges were added.
    fn know(&mut self, first: u64, last: u64, file: usize, kind: Option<Kind>) -> usize {
        let before = self.ranges();
        self.left.add(first, last);
        match kind {
            None => {
                self.messages.add(first, last);
                self.behind.entry(file).or_default().remove(0, last);
            }
            Some(kind) => {
                self.behind.entry(file).or_default().add(first, last);
                match kind {
                    Kind::Missed => self.missed.add(first, last),
                    _ => self.has_skipped = true,
                }
            }
        }
        self.ranges().saturating_sub(before)
    }

    fn ranges(&self) -> usize {
        let all = [&self.messages, &self.left, &self.missed];
        all.into_iter().map(Ranges::len).fold(0, usize::saturating_add)
    }

    /// Ends the first pass: a loss after the last message that not all files report becomes unknown.
    fn settle(&mut self, have: &BTreeSet<usize>) {
        let mut missed = std::mem::take(&mut self.missed);
        if let Some(last) = self.messages.last() {
            let mut open = missed.clone();
            open.remove(0, last);
            let nothing = Ranges::default();
            for file in have {
                let says = self.behind.get(file).unwrap_or(&nothing);
                let mut from = last;
                while let Some((first, last)) = open.first_without(says, from, u64::MAX) {
                    self.unknown.add(first, last);
                    let Some(next) = last.checked_add(1) else { break };
                    from = next;
                }
            }
            for (first, last) in self.unknown.iter() {
                self.left.remove(first, last);
                missed.remove(first, last);
            }
        }
        self.behind = BTreeMap::new();
        if self.has_skipped {
            self.not_skipped = self.messages.clone();
            self.not_skipped.join(&missed);
        }
    }

    /// Returns the first numbers of an event that belong to no message and were not written yet.
    fn next_of(&self, event: Numbered) -> Option<(u64, u64)> {
        let others = match event.kind {
            Some(Kind::Skipped) => &self.not_skipped,
            _ => &self.messages,
        };
        self.left.first_without(others, event.first, event.last)
    }
}

/// The fate of an event without a number of a known publisher.
pub enum Fate {
    /// It is valid for the merged recording.
    Kept,
    /// Other files have the messages that it reports as lost.
    Known,
    /// It is unknown whether other files have them; the text says why.
    Unknown(String),
}

#[derive(Debug, Default)]
pub struct Together {
    /// Indexes into `publishers`, by name and incarnation.
    places: HashMap<(String, u64), usize>,
    publishers: Vec<Publisher>,
    /// The publishers of each name, and the files that have messages of each publisher.
    by_name: HashMap<String, Vec<usize>>,
    have: HashMap<usize, BTreeSet<usize>>,
    ranges: usize,
    /// Channels by address. Holding them keeps the address unique.
    channels: HashMap<usize, (Arc<Channel>, Option<usize>)>,
    /// Hashes of the newest written messages. Random keys prevent provoked collisions.
    compared: HashSet<u64>,
    order: VecDeque<u64>,
    hashes: RandomState,
    /// Messages that conflict with a written message: count and first number, by publisher and file.
    others: BTreeMap<(usize, usize), (u64, u64)>,
    /// Files with false loss reports, and a text. Their events are merged by the content of the other files.
    faults: Vec<(usize, String)>,
}

/// The key that orders messages and events: a publisher and its numbers.
#[derive(Clone, Copy, Debug)]
pub struct Numbered {
    publisher: usize,
    first: u64,
    last: u64,
    kind: Option<Kind>,
}

impl Numbered {
    pub fn last(&self) -> u64 {
        self.last
    }
}

impl Together {
    /// Reads all files once.
    ///
    /// # Errors
    /// Errors of the file system; `TooLarge` if the numbers have too many gaps.
    pub fn look(files: &[&Path]) -> Result<Together> {
        let mut together = Together::default();
        let mut progress = Progress::of("look");
        for (at, file) in files.iter().enumerate() {
            let (mut source, mut claims) = (Source::open(file)?, Claims::default());
            loop {
                progress.at([&source.reader]);
                let Some(next) = source.next()? else { break };
                match &next {
                    Next::Message { channel, number, .. } => claims.message(channel, *number),
                    Next::Event(event) => claims.event(event),
                    _ => {}
                }
                if let Some(found) = together.of(&next) {
                    together.know(found, at)?;
                }
            }
            together.channels.clear();
            if let Some(fault) = claims.fault() {
                together.faults.push((at, fault));
            }
        }
        let nobody = BTreeSet::new();
        for (at, publisher) in together.publishers.iter_mut().enumerate() {
            publisher.settle(together.have.get(&at).unwrap_or(&nobody));
        }
        Ok(together)
    }

    /// Returns the key that orders an entry, in addition to its time.
    pub fn of(&mut self, next: &Next) -> Option<Numbered> {
        match next {
            Next::Message { channel, number, .. } => self.of_message(channel, *number),
            Next::Event(event) => self.of_event(event),
            _ => None,
        }
    }

    fn know(&mut self, found: Numbered, file: usize) -> Result<()> {
        let Some(publisher) = self.publishers.get_mut(found.publisher) else { return Ok(()) };
        if found.kind.is_none() {
            self.have.entry(found.publisher).or_default().insert(file);
        }
        let more = publisher.know(found.first, found.last, file, found.kind);
        self.ranges = self.ranges.saturating_add(more);
        if self.ranges <= MOST_RANGES {
            return Ok(());
        }
        let text = format!(
            "the numbers of the messages have more than {MOST_RANGES} gaps: merge fewer recordings, or cut them before"
        );
        Err(Error::new(ErrorKind::TooLarge, text))
    }

    fn publisher(&mut self, name: &str, incarnation: u64) -> usize {
        let known = self.publishers.len();
        let place = *self.places.entry((name.to_owned(), incarnation)).or_insert(known);
        if place == known {
            self.publishers.push(Publisher::default());
            self.by_name.entry(name.to_owned()).or_default().push(place);
        }
        place
    }

    /// Returns the key of a message; `None` if its file names no publisher, because such numbers mean nothing here.
    fn of_message(&mut self, channel: &Arc<Channel>, number: u64) -> Option<Numbered> {
        let address = Arc::as_ptr(channel).addr();
        let known = self.channels.get(&address).map(|(_, publisher)| *publisher);
        let publisher = known.unwrap_or_else(|| {
            let is_numbered = channel.metadata.contains_key(format::channel::INCARNATION);
            let publisher = is_numbered.then(|| self.publisher(&channel.topic, channel.incarnation));
            if self.channels.len() >= MAX_CHANNELS {
                self.channels.clear();
            }
            self.channels.insert(address, (channel.clone(), publisher));
            publisher
        });
        publisher.map(|publisher| Numbered { publisher, first: number, last: number, kind: None })
    }

    /// Returns the key of an event that reports messages as not received.
    fn of_event(&mut self, event: &Event) -> Option<Numbered> {
        let (Kind::Missed | Kind::Skipped, Some(first), Some(count), Some(incarnation)) =
            (event.kind, event.first, event.count, event.incarnation)
        else {
            return None;
        };
        let last = first.saturating_add(count.checked_sub(1)?);
        let publisher = self.publisher(&event.name, incarnation);
        // The first number of a publisher is 1.
        Some(Numbered { publisher, first: first.max(1), last, kind: Some(event.kind) })
    }

    pub fn has_earlier(&self, found: Numbered) -> bool {
        let Some(publisher) = self.publishers.get(found.publisher) else { return false };
        let begin = match found.kind {
            Some(_) => publisher.next_of(found),
            None => Some((found.first, found.last)).filter(|_| publisher.left.has(found.first, found.first)),
        };
        begin.is_some_and(|(begin, _)| publisher.left.first().is_some_and(|first| first < begin))
    }

    /// Takes the first numbers of an event that no file has a message of, and marks them as written.
    pub fn take_missed(&mut self, found: Numbered) -> Option<(u64, u64)> {
        let publisher = self.publishers.get_mut(found.publisher)?;
        let range = publisher.next_of(found)?;
        publisher.left.remove(range.0, range.1);
        Some(range)
    }

    pub fn fate(&self, event: &Event, file: usize) -> Fate {
        let publishers = self.by_name.get(&event.name).map_or(&[][..], Vec::as_slice);
        let of_others =
            |at: &usize| self.have.get(at).is_some_and(|files| files.iter().any(|other| *other != file));
        if !publishers.iter().any(of_others) {
            return Fate::Kept;
        }
        match (event.kind, event.first, event.count) {
            (Kind::Missed | Kind::Skipped, first, Some(count)) if event.incarnation.is_none() => {
                let Some(more) = count.checked_sub(1) else { return Fate::Known };
                let first = first.unwrap_or(0).max(1);
                let last = first.saturating_add(more);
                let publisher = match publishers {
                    [one] => self.publishers.get(*one),
                    _ => None,
                };
                if publisher.is_some_and(|publisher| publisher.messages.has(first, last)) {
                    return Fate::Known;
                }
                Fate::Unknown(format!(
                    "a recording says that messages {first} to {last} of a publisher that it does not name were {}; other recordings have messages of the name, and whether these are among them is not known",
                    event.kind.name()
                ))
            }
            (Kind::Unconnected, ..) => Fate::Unknown(format!(
                "a recorder had no connection to the name, and another one had: whether that received all is not known; {}",
                event.text
            )),
            _ => Fate::Kept,
        }
    }

    /// Returns the publishers whose last messages are unknown: name, incarnation, and a text.
    pub fn unknown(&self) -> Vec<(&str, u64, String)> {
        let mut found: Vec<_> = { self.places.iter() }
            .filter_map(|((name, incarnation), place)| {
                let unknown = &self.publishers.get(*place).filter(|one| !one.unknown.is_empty())?.unknown;
                let text = format!(
                    "not all recordings that have messages of the publisher say that it published {unknown}, which no recording has"
                );
                Some((name.as_str(), *incarnation, text))
            })
            .collect();
        found.sort_unstable();
        found
    }

    /// Returns whether to write a message of this file. A message that was already written under its number is kept.
    ///
    /// A duplicate with different content is counted for [`problems`](Self::problems).
    pub fn take(&mut self, found: Numbered, message: &Message<'_>, file: usize) -> bool {
        let content = (found.publisher, found.first, message.sent, &message.channel.encoding, message.body);
        let hash = self.hashes.hash_one(content);
        let Some(publisher) = self.publishers.get_mut(found.publisher) else { return true };
        // A file that is still being written can have messages that the first pass did not see.
        let (number, numbers) = (found.first, &mut publisher.messages);
        let is_new = publisher.left.has(number, number) || !numbers.has(number, number);
        if is_new {
            publisher.left.remove(number, number);
            numbers.add(number, number);
            if self.compared.insert(hash) {
                self.order.push_back(hash);
            }
            if self.order.len() > MOST_COMPARED
                && let Some(oldest) = self.order.pop_front()
            {
                self.compared.remove(&oldest);
            }
        } else if !self.compared.contains(&hash) {
            let (count, _) = self.others.entry((found.publisher, file)).or_insert((0, found.first));
            *count = count.saturating_add(1);
        }
        is_new
    }

    pub fn faults(&self) -> &[(usize, String)] {
        &self.faults
    }

    pub fn problems(&self) -> Vec<(usize, String)> {
        let names: HashMap<usize, &(String, u64)> =
            self.places.iter().map(|(name, place)| (*place, name)).collect();
        let text = |((publisher, file), (count, first)): (&(usize, usize), &(u64, u64))| {
            let (name, incarnation) = names.get(publisher)?;
            let text = format!(
                "{} of {name} (incarnation {incarnation:016x}) left out, from number {first} on: with the same number there is another one, or one that is too far away to be compared, which was received before and is kept",
                counted(*count, "message")
            );
            Some((*file, text))
        };
        self.others.iter().filter_map(text).collect()
    }
}
