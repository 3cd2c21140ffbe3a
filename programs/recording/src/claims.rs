//! Checks reports of losses: a false file may report existing messages as missed, or a loss twice.

use std::collections::HashMap;

use crate::event::{Event, Kind};
use crate::format::{self, brief};
use crate::reader::Channel;

/// The losses and messages so far.
#[derive(Debug, Default)]
pub struct Claims {
    /// By name and incarnation.
    publishers: HashMap<String, HashMap<u64, Known>>,
    events: u64,
    first: Option<String>,
}

/// A publisher's next number after its messages, and after its losses. Both ascend.
#[derive(Debug, Default)]
struct Known {
    next: u128,
    claimed: u128,
    /// Whether its last loss was contradicted.
    is_said: bool,
}

impl Claims {
    /// Takes a message; ignores channels without an incarnation.
    pub fn message(&mut self, channel: &Channel, number: u64) {
        if channel.repeated || !channel.metadata.contains_key(format::channel::INCARNATION) {
            return;
        }
        let known = known(&mut self.publishers, &channel.topic, channel.incarnation);
        let (number, claimed) = (u128::from(number), known.claimed);
        known.next = known.next.max(number.saturating_add(1));
        if number < claimed && !std::mem::replace(&mut known.is_said, true) {
            self.note(&channel.topic, channel.incarnation, number);
        }
    }

    /// Takes an event.
    pub fn event(&mut self, event: &Event) {
        let (Kind::Missed | Kind::Skipped, Some(count)) = (event.kind, event.count) else { return };
        let (incarnation, first) = (event.incarnation.unwrap_or(0), u128::from(event.first.unwrap_or(0)));
        let known = known(&mut self.publishers, &event.name, incarnation);
        let is_contradicted = first < known.next || first < known.claimed;
        known.claimed = known.claimed.max(first.saturating_add(count.into()));
        known.is_said = is_contradicted;
        if is_contradicted {
            self.note(&event.name, incarnation, first);
        }
    }

    fn note(&mut self, name: &str, incarnation: u64, number: u128) {
        self.events = self.events.saturating_add(1);
        if self.first.is_none() {
            let name = brief(name);
            self.first = Some(format!("{name} (incarnation {incarnation:016x}), at message {number}"));
        }
    }

    /// Returns the contradictions, if any.
    pub fn fault(&self) -> Option<String> {
        let first = self.first.as_ref()?;
        let events = match self.events {
            1 => "an event counts".to_owned(),
            several => format!("{several} events count"),
        };
        Some(format!(
            "losses: {events} messages as missed or skipped that are there, or that another event counts, so that counts of losses are not true; the first: {first}; `linkspan recording check` says all"
        ))
    }
}

fn known<'a>(
    publishers: &'a mut HashMap<String, HashMap<u64, Known>>,
    name: &str,
    incarnation: u64,
) -> &'a mut Known {
    if !publishers.contains_key(name) {
        publishers.insert(name.to_owned(), HashMap::new());
    }
    publishers.entry(name.to_owned()).or_default().entry(incarnation).or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contradicted(all: &[(u64, u64)]) -> u64 {
        let mut channel = Channel::named("lab/a");
        channel.metadata.insert(format::channel::INCARNATION.to_owned(), "7".to_owned());
        channel.incarnation = 7;
        let mut claims = Claims::default();
        for (first, count) in all {
            match count {
                0 => claims.message(&channel, *first),
                _ => claims.event(&Event {
                    first: Some(*first),
                    count: Some(*count),
                    ..Event::new(1, Kind::Missed).of("lab/a", Some(7))
                }),
            }
        }
        assert_eq!(claims.fault().is_some(), claims.events > 0);
        claims.events
    }

    #[test]
    fn losses_are_contradicted_by_messages_and_by_other_losses() {
        let end = u64::MAX;
        for whole in
            [&[(1, 0), (2, 3), (5, 0)][..], &[(4, 2), (6, end - 6), (end, 0)], &[(3, 0), (2, 0), (1, 0)]]
        {
            assert_eq!(contradicted(whole), 0, "{whole:?}");
        }
        for (wrong, events) in [
            // A loss of an earlier message, of a later message, and of another loss.
            (&[(1, 0), (2, 0), (2, 5)][..], 1),
            (&[(1, 0), (2, 5), (3, 0), (4, 0)], 1),
            (&[(1, 0), (2, 5), (6, 9), (15, 0)], 1),
            (&[(1, 4), (1, 4), (1, 4)], 2),
            (&[(0, end), (end - 1, 0)], 1),
        ] {
            assert_eq!(contradicted(wrong), events, "{wrong:?}");
        }
    }
}
