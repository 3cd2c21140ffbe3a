//! Templates of dicts that arrive again and again: a copy of one has all keys in their places, so that only values are
//! put in.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use linkspan::codec::{FlatKey, FlatMap, FlatValue};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyString};

use crate::errors::Outcome;
use crate::made::{self, NoMemory};

/// A dict whose values are None, and its keys in their order.
pub struct Template {
    keys: Vec<Key>,
    dict: Py<PyDict>,
    /// How many of the next dicts that begin like it are built without it, because one had other keys.
    unused: Cell<u8>,
    /// How many of the next maps are not read by it, because one was no map of scalars.
    unread: Cell<u8>,
}

struct Key {
    bytes: Box<[u8]>,
    encoded: FlatKey,
    text: Py<PyString>,
}

/// The dicts that are built without a template, or not read by it, after one that it was not for.
const UNUSED: u8 = 31;

/// The greatest number of keys.
const MOST: usize = 32;

/// Dicts with a key that is longer than this many bytes have no template.
const LONGEST: usize = 64;

/// A template is made once this many dicts in turn began like it in its place.
const SEEN: u8 = 8;

const PLACES: usize = 128;

#[derive(Default)]
struct Place {
    template: Option<Rc<Template>>,
    /// How many dicts were built that the template is not for.
    seen: u8,
}

thread_local! {
    static PLACES_HERE: RefCell<Vec<Place>> = const { RefCell::new(Vec::new()) };
}

/// A dict that is being built by a template: the keys before `at` have their values.
pub struct Like {
    template: Rc<Template>,
    at: usize,
}

/// The place of the templates of dicts of one length that begin with one key, and others.
#[derive(Clone, Copy)]
pub struct Number(usize);

/// Returns the number for a dict of so many entries that begins with this key.
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
    // At the end of a thread the templates may be dropped already.
    PLACES_HERE.try_with(find).ok()?
}

/// Returns the dict of a map of scalars which has the keys of a template; `None` for any other map, and for bytes that
/// are none: these are left to the decoder.
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
                // The copy has it.
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

/// Begins a dict of so many entries that begins with this key; `None` where there is no template.
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
        self.at += 1;
        Some(key.text.bind(py).clone())
    }

    /// Returns whether all keys have arrived.
    pub fn is_complete(&self) -> bool {
        self.at == self.template.keys.len()
    }

    /// Returns a dict of the entries that have arrived, and no others.
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

/// A dict was built without a template: makes one if enough others began like it.
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
        place.seen += 1;
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
    /// Returns the template of a dict; `None` for one with a key that is too long.
    fn of(dict: &Bound<'_, PyDict>) -> Option<Template> {
        let template = made::dict(dict.py()).ok()?;
        let mut keys = Vec::with_capacity(dict.len());
        // No Python code runs meanwhile: the keys are text, and the dict is known here alone.
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
