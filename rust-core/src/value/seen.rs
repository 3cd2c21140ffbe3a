//! The keys that the open maps have had, so that none comes twice.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use super::budget::{Budget, table_bytes};
use crate::error::memory::out_of_memory;
use crate::error::{Error, ErrorKind, Result, quoted};

/// The error for a key that its map had before: for a [`super::Sink`] that
/// [refuses](super::Sink::refuses_repeated_keys) such keys itself.
#[cold]
pub fn repeated_key(key: &str) -> Error {
    let text = format!("the key {key} stands twice in one map; a map has each key once", key = quoted(key));
    Error::new(ErrorKind::Malformed, text)
}

/// The keys of all maps that are open, those of the innermost last: one buffer for all, so that a map costs no memory
/// of its own. Most maps are small, and there a scan beats hashing.
#[derive(Default)]
pub(super) struct Seen {
    text: Vec<u8>,
    keys: Vec<Key>,
    /// The innermost map, in place: most values have one map inside no other.
    map: Option<OpenMap>,
    outer: Vec<OpenMap>,
}

/// A key that was seen.
#[derive(Clone, Copy)]
struct Key {
    /// Differs for most keys that differ.
    print: u32,
    /// Where it ends in the text; it begins where the key before ends.
    end: usize,
}

struct OpenMap {
    /// Where its keys begin in the text, and among the keys.
    text: usize,
    keys: usize,
    /// How many keys it has, as was announced.
    len: usize,
    /// The hashes of its keys, once there are many; equal ones are looked into.
    many: Option<Box<Hashes>>,
}

struct Hashes {
    of: RandomState,
    all: HashSet<u64>,
    /// What they count for in the budget.
    bytes: u64,
}

impl Hashes {
    fn of_map(len: usize, budget: &mut Budget) -> Result<Box<Hashes>> {
        let bytes = table_bytes(len);
        budget.hold(bytes)?;
        let mut all = HashSet::new();
        all.try_reserve(len).map_err(|_| out_of_memory(bytes as usize))?;
        Ok(Box::new(Hashes { of: RandomState::new(), all, bytes }))
    }

    fn insert(&mut self, key: &[u8]) -> bool {
        let hash = self.of.hash_one(key);
        self.all.insert(hash)
    }
}

/// Length, first, middle and last byte.
#[inline]
fn print(key: &[u8]) -> u32 {
    match key {
        [] => 0,
        [first, .., last] => u32::from_le_bytes([key.len() as u8, *first, key[key.len() / 2], *last]),
        [only] => u32::from_le_bytes([1, *only, 0, 0]),
    }
}

impl Seen {
    const FEW: usize = 16;

    /// Begins a map of so many keys.
    pub(super) fn open(&mut self, len: usize) {
        let map = OpenMap { text: self.text.len(), keys: self.keys.len(), len, many: None };
        self.outer.extend(self.map.replace(map));
    }

    /// Ends the innermost map.
    pub(super) fn close(&mut self, budget: &mut Budget) {
        if let Some(map) = std::mem::replace(&mut self.map, self.outer.pop()) {
            budget.release(map.many.map_or(0, |many| many.bytes));
            self.text.truncate(map.text);
            self.keys.truncate(map.keys);
        }
    }

    /// Notes a key of the innermost map; false when it was there before.
    #[inline]
    pub(super) fn insert(&mut self, key: &[u8], budget: &mut Budget) -> Result<bool> {
        let Some(map) = &mut self.map else { return Ok(true) };
        if self.keys.capacity() == 0 {
            self.keys.reserve(32);
            self.text.reserve(256);
        }
        let print = print(key);
        let new = map.many.as_mut().is_some_and(|many| many.insert(key));
        if !new {
            let keys = &self.keys[map.keys..];
            for (i, seen) in keys.iter().enumerate() {
                if seen.print == print {
                    let from = i.checked_sub(1).map_or(map.text, |before| keys[before].end);
                    if self.text[from..seen.end] == *key {
                        return Ok(false);
                    }
                }
            }
        }
        budget.room(&mut self.text, key.len())?;
        budget.room(&mut self.keys, 1)?;
        self.text.extend_from_slice(key);
        self.keys.push(Key { print, end: self.text.len() });
        if map.many.is_none() && self.keys.len() - map.keys > Self::FEW {
            let many = map.many.insert(Hashes::of_map(map.len, budget)?);
            let mut from = map.text;
            for key in &self.keys[map.keys..] {
                many.insert(&self.text[from..key.end]);
                from = key.end;
            }
        }
        Ok(true)
    }
}
