//! What several recordings that become one have of the same publishers.
//!
//! A first look at all of them finds which numbers any of them has, and which ones events say were not received. So a
//! message that one file has is never taken for a missed one of another, and the numbers of a publisher ascend in what
//! is made, whichever file has which. Of messages with one number all have to be the same.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;

use linkspan::{Error, ErrorKind, Result};
use linkspan_recording::event::Kind;
use linkspan_recording::reader::Message;
use linkspan_recording::{Channel, Entry, Event, format};

use super::opening::open;
use super::progress::Progress;
use crate::record::counted;

/// Ranges of numbers that are known of all publishers together: each takes some 50 bytes.
const MOST_RANGES: usize = 1 << 22;
/// Messages that are known to have been written, so that others with their numbers are compared with them.
const MOST_COMPARED: usize = 1 << 22;
/// Channels that are known by their addresses.
const MAX_CHANNELS: usize = 1 << 17;

/// Numbers, as ranges: the end of each by its first one.
#[derive(Debug, Default)]
struct Numbers(BTreeMap<u64, u64>);

impl Numbers {
    fn first(&self) -> Option<u64> {
        self.0.first_key_value().map(|(first, _)| *first)
    }

    fn has(&self, number: u64) -> bool {
        self.0.range(..=number).next_back().is_some_and(|(_, end)| number < *end)
    }

    /// Adds the numbers from `first` up to `end`; returns how many ranges there are more or less.
    fn add(&mut self, mut first: u64, mut end: u64) -> isize {
        if first >= end {
            return 0;
        }
        let mut more = 1isize;
        while let Some((begin, until)) = self.0.range(..=end).next_back().map(|(begin, end)| (*begin, *end))
            && until >= first
        {
            if begin <= first && end <= until {
                return more.saturating_sub(1);
            }
            self.0.remove(&begin);
            (first, end) = (first.min(begin), end.max(until));
            more = more.saturating_sub(1);
        }
        self.0.insert(first, end);
        more
    }

    /// Removes the numbers from `first` up to `end`.
    fn remove(&mut self, first: u64, end: u64) {
        while let Some((begin, until)) = self.0.range(..end).next_back().map(|(begin, end)| (*begin, *end))
            && until > first
        {
            self.0.remove(&begin);
            if begin < first {
                self.0.insert(begin, first);
            }
            if until > end {
                self.0.insert(end, until);
            }
        }
    }

    /// Returns the first range that both have from `first` up to `end` and `other` has not.
    fn first_without(&self, other: &Numbers, mut first: u64, end: u64) -> Option<(u64, u64)> {
        while first < end {
            let (begin, until) = match self.0.range(..=first).next_back() {
                Some((_, until)) if *until > first => (first, *until),
                _ => self.0.range(first..end).next().map(|(begin, until)| (*begin, *until))?,
            };
            let until = until.min(end);
            match other.0.range(..=begin).next_back() {
                Some((_, behind)) if *behind > begin => first = *behind,
                _ => {
                    let next = other.0.range(begin..until).next().map_or(until, |(next, _)| *next);
                    return Some((begin, next));
                }
            }
        }
        None
    }
}

/// What is known of a publisher.
#[derive(Debug, Default)]
struct Publisher {
    /// The numbers of messages that any file has.
    messages: Numbers,
    /// Those, and those that events say were not received, which were not written yet.
    left: Numbers,
}

/// What all the recordings have.
#[derive(Debug, Default)]
pub struct Together {
    /// By name and incarnation, with the place in `publishers`.
    places: HashMap<(String, u64), usize>,
    publishers: Vec<Publisher>,
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
}

/// What a message or an event is to be ordered by: a publisher, and numbers of it.
#[derive(Clone, Copy, Debug)]
pub struct Numbered {
    publisher: usize,
    first: u64,
    end: u64,
    is_event: bool,
}

impl Together {
    /// Looks at all files.
    ///
    /// # Errors
    /// Those of the file system; `TooLarge` where numbers have too many gaps.
    pub fn look(files: &[&Path]) -> Result<Together> {
        let mut together = Together::default();
        let mut progress = Progress::of("look");
        for file in files {
            let mut readers = [open(file)?];
            loop {
                progress.at(&readers);
                let [reader] = &mut readers;
                let Some(entry) = reader.read()? else { break };
                let found = match &entry {
                    Entry::Message(message) if !message.channel.repeated => {
                        together.of_message(message.channel, message.number)
                    }
                    Entry::Event(event) => together.of_event(event),
                    _ => None,
                };
                found.map_or(Ok(()), |found| together.know(found))?;
            }
            // Another file has other channels.
            together.channels.clear();
        }
        Ok(together)
    }

    fn know(&mut self, found: Numbered) -> Result<()> {
        let Some(publisher) = self.publishers.get_mut(found.publisher) else { return Ok(()) };
        let mut more = publisher.left.add(found.first, found.end);
        if !found.is_event {
            more = more.saturating_add(publisher.messages.add(found.first, found.end));
        }
        self.ranges = self.ranges.saturating_add_signed(more);
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
        }
        place
    }

    /// Returns by what a message is ordered: nothing where its file says no publisher, whose numbers mean nothing here.
    pub fn of_message(&mut self, channel: &Arc<Channel>, number: u64) -> Option<Numbered> {
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
        let end = number.saturating_add(1);
        publisher.map(|publisher| Numbered { publisher, first: number, end, is_event: false })
    }

    /// The same of an event that says that messages were not received.
    pub fn of_event(&mut self, event: &Event) -> Option<Numbered> {
        let (Kind::Missed | Kind::Skipped, Some(first), Some(count)) =
            (&event.kind, event.first, event.count)
        else {
            return None;
        };
        let publisher = self.publisher(&event.name, event.incarnation.unwrap_or(0));
        Some(Numbered { publisher, first, end: first.saturating_add(count), is_event: true })
    }

    /// Returns whether something of the same publisher is to be written before.
    pub fn has_earlier(&self, found: Numbered) -> bool {
        let Some(publisher) = self.publishers.get(found.publisher) else { return false };
        let begin = match found.is_event {
            true => publisher.left.first_without(&publisher.messages, found.first, found.end),
            false => Some((found.first, found.end)).filter(|_| publisher.left.has(found.first)),
        };
        begin.is_some_and(|(begin, _)| publisher.left.first().is_some_and(|first| first < begin))
    }

    /// Takes the first numbers of an event that no file has a message of, and that were not written yet; they are
    /// written then.
    pub fn take_missed(&mut self, found: Numbered) -> Option<(u64, u64)> {
        let publisher = self.publishers.get_mut(found.publisher)?;
        let range = publisher.left.first_without(&publisher.messages, found.first, found.end)?;
        publisher.left.remove(range.0, range.1);
        Some(range)
    }

    /// Returns whether a message of the file in this place is to be written. It is not where one with its number was;
    /// where that one has other bytes this is known.
    pub fn take(&mut self, found: Numbered, message: &Message<'_>, file: usize) -> bool {
        let content = (found.publisher, found.first, message.sent, &message.channel.encoding, message.body);
        let hash = self.hashes.hash_one(content);
        let Some(publisher) = self.publishers.get_mut(found.publisher) else { return true };
        // A file that is being written may have some that it had not before.
        let is_new = publisher.left.has(found.first) || !publisher.messages.has(found.first);
        if is_new {
            publisher.left.remove(found.first, found.end);
            publisher.messages.add(found.first, found.end);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_joined_split_and_compared() {
        let mut numbers = Numbers::default();
        assert_eq!(numbers.add(5, 7), 1);
        assert_eq!(numbers.add(9, 10), 1);
        assert_eq!(numbers.add(5, 6), 0);
        assert_eq!(numbers.add(7, 9), -1);
        assert_eq!(Vec::from_iter(numbers.0.clone()), [(5, 10)]);
        assert!(numbers.has(5) && numbers.has(9) && !numbers.has(10) && !numbers.has(4));
        numbers.remove(6, 8);
        assert_eq!(Vec::from_iter(numbers.0.clone()), [(5, 6), (8, 10)]);
        let mut other = Numbers::default();
        other.add(8, 9);
        other.add(20, u64::MAX);
        assert_eq!(numbers.first_without(&other, 0, u64::MAX), Some((5, 6)));
        assert_eq!(numbers.first_without(&other, 6, u64::MAX), Some((9, 10)));
        assert_eq!(numbers.first_without(&other, 10, u64::MAX), None);
        assert_eq!(other.first_without(&numbers, 0, 30), Some((20, 30)));
        numbers.remove(0, u64::MAX);
        assert_eq!(numbers.first(), None);
    }
}
