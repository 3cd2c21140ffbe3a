//! What several recordings that become one have of the same publishers.
//!
//! A first look at all of them finds which numbers any of them has, and which ones events say were not received. So a
//! message that one file has is never taken for a missed one of another, and the numbers of a publisher ascend in what
//! is made, whichever file has which. Of messages with one number all have to be the same.
//!
//! What no file has a message of is said by number where all files agree: behind the last message that any of them has
//! of a publisher they all have to say it, and what is said without an incarnation counts where no other file has the
//! name. Else it is said that it is not known.

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

/// Ranges of numbers that are known of all publishers together: each takes some 50 bytes.
const MOST_RANGES: usize = 1 << 22;
/// Messages that are known to have been written, so that others with their numbers are compared with them.
const MOST_COMPARED: usize = 1 << 22;
/// Channels that are known by their addresses.
const MAX_CHANNELS: usize = 1 << 17;

/// What is known of a publisher.
#[derive(Debug, Default)]
struct Publisher {
    /// The numbers of messages that any file has.
    messages: Ranges,
    /// Those, and those that events say were not received, which were not written yet.
    left: Ranges,
    /// What events of each file say that is behind its last message, for files that have messages of it.
    behind: BTreeMap<usize, Ranges>,
    /// What events say was missed, behind the last message of their file until all files were looked at.
    missed: Ranges,
    /// Whether events say that some were skipped; then the numbers that none of them counts: of messages, and of what
    /// another file missed.
    has_skipped: bool,
    not_skipped: Ranges,
    /// What was perhaps missed: some files say it, and others that have messages of the publisher do not.
    unknown: Ranges,
}

impl Publisher {
    /// Takes numbers of which a file has messages, or says that it received none; returns how many ranges more there
    /// are.
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

    /// About as many as it has.
    fn ranges(&self) -> usize {
        let all = [&self.messages, &self.left, &self.missed];
        all.into_iter().map(Ranges::len).fold(0, usize::saturating_add)
    }

    /// All files were looked at: what not all of them say behind the last message is not known.
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

    /// Returns the first numbers of an event that were not written yet, and that are not of a message.
    fn next_of(&self, event: Numbered) -> Option<(u64, u64)> {
        let others = match event.kind {
            Some(Kind::Skipped) => &self.not_skipped,
            _ => &self.messages,
        };
        self.left.first_without(others, event.first, event.last)
    }
}

/// What becomes of an event that says no number of a publisher that is known.
pub enum Fate {
    /// It is as true of what is made as of its file.
    Kept,
    /// Other files have what it says to lack.
    Known,
    /// Whether they have it is not known, and why.
    Unknown(String),
}

/// What all the recordings have.
#[derive(Debug, Default)]
pub struct Together {
    /// By name and incarnation, with the place in `publishers`.
    places: HashMap<(String, u64), usize>,
    publishers: Vec<Publisher>,
    /// Those of each name, and the files that have messages of each.
    by_name: HashMap<String, Vec<usize>>,
    have: HashMap<usize, BTreeSet<usize>>,
    ranges: usize,
    /// Channels by their addresses: they are held so that no other one gets the address.
    channels: HashMap<usize, (Arc<Channel>, Option<usize>)>,
    /// The newest messages that were written, by a hash whose keys nobody outside of this process knows.
    compared: HashSet<u64>,
    order: VecDeque<u64>,
    hashes: RandomState,
    /// Messages that are not those with their number which were written: how many, and the first, by publisher and
    /// file.
    others: BTreeMap<(usize, usize), (u64, u64)>,
    /// Files whose losses are not true, and why: what becomes of them here depends on what other files have.
    faults: Vec<(usize, String)>,
}

/// What a message or an event is to be ordered by: a publisher, and numbers of it.
#[derive(Clone, Copy, Debug)]
pub struct Numbered {
    publisher: usize,
    first: u64,
    last: u64,
    /// Of an event: its kind.
    kind: Option<Kind>,
}

impl Numbered {
    /// Returns the last number.
    pub fn last(&self) -> u64 {
        self.last
    }
}

impl Together {
    /// Looks at all files.
    ///
    /// # Errors
    /// Those of the file system; `TooLarge` where numbers have too many gaps.
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
            // Another file has other channels.
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

    /// Returns by what an entry is ordered beside its time.
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

    /// Returns by what a message is ordered: nothing where its file says no publisher, whose numbers mean nothing here.
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

    /// The same of an event that says that messages of a publisher were not received.
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

    /// Returns whether something of the same publisher is to be written before.
    pub fn has_earlier(&self, found: Numbered) -> bool {
        let Some(publisher) = self.publishers.get(found.publisher) else { return false };
        let begin = match found.kind {
            Some(_) => publisher.next_of(found),
            None => Some((found.first, found.last)).filter(|_| publisher.left.has(found.first, found.first)),
        };
        begin.is_some_and(|(begin, _)| publisher.left.first().is_some_and(|first| first < begin))
    }

    /// Takes the first numbers of an event that no file has a message of, and that were not written yet; they are
    /// written then.
    pub fn take_missed(&mut self, found: Numbered) -> Option<(u64, u64)> {
        let publisher = self.publishers.get_mut(found.publisher)?;
        let range = publisher.next_of(found)?;
        publisher.left.remove(range.0, range.1);
        Some(range)
    }

    /// Returns what becomes of an event of the file in this place that has no number of a publisher.
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

    /// Returns the publishers of which it is not known what they published last: name, incarnation, and why.
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

    /// Returns whether a message of the file in this place is to be written. It is not where one with its number was;
    /// where that one has other bytes this is known.
    pub fn take(&mut self, found: Numbered, message: &Message<'_>, file: usize) -> bool {
        let content = (found.publisher, found.first, message.sent, &message.channel.encoding, message.body);
        let hash = self.hashes.hash_one(content);
        let Some(publisher) = self.publishers.get_mut(found.publisher) else { return true };
        // A file that is being written may have some that it had not before.
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

    /// Returns the files whose losses are not true: the place of each, and a text.
    pub fn faults(&self) -> &[(usize, String)] {
        &self.faults
    }

    /// Returns what is wrong with the messages of each file: its place, and a text.
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
