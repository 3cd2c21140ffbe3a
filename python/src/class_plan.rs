//! The classes and attributes of a plan: instances are made without calling the class.

use linkspan::value::plan::{self, Handles};
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyType};

use crate::made;

/// The handles that plans keep for Python.
#[derive(Debug)]
pub struct PyHandles;

impl Handles for PyHandles {
    type Class = Class;
    type Field = Field;
    type Member = Py<PyAny>;
}

pub type Shape = plan::Shape<PyHandles>;
pub type Record = plan::Record<PyHandles>;

/// An attribute, and its value where a message does not have its key.
#[derive(Debug)]
pub struct Field {
    pub slot: Slot,
    pub default: Default,
}

/// The value of an attribute where a message does not have its key.
#[derive(Debug)]
pub enum Default {
    /// None, or no value at all.
    Null,
    Value(Py<PyAny>),
    Made(Py<PyAny>),
}

/// A class whose instances have slots alone, and nothing to run when they are made.
#[derive(Debug)]
pub struct Class(pub Py<PyType>);

/// An attribute that lies in a slot of the instances of one class.
#[derive(Debug)]
pub struct Slot {
    /// Held so that no other class takes its address.
    _class: Py<PyType>,
    name: Py<PyString>,
    place: Place,
}

/// The place of a slot in instances of a class. Its owner keeps the class alive.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    class: usize,
    offset: usize,
}

impl Class {
    pub fn new(class: &Bound<'_, PyType>) -> PyResult<Class> {
        if class.hasattr("__post_init__")? {
            return Err(PyTypeError::new_err("a class with __post_init__ is made by calling it"));
        }
        Ok(Class(class.clone().unbind()))
    }

    /// Returns an instance whose attributes are not set.
    pub fn instance<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let class: *mut ffi::PyTypeObject = self.0.as_ptr().cast();
        // SAFETY: a class of Python's own, whose instances are empty slots until they are set; the result is owned, or
        // null with an exception set.
        unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyType_GenericAlloc(class, 0)) }
    }
}

impl Slot {
    pub fn new(class: &Bound<'_, PyType>, name: &str) -> PyResult<Slot> {
        let descriptor = class.getattr(name)?;
        // SAFETY: both are types of the interpreter, compared by address.
        let kind = unsafe { ffi::Py_TYPE(descriptor.as_ptr()) };
        if !std::ptr::eq(kind, &raw mut ffi::PyMemberDescr_Type) {
            return Err(PyTypeError::new_err(format!("the attribute {name} has no slot")));
        }
        let offset = offset(class, &descriptor)?
            .ok_or_else(|| PyTypeError::new_err(format!("the slot of the attribute {name} is not found")))?;
        Ok(Slot {
            _class: class.clone().unbind(),
            name: PyString::intern(class.py(), name).unbind(),
            place: Place { class: class.as_ptr().addr(), offset },
        })
    }

    /// Returns the place of the slot.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Returns the attribute without counting a reference; `None` where it is not set, and for an instance of another
    /// class.
    ///
    /// # Safety
    ///
    /// No Python code runs while the result is used: it could set the attribute to another object, and free this one.
    #[inline]
    pub unsafe fn borrowed<'a, 'py>(
        &self,
        instance: &'a Bound<'py, PyAny>,
    ) -> Option<Borrowed<'a, 'py, PyAny>> {
        let word = self.place.word(instance)?;
        // SAFETY: the word of a slot is null or an object that the instance holds, for as long as the caller promises.
        unsafe { Borrowed::from_ptr_or_opt(instance.py(), *word) }
    }

    /// Returns the attribute, or raises what Python raises for one that is not set.
    pub fn get<'py>(&self, instance: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        // SAFETY: a reference is counted at once.
        let found = unsafe { self.borrowed(instance) };
        found.map_or_else(|| instance.getattr(&self.name), |found| Ok(found.to_owned()))
    }

    /// Sets the attribute of a new instance, whose attributes are not set.
    ///
    /// # Safety
    ///
    /// The instance is of the very class that the slot was made with.
    #[inline]
    pub unsafe fn set_first<'py>(&self, instance: &Bound<'py, PyAny>, value: Bound<'py, PyAny>) {
        let word = instance.as_ptr().wrapping_byte_add(self.place.offset).cast::<*mut ffi::PyObject>();
        // SAFETY: the offset was found in an instance of the class; what the instance holds from now on is the
        // reference that is given here.
        unsafe { word.write(value.into_ptr()) };
    }
}

impl Place {
    /// The word of the slot in an instance of this very class.
    fn word(self, instance: &Bound<'_, PyAny>) -> Option<*mut *mut ffi::PyObject> {
        let is_of_class = instance.get_type_ptr().addr() == self.class;
        is_of_class.then(|| instance.as_ptr().wrapping_byte_add(self.offset).cast())
    }

    /// Sets the attribute of an instance of this very class.
    pub fn set<'py>(self, instance: &Bound<'py, PyAny>, value: Bound<'py, PyAny>) -> PyResult<()> {
        let Some(word) = self.word(instance) else {
            return Err(PyTypeError::new_err("an instance of another class than the plan's"));
        };
        // SAFETY: the word of a slot is null or an object that the instance holds; what it held is dropped once the new
        // one is in its place.
        drop(unsafe {
            let before = word.replace(value.into_ptr());
            Bound::from_owned_ptr_or_opt(instance.py(), before)
        });
        Ok(())
    }
}

/// Returns the offset of a slot in an instance, in bytes, found by setting the slot of a new instance; `None` where it
/// is not found.
fn offset(class: &Bound<'_, PyType>, descriptor: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
    let py = class.py();
    let size: usize = class.getattr("__basicsize__")?.extract()?;
    let instance = Class(class.clone().unbind()).instance(py)?;
    let sought = made::list(py, std::iter::empty()).map_err(made::raised)?;
    descriptor.call_method1("__set__", (&instance, &sought))?;
    let word = size_of::<usize>();
    let mut found = (size_of::<ffi::PyObject>()..size.saturating_sub(word - 1)).step_by(word).filter(|at| {
        // SAFETY: an instance has at least `__basicsize__` bytes, in whole words, all of which were zero when it was
        // made.
        let here = unsafe { instance.as_ptr().byte_add(*at).cast::<usize>().read() };
        here == sought.as_ptr().addr()
    });
    Ok(found.next().filter(|_| found.next().is_none()))
}

impl Default {
    /// Returns the value that a field has without its key, or the exception of what makes it.
    pub fn value<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Default::Null => Ok(py.None().into_bound(py)),
            Default::Value(value) => Ok(value.bind(py).clone()),
            Default::Made(make) => make.bind(py).call0(),
        }
    }
}
