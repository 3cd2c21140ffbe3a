//! The newest messages of a publisher whose subscribers have a stream each: what a slow one still gets, and a late one first.

use std::collections::VecDeque;

use crate::frame::{HEADER, Header, Outgoing, flags};
use crate::message::Payload;

/// A published message, kept for subscribers that have still to be given it.
#[derive(Clone)]
pub struct Published {
    pub header: Header,
    pub payload: Payload,
}

impl Published {
    pub fn frame(&self, retained: bool) -> Outgoing<'_> {
        let mut header = self.header;
        header.flags |= if retained { flags::RETAINED } else { 0 };
        Outgoing::new(header, self.payload.body())
    }

    fn bytes(&self) -> usize {
        HEADER + self.payload.body().len()
    }
}

/// The newest messages, up to a number of bytes; the newest one always.
pub struct History {
    kept: VecDeque<Published>,
    bytes: usize,
    limit: usize,
}

impl History {
    /// An empty one that keeps `limit` bytes.
    pub fn new(limit: usize) -> History {
        History { kept: VecDeque::new(), bytes: 0, limit }
    }

    /// Adds the newest message; the oldest ones go.
    pub fn push(&mut self, published: Published) {
        self.bytes += published.bytes();
        self.kept.push_back(published);
        while self.bytes > self.limit && self.kept.len() > 1 {
            let oldest = self.kept.pop_front();
            self.bytes -= oldest.map_or(0, |oldest| oldest.bytes());
        }
    }

    pub fn newest(&self) -> Option<&Published> {
        self.kept.back()
    }

    /// The number of the newest message; 0 before the first.
    pub fn last(&self) -> u64 {
        self.newest().map_or(0, |newest| newest.header.sequence)
    }

    /// The message that follows the one of this number, for a subscriber that goes on there. One whose next message is kept no
    /// longer goes on where a quarter of what is kept has passed: at the oldest it would be overtaken again at once.
    pub fn after(&self, sequence: u64) -> Option<&Published> {
        self.kept.get(self.place_after(sequence)?)
    }

    /// The same and all that follow it.
    pub fn all_after(&self, sequence: u64) -> impl Iterator<Item = &Published> {
        let at = self.place_after(sequence).unwrap_or(usize::MAX);
        self.kept.range(at.min(self.kept.len())..)
    }

    fn place_after(&self, sequence: u64) -> Option<usize> {
        let first = self.kept.front()?.header.sequence;
        let next = sequence.saturating_add(1);
        let at = if next >= first { next - first } else { (self.kept.len() / 4) as u64 };
        usize::try_from(at).ok()
    }

    /// Whether so many bytes more would take the place of much of what is kept.
    pub fn is_much(&self, bytes: usize) -> bool {
        bytes > self.limit / 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Kind;
    use crate::value::{Limits, Value};
    use crate::{Encoding, message::Payload};

    fn history(limit: usize, messages: u64) -> History {
        let mut history = History::new(limit);
        for sequence in 1..=messages {
            let payload = Payload::new(&Value::from(7u64), Encoding::Cbor, &Limits::default()).unwrap();
            let header = Header { sequence, ..Header::new(Kind::Data, Encoding::Cbor) };
            history.push(Published { header, payload });
        }
        history
    }

    fn next(history: &History, sequence: u64) -> Option<u64> {
        history.after(sequence).map(|published| published.header.sequence)
    }

    #[test]
    fn what_is_kept_is_given_in_order_and_the_rest_is_skipped() {
        let one = HEADER + 1;
        let history = history(one * 8, 20);
        assert_eq!((history.last(), history.kept.len()), (20, 8));
        assert_eq!(next(&history, 12), Some(13));
        assert_eq!((next(&history, 19), next(&history, 20)), (Some(20), None));
        // Number 12 and those before it are gone: a quarter of eight further on.
        assert_eq!((next(&history, 11), next(&history, 0)), (Some(15), Some(15)));
    }

    #[test]
    fn newest_message_is_kept_however_large() {
        assert_eq!(next(&history(1, 3), 0), Some(3));
        assert_eq!(next(&history(1, 0), 0), None);
    }
}
