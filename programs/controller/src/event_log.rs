//! A log of limited length, which drops its oldest lines.

use std::collections::VecDeque;

use crate::schedule::Name;
use linkspan::{Map, Timestamp, Value};

#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub at: Timestamp,
    /// The service that the line is about, if any.
    pub service: Option<Name>,
    pub level: String,
    pub text: String,
}

impl Entry {
    /// Returns the line as a map: `at`, `service` (null for none), `level`, `text`.
    pub fn to_value(&self) -> Value {
        Value::Map(Map::from_iter([
            ("at".to_owned(), self.at.into()),
            ("service".to_owned(), self.service.as_deref().map_or(Value::Null, Value::from)),
            ("level".to_owned(), self.level.as_str().into()),
            ("text".to_owned(), self.text.as_str().into()),
        ]))
    }

    fn size(&self) -> usize {
        size_of::<Entry>().saturating_add(self.text.len()).saturating_add(self.level.len())
    }
}

#[derive(Debug, Default)]
pub struct Log {
    entries: VecDeque<Entry>,
    bytes: usize,
}

impl Log {
    /// Appends a line, and drops the oldest ones beyond `lines` or `bytes`.
    pub fn push(&mut self, entry: Entry, lines: usize, bytes: usize) {
        self.bytes = self.bytes.saturating_add(entry.size());
        self.entries.push_back(entry);
        while self.entries.len() > lines || (self.bytes > bytes && self.entries.len() > 1) {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(oldest.size());
        }
    }

    /// Returns at most `lines` newest lines with at most `bytes` bytes, the oldest first.
    pub fn last(&self, lines: usize, bytes: usize) -> Value {
        let mut room = bytes;
        let fits = |entry: &&Entry| {
            let size = entry.size();
            let fits = size <= room;
            room = room.saturating_sub(size);
            fits
        };
        let mut last: Vec<Value> =
            self.entries.iter().rev().take(lines).take_while(fits).map(Entry::to_value).collect();
        last.reverse();
        Value::Array(last)
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

/// Returns the first `characters` characters of a text, and the number of omitted bytes, if any.
pub fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}… ({} bytes more)", &text[..end], text.len().saturating_sub(end)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> Entry {
        Entry { at: Timestamp(1), service: None, level: "info".into(), text: text.into() }
    }

    #[test]
    fn log_beyond_limits_drops_oldest_lines() {
        let mut log = Log::default();
        for i in 0..10 {
            log.push(entry(&i.to_string()), 3, 1 << 20);
        }
        let last = log.last(2, 1 << 20);
        assert_eq!((last.at("0/text").unwrap(), last.at("1/text").unwrap()), (&"8".into(), &"9".into()));
        log.push(entry(&"x".repeat(1000)), 3, 500);
        assert_eq!(log.len(), 1, "one line is kept, however long");
        assert_eq!(
            log.last(9, 10),
            Value::Array(Vec::new()),
            "a line that does not fit into an answer is omitted"
        );
    }

    #[test]
    fn cut_text_ends_at_a_character() {
        assert_eq!(cut("naïve", 5), "naïve");
        assert_eq!(cut("naïve", 3), "naï… (2 bytes more)");
    }
}
