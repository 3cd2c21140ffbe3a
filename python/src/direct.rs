//! Functions that the interpreter calls as they are, in front of functions of pyo3: what they cannot do, they pass on.
//!
//! A function of pyo3 counts itself, converts its arguments and moves its result through memory a few times. That takes longer than the work of the shortest ones.

use std::ffi::{CStr, CString};
use std::slice;
use std::sync::OnceLock;

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// A function in C: its `self`, the arguments, the number of those without names, and the tuple of the others' names, or null. It is called attached, and returns an object or
/// null with an exception set. It must not unwind, and where it drops an object that is counted by pyo3, this may happen at the next call of pyo3's.
pub type Function = ffi::PyCFunctionFastWithKeywords;

/// The arguments of one call.
pub struct Given<'a, 'py> {
    py: Python<'py>,
    /// Those without names, then the others.
    all: &'a [*mut ffi::PyObject],
    unnamed: usize,
    names: *mut ffi::PyObject,
}

impl<'a, 'py> Given<'a, 'py> {
    /// # Safety
    ///
    /// They are as the interpreter gives them to a [`Function`], and live as long as `'a`.
    #[inline]
    pub unsafe fn new(
        py: Python<'py>,
        arguments: *const *mut ffi::PyObject,
        count: ffi::Py_ssize_t,
        names: *mut ffi::PyObject,
    ) -> Given<'a, 'py> {
        // SAFETY: `names` is null or a tuple.
        let named = if names.is_null() { 0 } else { unsafe { ffi::PyTuple_Size(names) } };
        let [unnamed, named] = [count, named].map(|number| usize::try_from(number).unwrap_or(0));
        let all = match unnamed.saturating_add(named) {
            0 => &[],
            // SAFETY: as many as the interpreter says; without any, the address may be null.
            all => unsafe { slice::from_raw_parts(arguments, all) },
        };
        Given { py, all, unnamed, names }
    }

    /// All of them, as addresses.
    pub fn all(&self) -> &'a [*mut ffi::PyObject] {
        self.all
    }

    /// The only one, if there is one without a name and no other.
    #[inline]
    pub fn only(&self) -> Option<Borrowed<'a, 'py, PyAny>> {
        if self.all.len() == 1 { self.unnamed(0) } else { None }
    }

    /// The only ones, if there are two, of which the second has this name or none.
    #[inline]
    pub fn two(&self, name: &CStr) -> Option<[Borrowed<'a, 'py, PyAny>; 2]> {
        if self.all.len() != 2 {
            return None;
        }
        if self.unnamed == 1 {
            // SAFETY: a tuple of one text, which it holds.
            let is_named = unsafe {
                ffi::PyUnicode_CompareWithASCIIString(ffi::PyTuple_GetItem(self.names, 0), name.as_ptr()) == 0
            };
            return is_named.then(|| Some([self.at(0)?, self.at(1)?]))?;
        }
        Some([self.unnamed(0)?, self.unnamed(1)?])
    }

    #[inline]
    fn unnamed(&self, at: usize) -> Option<Borrowed<'a, 'py, PyAny>> {
        if at < self.unnamed { self.at(at) } else { None }
    }

    #[inline]
    fn at(&self, at: usize) -> Option<Borrowed<'a, 'py, PyAny>> {
        // SAFETY: an argument, which lives as long as this.
        self.all.get(at).map(|argument| unsafe { Borrowed::from_ptr(self.py, *argument) })
    }
}

/// The flags of such functions.
const FLAGS: i32 = ffi::METH_FASTCALL | ffi::METH_KEYWORDS;

/// A function and the one of pyo3 behind it.
pub struct Direct {
    function: Function,
    behind: OnceLock<Behind>,
}

/// What is found of the function of pyo3 when the first object is made.
struct Behind {
    general: Function,
    definition: ffi::PyMethodDef,
    _texts: [CString; 2],
}

// SAFETY: the definition has addresses of functions and of texts that it owns; nothing changes them.
unsafe impl Send for Behind {}
// SAFETY: as above.
unsafe impl Sync for Behind {}

impl Direct {
    /// A function that calls [`Direct::general`] for what it leaves.
    pub const fn new(function: Function) -> Direct {
        Direct { function, behind: OnceLock::new() }
    }

    /// Calls the function of pyo3.
    ///
    /// # Safety
    ///
    /// Attached, with arguments as the interpreter gives them to the function itself, and with the `self` of an object of [`Direct::in_front_of`].
    pub unsafe fn general(
        &self,
        this: *mut ffi::PyObject,
        arguments: *const *mut ffi::PyObject,
        count: ffi::Py_ssize_t,
        names: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        match self.behind.get() {
            // SAFETY: as the caller promises; the flags were compared when it was found.
            Some(behind) => unsafe { (behind.general)(this, arguments, count, names) },
            None => std::ptr::null_mut(),
        }
    }

    /// Returns an object that calls this function in front of the one that a function object of pyo3 calls, with the same `self` and name. Its signature is `signature`,
    /// or the same where there is none.
    pub fn in_front_of<'py>(
        &'static self,
        object: &Bound<'py, PyAny>,
        signature: Option<&str>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = object.py();
        if self.behind.get().is_none() {
            let found = self.behind(object, signature)?;
            // Another thread may have found the same.
            let _ = self.behind.set(found);
        }
        let behind = self.behind.get().ok_or_else(|| PyTypeError::new_err("nothing is behind a function"))?;
        let module = object.getattr("__module__")?;
        let module = if module.is_none() { std::ptr::null_mut() } else { module.as_ptr() };
        // SAFETY: a builtin function, as was seen when the first was found; the definition is never changed or freed, and the interpreter only reads it.
        unsafe {
            let this = ffi::PyCFunction_GetSelf(object.as_ptr());
            let definition = (&raw const behind.definition).cast_mut();
            Bound::from_owned_ptr_or_err(py, ffi::PyCFunction_NewEx(definition, this, module))
        }
    }

    fn behind(&self, object: &Bound<'_, PyAny>, signature: Option<&str>) -> PyResult<Behind> {
        let other = || PyTypeError::new_err("not a function that pyo3 made");
        // SAFETY: types are compared by address; what is asked of the object is asked of a builtin function.
        let general = unsafe {
            if ffi::PyCFunction_Check(object.as_ptr()) == 0
                || ffi::PyCFunction_GetFlags(object.as_ptr()) != FLAGS
            {
                return Err(other());
            }
            // SAFETY: functions with these flags have this type, whatever the interpreter stores them as.
            std::mem::transmute::<Option<ffi::PyCFunction>, Option<Function>>(ffi::PyCFunction_GetFunction(
                object.as_ptr(),
            ))
        };
        let text = |name: &str| -> PyResult<String> {
            Ok(object.getattr(name)?.cast_into::<PyString>()?.to_str()?.to_owned())
        };
        let name = CString::new(text("__name__")?)?;
        let signature = signature.map_or_else(|| text("__text_signature__"), |given| Ok(given.to_owned()))?;
        // The interpreter takes the signature from the beginning of the text.
        let doc = CString::new(format!("{}{signature}\n--\n\n{}", text("__name__")?, text("__doc__")?))?;
        let definition = ffi::PyMethodDef {
            ml_name: CStr::as_ptr(&name),
            ml_meth: ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: self.function },
            ml_flags: FLAGS,
            ml_doc: CStr::as_ptr(&doc),
        };
        Ok(Behind { general: general.ok_or_else(other)?, definition, _texts: [name, doc] })
    }
}
