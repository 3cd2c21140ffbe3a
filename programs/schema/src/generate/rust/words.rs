//! The words of a packed record in Rust. Fields and padding of one word are written as one number, and read as one if
//! any are checked.

use linkspan::schema::PackedField;

use crate::generate::plan::Shape;

/// Splits a record into words of eight bytes and shorter ones at the end: offset and length of each.
///
/// No numeric field crosses a word's end.
pub(super) fn words(size: usize) -> Vec<(usize, usize)> {
    let mut words = Vec::new();
    let mut at = 0;
    while at < size {
        let width = [8, 4, 2, 1].into_iter().find(|width| at + width <= size).unwrap_or(1);
        words.push((at, width));
        at += width;
    }
    words
}

/// Returns the number for a word that fields and padding share.
///
/// One store writes the whole word, so the bytes need no clearing before.
pub(super) fn padded(
    fields: &[(&PackedField<'_>, (String, &Shape))],
    at: usize,
    width: usize,
) -> Option<String> {
    let inside =
        fields.iter().filter(|(place, _)| place.offset < at + width && place.offset + place.size > at);
    let mut filled = 0;
    let mut parts = Vec::new();
    for (place, (value, of)) in inside {
        let word = 8 * width;
        let number = match of {
            Shape::Bool => format!("u{word}::from({value})"),
            Shape::Named(_) => format!("({value} as u{word})"),
            Shape::Integer(of) if of.name().starts_with('i') => {
                format!("u{word}::from({value}.cast_unsigned())")
            }
            Shape::Integer(_) => format!("u{word}::from({value})"),
            Shape::F32 => format!("u{word}::from({value}.to_bits())"),
            _ => return None,
        };
        filled += place.size;
        parts.push(match 8 * (place.offset - at) {
            0 => number,
            shift => format!("({number} << {shift})"),
        });
    }
    if parts.is_empty() || filled == width {
        return None;
    }
    Some(if parts.len() == 1 { parts.remove(0) } else { format!("({})", parts.join(" | ")) })
}

/// Returns offset and length of words to read whole: with a truth value or enum next to other content.
///
/// The check and the value then come from one load.
pub(super) fn read_whole(
    fields: &[(&PackedField<'_>, (String, &Shape))],
    size: usize,
) -> Vec<(usize, usize)> {
    let is_checked = |(at, width): &(usize, usize)| {
        let mut inside = fields.iter().filter(|(place, _)| (*at..at + width).contains(&place.offset));
        inside.any(|(_, (_, of))| matches!(of, Shape::Bool | Shape::Named(_)))
            && padded(fields, *at, *width).is_some()
    };
    words(size).into_iter().filter(is_checked).collect()
}

/// Returns a field's unsigned number from its word in `words`; `None` if no word contains it.
pub(super) fn from_word(words: &[(usize, usize)], place: &PackedField<'_>) -> Option<String> {
    let (at, _) = words.iter().find(|(at, width)| (*at..at + width).contains(&place.offset))?;
    let bits = 8 * place.size;
    Some(match 8 * (place.offset - at) {
        0 => format!("word_{at} as u{bits}"),
        shift => format!("(word_{at} >> {shift}) as u{bits}"),
    })
}
