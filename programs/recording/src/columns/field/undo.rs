//! What a row has changed of the rows before it: a message that is no row of a table leaves that as it was.

use super::arrays::Arrays;
use super::{Data, Field};

impl Field {
    /// Gives all rows another type.
    pub(super) fn change(&mut self, to: Data) {
        let old = std::mem::replace(&mut self.data, to);
        if let Some(before) = &mut self.before {
            before.data.get_or_insert(old);
        }
    }

    /// Returns about how many bytes are held so that the row that was added last can be given up.
    pub fn kept(&self, cell: u64) -> u64 {
        let of = |data: &Data| (self.valid.length as u64).saturating_mul(cell).saturating_add(data.long());
        self.before.as_ref().and_then(|before| before.data.as_ref()).map_or(0, of)
    }

    /// Keeps the row that was added last.
    pub fn keep(&mut self) {
        self.before = None;
    }

    /// Gives up what was added behind so many rows: one row at most.
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
    /// Gives up what is behind so many rows.
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

    /// Returns the length of all arrays, where they have one dimension.
    pub(super) fn common_length(&self) -> Option<u64> {
        let Data::Arrays(Arrays { shape: Some(shape), .. }) = self else { return None };
        let [length] = &shape[..] else { return None };
        Some(*length)
    }
}
