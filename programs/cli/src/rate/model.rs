//! The counters of each name: since the last line, and in total. Pure: it uses no clock and no subscriber.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::collections::BTreeMap;

use crate::spread::Spread;

/// The most names with counters, as many as a subscriber receives from at a time.
const NAMES: usize = 4_096;

/// The counted facts of a message.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub bytes: u64,
    pub missed: u64,
    pub number: u64,
    pub incarnation: u64,
    /// The sending time on the sender's clock, in nanoseconds since 1970.
    pub sent: i64,
    /// The receipt time on this machine's clock.
    pub received: i64,
}

/// Counters over a number of messages.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub messages: u64,
    pub bytes: u64,
    pub missed: u64,
}

impl Counts {
    fn add(&mut self, bytes: u64, missed: u64) {
        self.messages = self.messages.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        self.missed = self.missed.saturating_add(missed);
    }
}

/// The counters of one name.
#[derive(Clone, Debug, Default)]
pub struct Name {
    /// The counters since the last line.
    pub counts: Counts,
    pub sizes: Spread,
    /// Between the sendings of two messages with successive numbers.
    pub intervals: Spread,
    /// From sending to receipt.
    pub delays: Spread,
    pub total: Counts,
    /// The publishers that sent a message.
    pub publishers: u64,
    /// Publishers that ended without their last number. Their lost messages are not counted.
    pub uncounted: u64,
    /// Messages lost with the last publisher. The next message counts them as missed.
    lost: u64,
    last: Option<Seen>,
}

impl Name {
    /// Returns all missed messages, including losses that no later message has counted yet.
    pub fn missed(&self) -> u64 {
        self.total.missed.saturating_add(self.lost)
    }

    /// Returns whether the last message came from this publisher.
    pub fn is_of(&self, incarnation: u64) -> bool {
        self.last.is_some_and(|last| last.incarnation == incarnation)
    }

    fn take(&mut self, seen: Seen, began: i64) {
        let follows = self.is_of(seen.incarnation);
        if !follows {
            self.publishers = self.publishers.saturating_add(1);
            self.lost = 0;
        }
        let last = self.last.replace(seen).filter(|_| follows);
        // The first message from a publisher may be an old value, which was kept for new subscribers.
        if last.is_none() && seen.sent < began {
            return;
        }
        self.counts.add(seen.bytes, seen.missed);
        self.total.add(seen.bytes, seen.missed);
        self.sizes.add(i64::try_from(seen.bytes).unwrap_or(i64::MAX));
        self.delays.add(seen.received.saturating_sub(seen.sent));
        if let Some(last) = last.filter(|last| last.number.checked_add(1) == Some(seen.number)) {
            self.intervals.add(seen.sent.saturating_sub(last.sent));
        }
    }

    /// Resets the counters of the last line.
    fn begin_line(&mut self) {
        self.counts = Counts::default();
        (self.sizes, self.intervals, self.delays) = Default::default();
    }
}

/// The counters of all names.
pub struct Names {
    names: BTreeMap<String, Name>,
    /// The start of the command.
    began: i64,
}

impl Names {
    pub fn new(began: i64) -> Names {
        Names { names: BTreeMap::new(), began }
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Returns whether this publisher sent the last message of this name.
    pub fn is_last(&self, name: &str, incarnation: u64) -> bool {
        self.names.get(name).is_some_and(|name| name.is_of(incarnation))
    }

    pub fn take(&mut self, name: &str, seen: Seen) {
        let began = self.began;
        self.entry(name).take(seen, began);
    }

    /// Counts the loss with a publisher that ended; `None` if its last number is unknown.
    pub fn end(&mut self, name: &str, lost: Option<u64>) {
        let entry = self.entry(name);
        match lost {
            Some(lost) => entry.lost = entry.lost.saturating_add(lost),
            None => entry.uncounted = entry.uncounted.saturating_add(1),
        }
    }

    /// Returns all names in their order, and begins their next line.
    pub fn lines(&mut self) -> Vec<(String, Name)> {
        let lines = self.names.clone().into_iter().collect();
        self.names.values_mut().for_each(Name::begin_line);
        lines
    }

    /// Returns the counters of a name. Above the limit, the name with the longest silence is dropped.
    fn entry(&mut self, name: &str) -> &mut Name {
        if self.names.len() >= NAMES && !self.names.contains_key(name) {
            let last = |name: &Name| name.last.map(|seen| seen.received);
            let silent = self.names.iter().min_by_key(|(_, name)| last(name)).map(|(name, _)| name.clone());
            silent.and_then(|silent| self.names.remove(&silent));
        }
        self.names.entry(name.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(incarnation: u64, number: u64, missed: u64, sent: i64) -> Seen {
        Seen { bytes: 10, missed, number, incarnation, sent, received: sent + 5 }
    }

    fn only(names: &mut Names) -> Name {
        names.lines().remove(0).1
    }

    #[test]
    fn line_begins_anew_and_totals_continue() {
        let mut names = Names::new(0);
        for number in 1..=3 {
            names.take("a", seen(7, number, 0, number as i64 * 100));
        }
        let first = only(&mut names);
        assert_eq!((first.counts.messages, first.counts.bytes, first.total.messages), (3, 30, 3));
        assert_eq!(first.intervals.summary(1.0).unwrap().median, 100.0);
        assert_eq!(first.delays.summary(1.0).unwrap().greatest, 5.0);
        names.take("a", seen(7, 6, 2, 900));
        let second = only(&mut names);
        assert_eq!((second.counts.messages, second.counts.missed), (1, 2));
        assert_eq!((second.total.messages, second.missed(), second.publishers), (4, 2, 1));
        assert!(second.intervals.summary(1.0).is_none(), "messages between the two were missed");
        assert_eq!(only(&mut names).counts.messages, 0);
    }

    #[test]
    fn kept_value_of_a_publisher_is_not_counted() {
        let mut names = Names::new(1_000);
        names.take("a", seen(7, 50, 0, 200));
        names.take("a", seen(7, 51, 0, 1_100));
        let name = only(&mut names);
        assert_eq!((name.total.messages, name.publishers), (1, 1));
        assert_eq!(name.intervals.summary(1.0).unwrap().median, 900.0);
    }

    #[test]
    fn messages_lost_with_a_publisher_are_counted_once() {
        let mut names = Names::new(0);
        names.take("a", seen(7, 1, 0, 100));
        names.end("a", Some(3));
        assert_eq!(only(&mut names).missed(), 3);
        assert!(names.is_last("a", 7) && !names.is_last("a", 8));
        names.take("a", seen(8, 1, 3, 200));
        names.end("a", None);
        let name = only(&mut names);
        assert_eq!((name.missed(), name.publishers, name.uncounted), (3, 2, 1));
    }

    #[test]
    fn names_that_come_and_go_take_bounded_memory() {
        let mut names = Names::new(0);
        for number in 0..NAMES as i64 + 10 {
            names.take(&format!("name-{number}"), seen(1, 1, 0, number));
        }
        let lines = names.lines();
        assert_eq!(lines.len(), NAMES);
        assert!(!lines.iter().any(|(name, _)| name == "name-0"));
    }
}
