//! The fields of generated classes that are sent: their slots and keys, found once for each class and thread.

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
    /// For each form how many of the next instances are walked at once, because one had a value that a flat record
    /// cannot have.
    walked: [Cell<u8>; 2],
}

struct SentField {
    slot: Slot,
    key: String,
    /// The same key for flat records; `None` for one that is too long for any message.
    encoded: Option<FlatKey>,
    /// Whether None is left out.
    is_optional: bool,
}

/// The classes of a thread by their addresses.
#[derive(Default)]
struct Classes {
    /// The class that was found last: most objects have the same class as the one before. It is also in `all`.
    last: Option<(usize, Rc<SentClass>)>,
    /// Each class is held, so that no other one gets its address.
    all: HashMap<usize, (Py<PyType>, Rc<SentClass>)>,
}

/// The instances that are walked after one that had to be. Members of enums are known after the first walk.
const WALKED: u8 = 31;

/// The greatest number of classes that are kept; one more removes all others.
const MOST: usize = 256;

thread_local! {
    static CLASSES: RefCell<Classes> = RefCell::default();
}

/// Returns the fields of the object's class, if they are kept.
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
    // At the end of a thread the classes may be dropped already.
    CLASSES.try_with(find).ok()?
}

/// Keeps the fields of a class and returns them; `None` for a class that is packed, or has attributes without slots.
pub fn learn(class: &Bound<'_, PyType>, fields: &Bound<'_, PyAny>) -> Option<Rc<SentClass>> {
    // This may run Python code, which may come here again: nothing is borrowed yet.
    let sent = SentClass::new(class, fields)?;
    let address = class.as_ptr().addr();
    let before = CLASSES.try_with(|classes| {
        let mut classes = classes.borrow_mut();
        let before =
            if classes.all.len() >= MOST { std::mem::take(&mut *classes) } else { Classes::default() };
        classes.all.insert(address, (class.clone().unbind(), sent.clone()));
        before
    });
    // Dropping a class may run Python code too.
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

    /// Appends an instance of this class without a walk. Returns false, and appends nothing, for one that has to be
    /// walked.
    pub fn append_flat(&self, object: &Bound<'_, PyAny>, form: Form, out: &mut Vec<u8>) -> bool {
        let walked = &self.walked[form as usize];
        if let Some(left) = walked.get().checked_sub(1) {
            walked.set(left);
            return false;
        }
        form.append(out, |record| {
            for field in &self.fields {
                // SAFETY: only values of built-in types are read until the next one, which runs no Python code.
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

    /// Returns the keys and values of an instance of this class that are sent: all values at once, because Python code
    /// that runs while one of them is sent may change the others.
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
