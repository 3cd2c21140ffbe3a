//! The open containers of a checker, and the set of a record's present fields.

use crate::schema::model::{Field, Type};

#[derive(Debug)]
pub(super) enum OpenType<'a> {
    /// Part of a value of any type.
    Any,
    /// A list of this type.
    List(&'a Type),
    /// A map of this type.
    Map(&'a Type),
    /// A record.
    Fields {
        fields: &'a [Field],
        /// The position of the next field if the writer keeps the order.
        next: usize,
        /// The positions of the present fields.
        ///
        /// A field under an alias also adds its position plus the number of fields.
        seen: FieldSet,
    },
    /// A union.
    Union { variants: &'a [Field] },
    /// A table.
    Columns {
        columns: &'a [Field],
        seen: FieldSet,
        /// The length of the columns so far; all columns must have it.
        length: Option<u64>,
    },
}

/// A set of field positions: 64 bits in place, more in a list.
#[derive(Debug, Default)]
pub(super) struct FieldSet {
    first: u64,
    rest: Vec<u64>,
}

impl FieldSet {
    #[inline]
    pub(super) fn insert(&mut self, position: usize) -> bool {
        if position >= 64 {
            return self.insert_from_64(position);
        }
        let bit = 1 << position;
        let new = self.first & bit == 0;
        self.first |= bit;
        new
    }

    fn insert_from_64(&mut self, position: usize) -> bool {
        let word = position / 64 - 1;
        if self.rest.len() <= word {
            self.rest.resize(word + 1, 0);
        }
        let bit = 1 << (position % 64);
        let new = self.rest[word] & bit == 0;
        self.rest[word] |= bit;
        new
    }

    pub(super) fn contains(&self, position: usize) -> bool {
        let word = match position / 64 {
            0 => self.first,
            word => self.rest.get(word - 1).copied().unwrap_or(0),
        };
        word & 1 << (position % 64) != 0
    }

    pub(super) fn missing(&self, count: usize, needed: impl Fn(usize) -> bool) -> Option<usize> {
        // Most messages have all fields, and one comparison then decides.
        if count < 64 && self.first.trailing_ones() as usize >= count {
            return None;
        }
        (0..count).find(|position| !self.contains(*position) && needed(*position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_set_inserts_each_position_once() {
        let mut seen = FieldSet::default();
        for position in [0, 63, 64, 127, 4095] {
            assert!(!seen.contains(position));
            assert!(seen.insert(position) && !seen.insert(position) && seen.contains(position));
        }
        assert!(!seen.contains(1) && !seen.contains(100_000));
    }

    #[test]
    fn field_set_finds_the_first_missing_position() {
        for count in [1, 63, 64, 65, 200] {
            let mut seen = FieldSet::default();
            for position in (0..count).rev() {
                assert_eq!(seen.missing(count, |_| true), Some(0));
                assert_eq!(seen.missing(count, |at| at >= position), Some(position));
                assert!(seen.insert(position));
                assert_eq!(seen.missing(count, |at| at >= position), None);
            }
            assert_eq!(seen.missing(count, |_| true), None);
            assert_eq!(seen.missing(count + 1, |_| true), Some(count));
        }
    }
}
