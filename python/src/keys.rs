//! A cache of the keys of maps as Python text: messages of one kind have the same keys.

use std::cell::RefCell;

use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::made::{self, NoMemory};

/// The number of places in the cache of a thread; a new key replaces the one in its place.
const PLACES: usize = 256;

/// Keys longer than this many bytes are not kept.
const LONGEST: usize = 32;

/// A map that is being built on this thread: a greater number than those of all maps before it.
#[derive(Clone, Copy, PartialEq)]
pub struct Map(u64);

impl Map {
    /// A map whose keys have not all passed the cache.
    pub const OTHER: Map = Map(0);
}

/// A key in the cache, and its bytes, which are compared without a call of the interpreter.
struct Kept {
    length: usize,
    bytes: [u8; LONGEST],
    text: Py<PyString>,
    /// The map that had it last.
    map: Map,
}

struct Keys {
    places: Vec<Option<Kept>>,
    /// The map that was begun last.
    latest: Map,
}

thread_local! {
    static KEYS: RefCell<Keys> = const { RefCell::new(Keys { places: Vec::new(), latest: Map(0) }) };
}

/// A key as Python text.
pub struct Key<'py> {
    pub text: Bound<'py, PyString>,
    /// Whether the map surely has not had it: then no search for it is needed.
    pub is_new: bool,
}

/// Begins a map.
pub fn begin_map() -> Map {
    let next = |keys: &RefCell<Keys>| {
        let latest = &mut keys.borrow_mut().latest;
        latest.0 += 1;
        *latest
    };
    // At a thread's end the cache may be gone, and with it all keys.
    KEYS.try_with(next).unwrap_or(Map::OTHER)
}

/// Returns the key if it is kept: the same object as before, which has its hash already.
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
        // Every short key of a map passes its place, where it leaves the map. Another key that replaces it forgets
        // that, and then it is not found here; a map inside this one, or one that Python code decoded meanwhile,
        // replaces what it left, and is later than this one.
        let is_new = kept.map != map && *latest == map && map != Map::OTHER;
        kept.map = map;
        Some(Key { text: kept.text.bind(py).clone(), is_new })
    };
    KEYS.try_with(find).ok()?
}

/// Returns a key that is not kept, and keeps it.
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
                // Without memory for the cache the key is not kept.
                made::reserve(places, PLACES).ok()?;
                places.resize_with(PLACES, || None);
            }
            places[number(key.as_bytes())].replace(kept)
        });
        drop(replaced);
    }
    Ok(Key { text, is_new: false })
}

/// The number of a key's place, from its length and the bytes at both ends and in the middle.
fn number(key: &[u8]) -> usize {
    let at = |position: usize| key.get(position).map_or(0, |byte| u32::from(*byte));
    let last = key.len().wrapping_sub(1);
    let ends = at(0) | at(last) << 8 | at(key.len() / 2) << 16 | at(last.wrapping_sub(1)) << 24;
    let mixed = (ends ^ key.len() as u32).wrapping_mul(0x9e37_79b1);
    (mixed >> 24) as usize % PLACES
}
