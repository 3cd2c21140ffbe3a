//! Classes and attributes of a plan. Instances are made without calling the class.

use linkspan::value::plan::{self, Handles};
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyType};

use crate::made;

#[derive(Debug)]
pub struct PyHandles;

impl Handles for PyHandles {
    type Class = Class;
    type Field = Field;
    type Member = Py<PyAny>;
}

pub type Shape = plan::Shape<PyHandles>;
pub type Record = plan::Record<PyHandles>;

#[derive(Debug)]
pub struct Field {
    pub slot: Slot,
    pub default: Default,
}

/// The value of an attribute if a message lacks its key.
#[derive(Debug)]
pub enum Default {
    /// None; also used for fields without a default.
    Null,
    Value(Py<PyAny>),
    Made(Py<PyAny>),
}

/// A class whose instances have only slots and no `__post_init__`.
#[derive(Debug)]
pub struct Class(pub Py<PyType>);

/// An attribute in a slot of the instances of one class.
#[derive(Debug)]
pub struct Slot {
    /// Keeps the class alive, because `place` compares its address.
    _class: Py<PyType>,
    name: Py<PyString>,
    place: Place,
}

/// The offset of a slot in instances of a class. Its owner keeps the class alive.
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

    pub fn instance<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let class: *mut ffi::PyTypeObject = self.0.as_ptr().cast();
        // SAFETY: a Python class whose instances begin as empty slots. The result is owned, or null with an exception
        // set.
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

    pub fn place(&self) -> Place {
        self.place
    }

    /// Returns the attribute without a new reference; `None` if unset or for another class.
    ///
    /// # Safety
    ///
    /// No Python code may run while the result is in use. It could replace and free the attribute.
    #[inline]
    pub unsafe fn borrowed<'a, 'py>(
        &self,
        instance: &'a Bound<'py, PyAny>,
    ) -> Option<Borrowed<'a, 'py, PyAny>> {
        let word = self.place.word(instance)?;
        // SAFETY: the slot holds null or an object that the instance owns while the caller keeps its promise.
        unsafe { Borrowed::from_ptr_or_opt(instance.py(), *word) }
    }

    /// Raises Python's error for an unset attribute.
    pub fn get<'py>(&self, instance: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        // SAFETY: a reference is counted at once.
        let found = unsafe { self.borrowed(instance) };
        found.map_or_else(|| instance.getattr(&self.name), |found| Ok(found.to_owned()))
    }

    /// # Safety
    ///
    /// The attribute of the new instance is unset, and its class is exactly the slot's.
    #[inline]
    pub unsafe fn set_first<'py>(&self, instance: &Bound<'py, PyAny>, value: Bound<'py, PyAny>) {
        let word = instance.as_ptr().wrapping_byte_add(self.place.offset).cast::<*mut ffi::PyObject>();
        // SAFETY: the offset was found in an instance of this class. The instance takes over the reference.
        unsafe { word.write(value.into_ptr()) };
    }
}

impl Place {
    /// Returns the address of the slot if the instance has exactly this class.
    fn word(self, instance: &Bound<'_, PyAny>) -> Option<*mut *mut ffi::PyObject> {
        let is_of_class = instance.get_type_ptr().addr() == self.class;
        is_of_class.then(|| instance.as_ptr().wrapping_byte_add(self.offset).cast())
    }

    /// Sets the attribute of an instance of exactly this class.
    pub fn set<'py>(self, instance: &Bound<'py, PyAny>, value: Bound<'py, PyAny>) -> PyResult<()> {
        let Some(word) = self.word(instance) else {
            return Err(PyTypeError::new_err("an instance of another class than the plan's"));
        };
        // SAFETY: the slot holds null or an owned object, which is dropped after the new one is in place.
        drop(unsafe {
            let before = word.replace(value.into_ptr());
            Bound::from_owned_ptr_or_opt(instance.py(), before)
        });
        Ok(())
    }
}

/// Finds the offset of a slot in bytes, by setting the slot in a new instance.
fn offset(class: &Bound<'_, PyType>, descriptor: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
    let py = class.py();
    let size: usize = class.getattr("__basicsize__")?.extract()?;
    let instance = Class(class.clone().unbind()).instance(py)?;
    let sought = made::list(py, std::iter::empty()).map_err(made::raised)?;
    descriptor.call_method1("__set__", (&instance, &sought))?;
    let word = size_of::<usize>();
    let mut found = (size_of::<ffi::PyObject>()..size.saturating_sub(const { size_of::<usize>() - 1 }))
        .step_by(word)
        .filter(|at| {
            // SAFETY: an instance has at least `__basicsize__` bytes, all zero when it was made; the loop reads whole
            // words.
            let here = unsafe { instance.as_ptr().byte_add(*at).cast::<usize>().read() };
            here == sought.as_ptr().addr()
        });
    Ok(found.next().filter(|_| found.next().is_none()))
}

impl Default {
    /// Returns the default, or the exception of its factory.
    pub fn value<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Default::Null => Ok(py.None().into_bound(py)),
            Default::Value(value) => Ok(value.bind(py).clone()),
            Default::Made(make) => make.bind(py).call0(),
        }
    }
}
