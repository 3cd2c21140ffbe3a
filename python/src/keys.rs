//! A cache of the keys of maps as Python text: messages of one kind have the same keys.

use std::cell::RefCell;

use pyo3::prelude::*;
use pyo3::types::PyString;

/// The number of places in the cache of a thread; a new key replaces the one in its place.
const PLACES: usize = 256;

/// Keys longer than this many bytes are not kept.
const LONGEST: usize = 32;

/// A key in the cache, and its bytes, which are compared without a call of the interpreter.
struct Kept {
    length: usize,
    bytes: [u8; LONGEST],
    text: Py<PyString>,
}

thread_local! {
    static KEPT: RefCell<Vec<Option<Kept>>> = const { RefCell::new(Vec::new()) };
}

/// The key as Python text; the same object as before where it is kept, which has its hash already.
pub fn text<'py>(py: Python<'py>, key: &str) -> Bound<'py, PyString> {
    if key.len() > LONGEST {
        return PyString::new(py, key);
    }
    // Making text runs no Python code that could come back here; at a thread's end the places may be gone.
    let kept = KEPT.try_with(|kept| {
        let mut kept = kept.try_borrow_mut().ok()?;
        if kept.is_empty() {
            kept.resize_with(PLACES, || None);
        }
        let place = &mut kept[number(key.as_bytes())];
        if let Some(kept) = place
            && kept.bytes[..kept.length] == *key.as_bytes()
        {
            return Some(kept.text.bind(py).clone());
        }
        let text = PyString::new(py, key);
        let mut bytes = [0; LONGEST];
        bytes[..key.len()].copy_from_slice(key.as_bytes());
        *place = Some(Kept { length: key.len(), bytes, text: text.clone().unbind() });
        Some(text)
    });
    kept.ok().flatten().unwrap_or_else(|| PyString::new(py, key))
}

/// The number of a key's place, from its length and the bytes at both ends and in the middle.
fn number(key: &[u8]) -> usize {
    let at = |position: usize| key.get(position).map_or(0, |byte| u32::from(*byte));
    let last = key.len().wrapping_sub(1);
    let ends = at(0) | at(last) << 8 | at(key.len() / 2) << 16 | at(last.wrapping_sub(1)) << 24;
    let mixed = (ends ^ key.len() as u32).wrapping_mul(0x9e37_79b1);
    (mixed >> 24) as usize % PLACES
}
