//! Templates of repeated dicts. A copy of a template already has all keys, and gets only the values.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use linkspan::codec::{FlatKey, FlatMap, FlatValue};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyString};

use crate::errors::Outcome;
use crate::made::{self, NoMemory};

/// A dict with None values, and its keys in order.
pub struct Template {
    keys: Vec<Key>,
    dict: Py<PyDict>,
    /// How many of the next dicts are built without the template, because one had other keys.
    unused: Cell<u8>,
    /// How many of the next maps are decoded without it, because one held more than scalars.
    unread: Cell<u8>,
}

struct Key {
    bytes: Box<[u8]>,
    encoded: FlatKey,
    text: Py<PyString>,
}

/// The number of dicts that skip a template after a mismatch.
const UNUSED: u8 = 31;

const MOST: usize = 32;

/// The longest key in bytes. Dicts with a longer key have no template.
const LONGEST: usize = 64;

/// The similar dicts in a row before a template is made.
const SEEN: u8 = 8;

const PLACES: usize = 128;

#[derive(Default)]
struct Place {
    template: Option<Rc<Template>>,
    /// How many dicts in a row did not use the template.
    seen: u8,
}

thread_local! {
    static PLACES_HERE: RefCell<Vec<Place>> = const { RefCell::new(Vec::new()) };
}

/// The keys before `at` have their values.
pub struct Like {
    template: Rc<Template>,
    at: usize,
}

/// The place of a template. Dicts with different first keys or lengths may share it.
#[derive(Clone, Copy)]
pub struct Number(usize);

pub fn number(first: &[u8], length: usize) -> Number {
    let ends = match first {
        [] => 0,
        [only] => u32::from(*only),
        [first, .., last] => u32::from(*first) << 8 | u32::from(*last),
    };
    let mixed = (ends ^ (first.len() as u32) << 16 ^ (length as u32) << 24).wrapping_mul(0x9e37_79b1);
    Number((mixed >> 16) as usize % PLACES)
}

#[inline]
fn find(first: &[u8], length: usize, number: Number) -> Option<Rc<Template>> {
    let find = |places: &RefCell<Vec<Place>>| {
        let places = places.borrow();
        let template = places.get(number.0)?.template.as_ref()?;
        (template.keys.len() == length && *template.keys[0].bytes == *first).then(|| template.clone())
    };
    // At thread end the templates may already be gone.
    PLACES_HERE.try_with(find).ok()?
}

/// Returns `None` for maps with more than scalars or invalid bytes, which the decoder handles.
pub fn read<'py>(py: Python<'py>, mut entries: FlatMap<'_>) -> Option<Bound<'py, PyDict>> {
    let (first, length) = (entries.next_key()?, entries.count());
    let template = find(first, length, number(first, length))?;
    if let Some(left) = template.unread.get().checked_sub(1) {
        template.unread.set(left);
        return None;
    }
    let dict = template.dict.bind(py).copy().ok()?;
    let mut fill = || {
        for key in &template.keys {
            let text = key.text.bind(py);
            match entries.next(&key.encoded)? {
                // The copy already has None.
                FlatValue::Null => Ok(()),
                FlatValue::Bool(value) => dict.set_item(text, PyBool::new(py, value)),
                FlatValue::Int(value) => dict.set_item(text, made::int(py, value).ok()?),
                FlatValue::Float(value) => dict.set_item(text, made::float(py, value).ok()?),
                FlatValue::Text(value) => dict.set_item(text, made::text(py, value).ok()?),
            }
            .ok()?;
        }
        entries.finish()
    };
    if fill().is_none() {
        template.unread.set(UNUSED);
        return None;
    }
    Some(dict)
}

/// Returns `None` without a template.
#[inline]
pub fn begin<'py>(
    py: Python<'py>,
    first: &[u8],
    length: usize,
    number: Number,
) -> Option<(Bound<'py, PyDict>, Like)> {
    let template = find(first, length, number)?;
    if let Some(left) = template.unused.get().checked_sub(1) {
        template.unused.set(left);
        return None;
    }
    let dict = template.dict.bind(py).copy().ok()?;
    Some((dict, Like { template, at: 0 }))
}

impl Like {
    /// Returns the next key if these are its bytes.
    #[inline]
    pub fn key<'py>(&mut self, py: Python<'py>, bytes: &[u8]) -> Option<Bound<'py, PyString>> {
        let key = self.template.keys.get(self.at).filter(|key| *key.bytes == *bytes)?;
        self.at = self.at.saturating_add(1);
        Some(key.text.bind(py).clone())
    }

    pub fn is_complete(&self) -> bool {
        self.at == self.template.keys.len()
    }

    /// Returns a dict with only the entries so far.
    #[cold]
    pub fn entries<'py>(&self, dict: &Bound<'py, PyDict>) -> Outcome<Bound<'py, PyDict>> {
        self.template.unused.set(UNUSED);
        let come = made::dict(dict.py()).map_err(NoMemory::raised)?;
        for Key { text, .. } in &self.template.keys[..self.at] {
            let text = text.bind(dict.py());
            if let Some(value) = dict.get_item(text)? {
                come.set_item(text, value)?;
            }
        }
        Ok(come)
    }
}

/// Makes a template after [`SEEN`] similar dicts in a row.
pub fn see(dict: &Bound<'_, PyDict>, number: Number) {
    if dict.len() > MOST {
        return;
    }
    let replaced = PLACES_HERE.try_with(|places| {
        let mut places = places.borrow_mut();
        if places.is_empty() {
            made::reserve(&mut places, PLACES).ok()?;
            places.resize_with(PLACES, Place::default);
        }
        let place = &mut places[number.0];
        place.seen = place.seen.saturating_add(1);
        if place.seen < SEEN {
            return None;
        }
        place.seen = 0;
        let template = Template::of(dict)?;
        place.template.replace(Rc::new(template))
    });
    drop(replaced);
}

impl Template {
    /// Returns `None` if a key is too long.
    fn of(dict: &Bound<'_, PyDict>) -> Option<Template> {
        let template = made::dict(dict.py()).ok()?;
        let mut keys = Vec::with_capacity(dict.len());
        // No Python code runs here: the keys are text, and nothing else has the dict.
        for (key, _) in dict.iter() {
            let text = key.cast_into_exact::<PyString>().ok()?;
            let key = text.to_str().ok().filter(|text| text.len() <= LONGEST)?;
            let (bytes, encoded) = (key.as_bytes().into(), FlatKey::new(key)?);
            template.set_item(&text, dict.py().None()).ok()?;
            keys.push(Key { bytes, encoded, text: text.unbind() });
        }
        Some(Template { keys, dict: template.unbind(), unused: Cell::new(0), unread: Cell::new(0) })
    }
}
