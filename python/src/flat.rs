//! Encodes values of exact built-in types, and enum members with them, without running Python code.

use std::ptr;

use linkspan::Timestamp;
use linkspan::codec::{FlatKey, FlatRecord};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::enum_member;
use crate::timestamp;

#[derive(Clone, Copy)]
pub enum Form {
    Cbor,
    Json,
}

impl Form {
    #[inline]
    pub fn append(self, out: &mut Vec<u8>, write: impl FnOnce(&mut FlatRecord<'_>) -> Option<()>) -> bool {
        match self {
            Form::Cbor => FlatRecord::append(out, write),
            Form::Json => FlatRecord::append_json(out, write),
        }
    }
}

/// Whether Python code made the object's class, as it makes generated classes.
pub fn may_be_generated(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: the class of a live object.
    unsafe { ffi::PyType_GetFlags(object.get_type_ptr()) & ffi::Py_TPFLAGS_HEAPTYPE != 0 }
}

/// Appends nothing and returns `None` for dicts, other types, and values without a short form.
pub fn append(record: &mut FlatRecord<'_>, key: &FlatKey, value: &Bound<'_, PyAny>) -> Option<()> {
    let this = value.as_ptr();
    let kind = value.get_type_ptr();
    let is = |other: *mut ffi::PyTypeObject| ptr::eq(kind, other);
    if is(&raw mut ffi::PyUnicode_Type) {
        // SAFETY: its exact type is known from the comparison above.
        record.text(key, unsafe { value.cast_unchecked::<PyString>() }.to_str().ok()?)
    } else if is(&raw mut ffi::PyFloat_Type) {
        // SAFETY: the call cannot fail for an exact float.
        record.float(key, unsafe { ffi::PyFloat_AsDouble(this) })
    } else if is(&raw mut ffi::PyLong_Type) {
        match int64(value) {
            Some(number) => record.int(key, number),
            None => record.uint(key, value.extract().ok()?),
        }
    } else if is(&raw mut ffi::PyBool_Type) {
        // SAFETY: True is a constant of the interpreter.
        record.bool(key, ptr::eq(this, unsafe { ffi::Py_True() }))
    } else if value.is_none() {
        record.null(key)
    } else if is(&raw mut ffi::PyBytes_Type) {
        // SAFETY: its exact type is known from the comparison above.
        record.bytes(key, unsafe { value.cast_unchecked::<PyBytes>() }.as_bytes())
    } else if is(&raw mut ffi::PyDict_Type) {
        None
    } else {
        // An owned reference, because the first lookup of the class runs Python code.
        let value = value.clone();
        match timestamp::nanoseconds(&value).ok()? {
            Some(nanoseconds) => record.timestamp(key, Timestamp(int64(&nanoseconds)?)),
            None => append(record, key, &enum_member::known(&value)?),
        }
    }
}

fn int64(value: &Bound<'_, PyAny>) -> Option<i64> {
    if !ptr::eq(value.get_type_ptr(), &raw mut ffi::PyLong_Type) {
        return None;
    }
    let mut overflow = 0;
    // SAFETY: a live int. -1 without overflow is a value, because the call cannot fail for an int.
    let number = unsafe { ffi::PyLong_AsLongLongAndOverflow(value.as_ptr(), &mut overflow) };
    (overflow == 0).then_some(number)
}
