//! Encodes small dicts as flat records.
//!
//! Dicts made at one place of a program have equal keys, so their encoded keys are cached as a shape.

use std::cell::{Cell, RefCell};
use std::ptr;
use std::rc::Rc;

use linkspan::codec::{FlatKey, FlatRecord};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::flat::{self, Form};
use crate::timestamp;

struct Shape {
    keys: Vec<(Py<PyString>, FlatKey)>,
    /// For each form, how many of the next dicts are walked at once, because one did not fit.
    walked: [Cell<u8>; 2],
}

/// The number of dicts to walk after a failed attempt.
const WALKED: u8 = 31;

/// The number of dicts to walk after a nested dict had no shape yet.
const WALKED_FOR_INNER: u8 = 7;

const MAX_DEPTH: u8 = 2;

#[derive(Default)]
struct Set {
    ways: [Option<Rc<Shape>>; WAYS],
    /// The way to replace next.
    oldest: usize,
    /// The first key of the last unknown dict, and how many dicts in a row had it. The object may be gone.
    unknown: (usize, u8),
}

const SETS: usize = 64;
const WAYS: usize = 4;

/// Dicts in a row with an equal first key before a shape is cached.
///
/// Dicts with new key objects are walked.
const SEEN: u8 = 4;

/// Longer keys, in bytes, are not cached.
const LONGEST: usize = 128;

thread_local! {
    static SHAPES: RefCell<Vec<Set>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone, Copy, PartialEq)]
enum Refused {
    Keys,
    Value,
    Inner,
}

/// Appends an exact dict. Returns false, and appends nothing, if the dict needs a walk.
pub fn append(dict: &Bound<'_, PyDict>, form: Form, out: &mut Vec<u8>) -> bool {
    let length = dict.len();
    // This may run Python code; the code below may not.
    if length > usize::from(FlatRecord::MOST_ENTRIES) || timestamp::class(dict.py()).is_err() {
        return false;
    }
    let mut first = Entries::of(dict);
    if !first.next() {
        return false;
    }
    let done = each_shape(&first, length, |shape| shape.append(&first, form, out));
    if done == Err(Refused::Keys) {
        see(dict, first.key);
    }
    done.is_ok()
}

/// Appends an entry whose value is an exact dict with at most `depth` levels.
fn append_inner(
    record: &mut FlatRecord<'_>,
    key: &FlatKey,
    dict: &Bound<'_, PyDict>,
    depth: u8,
) -> Result<(), Refused> {
    let length = dict.len();
    let mut first = Entries::of(dict);
    if depth == 0 || length > usize::from(FlatRecord::MOST_ENTRIES) {
        return Err(Refused::Value);
    }
    if !first.next() {
        return record.map(key, |_| Some(())).ok_or(Refused::Value);
    }
    // Only the first shape is tried, because a refusal removes the whole record.
    let Some(shape) = (0..WAYS).find_map(|way| kept(first.key, length, way)) else {
        see(dict, first.key);
        return Err(Refused::Inner);
    };
    let mut refused = Refused::Value;
    let written = record.map(key, |record| {
        shape.write(&first, record, depth.saturating_sub(1)).map_err(|why| refused = why).ok()
    });
    // The shape lacks a key; count the dict, so that it may get a shape.
    if written.is_none() && refused == Refused::Keys {
        see(dict, first.key);
        refused = Refused::Inner;
    }
    written.ok_or(refused)
}

/// Tries the shapes with this first key and length until one accepts the keys.
#[inline]
fn each_shape(
    first: &Entries<'_, '_>,
    length: usize,
    mut append: impl FnMut(&Shape) -> Result<(), Refused>,
) -> Result<(), Refused> {
    for way in 0..WAYS {
        if let Some(shape) = kept(first.key, length, way) {
            match append(&shape) {
                Err(Refused::Keys) => {}
                done => return done,
            }
        }
    }
    Err(Refused::Keys)
}

/// Used while no Python code runs.
#[derive(Clone, Copy)]
struct Entries<'a, 'py> {
    dict: &'a Bound<'py, PyDict>,
    at: ffi::Py_ssize_t,
    key: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
}

impl<'a, 'py> Entries<'a, 'py> {
    fn of(dict: &'a Bound<'py, PyDict>) -> Self {
        Entries { dict, at: 0, key: ptr::null_mut(), value: ptr::null_mut() }
    }

    /// Key and value are borrowed. Returns false after the last entry.
    fn next(&mut self) -> bool {
        // SAFETY: the dict is alive and the interpreter attached. Only this call changes `at`.
        unsafe { ffi::PyDict_Next(self.dict.as_ptr(), &mut self.at, &mut self.key, &mut self.value) != 0 }
    }
}

impl Shape {
    /// Returns `None` if a key cannot be cached.
    fn of(dict: &Bound<'_, PyDict>) -> Option<Shape> {
        let mut keys = Vec::with_capacity(dict.len());
        let mut entries = Entries::of(dict);
        while entries.next() {
            // SAFETY: the dict holds its key, and nothing changes the dict here.
            let key = unsafe { Borrowed::from_ptr(dict.py(), entries.key) };
            let key = key.cast_exact::<PyString>().ok()?;
            let text = key.to_str().ok().filter(|text| text.len() <= LONGEST)?;
            keys.push((key.to_owned().unbind(), FlatKey::new(text)?));
        }
        Some(Shape { keys, walked: Default::default() })
    }

    /// `first` is at its first entry.
    fn append(&self, first: &Entries<'_, '_>, form: Form, out: &mut Vec<u8>) -> Result<(), Refused> {
        let walked = &self.walked[form as usize];
        if let Some(left) = walked.get().checked_sub(1) {
            walked.set(left);
            return Err(Refused::Value);
        }
        let mut refused = Refused::Value;
        if form.append(out, |record| self.write(first, record, MAX_DEPTH).map_err(|why| refused = why).ok()) {
            return Ok(());
        }
        match refused {
            Refused::Keys => {}
            Refused::Value => walked.set(WALKED),
            Refused::Inner => walked.set(WALKED_FOR_INNER),
        }
        Err(refused)
    }

    /// Values may be dicts with `depth` levels.
    fn write(&self, first: &Entries<'_, '_>, record: &mut FlatRecord<'_>, depth: u8) -> Result<(), Refused> {
        self.each(first, |encoded, value| {
            if flat::append(record, encoded, value).is_none() {
                let Ok(inner) = value.cast_exact::<PyDict>() else { return Err(Refused::Value) };
                append_inner(record, encoded, &inner, depth)?;
            }
            Ok(())
        })
    }

    /// Stops at the first key that differs from this shape.
    #[inline(always)]
    fn each<'py>(
        &self,
        first: &Entries<'_, 'py>,
        mut write: impl FnMut(&FlatKey, &Borrowed<'_, 'py, PyAny>) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        let mut entries = *first;
        for (position, (key, encoded)) in self.keys.iter().enumerate() {
            let is_there = position == 0 || entries.next();
            if !is_there || !ptr::eq(entries.key, key.as_ptr()) {
                return Err(Refused::Keys);
            }
            // SAFETY: the dict holds its value, and appending runs no Python code that could change the dict.
            let value = unsafe { Borrowed::from_ptr(entries.dict.py(), entries.value) };
            write(encoded, &value)?;
        }
        Ok(())
    }
}

fn set(sets: &mut Vec<Set>, first: *mut ffi::PyObject) -> &mut Set {
    if sets.is_empty() {
        sets.resize_with(SETS, Set::default);
    }
    // Object addresses are multiples of 16.
    let address = first.addr() >> 4;
    &mut sets[(address ^ address >> 6) % SETS]
}

/// Returns the shape in this way if its length and first key match.
#[inline]
fn kept(first: *mut ffi::PyObject, length: usize, way: usize) -> Option<Rc<Shape>> {
    let find = |sets: &RefCell<Vec<Set>>| {
        let mut sets = sets.borrow_mut();
        let shape = set(&mut sets, first).ways[way].as_ref()?;
        let is_like = shape.keys.len() == length && ptr::eq(shape.keys[0].0.as_ptr(), first);
        is_like.then(|| shape.clone())
    };
    // At thread end the shapes may already be gone.
    SHAPES.try_with(find).ok()?
}

/// Caches a dict's shape after [`SEEN`] dicts in a row without one.
#[cold]
fn see(dict: &Bound<'_, PyDict>, first: *mut ffi::PyObject) {
    let replaced = SHAPES.try_with(|sets| {
        let mut sets = sets.borrow_mut();
        let set = set(&mut sets, first);
        let (address, seen) = &mut set.unknown;
        if *address != first.addr() {
            (*address, *seen) = (first.addr(), 0);
        }
        *seen = seen.saturating_add(1);
        if *seen < SEEN {
            return None;
        }
        *seen = 0;
        let shape = Shape::of(dict)?;
        let way = set.oldest;
        set.oldest = way.wrapping_add(1) % WAYS;
        set.ways[way].replace(Rc::new(shape))
    });
    drop(replaced);
}
