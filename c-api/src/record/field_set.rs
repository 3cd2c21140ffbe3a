//! The set of fields that a map had, by position.

/// The first 64 positions need no allocation.
#[derive(Default)]
pub(crate) struct FieldSet {
    first: u64,
    rest: Vec<u64>,
}

impl FieldSet {
    /// Returns false if the position was present.
    #[inline]
    pub fn insert(&mut self, position: usize) -> bool {
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
        new
    }

    #[inline]
    pub fn contains(&self, position: usize) -> bool {
        let word = match position / 64 {
            0 => self.first,
            word => self.rest.get(word - 1).copied().unwrap_or(0),
        };
        word & 1 << (position % 64) != 0
    }
}
