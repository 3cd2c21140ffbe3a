//! The memory that decoding one value may hold, counted before it is asked for.

use super::{Map, Value};
use crate::error::{Error, ErrorKind, Result, memory};

/// Bytes that are held, and how many may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    held: u64,
    limit: u64,
}

/// Bytes of an array's item in memory.
pub(super) const ITEM: u64 = size_of::<Value>() as u64;

/// Bytes of a map's entry in memory, beside its key's text and its place in the table: key and value.
const ENTRY: u64 = (size_of::<String>() + size_of::<Value>()) as u64;

/// Bytes beside the places of a map's table: what stands in its box.
const TABLE: u64 = 64;

/// Bytes that an array of so many items takes.
pub(super) fn array_bytes(items: usize) -> u64 {
    (items as u64).saturating_mul(ITEM)
}

/// Bytes that a map of so many entries takes, without the text of its keys.
pub(super) fn map_bytes(entries: usize) -> u64 {
    let table = if entries > Map::FEW { table_bytes(entries).saturating_add(TABLE) } else { 0 };
    (entries as u64).saturating_mul(ENTRY).saturating_add(table)
}

/// Bytes of a hash table of so many words: a power of two of places, at most 7/8 full, each with a byte beside it.
pub(super) fn table_bytes(words: usize) -> u64 {
    if words == 0 {
        return 0;
    }
    let places = (words as u64).saturating_add(words as u64 / 7 + 1).checked_next_power_of_two();
    places.unwrap_or(u64::MAX).max(4).saturating_mul(9).saturating_add(32)
}

impl Budget {
    pub(super) fn new(limit: u64) -> Budget {
        Budget { held: 0, limit }
    }

    /// Counts bytes that are about to be asked for; `TooLarge` over the limit.
    #[inline]
    pub(super) fn hold(&mut self, bytes: u64) -> Result<()> {
        self.held = self.held.saturating_add(bytes);
        if self.held > self.limit {
            return Err(over("memory", self.limit, self.held, "bytes"));
        }
        Ok(())
    }

    /// Counts bytes that were given back.
    #[inline]
    pub(super) fn release(&mut self, bytes: u64) {
        self.held = self.held.saturating_sub(bytes);
    }

    /// Makes room in a list for so many more items. While it moves, both places are held.
    #[inline]
    pub(super) fn room<T>(&mut self, list: &mut Vec<T>, more: usize) -> Result<()> {
        if list.capacity() - list.len() >= more { Ok(()) } else { self.grow(list, more) }
    }

    #[cold]
    fn grow<T>(&mut self, list: &mut Vec<T>, more: usize) -> Result<()> {
        let before = list.capacity();
        let after = list.len().saturating_add(more).max(before.saturating_mul(2));
        self.hold((after as u64).saturating_mul(size_of::<T>() as u64))?;
        memory::reserve(list, after - list.len())?;
        self.release((before * size_of::<T>()) as u64);
        Ok(())
    }
}

#[cold]
pub(super) fn over(which: &str, limit: u64, asked: u64, unit: &str) -> Error {
    Error::new(ErrorKind::TooLarge, format!("over the {which} limit: {asked} {unit} asked, {limit} allowed"))
}
