//! Each bridge sends the numbers of its exported publishers' newest messages to the others.
//!
//! Engines drop messages if the network or the other bridge is slow. A later message's number reveals the loss, but
//! the newest message has no later one, and subscribers would wait until the publisher sends again. A bridge
//! therefore sends a message's number a short time after publication, and repeats it at growing intervals, because
//! that packet may also be lost. A bridge without the message then queries it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::clocks::after;
use crate::engine::Presence;

/// The delay before a message's number is first sent. Each further interval is `GROWTH` times longer.
const FIRST: Duration = Duration::from_millis(500);
const GROWTH: u32 = 4;
/// How often a number is sent: after 0.5, 2.5, 10.5, 42.5 and 170.5 seconds.
const TIMES: u32 = 5;
/// How long a message may still be in transit when its number arrives: packets overtake messages.
const UNDER_WAY: Duration = Duration::from_millis(500);
/// The delay before an unanswered query is repeated.
const AGAIN: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewestNumber {
    pub name: String,
    pub incarnation: u64,
    pub sequence: u64,
}

impl NewestNumber {
    /// Encodes numbers, each as incarnation, number, name length (2 bytes) and name, little-endian.
    pub fn to_bytes(numbers: &[NewestNumber]) -> Bytes {
        let mut bytes = Vec::new();
        for number in numbers {
            // Names have at most 255 bytes.
            let length = u16::try_from(number.name.len()).unwrap_or(u16::MAX);
            bytes.extend_from_slice(&number.incarnation.to_le_bytes());
            bytes.extend_from_slice(&number.sequence.to_le_bytes());
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(&number.name.as_bytes()[..usize::from(length)]);
        }
        bytes.into()
    }

    /// Decodes numbers; `None` if the bytes are malformed.
    pub fn from_bytes(mut bytes: &[u8]) -> Option<Vec<NewestNumber>> {
        let mut numbers = Vec::new();
        while !bytes.is_empty() {
            let (incarnation, rest) = bytes.split_first_chunk()?;
            let (sequence, rest) = rest.split_first_chunk()?;
            let (length, rest) = rest.split_first_chunk()?;
            let (name, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
            let (incarnation, sequence) = (u64::from_le_bytes(*incarnation), u64::from_le_bytes(*sequence));
            numbers.push(NewestNumber {
                name: std::str::from_utf8(name).ok()?.to_owned(),
                incarnation,
                sequence,
            });
            bytes = rest;
        }
        Some(numbers)
    }
}

/// When one exported publisher's newest number is sent.
#[derive(Default)]
pub struct Schedule {
    /// The next time, and how often it was sent.
    next: Option<(Instant, u32)>,
}

impl Schedule {
    /// Schedules the number of a new message.
    ///
    /// An unsent number keeps its time, so it is also sent while messages follow each other quickly.
    pub fn published(&mut self, now: Instant) {
        if !matches!(self.next, Some((_, 0))) {
            self.next = Some((after(now, FIRST), 0));
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.next.map(|(at, _)| at)
    }

    pub fn is_due(&mut self, now: Instant) -> bool {
        let Some((at, sent)) = self.next.filter(|(at, _)| *at <= now) else { return false };
        let interval = FIRST.saturating_mul(GROWTH.saturating_pow(sent.saturating_add(1)));
        self.next = (sent.saturating_add(1) < TIMES)
            .then_some((after(at.max(now), interval), sent.saturating_add(1)));
        true
    }
}

/// Remote publishers whose newest message may be missing here.
#[derive(Default)]
pub struct Missing(BTreeMap<String, Query>);

struct Query {
    presence: Presence,
    /// The number that the publisher has reached at least; 0 if unknown.
    sequence: u64,
    /// When to query; `None` while waiting for the answer.
    at: Option<Instant>,
}

impl Missing {
    /// Adds a publisher whose message with this number has not arrived.
    pub fn add(&mut self, presence: Presence, sequence: u64, now: Instant) {
        let at = Some(after(now, UNDER_WAY));
        match self.0.get_mut(&presence.name).filter(|query| query.presence == presence) {
            Some(query) => query.sequence = query.sequence.max(sequence),
            None => drop(self.0.insert(presence.name.clone(), Query { presence, sequence, at })),
        }
    }

    /// Removes an answered query; returns the number that the publisher had reached, or 0 without a query.
    pub fn answered(&mut self, presence: &Presence) -> u64 {
        let is_asked =
            self.0.get(&presence.name).is_some_and(|it| it.presence == *presence && it.at.is_none());
        if is_asked { self.0.remove(&presence.name).map_or(0, |query| query.sequence) } else { 0 }
    }

    /// Schedules another query after an unanswered one.
    pub fn again(&mut self, presence: Presence, sequence: u64, now: Instant) {
        let query = Query { at: Some(after(now, AGAIN)), sequence, presence };
        self.0.entry(query.presence.name.clone()).or_insert(query);
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.0.values().filter_map(|query| query.at).min()
    }

    /// Returns the publishers to query now.
    ///
    /// Removes those for which `is_missing` is false: the message has arrived, or the publisher has gone.
    pub fn due(&mut self, now: Instant, is_missing: impl Fn(&Presence, u64) -> bool) -> Vec<Presence> {
        let mut due = Vec::new();
        self.0.retain(|_, query| {
            if query.at.is_none_or(|at| at > now) {
                return true;
            }
            query.at = None;
            let is_missing = is_missing(&query.presence, query.sequence);
            due.extend(is_missing.then(|| query.presence.clone()));
            is_missing
        });
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Pattern;

    fn presence(incarnation: u64) -> Presence {
        Presence { name: "lab/a".into(), pattern: Pattern::Publish, machine: "north".into(), incarnation }
    }

    #[test]
    fn numbers_decode_to_what_was_encoded() {
        let number =
            |name: &str, sequence| NewestNumber { name: name.into(), incarnation: u64::MAX, sequence };
        let numbers = vec![number("lab/a", 1), number("ä", u64::MAX), number("", 0)];
        let bytes = NewestNumber::to_bytes(&numbers);
        assert_eq!(NewestNumber::from_bytes(&bytes), Some(numbers));
        assert_eq!(NewestNumber::from_bytes(b""), Some(Vec::new()));
        // A truncated encoding is rejected as a whole.
        let one = NewestNumber::to_bytes(&[number("lab/a", 1)]);
        for length in 1..one.len() {
            assert_eq!(NewestNumber::from_bytes(&one[..length]), None, "{length} bytes");
        }
        assert_eq!(NewestNumber::from_bytes(&[&[0; 16][..], &[1, 0], &[0xff]].concat()), None, "not UTF-8");
    }

    #[test]
    fn number_is_sent_five_times_at_growing_intervals() {
        let (mut schedule, start) = (Schedule::default(), Instant::now());
        assert_eq!(schedule.deadline(), None);
        schedule.published(start);
        // A second message does not delay the first time.
        schedule.published(start + FIRST / 2);
        let mut times = Vec::new();
        while let Some(at) = schedule.deadline() {
            assert!(!schedule.is_due(at - Duration::from_nanos(1)) && schedule.is_due(at));
            times.push((at - start).as_millis());
        }
        assert_eq!(times, [500, 2_500, 10_500, 42_500, 170_500]);
        assert!(!schedule.is_due(start + Duration::from_secs(1_000)));
        // The next message restarts the schedule, even between two times.
        schedule.published(start);
        assert!(schedule.is_due(start + FIRST));
        schedule.published(start + 2 * FIRST);
        assert_eq!(schedule.deadline(), Some(start + 3 * FIRST));
    }

    #[test]
    fn missing_message_is_queried_once_at_a_time_until_it_has_arrived() {
        let (mut missing, start) = (Missing::default(), Instant::now());
        missing.add(presence(1), 7, start);
        missing.add(presence(1), 9, start + UNDER_WAY);
        assert_eq!(missing.deadline(), Some(start + UNDER_WAY));
        let last = |last: u64| move |_: &Presence, sequence: u64| last < sequence;
        assert!(missing.due(start, last(8)).is_empty());
        assert_eq!(missing.due(start + UNDER_WAY, last(8)), [presence(1)]);
        // The query waits for its answer.
        missing.add(presence(1), 9, start + UNDER_WAY);
        assert_eq!((missing.deadline(), missing.answered(&presence(2))), (None, 0));
        assert_eq!((missing.answered(&presence(1)), missing.answered(&presence(1))), (9, 0));
        missing.again(presence(1), 9, start);
        assert_eq!(missing.due(start + AGAIN, last(9)), []);
        assert_eq!(missing.deadline(), None);
        // Another incarnation replaces the previous one.
        missing.add(presence(1), 9, start);
        missing.add(presence(2), 1, start);
        assert_eq!(missing.due(start + UNDER_WAY, last(0)), [presence(2)]);
    }
}
