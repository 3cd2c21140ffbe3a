//! The operations of [`Map`]: unique text keys in the order of their insertion.
//!
//! A removal changes positions and rebuilds the index.

use std::hash::BuildHasher;
use std::ops::{Index, IndexMut};

use super::budget::table_bytes;
use super::tree::{KeyIndex, Map, Value};
use crate::error::{Result, memory};

impl Map {
    /// Returns a map without entries.
    pub fn new() -> Map {
        Map::default()
    }

    /// Returns a map with room for `entries` entries.
    pub fn with_capacity(entries: usize) -> Map {
        Map { entries: Vec::with_capacity(entries), index: None }
    }

    /// Returns a map with room for `entries` entries and their index.
    ///
    /// # Errors
    ///
    /// `OutOfMemory`, because a decoder must not abort the program.
    pub(super) fn try_with_capacity(entries: usize) -> Result<Map> {
        let mut map = Map::new();
        memory::reserve(&mut map.entries, entries)?;
        if entries > Map::LINEAR_MAX {
            let mut index = Box::<KeyIndex>::default();
            index
                .table
                .try_reserve(entries, |_| 0)
                .map_err(|_| memory::out_of_memory(table_bytes(entries) as usize))?;
            map.index = Some(index);
        }
        Ok(map)
    }

    /// Returns the map of these entries; `None` for a repeated key, or without memory.
    pub(crate) fn of_distinct(entries: Vec<(String, Value)>) -> Option<Map> {
        if entries.len() <= Map::LINEAR_MAX {
            let distinct = are_distinct(&entries);
            return distinct.then_some(Map { entries, index: None });
        }
        let mut map = Map::try_with_capacity(entries.len()).ok()?;
        for (key, value) in entries {
            if map.contains_key(&key) {
                return None;
            }
            map.push(key, value);
        }
        Some(map)
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether the map is empty.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns whether an entry has this key.
    pub fn contains_key(&self, key: &str) -> bool {
        self.get_index_of(key).is_some()
    }

    /// Returns the zero-based position of the entry with this key.
    #[inline]
    pub fn get_index_of(&self, key: &str) -> Option<usize> {
        match &self.index {
            None => self.entries.iter().position(|(name, _)| name == key),
            Some(index) => index.find(key, &self.entries),
        }
    }

    /// Returns the value with this key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.get_index_of(key).map(|position| &self.entries[position].1)
    }

    /// Returns the value with this key for changes.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.get_index_of(key).map(|position| &mut self.entries[position].1)
    }

    /// Returns the entry at this zero-based position.
    pub fn get_index(&self, position: usize) -> Option<(&String, &Value)> {
        self.entries.get(position).map(|(key, value)| (key, value))
    }

    /// Returns the entry at this zero-based position, with its value for changes.
    pub fn get_index_mut(&mut self, position: usize) -> Option<(&String, &mut Value)> {
        self.entries.get_mut(position).map(|(key, value)| (&*key, value))
    }

    /// Returns the first entry.
    pub fn first(&self) -> Option<(&String, &Value)> {
        self.get_index(0)
    }

    /// Inserts an entry. An existing key keeps its position; returns its former value.
    pub fn insert(&mut self, key: String, value: Value) -> Option<Value> {
        self.insert_full(key, value).1
    }

    /// As [`Map::insert`]; also returns the entry's position.
    pub fn insert_full(&mut self, key: String, value: Value) -> (usize, Option<Value>) {
        match self.get_index_of(&key) {
            Some(position) => {
                let before = std::mem::replace(&mut self.entries[position].1, value);
                (position, Some(before))
            }
            None => (self.push(key, value), None),
        }
    }

    /// Appends an entry with a new key and returns its position.
    #[inline]
    pub(in crate::value) fn push(&mut self, key: String, value: Value) -> usize {
        let position = self.entries.len();
        self.entries.push((key, value));
        if let Some(index) = &mut self.index {
            index.add(position, &self.entries);
        } else if position >= Map::LINEAR_MAX {
            self.build_index();
        }
        position
    }

    pub(super) fn last_mut(&mut self) -> Option<&mut Value> {
        self.entries.last_mut().map(|(_, value)| value)
    }

    /// Removes this key's entry; the later ones move up, which takes time in proportion to their number.
    pub fn shift_remove(&mut self, key: &str) -> Option<Value> {
        let position = self.get_index_of(key)?;
        let (_, value) = self.entries.remove(position);
        self.index = None;
        if self.entries.len() > Map::LINEAR_MAX {
            self.build_index();
        }
        Some(value)
    }

    /// Keeps the entries for which `keep` returns true, in their order.
    pub fn retain(&mut self, mut keep: impl FnMut(&String, &mut Value) -> bool) {
        self.entries.retain_mut(|(key, value)| keep(key, value));
        self.index = None;
        if self.entries.len() > Map::LINEAR_MAX {
            self.build_index();
        }
    }

    #[cold]
    fn build_index(&mut self) {
        let mut index = Box::<KeyIndex>::default();
        for position in 0..self.entries.len() {
            index.add(position, &self.entries);
        }
        self.index = Some(index);
    }

    /// Returns the entries in their order.
    pub fn iter(&self) -> Iter<'_> {
        Iter(self.entries.iter())
    }

    /// Returns the keys in their order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &String> + ExactSizeIterator {
        self.entries.iter().map(|(key, _)| key)
    }

    /// Returns the values in the order of their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &Value> + ExactSizeIterator {
        self.entries.iter().map(|(_, value)| value)
    }

    /// Returns the values in the order of their keys, for changes.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Value> + ExactSizeIterator {
        self.entries.iter_mut().map(|(_, value)| value)
    }
}

#[inline]
fn are_distinct(entries: &[(String, Value)]) -> bool {
    let mut marks = 0u64;
    entries.iter().enumerate().all(|(position, (key, _))| {
        // Keys with different marks differ, and most keys have different marks.
        let [first, .., last] = key.as_bytes() else {
            return entries[..position].iter().all(|(other, _)| other != key);
        };
        let mark = 1 << ((key.len() ^ usize::from(*first) ^ usize::from(*last) << 3) & 63);
        let known = marks & mark != 0;
        marks |= mark;
        !known || entries[..position].iter().all(|(other, _)| other != key)
    })
}

impl KeyIndex {
    fn find(&self, key: &str, entries: &[(String, Value)]) -> Option<usize> {
        let hash = self.state.hash_one(key);
        self.table.find(hash, |position| entries[*position].0 == key).copied()
    }

    /// Adds a new key's position. The table rehashes keys when it grows, so it needs the entries.
    fn add(&mut self, position: usize, entries: &[(String, Value)]) {
        let hash = |position: &usize| self.state.hash_one(&entries[*position].0);
        self.table.insert_unique(hash(&position), position, hash);
    }
}

impl std::fmt::Debug for Map {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl PartialEq for Map {
    fn eq(&self, other: &Map) -> bool {
        self.len() == other.len() && self.iter().all(|(key, value)| other.get(key) == Some(value))
    }
}

impl Eq for Map {}

/// Returns the value with this key; panics without such an entry.
impl Index<&str> for Map {
    type Output = Value;

    fn index(&self, key: &str) -> &Value {
        self.get(key).expect("the map has an entry with this key")
    }
}

/// Returns the value at this position; panics without such an entry.
impl Index<usize> for Map {
    type Output = Value;

    fn index(&self, position: usize) -> &Value {
        &self.entries[position].1
    }
}

impl IndexMut<&str> for Map {
    fn index_mut(&mut self, key: &str) -> &mut Value {
        self.get_mut(key).expect("the map has an entry with this key")
    }
}

impl IndexMut<usize> for Map {
    fn index_mut(&mut self, position: usize) -> &mut Value {
        &mut self.entries[position].1
    }
}

/// A repeated key keeps its last value.
impl Extend<(String, Value)> for Map {
    fn extend<I: IntoIterator<Item = (String, Value)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl FromIterator<(String, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(entries: I) -> Map {
        let entries = entries.into_iter();
        let mut map = Map::with_capacity(entries.size_hint().0);
        map.extend(entries);
        map
    }
}

impl<const N: usize> From<[(String, Value); N]> for Map {
    fn from(entries: [(String, Value); N]) -> Map {
        Map::from_iter(entries)
    }
}

/// The entries of a [`Map`] in their order.
#[derive(Clone, Debug)]
pub struct Iter<'a>(std::slice::Iter<'a, (String, Value)>);

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a String, &'a Value);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, value)| (key, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back().map(|(key, value)| (key, value))
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'a> IntoIterator for &'a Map {
    type Item = (&'a String, &'a Value);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl IntoIterator for Map {
    type Item = (String, Value);
    type IntoIter = std::vec::IntoIter<(String, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookup_finds_entries_by_key_and_position_with_and_without_index() {
        for count in [0, 1, 15, 16, 17, 18, 100] {
            let mut map: Map = (0..count).map(|i| (format!("k{i}"), Value::Int(i))).collect();
            for i in 0..count {
                let key = format!("k{i}");
                assert_eq!(map.get(&key), Some(&Value::Int(i)), "{count}");
                assert_eq!(map.get_index_of(&key), Some(i as usize));
                assert_eq!(map.insert_full(key, Value::Int(-i)), (i as usize, Some(Value::Int(i))));
            }
            assert_eq!((map.get("other"), map.len()), (None, count as usize));
            assert!(map.iter().map(|(key, _)| key.clone()).eq((0..count).map(|i| format!("k{i}"))));
        }
    }

    #[test]
    fn removal_keeps_the_order_of_remaining_entries() {
        let mut map: Map = (0..40).map(|i| (format!("k{i}"), Value::Int(i))).collect();
        for i in (0..40).step_by(2) {
            assert_eq!(map.shift_remove(&format!("k{i}")), Some(Value::Int(i)));
            assert_eq!(map.shift_remove(&format!("k{i}")), None);
            assert_eq!(map.get("k39"), Some(&Value::Int(39)));
        }
        assert!(map.values().eq((0..40).skip(1).step_by(2).map(Value::Int).collect::<Vec<_>>().iter()));
        map.retain(|_, value| *value != Value::Int(1));
        assert_eq!((map.len(), map.get("k1"), map.get_index_of("k3")), (19, None, Some(0)));
    }

    #[test]
    fn maps_with_other_orders_are_equal() {
        let map = |keys: [&str; 2]| keys.into_iter().map(|k| (k.to_owned(), Value::from(k))).collect::<Map>();
        assert_eq!(map(["a", "b"]), map(["b", "a"]));
        assert_ne!(map(["a", "b"]), map(["a", "c"]));
    }
}
