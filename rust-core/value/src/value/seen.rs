//! The keys of the open maps, to find repeated keys.
//!
//! A small map is searched linearly. Beyond 16 keys the hashes go into a set with a random seed, so
//! a peer cannot choose colliding keys. A text comparison confirms equal hashes.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use super::budget::{Budget, table_bytes};
use crate::error::memory::out_of_memory;
use crate::error::{Error, ErrorKind, Result, quoted};

/// Returns the error of a repeated key.
///
/// For a [`super::Sink`] that [refuses](super::Sink::refuses_repeated_keys) such keys itself.
#[cold]
pub fn repeated_key(key: &str) -> Error {
    let text = format!("the key {key} occurs twice in one map; a map has each key once", key = quoted(key));
    Error::new(ErrorKind::Malformed, text)
}

/// The keys of all open maps, the innermost map last.
///
/// One buffer for all maps saves an allocation per map; most values have few keys.
#[derive(Default)]
pub(super) struct SeenKeys {
    text: Vec<u8>,
    keys: Vec<SeenKey>,
    /// The innermost map, in place: most values have only maps that are not nested.
    map: Option<OpenMap>,
    outer: Vec<OpenMap>,
}

#[derive(Clone, Copy)]
struct SeenKey {
    /// A cheap hash, see [`prefilter`]: most different keys have different hashes.
    prefix: u32,
    /// The offset in the text of the key's end. The key begins at the end of the key before.
    end: usize,
}

struct OpenMap {
    text: usize,
    keys: usize,
    /// The announced number of its keys: the size of the hash set, reserved at once.
    len: usize,
    many: Option<Box<Hashes>>,
}

struct Hashes {
    of: RandomState,
    all: HashSet<u64>,
    /// The bytes of the set in the budget.
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

/// Returns the key's length, first, middle and last byte as one word.
fn prefilter(key: &[u8]) -> u32 {
    match key {
        [] => 0,
        [first, .., last] => u32::from_le_bytes([key.len() as u8, *first, key[key.len() / 2], *last]),
        [only] => u32::from_le_bytes([1, *only, 0, 0]),
    }
}

impl SeenKeys {
    /// Up to this number of keys a linear search is faster than hashing.
    const LINEAR_MAX: usize = 16;

    pub(super) fn open(&mut self, len: usize) {
        let map = OpenMap { text: self.text.len(), keys: self.keys.len(), len, many: None };
        self.outer.extend(self.map.replace(map));
    }

    pub(super) fn close(&mut self, budget: &mut Budget) {
        if let Some(map) = std::mem::replace(&mut self.map, self.outer.pop()) {
            budget.release(map.many.map_or(0, |many| many.bytes));
            self.text.truncate(map.text);
            self.keys.truncate(map.keys);
        }
    }

    /// Adds a key to the innermost map. Returns false for a repeated key.
    ///
    /// # Errors
    ///
    /// `TooLarge` over the memory budget, `OutOfMemory` if an allocation fails.
    pub(super) fn insert(&mut self, key: &[u8], budget: &mut Budget) -> Result<bool> {
        let Some(map) = &mut self.map else { return Ok(true) };
        // For a short message, one allocation of each buffer is then enough.
        if self.keys.capacity() == 0 {
            self.keys.reserve(32);
            self.text.reserve(256);
        }
        let prefix = prefilter(key);
        // A new hash proves that the key is new. An equal hash needs a comparison of the text.
        let new = map.many.as_mut().is_some_and(|many| many.insert(key));
        if !new {
            let keys = &self.keys[map.keys..];
            for (i, seen) in keys.iter().enumerate() {
                if seen.prefix == prefix {
                    let from = i.checked_sub(1).map_or(map.text, |before| keys[before].end);
                    if self.text[from..seen.end] == *key {
                        return Ok(false);
                    }
                }
            }
        }
        budget.reserve(&mut self.text, key.len())?;
        budget.reserve(&mut self.keys, 1)?;
        self.text.extend_from_slice(key);
        self.keys.push(SeenKey { prefix, end: self.text.len() });
        if map.many.is_none() && self.keys.len() - map.keys > Self::LINEAR_MAX {
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
