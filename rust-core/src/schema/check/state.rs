//! Where in a value a checker is.

use crate::schema::model::{Field, Type};

/// A list or a map whose values come.
#[derive(Debug)]
pub(super) enum Open<'a> {
    /// Part of a value of any type.
    Any,
    /// A list of this type.
    List(&'a Type),
    /// A map of this type.
    Map(&'a Type),
    /// A record.
    Fields {
        fields: &'a [Field],
        /// The position of the field that comes next if the writer keeps the order.
        next: usize,
        seen: Seen,
    },
    /// A union.
    Union { variants: &'a [Field] },
    /// A table.
    Columns {
        columns: &'a [Field],
        seen: Seen,
        /// The length of the columns that came.
        length: Option<u64>,
    },
}

/// The positions of fields that came.
#[derive(Debug, Default)]
pub(super) struct Seen {
    first: u64,
    /// The positions from 64 on.
    rest: Vec<u64>,
    count: usize,
}

impl Seen {
    /// Notes a position; false where it was noted before.
    #[inline]
    pub(super) fn insert(&mut self, position: usize) -> bool {
        let bit = 1 << (position % 64);
        let word = match position / 64 {
            0 => &mut self.first,
            word => {
                if self.rest.len() < word {
                    self.rest.resize(word, 0);
                }
                &mut self.rest[word - 1]
            }
        };
        let new = *word & bit == 0;
        *word |= bit;
        self.count += usize::from(new);
        new
    }

    pub(super) fn contains(&self, position: usize) -> bool {
        let word = match position / 64 {
            0 => self.first,
            word => self.rest.get(word - 1).copied().unwrap_or(0),
        };
        word & 1 << (position % 64) != 0
    }

    /// How many positions were noted.
    pub(super) fn count(&self) -> usize {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_noted_once() {
        let mut seen = Seen::default();
        for position in [0, 63, 64, 127, 4095] {
            assert!(!seen.contains(position));
            assert!(seen.insert(position) && !seen.insert(position) && seen.contains(position));
        }
        assert_eq!(seen.count(), 5);
        assert!(!seen.contains(1) && !seen.contains(100_000));
    }
}
