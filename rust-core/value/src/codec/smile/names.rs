//! The table of names that an encoder has written, for references.
//!
//! The decoder builds an equal table: both add names in one order and clear a full table at one name. The written bytes
//! are in two pieces: the placer's part and the part after it.

use std::hash::{BuildHasher, RandomState};

use super::TABLE;

#[derive(Default)]
pub(super) struct NameTable {
    entries: Vec<NameEntry>,
    /// An open-addressed index of entry numbers + 1 (0: a free slot), used beyond [`LINEAR_MAX`] entries.
    slots: Vec<u16>,
    /// A random seed keeps a peer from choosing keys that all collide.
    hasher: Option<RandomState>,
}

#[derive(Clone, Copy)]
struct NameEntry {
    at: usize,
    length: usize,
}

/// Up to this number of entries a linear search is faster than hashing.
const LINEAR_MAX: usize = 16;

const SLOTS: usize = 2 * TABLE;

impl NameTable {
    pub(super) fn find(&self, name: &str, written: [&[u8]; 2]) -> Option<usize> {
        let name = name.as_bytes();
        match &self.hasher {
            None => self.entries.iter().position(|e| e.is(name, written)).filter(|n| can_be_referred_to(*n)),
            Some(hasher) => {
                let mut slot = hasher.hash_one(name) as usize % SLOTS;
                while let Some(number) = usize::from(self.slots[slot]).checked_sub(1) {
                    if self.entries[number].is(name, written) {
                        return Some(number);
                    }
                    slot = (slot + 1) % SLOTS;
                }
                None
            }
        }
    }

    pub(super) fn add(&mut self, at: usize, length: usize, written: [&[u8]; 2]) {
        // The decoder's table is full at this name and is cleared as well.
        if self.entries.len() == TABLE {
            self.entries.clear();
            self.slots.clear();
            self.hasher = None;
        }
        self.entries.push(NameEntry { at, length });
        if self.hasher.is_some() {
            self.index(self.entries.len() - 1, written);
        } else if self.entries.len() > LINEAR_MAX {
            self.hasher = Some(RandomState::new());
            self.slots.resize(SLOTS, 0);
            for number in 0..self.entries.len() {
                self.index(number, written);
            }
        }
    }

    fn index(&mut self, number: usize, written: [&[u8]; 2]) {
        let Some(hasher) = self.hasher.as_ref().filter(|_| can_be_referred_to(number)) else { return };
        let mut slot = hasher.hash_one(self.entries[number].name(written)) as usize % SLOTS;
        while self.slots[slot] != 0 {
            slot = (slot + 1) % SLOTS;
        }
        self.slots[slot] = number as u16 + 1;
    }
}

impl NameEntry {
    fn is(self, name: &[u8], written: [&[u8]; 2]) -> bool {
        self.length == name.len() && self.name(written) == name
    }

    /// Returns the name; empty if the written bytes were given up for lack of memory.
    fn name(self, [before, behind]: [&[u8]; 2]) -> &[u8] {
        let (piece, at) = match self.at.checked_sub(before.len()) {
            Some(at) => (behind, at),
            None => (before, self.at),
        };
        piece.get(at..at + self.length).unwrap_or_default()
    }
}

/// Returns whether a reference may have this number: its low byte must not be a marker, 0xFE or 0xFF.
fn can_be_referred_to(number: usize) -> bool {
    number & 0xff < 0xfe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_number_until_the_table_is_cleared() {
        let mut names = NameTable::default();
        let mut written = Vec::new();
        for i in 0..3000usize {
            let name = format!("name {i}");
            assert_eq!(names.find(&name, [&[], &written]), None);
            written.extend_from_slice(name.as_bytes());
            names.add(written.len() - name.len(), name.len(), [&[], &written]);
            let number = i % TABLE;
            assert_eq!(
                names.find(&name, [&[], &written]),
                can_be_referred_to(number).then_some(number),
                "{name}"
            );
            if number > 0 {
                assert!(names.find(&format!("name {}", i - number), [&[], &written]) == Some(0));
            }
        }
    }
}
