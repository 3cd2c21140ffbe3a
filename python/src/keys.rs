//! A cache of map keys as Python text, because messages of one kind have equal keys.

use std::cell::RefCell;

use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::made::{self, NoMemory};

/// The places of a thread's cache. A new key replaces the key in its place.
const PLACES: usize = 256;

/// Longer keys, in bytes, are not cached.
const LONGEST: usize = 32;

/// A map under construction on this thread. Later maps have greater numbers.
#[derive(Clone, Copy, PartialEq)]
pub struct Map(u64);

impl Map {
    /// A map with keys that bypassed the cache.
    pub const OTHER: Map = Map(0);
}

/// A cached key with its bytes, which are compared without calling the interpreter.
struct Kept {
    length: usize,
    bytes: [u8; LONGEST],
    text: Py<PyString>,
    map: Map,
}

struct Keys {
    places: Vec<Option<Kept>>,
    /// The last map that began.
    latest: Map,
}

thread_local! {
    static KEYS: RefCell<Keys> = const { RefCell::new(Keys { places: Vec::new(), latest: Map(0) }) };
}

pub struct Key<'py> {
    pub text: Bound<'py, PyString>,
    /// Whether the map cannot have the key yet. No search is needed then.
    pub is_new: bool,
}

pub fn begin_map() -> Map {
    let next = |keys: &RefCell<Keys>| {
        let latest = &mut keys.borrow_mut().latest;
        latest.0 = latest.0.wrapping_add(1);
        *latest
    };
    // At thread end the cache may already be gone.
    KEYS.try_with(next).unwrap_or(Map::OTHER)
}

/// Returns the cached key, an object that already knows its hash.
#[inline]
pub fn kept<'py>(py: Python<'py>, key: &[u8], map: Map) -> Option<Key<'py>> {
    if key.len() > LONGEST {
        return None;
    }
    let find = |keys: &RefCell<Keys>| {
        let Keys { places, latest } = &mut *keys.borrow_mut();
        let kept = places.get_mut(number(key))?.as_mut()?;
        if kept.bytes[..kept.length] != *key {
            return None;
        }
        // Every short key stores its map in its place, so a repeated key is detected unless another key replaced it;
        // that key is not cached. A map inside this one may overwrite the stored map; `latest` then differs.
        let is_new = kept.map != map && *latest == map && map != Map::OTHER;
        kept.map = map;
        Some(Key { text: kept.text.bind(py).clone(), is_new })
    };
    KEYS.try_with(find).ok()?
}

/// Makes a key and caches it.
///
/// # Errors
/// Python's `MemoryError`.
pub fn keep<'py>(py: Python<'py>, key: &str, map: Map) -> PyResult<Key<'py>> {
    let text = made::text(py, key).map_err(NoMemory::raised)?;
    if key.len() <= LONGEST {
        let mut bytes = [0; LONGEST];
        bytes[..key.len()].copy_from_slice(key.as_bytes());
        let kept = Kept { length: key.len(), bytes, text: text.clone().unbind(), map };
        let replaced = KEYS.try_with(|keys| {
            let places = &mut keys.borrow_mut().places;
            if places.is_empty() {
                // Without memory for the cache the key is not cached.
                made::reserve(places, PLACES).ok()?;
                places.resize_with(PLACES, || None);
            }
            places[number(key.as_bytes())].replace(kept)
        });
        drop(replaced);
    }
    Ok(Key { text, is_new: false })
}

/// Hashes the length, and the first, middle and last bytes.
fn number(key: &[u8]) -> usize {
    let at = |position: usize| key.get(position).map_or(0, |byte| u32::from(*byte));
    let last = key.len().wrapping_sub(1);
    let ends = at(0) | at(last) << 8 | at(key.len() / 2) << 16 | at(last.wrapping_sub(1)) << 24;
    let mixed = (ends ^ key.len() as u32).wrapping_mul(0x9e37_79b1);
    (mixed >> 24) as usize % PLACES
}
