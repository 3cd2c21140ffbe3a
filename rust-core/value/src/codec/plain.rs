//! Short trees of plain values, which JSON, BSON and Smile write without counting and without escapes.
//!
//! Such a tree is within every limit. A walk encodes other trees from their beginning.

use crate::error::Result;
use crate::value::escape::Plain;
use crate::value::{Limits, Value};

/// The bound of a tree: the bytes of its keys and texts, plus [`EACH`] for each value.
const MOST: usize = 16 << 10;
const EACH: usize = 16;
const MOST_LEVELS: u32 = 6;

pub(super) fn is_plain(value: &Value, limits: &Limits) -> bool {
    let left = match value {
        Value::Map(_) | Value::Array(_) if limits.depth >= MOST_LEVELS => count(value, MOST_LEVELS, MOST),
        _ => None,
    };
    left.is_some_and(|left| limits.allow_flat(MOST - left))
}

/// Returns the rest of the `left` bytes after this value; `None` if not plain, too long or too deep.
fn count(value: &Value, depth: u32, left: usize) -> Option<usize> {
    let scalar = |value: &Value, left: usize| match value {
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => left.checked_sub(EACH),
        Value::Text(text) => left.checked_sub(text.len().saturating_add(EACH)),
        other => count(other, depth - 1, left),
    };
    let mut left = left.checked_sub(EACH)?;
    match value {
        _ if depth == 0 => None,
        Value::Map(map) => {
            // The key of a map of one entry may make it an escape.
            if map.len() == 1 && map.iter().any(|(key, _)| key.starts_with('$')) {
                return None;
            }
            for (key, value) in map {
                left = scalar(value, left.checked_sub(key.len())?)?;
            }
            Some(left)
        }
        Value::Array(items) => items.iter().try_fold(left, |left, item| scalar(item, left)),
        _ => None,
    }
}

/// Encodes a plain value. Returns false if a key or float needs an escape.
///
/// # Errors
///
/// As the encoder.
#[inline]
pub(super) fn encode<P: Plain>(
    value: &Value,
    encoder: impl FnOnce() -> P,
    finish: impl FnOnce(&mut P) -> Result<()>,
) -> Result<bool> {
    // Constructed in place: a move would load fields whose stores are still in the processor's store buffer.
    let mut encoder = encoder();
    if !send_many(value, &mut encoder)? {
        return Ok(false);
    }
    finish(&mut encoder)?;
    Ok(true)
}

#[inline]
fn send<P: Plain>(value: &Value, plain: &mut P) -> Result<bool> {
    match value {
        Value::Null => plain.null()?,
        Value::Bool(v) => plain.bool(*v)?,
        Value::Int(v) => plain.int(*v)?,
        Value::Float(v) => return plain.float(*v),
        Value::Text(v) => plain.text(v)?,
        other => return send_many(other, plain),
    }
    Ok(true)
}

/// As [`send`], for a map or an array. Scalars are sent in its loops.
#[inline(never)]
fn send_many<P: Plain>(value: &Value, plain: &mut P) -> Result<bool> {
    match value {
        Value::Map(map) => {
            plain.begin_map(map.len())?;
            for (key, value) in map {
                let sent = match value {
                    Value::Text(text) => plain.try_text_entry(key, text)?,
                    value => plain.try_key(key)? && send(value, plain)?,
                };
                if !sent {
                    return Ok(false);
                }
            }
            plain.end_map()?;
        }
        Value::Array(items) => {
            plain.begin_array(items.len())?;
            for item in items {
                if !send(item, plain)? {
                    return Ok(false);
                }
            }
            plain.end_array()?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{EncodeOptions, Encoding, decode, encode_into};
    use crate::value::{Keys, Map};

    /// Encodes a value with trusted keys, which chooses the path, and with checked keys, by a walk.
    ///
    /// Returns the error, if any, and the content of the buffer for each.
    fn chosen_and_walked(
        value: &Value,
        encoding: Encoding,
        limits: Limits,
    ) -> [(Option<String>, Vec<u8>); 2] {
        [Keys::Trust, Keys::Check].map(|keys| {
            let mut out = b"before".to_vec();
            let options = EncodeOptions::within(limits).with_keys(keys);
            let done = encode_into(value, encoding, &options, &mut out);
            (done.err().map(|error| format!("{error} at {:?}", error.path())), out)
        })
    }

    fn tree(seed: &mut u64, depth: u32) -> Value {
        let mut next = |below: u64| {
            *seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (*seed >> 33) % below
        };
        let text = |length: u64, c: u64| {
            let c = ["a", "é", "\"", "\n", "\u{0}", "$"][c as usize];
            c.repeat(length as usize)
        };
        match next(if depth == 0 { 8 } else { 14 }) {
            0 => Value::Null,
            1 => Value::Bool(true),
            2 => Value::Int(next(1 << 40) as i64 - 7000),
            3 => Value::Float(next(1000) as f64 / 8.0),
            4 => Value::Float([f64::NAN, f64::INFINITY, -0.0][next(3) as usize]),
            5 => Value::from(text(next(40), next(6))),
            6 => Value::from(text([255, 256, 257, 3000, 9000][next(5) as usize], next(6))),
            7 => Value::Bytes(vec![1, 2].into()),
            8..11 => {
                let count = next(6);
                Value::Array((0..count).map(|_| tree(seed, depth - 1)).collect())
            }
            _ => {
                let count = next(6);
                let mut map = Map::default();
                for i in 0..count {
                    let mut next = |below: u64| {
                        *seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                        (*seed >> 33) % below
                    };
                    let special = next(8) == 0;
                    let key = format!("{}{i}", text(next(20), if special { next(6) } else { 0 }));
                    map.insert(key, tree(seed, depth - 1));
                }
                Value::Map(map)
            }
        }
    }

    #[test]
    fn plain_tree_has_the_bytes_of_a_walk() {
        let (mut seed, mut plain) = (7, 0);
        println!("seed {seed}");
        let rounds = if cfg!(miri) { 60 } else { 3000 };
        for round in 0..rounds {
            let value = tree(&mut seed, 3);
            plain += u32::from(is_plain(&value, &Limits::default()));
            for encoding in [Encoding::Json, Encoding::Bson, Encoding::Smile] {
                for message in [u64::from(u16::MAX), 40, 300] {
                    let limits = Limits { message, ..Limits::default() };
                    let [chosen, walked] = chosen_and_walked(&value, encoding, limits);
                    assert_eq!(chosen, walked, "round {round}, {}, {message}", encoding.name());
                }
            }
        }
        assert!(plain > rounds / 10, "{plain} of the trees are plain");
    }

    #[test]
    fn bson_keys_of_every_length_with_a_nul_at_any_offset_round_trip() {
        for length in 0..=18 {
            for nul in 0..=length {
                let mut key = "k".repeat(length);
                if nul < length {
                    key.replace_range(nul..=nul, "\0");
                }
                let entries = [("first", Value::Int(1)), (&*key, Value::from("t")), ("last", Value::Null)];
                let value = Value::map(entries.clone());
                let mut out = Vec::new();
                encode_into(&value, Encoding::Bson, &EncodeOptions::default(), &mut out).unwrap();
                assert_eq!(decode(&out, Encoding::Bson).unwrap(), value, "{key:?}");
                let value = Value::map([(&*key, Value::Float(0.5))]);
                let [chosen, walked] = chosen_and_walked(&value, Encoding::Bson, Limits::default());
                assert_eq!(chosen, walked, "{key:?}");
            }
        }
    }

    #[test]
    fn trees_beyond_limits_are_not_plain() {
        let deep = |depth| (0..depth).fold(Value::Null, |value, _| Value::Array(vec![value]));
        assert!(is_plain(&deep(MOST_LEVELS), &Limits::default()));
        assert!(!is_plain(&deep(MOST_LEVELS + 1), &Limits::default()));
        assert!(!is_plain(&deep(2), &Limits { depth: 1, ..Limits::default() }));
        let long = Value::Array(vec![Value::from("a".repeat(MOST))]);
        assert!(!is_plain(&long, &Limits::default()));
        let few = Limits { nodes: 3, ..Limits::default() };
        assert!(!is_plain(&Value::Array(vec![Value::Null; 4]), &few));
        assert!(!is_plain(&Value::map([("$map", Value::Null)]), &Limits::default()));
        assert!(!is_plain(&Value::Int(1), &Limits::default()));
    }
}
