//! Finds one entry of a short map of scalars and long arrays in the bytes, without a tree.
//!
//! It accepts the bodies that `flat_arrays` reads; tests compare both.

use super::cursor::{Cursor, FlatValue, Keys, MOST_FOUND, add_key, is_within};
use super::flat_arrays::Description;
use super::flat_map::is_plain;
use crate::body::{Body, Part};
use crate::value::{Limits, NdArrayRef};

/// A value of such a map.
#[derive(Debug)]
pub enum FlatItem<'a> {
    /// A scalar.
    Scalar(FlatValue<'a>),
    /// An array.
    Array(NdArrayRef<'a>),
}

#[derive(Clone, Copy)]
struct Position<'a> {
    cursor: Cursor<'a>,
    parts: &'a [Part],
    end: usize,
}

impl<'a> Position<'a> {
    /// Takes a value. An array takes the first part and is described in `description`.
    fn value<'d>(&mut self, description: &'d mut Description) -> Option<FlatItem<'d>>
    where
        'a: 'd,
    {
        if !self.cursor.is_tag() {
            return self.cursor.scalar().map(FlatItem::Scalar);
        }
        let part = self.parts.split_off_first()?;
        description.fill(&mut self.cursor, self.end, part)?;
        Some(FlatItem::Array(description.with(&part.bytes)))
    }
}

/// Passes the value at this path to `what`, if the body is such a map.
///
/// `None` means that the body is not such a map. `Some(None)` means that no key equals the path, which may have several
/// keys. Without `limits`, an earlier call with limits must have accepted the body.
#[doc(hidden)]
pub fn find<T>(
    body: &Body,
    path: &str,
    limits: Option<&Limits>,
    what: impl FnOnce(FlatItem<'_>) -> T,
) -> Option<Option<T>> {
    let (bytes, parts) = body.split().map(|split| (split.rest(), split.parts()))?;
    let mut at = Position { cursor: Cursor::new(bytes), parts, end: bytes.len() };
    let entries = at.cursor.map(MOST_FOUND)?;
    let elements = || parts.iter().map(|part| part.bytes.len() as u64).sum();
    if limits.is_some_and(|limits| !is_within(limits, bytes.len(), elements())) {
        return None;
    }
    let wanted = Some(path.as_bytes()).filter(|path| is_plain(path));
    let is_checked = limits.is_some();
    let mut keys = (is_checked && entries > 1).then(Keys::default);
    let (mut found, mut description) = (None, Description::EMPTY);
    for count in 0..usize::from(entries) {
        let key = at.cursor.text()?;
        let is_wanted = wanted == Some(key);
        if let Some(keys) = &mut keys {
            add_key(keys, count, key)?;
        }
        // The path is UTF-8, and so is an equal key.
        if is_checked && !is_wanted && std::str::from_utf8(key).is_err() {
            return None;
        }
        let from = at;
        let value = at.value(&mut description)?;
        if is_wanted {
            if !is_checked {
                return Some(Some(what(value)));
            }
            found = Some(from);
        }
    }
    if is_checked && !(at.cursor.is_end() && at.parts.is_empty()) {
        return None;
    }
    let Some(mut found) = found else { return Some(None) };
    let value = match found.parts {
        // The description still holds this array: no later array was described.
        [part, later @ ..] if found.cursor.is_tag() && later.len() == at.parts.len() => {
            FlatItem::Array(description.with(&part.bytes))
        }
        _ => found.value(&mut description)?,
    };
    Some(Some(what(value)))
}
