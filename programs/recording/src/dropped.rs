//! The parts that a recorder removed on a full disk. Other missing parts are lost.

use std::collections::BTreeMap;

use crate::format::{self, metadata};
use crate::ranges::Ranges;

/// The numbers of the removed parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped(Ranges);

/// The most ranges. A recorder makes few.
const MOST: usize = 10_000;
const PARTS: &str = "parts";

impl Dropped {
    /// Returns whether no part was removed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the parts from `first` to `last`.
    pub fn add(&mut self, first: u64, last: u64) {
        if self.0.len() < MOST {
            self.0.add(first, last);
        }
    }

    /// Adds the parts of another set.
    pub fn join(&mut self, other: &Dropped) {
        other.0.iter().for_each(|(first, last)| self.add(first, last));
    }

    /// Returns whether all these parts were removed.
    pub fn has(&self, first: u64, last: u64) -> bool {
        self.0.has(first, last)
    }

    /// Adds a metadata record's parts, without invalid ranges and a copy's records about its original.
    pub fn take(&mut self, name: &str, entries: &BTreeMap<String, String>) {
        if entries.contains_key(format::omitted::FILE) {
            return;
        }
        let key = match name {
            metadata::DROPPED => PARTS,
            metadata::END => format::DROPPED,
            _ => return,
        };
        for range in entries.get(key).map_or("", String::as_str).split(',').take(MOST) {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            if let (Some(first), Some(last)) = (format::number(first, 10), format::number(last, 10))
                && first <= last
            {
                self.add(first, last);
            }
        }
    }

    /// Returns the text of a copy's record about its original.
    pub fn of_original(entries: &BTreeMap<String, String>) -> Option<String> {
        let file = entries.get(format::omitted::FILE)?;
        Some(format!("{file}: parts {}", entries.get(PARTS).map_or("", String::as_str)))
    }

    /// Returns the entries of the metadata record.
    pub fn record(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(PARTS.to_owned(), self.to_string())])
    }
}

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_joined_and_what_is_none_says_nothing() {
        let mut dropped = Dropped::default();
        assert!(dropped.is_empty() && !dropped.has(1, 1));
        for (first, last) in [(5, 6), (1, 2), (9, 9), (3, 3), (7, u64::MAX)] {
            dropped.add(first, last);
        }
        assert_eq!(dropped.to_string(), format!("1-3,5-{}", u64::MAX));
        assert!(dropped.has(1, 3) && dropped.has(6, 9) && !dropped.has(3, 5) && !dropped.has(4, 4));
        let said = BTreeMap::from([("parts".to_owned(), "4,x,,7-,-3,8-7,+9,20-21".to_owned())]);
        let mut dropped = Dropped::default();
        dropped.take(metadata::DROPPED, &said);
        assert_eq!(dropped.to_string(), "4,20-21");
        let mut again = Dropped::default();
        again.take(metadata::DROPPED, &dropped.record());
        again.take(metadata::END, &BTreeMap::from([(format::DROPPED.to_owned(), "5".to_owned())]));
        again.take("other", &said);
        assert_eq!(again.to_string(), "4-5,20-21");
        let mut copied = dropped.record();
        copied.insert(format::omitted::FILE.to_owned(), "original.mcap".to_owned());
        let mut none = Dropped::default();
        none.take(metadata::DROPPED, &copied);
        assert!(none.is_empty());
    }
}
