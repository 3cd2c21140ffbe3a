//! The memory budget of decoding one value: bytes are counted before they are allocated.
//!
//! The sizes are computed, not measured: each constant and function here must be at least the size of the allocation.
//! `rust-core/value/tests/decode_memory.rs` compares them with a counting allocator.

use super::tree::{Map, Value};
use crate::error::{Error, ErrorKind, Result, memory, over_message_limit};

#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// The counted bytes; they exceed the limit only after an error.
    held: u64,
    limit: u64,
}

pub(super) const ITEM: u64 = size_of::<Value>() as u64;

/// The size of a map's entry in bytes, without the key's text and its share of the hash table.
const ENTRY: u64 = (size_of::<String>() + size_of::<Value>()) as u64;

/// The size of a map's key index besides its table, in bytes: the content of its `Box`.
const TABLE: u64 = 64;

pub(super) fn array_bytes(items: usize) -> u64 {
    (items as u64).saturating_mul(ITEM)
}

pub(super) fn map_bytes(entries: usize) -> u64 {
    let table = if entries > Map::LINEAR_MAX { table_bytes(entries).saturating_add(TABLE) } else { 0 };
    (entries as u64).saturating_mul(ENTRY).saturating_add(table)
}

/// Returns the bytes of a hash table for `words` words.
///
/// `hashbrown` allocates a power of two of places, each with a word and a control byte, and one group of control bytes
/// at the end. It uses at most 7/8 of the places.
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

    pub(super) fn hold(&mut self, bytes: u64) -> Result<()> {
        self.held = self.held.saturating_add(bytes);
        if self.held > self.limit {
            return Err(over("memory", self.limit, self.held, "bytes"));
        }
        Ok(())
    }

    pub(super) fn release(&mut self, bytes: u64) {
        self.held = self.held.saturating_sub(bytes);
    }

    /// Makes room in a list for `more` items.
    ///
    /// A list that grows counts twice while its items move, because the old and the new memory exist together.
    ///
    /// # Errors
    ///
    /// `TooLarge` over the limit, `OutOfMemory` if the allocation fails.
    pub(super) fn reserve<T>(&mut self, list: &mut Vec<T>, more: usize) -> Result<()> {
        if list.capacity() - list.len() >= more { Ok(()) } else { self.grow(list, more) }
    }

    /// The slow path of `reserve`: doubles the capacity, so that appending stays linear.
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
    if which == "message" {
        return over_message_limit(asked, limit);
    }
    // The only other limit that an option of an endpoint sets.
    let option = if which == "memory" { " (4 times the option max_message_size)" } else { "" };
    Error::new(
        ErrorKind::TooLarge,
        format!("over the {which} limit: {asked} {unit} asked, {limit} allowed{option}"),
    )
}
