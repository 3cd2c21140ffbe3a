//! The table of names that an encoder has written and may refer to.

use std::hash::{BuildHasher, RandomState};

use super::TABLE;

/// Names are found again in the bytes that were written; the table holds only where.
#[derive(Default)]
pub(super) struct Names {
    entries: Vec<Entry>,
    /// An open-addressed index over the entries (number + 1, 0 for none), once there are many.
    slots: Vec<u16>,
    /// Keyed at random, so that nobody can choose keys that all collide.
    hasher: Option<RandomState>,
}

#[derive(Clone, Copy)]
struct Entry {
    at: usize,
    length: usize,
}

/// Up to this many a scan beats hashing.
const FEW: usize = 16;

const SLOTS: usize = 2 * TABLE;

impl Names {
    /// The number of this name, if `written` holds it already.
    #[inline]
    pub(super) fn find(&self, name: &str, written: &[u8]) -> Option<usize> {
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

    /// Notes that a name has been written and lies at `at`.
    #[inline]
    pub(super) fn add(&mut self, at: usize, length: usize, written: &[u8]) {
        if self.entries.len() == TABLE {
            self.entries.clear();
            self.slots.clear();
            self.hasher = None;
        }
        self.entries.push(Entry { at, length });
        if self.hasher.is_some() {
            self.index(self.entries.len() - 1, written);
        } else if self.entries.len() > FEW {
            self.hasher = Some(RandomState::new());
            self.slots.resize(SLOTS, 0);
            for number in 0..self.entries.len() {
                self.index(number, written);
            }
        }
    }

    fn index(&mut self, number: usize, written: &[u8]) {
        let Some(hasher) = self.hasher.as_ref().filter(|_| can_be_referred_to(number)) else { return };
        let Entry { at, length } = self.entries[number];
        let mut slot = hasher.hash_one(&written[at..at + length]) as usize % SLOTS;
        while self.slots[slot] != 0 {
            slot = (slot + 1) % SLOTS;
        }
        self.slots[slot] = number as u16 + 1;
    }
}

impl Entry {
    #[inline]
    fn is(self, name: &[u8], written: &[u8]) -> bool {
        self.length == name.len() && written[self.at..self.at + self.length] == *name
    }
}

/// A reference whose low byte would be 0xFE or 0xFF is never written: those look like markers.
fn can_be_referred_to(number: usize) -> bool {
    number & 0xff < 0xfe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_number_until_the_table_starts_again() {
        let mut names = Names::default();
        let mut written = Vec::new();
        for i in 0..3000usize {
            let name = format!("name {i}");
            assert_eq!(names.find(&name, &written), None);
            written.extend_from_slice(name.as_bytes());
            names.add(written.len() - name.len(), name.len(), &written);
            let number = i % TABLE;
            assert_eq!(names.find(&name, &written), can_be_referred_to(number).then_some(number), "{name}");
            if number > 0 {
                assert!(names.find(&format!("name {}", i - number), &written) == Some(0));
            }
        }
    }
}
