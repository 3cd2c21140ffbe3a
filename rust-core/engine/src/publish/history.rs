//! The newest messages of a publisher over sockets, for slow and late subscribers.
//!
//! All subscribers read from one history, each from its own position. A message is therefore kept once for all slow
//! subscribers. The history is limited in bytes, but always keeps the newest message.

use std::collections::VecDeque;

use crate::frame::{HEADER, Header, Outgoing, flags};
use crate::message::Payload;

#[derive(Clone)]
pub struct HistoryEntry {
    pub header: Header,
    pub payload: Payload,
}

impl HistoryEntry {
    /// Returns its frame. `retained` marks the message that was the newest when the subscriber connected.
    pub fn frame(&self, retained: bool) -> Outgoing<'_> {
        let mut header = self.header;
        header.flags |= if retained { flags::RETAINED } else { 0 };
        Outgoing::new(header, self.payload.body())
    }

    fn bytes(&self) -> usize {
        HEADER + self.payload.body().len()
    }
}

pub struct History {
    kept: VecDeque<HistoryEntry>,
    bytes: usize,
    limit: usize,
    forgotten: u64,
}

impl History {
    pub fn new(limit: usize) -> History {
        History { kept: VecDeque::new(), bytes: 0, limit, forgotten: 0 }
    }

    pub fn push(&mut self, published: HistoryEntry) {
        self.bytes += published.bytes();
        self.kept.push_back(published);
        while self.bytes > self.limit && self.kept.len() > 1 {
            let oldest = self.kept.pop_front();
            if let Some(oldest) = oldest {
                self.bytes -= oldest.bytes();
                self.forgotten = oldest.header.sequence;
            }
        }
    }

    pub fn newest(&self) -> Option<&HistoryEntry> {
        self.kept.back()
    }

    pub fn last(&self) -> u64 {
        self.newest().map_or(0, |newest| newest.header.sequence)
    }

    /// Returns the message after this number. If it was dropped, returns the message a quarter into the history,
    /// because a subscriber at the oldest one would fall behind again at once.
    pub fn after(&self, sequence: u64) -> Option<&HistoryEntry> {
        self.kept.get(self.place_after(sequence)?)
    }

    pub fn all_after(&self, sequence: u64) -> impl Iterator<Item = &HistoryEntry> {
        let at = self.place_after(sequence).unwrap_or(usize::MAX);
        self.kept.range(at.min(self.kept.len())..)
    }

    fn place_after(&self, sequence: u64) -> Option<usize> {
        let (first, last) = (self.kept.front()?.header.sequence, self.last());
        if sequence < self.forgotten {
            return Some(self.kept.len() / 4);
        }
        // Relayed messages may skip numbers, so the index does not follow from the number.
        if last - first + 1 != self.kept.len() as u64 {
            return Some(self.kept.partition_point(|kept| kept.header.sequence <= sequence));
        }
        usize::try_from(sequence.saturating_add(1).saturating_sub(first)).ok()
    }

    /// Returns whether that many more bytes would replace a large part of the history.
    pub fn is_much(&self, bytes: usize) -> bool {
        bytes > self.limit / 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Encoding;
    use crate::frame::Kind;
    use crate::message::Payload;
    use crate::value::{Limits, Value};

    fn history(limit: usize, messages: u64) -> History {
        let mut history = History::new(limit);
        for sequence in 1..=messages {
            let payload = Payload::new(&Value::from(7u64), Encoding::Cbor, &Limits::default()).unwrap();
            let header = Header { sequence, ..Header::new(Kind::Data, Encoding::Cbor) };
            history.push(HistoryEntry { header, payload });
        }
        history
    }

    fn next(history: &History, sequence: u64) -> Option<u64> {
        history.after(sequence).map(|published| published.header.sequence)
    }

    #[test]
    fn dropped_messages_are_skipped_to_a_quarter() {
        let one = HEADER + 1;
        let history = history(one * 8, 20);
        assert_eq!((history.last(), history.kept.len()), (20, 8));
        assert_eq!(next(&history, 12), Some(13));
        assert_eq!((next(&history, 19), next(&history, 20)), (Some(20), None));
        // Messages up to number 12 are dropped: the next one is a quarter of eight further on.
        assert_eq!((next(&history, 11), next(&history, 0)), (Some(15), Some(15)));
    }

    #[test]
    fn gaps_in_numbers_lose_no_kept_message() {
        let mut history = history(1 << 20, 0);
        for sequence in [5, 6, 9, 20] {
            let payload = Payload::new(&Value::from(7u64), Encoding::Cbor, &Limits::default()).unwrap();
            let header = Header { sequence, ..Header::new(Kind::Data, Encoding::Cbor) };
            history.push(HistoryEntry { header, payload });
        }
        let after = [0, 4, 5, 6, 7, 8, 9, 19, 20, 21].map(|sequence| next(&history, sequence));
        let expected = [5, 5, 6, 9, 9, 9, 20, 20].map(Some);
        assert_eq!(after[..8], expected);
        assert_eq!(after[8..], [None, None]);
        // After the first is dropped, a subscriber that had it continues, and others are overtaken.
        history.limit = history.bytes - 1;
        history.push(HistoryEntry {
            header: Header { sequence: 21, ..Header::new(Kind::Data, Encoding::Cbor) },
            ..history.kept[0].clone()
        });
        assert_eq!((history.forgotten, history.kept.len()), (6, 3));
        assert_eq!((next(&history, 6), next(&history, 8)), (Some(9), Some(9)));
        assert_eq!(next(&history, 5), Some(9));
    }

    #[test]
    fn newest_message_is_kept_beyond_the_limit() {
        assert_eq!(next(&history(1, 3), 0), Some(3));
        assert_eq!(next(&history(1, 0), 0), None);
    }
}
