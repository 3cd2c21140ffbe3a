//! What of an instance of a generated class is sent: its slots and their keys, found once for each class and thread.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};

use crate::class_plan::Slot;

/// The fields of a class, as its `__linkspan_fields__` has them.
pub struct SentClass(Vec<SentField>);

struct SentField {
    slot: Slot,
    key: String,
    /// Whether None is left out.
    is_optional: bool,
}

/// A class, which is held so that no other one takes its address, and what is sent of it.
type Kept = (Py<PyType>, Rc<SentClass>);

/// So many classes are kept; then all are forgotten.
const MOST: usize = 256;

thread_local! {
    static KEPT: RefCell<HashMap<usize, Kept>> = RefCell::default();
}

/// What of this object is sent, where its class is known.
pub fn known(object: &Bound<'_, PyAny>) -> Option<Rc<SentClass>> {
    let address = object.get_type_ptr().addr();
    // At a thread's end what is kept may be gone.
    KEPT.try_with(|kept| kept.borrow().get(&address).map(|(_, sent)| sent.clone())).ok()?
}

/// Keeps what is sent of objects of this class, which has these fields; nothing for one that is packed, or whose attributes are not all in slots.
pub fn learn(class: &Bound<'_, PyType>, fields: &Bound<'_, PyAny>) -> Option<Rc<SentClass>> {
    // Python code may run here, so nothing is borrowed yet.
    let sent = SentClass::new(class, fields)?;
    let address = class.as_ptr().addr();
    let before = KEPT.try_with(|kept| {
        let mut kept = kept.borrow_mut();
        let before = if kept.len() >= MOST { std::mem::take(&mut *kept) } else { HashMap::new() };
        kept.insert(address, (class.clone().unbind(), sent.clone()));
        before
    });
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
            Some(SentField { slot: Slot::new(class, &name).ok()?, key, is_optional })
        };
        let fields = fields.cast::<PyTuple>().ok()?.iter().map(field).collect::<Option<_>>()?;
        Some(Rc::new(SentClass(fields)))
    }

    /// The keys and values of what is sent of an instance of this class: all values at once, because Python code that runs while one of them is sent may change
    /// the others.
    pub fn values<'py>(&self, object: &Bound<'py, PyAny>) -> PyResult<Vec<(&str, Bound<'py, PyAny>)>> {
        let mut values = Vec::with_capacity(self.0.len());
        for field in &self.0 {
            let value = field.slot.get(object)?;
            if !(field.is_optional && value.is_none()) {
                values.push((&*field.key, value));
            }
        }
        Ok(values)
    }
}
