//! Slots and keys of generated classes for sending, found once per class and thread.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use linkspan::codec::FlatKey;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};

use crate::class_plan::Slot;
use crate::flat::{self, Form};

/// The fields of a class, from its `__linkspan_fields__`.
pub struct SentClass {
    fields: Vec<SentField>,
    /// For each form, how many of the next instances are walked at once, because one did not fit.
    walked: [Cell<u8>; 2],
}

struct SentField {
    slot: Slot,
    key: String,
    /// The key for flat records; `None` if it is too long for any message.
    encoded: Option<FlatKey>,
    /// Whether None is omitted.
    is_optional: bool,
}

/// The cached classes of a thread, by address.
#[derive(Default)]
struct Classes {
    /// The last class found, also in `all`. Consecutive objects often share a class.
    last: Option<(usize, Rc<SentClass>)>,
    /// Each class is held, so that its address stays unique.
    all: HashMap<usize, (Py<PyType>, Rc<SentClass>)>,
}

/// The number of instances to walk after a failed attempt. The first walk also caches enum members.
const WALKED: u8 = 31;

/// One more clears the cache.
const MOST: usize = 256;

thread_local! {
    static CLASSES: RefCell<Classes> = RefCell::default();
}

pub fn known(object: &Bound<'_, PyAny>) -> Option<Rc<SentClass>> {
    let address = object.get_type_ptr().addr();
    let find = |classes: &RefCell<Classes>| {
        if let Some((last, sent)) = &classes.borrow().last
            && *last == address
        {
            return Some(sent.clone());
        }
        if !flat::may_be_generated(object) {
            return None;
        }
        let mut classes = classes.borrow_mut();
        let sent = classes.all.get(&address)?.1.clone();
        classes.last = Some((address, sent.clone()));
        Some(sent)
    };
    // At thread end the classes may already be gone.
    CLASSES.try_with(find).ok()?
}

/// Returns `None` if the class is packed or has attributes without slots.
pub fn learn(class: &Bound<'_, PyType>, fields: &Bound<'_, PyAny>) -> Option<Rc<SentClass>> {
    // This may run Python code that calls this function again, so nothing is borrowed yet.
    let sent = SentClass::new(class, fields)?;
    let address = class.as_ptr().addr();
    let before = CLASSES.try_with(|classes| {
        let mut classes = classes.borrow_mut();
        let before =
            if classes.all.len() >= MOST { std::mem::take(&mut *classes) } else { Classes::default() };
        classes.all.insert(address, (class.clone().unbind(), sent.clone()));
        before
    });
    // Dropping a class may run Python code.
    drop(before);
    Some(sent)
}

impl SentClass {
    fn new(class: &Bound<'_, PyType>, fields: &Bound<'_, PyAny>) -> Option<Rc<SentClass>> {
        if class.hasattr(intern!(class.py(), "__linkspan_packed__")).ok()? {
            return None;
        }
        let field = |field: Bound<'_, PyAny>| {
            let (name, key, is_optional): (String, String, bool) = field.extract().ok()?;
            let encoded = FlatKey::new(&key);
            Some(SentField { slot: Slot::new(class, &name).ok()?, key, encoded, is_optional })
        };
        let fields = fields.cast::<PyTuple>().ok()?.iter().map(field).collect::<Option<_>>()?;
        Some(Rc::new(SentClass { fields, walked: Default::default() }))
    }

    /// Returns false, and appends nothing, if the instance needs a walk.
    pub fn append_flat(&self, object: &Bound<'_, PyAny>, form: Form, out: &mut Vec<u8>) -> bool {
        let walked = &self.walked[form as usize];
        if let Some(left) = walked.get().checked_sub(1) {
            walked.set(left);
            return false;
        }
        form.append(out, |record| {
            for field in &self.fields {
                // SAFETY: the reference is used before the next one is read. Only built-in values are read, so no
                // Python code runs.
                let value = unsafe { field.slot.borrowed(object) }?;
                if !(field.is_optional && value.is_none()) {
                    let key = field.encoded.as_ref()?;
                    flat::append(record, key, &value).or_else(|| {
                        walked.set(WALKED);
                        None
                    })?;
                }
            }
            Some(())
        })
    }

    /// All values are read first, because sending one may run Python code that changes others.
    pub fn values<'py>(&self, object: &Bound<'py, PyAny>) -> PyResult<Vec<(&str, Bound<'py, PyAny>)>> {
        let mut values = Vec::with_capacity(self.fields.len());
        for field in &self.fields {
            let value = field.slot.get(object)?;
            if !(field.is_optional && value.is_none()) {
                values.push((&*field.key, value));
            }
        }
        Ok(values)
    }
}
