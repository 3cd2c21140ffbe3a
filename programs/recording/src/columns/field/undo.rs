//! Undoes a row: a message that cannot become a row leaves the earlier rows unchanged.

use super::arrays::Arrays;
use super::{Data, Field};

impl Field {
    /// Replaces the data of all rows by another type.
    pub(super) fn change(&mut self, to: Data) {
        let old = std::mem::replace(&mut self.data, to);
        if let Some(before) = &mut self.before {
            before.data.get_or_insert(old);
        }
    }

    /// Returns the approximate bytes that are held to undo the last row.
    pub fn kept(&self, cell: u64) -> u64 {
        let of = |data: &Data| (self.valid.length as u64).saturating_mul(cell).saturating_add(data.long());
        self.before.as_ref().and_then(|before| before.data.as_ref()).map_or(0, of)
    }

    pub fn keep(&mut self) {
        self.before = None;
    }

    /// Removes everything after the first `rows` rows: at most one row.
    pub fn give_up(&mut self, rows: usize) {
        if let Some(before) = self.before.take_if(|before| before.row == rows) {
            if self.valid.length > rows {
                self.is_hint = before.is_hint;
            }
            if let Some(data) = before.data {
                self.data = data;
            } else if let (Data::Arrays(arrays), Some(length)) = (&mut self.data, before.length) {
                arrays.shape = Some(vec![length]);
            }
        }
        self.valid.truncate(rows);
        self.data.truncate(rows);
    }
}

impl Data {
    pub(super) fn truncate(&mut self, rows: usize) {
        match self {
            Data::Nothing => {}
            Data::Bool(bits) => bits.truncate(rows),
            Data::Int(words) | Data::Time(words) => words.truncate(rows),
            Data::Uint(words) => words.truncate(rows),
            Data::Float(words) => words.truncate(rows),
            Data::Text(texts) | Data::Bytes(texts) | Data::Json(texts) => texts.truncate(rows),
            Data::Arrays(arrays) => {
                arrays.elements.truncate(rows);
                if let Some(shapes) = &mut arrays.shapes {
                    shapes.truncate(rows);
                }
            }
        }
    }

    pub(super) fn common_length(&self) -> Option<u64> {
        let Data::Arrays(Arrays { shape: Some(shape), .. }) = self else { return None };
        let [length] = &shape[..] else { return None };
        Some(*length)
    }
}
