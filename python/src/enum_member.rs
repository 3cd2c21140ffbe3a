//! A cache of enum members and their values, which are read without running Python code.

use std::cell::RefCell;
use std::collections::HashMap;

use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyString, PyType};

use crate::errors::imported_once;

/// One more clears the cache, because flags create members at run time.
const MOST: usize = 1024;

/// Values by the address of their member. Each member is held, which keeps its address unique.
type Members = HashMap<usize, (Py<PyAny>, Py<PyAny>)>;

thread_local! {
    static MEMBERS: RefCell<Members> = RefCell::default();
}

/// Cached values have an exact built-in type and contain no other object, so no Python code runs.
pub fn known<'py>(object: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    let find = |members: &RefCell<Members>| {
        Some(members.borrow().get(&object.as_ptr().addr())?.1.bind(object.py()).clone())
    };
    // At thread end the members may already be gone.
    MEMBERS.try_with(find).ok()?
}

/// Caches the value, except if the class computes it.
pub fn value<'py>(member: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let value = member.getattr(intern!(member.py(), "value"))?;
    if is_plain(&value) && is_constant(&member.get_type())? {
        let before = MEMBERS.try_with(|members| {
            let mut members = members.borrow_mut();
            let before = if members.len() >= MOST { std::mem::take(&mut *members) } else { Members::new() };
            members.insert(member.as_ptr().addr(), (member.clone().unbind(), value.clone().unbind()));
            before
        });
        // Dropping a member may run Python code that calls this function again.
        drop(before);
    }
    Ok(value)
}

fn is_plain(value: &Bound<'_, PyAny>) -> bool {
    value.is_none()
        || value.is_exact_instance_of::<PyString>()
        || value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyFloat>()
        || value.is_exact_instance_of::<PyBool>()
        || value.is_exact_instance_of::<PyBytes>()
}

fn is_constant(class: &Bound<'_, PyType>) -> PyResult<bool> {
    let py = class.py();
    let base = imported_once!(py, "enum", "Enum")?;
    for one in class.mro() {
        if one.is(base) {
            return Ok(true);
        }
        if one.getattr(intern!(py, "__dict__"))?.contains(intern!(py, "value"))? {
            return Ok(false);
        }
    }
    Err(PyTypeError::new_err(format!("{class} is no enum")))
}
