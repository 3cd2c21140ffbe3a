//! Dicts of few entries, and dicts in them, into flat records: dicts that a program makes at one place have the same
//! keys, whose encoded forms are kept.

use std::cell::{Cell, RefCell};
use std::ptr;
use std::rc::Rc;

use linkspan::codec::{FlatKey, FlatRecord};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::flat::{self, Form};
use crate::timestamp;

/// The keys of dicts, which are these very objects in this order, and their encoded forms.
struct Shape {
    keys: Vec<(Py<PyString>, FlatKey)>,
    /// For each form how many of the next dicts are walked at once, because one had a value that a flat record cannot
    /// have.
    walked: [Cell<u8>; 2],
}

/// The dicts that are walked after one that had to be.
const WALKED: u8 = 31;

/// The dicts that are walked after one with a dict in it that has no shape yet.
const WALKED_FOR_INNER: u8 = 7;

/// How deep dicts may be in a dict that is appended without a walk.
const MAX_DEPTH: u8 = 2;

/// The shapes with one remainder of the first key's address.
#[derive(Default)]
struct Set {
    ways: [Option<Rc<Shape>>; WAYS],
    /// The way that the next shape replaces.
    oldest: usize,
    /// The first key of the last dict without a shape, and how many dicts in turn had it. The object may be gone.
    unknown: (usize, u8),
}

const SETS: usize = 64;
const WAYS: usize = 4;

/// A shape is kept once this many dicts in turn began with its first key: dicts whose keys are new objects each time
/// are walked.
const SEEN: u8 = 4;

/// Keys longer than this many bytes are not kept.
const LONGEST: usize = 128;

thread_local! {
    static SHAPES: RefCell<Vec<Set>> = const { RefCell::new(Vec::new()) };
}

/// Why a shape did not append a dict.
#[derive(Clone, Copy, PartialEq)]
enum Refused {
    Keys,
    Value,
    /// A value is a dict that has no shape.
    Inner,
}

/// Appends the dict, which is an exact one, without a walk. Returns false, and appends nothing, where it has to be
/// walked.
pub fn append(dict: &Bound<'_, PyDict>, form: Form, out: &mut Vec<u8>) -> bool {
    let length = dict.len();
    // The class of instants is found here: that may run Python code, and what follows may not.
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

/// Appends an entry whose value is an exact dict, which may be `depth` dicts deep.
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
    // What a shape appended before it refused is removed with the whole record: so only the first one is tried.
    let Some(shape) = (0..WAYS).find_map(|way| kept(first.key, length, way)) else {
        see(dict, first.key);
        return Err(Refused::Inner);
    };
    let mut refused = Refused::Value;
    let written =
        record.map(key, |record| shape.write(&first, record, depth - 1).map_err(|why| refused = why).ok());
    // Other keys than those of the shape: they may get one, too.
    if written.is_none() && refused == Refused::Keys {
        see(dict, first.key);
        refused = Refused::Inner;
    }
    written.ok_or(refused)
}

/// Runs `append` with the shapes of dicts that have this first entry and length, until one does not refuse the keys.
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

/// The entries of a dict while no Python code runs.
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

    /// Makes the next entry's key and value, both borrowed from the dict, the current ones; false behind the last.
    fn next(&mut self) -> bool {
        // SAFETY: the dict is alive and the interpreter attached; `at` is only ever what the call left there.
        unsafe { ffi::PyDict_Next(self.dict.as_ptr(), &mut self.at, &mut self.key, &mut self.value) != 0 }
    }
}

impl Shape {
    /// Returns the shape of a dict; `None` for one with a key that is kept for no shape.
    fn of(dict: &Bound<'_, PyDict>) -> Option<Shape> {
        let mut keys = Vec::with_capacity(dict.len());
        let mut entries = Entries::of(dict);
        while entries.next() {
            // SAFETY: the dict holds its key, and nothing changes it in between.
            let key = unsafe { Borrowed::from_ptr(dict.py(), entries.key) };
            let key = key.cast_exact::<PyString>().ok()?;
            let text = key.to_str().ok().filter(|text| text.len() <= LONGEST)?;
            keys.push((key.to_owned().unbind(), FlatKey::new(text)?));
        }
        Some(Shape { keys, walked: Default::default() })
    }

    /// Appends the dict of these entries, of which the first is the current one.
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

    /// Writes the entries, whose values may be dicts that are `depth` deep.
    fn write(&self, first: &Entries<'_, '_>, record: &mut FlatRecord<'_>, depth: u8) -> Result<(), Refused> {
        self.each(first, |encoded, value| {
            if flat::append(record, encoded, value).is_none() {
                let Ok(inner) = value.cast_exact::<PyDict>() else { return Err(Refused::Value) };
                append_inner(record, encoded, &inner, depth)?;
            }
            Ok(())
        })
    }

    /// Calls `write` with each key of this shape and its value, as long as the entries have these keys in this order.
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
            // SAFETY: the dict holds its value: appending one runs no Python code that could change the dict.
            let value = unsafe { Borrowed::from_ptr(entries.dict.py(), entries.value) };
            write(encoded, &value)?;
        }
        Ok(())
    }
}

/// Returns the set for dicts with this first key.
fn set(sets: &mut Vec<Set>, first: *mut ffi::PyObject) -> &mut Set {
    if sets.is_empty() {
        sets.resize_with(SETS, Set::default);
    }
    // Objects begin at multiples of 16.
    let address = first.addr() >> 4;
    &mut sets[(address ^ address >> 6) % SETS]
}

/// Returns the shape that is kept in this way of the set, if it has that many keys and this first one.
#[inline]
fn kept(first: *mut ffi::PyObject, length: usize, way: usize) -> Option<Rc<Shape>> {
    let find = |sets: &RefCell<Vec<Set>>| {
        let mut sets = sets.borrow_mut();
        let shape = set(&mut sets, first).ways[way].as_ref()?;
        let is_like = shape.keys.len() == length && ptr::eq(shape.keys[0].0.as_ptr(), first);
        is_like.then(|| shape.clone())
    };
    // At the end of a thread the shapes may be dropped already.
    SHAPES.try_with(find).ok()?
}

/// Counts a dict without a shape, and keeps its shape once enough others began like it.
#[cold]
fn see(dict: &Bound<'_, PyDict>, first: *mut ffi::PyObject) {
    let replaced = SHAPES.try_with(|sets| {
        let mut sets = sets.borrow_mut();
        let set = set(&mut sets, first);
        let (address, seen) = &mut set.unknown;
        if *address != first.addr() {
            (*address, *seen) = (first.addr(), 0);
        }
        *seen += 1;
        if *seen < SEEN {
            return None;
        }
        *seen = 0;
        let shape = Shape::of(dict)?;
        let way = set.oldest;
        set.oldest = (way + 1) % WAYS;
        set.ways[way].replace(Rc::new(shape))
    });
    drop(replaced);
}
