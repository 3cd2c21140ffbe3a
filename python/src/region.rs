//! Shared memory of other programs, read-only.

use std::sync::{Arc, Mutex, PoisonError};

use linkspan::{Error, ErrorKind, Layout, Region as Memory};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::arguments::{Counter, Length, Offset, Source, StructLayout};
use crate::builder::Builder;
use crate::errors::Outcome;
use crate::made;
use crate::message::object;

/// Read-only shared memory of another program: `posix:/name`, `sysv:0x1234`, or an absolute path.
///
/// Every call copies the current contents. Any number of threads may read.
#[pyclass(frozen, module = "linkspan")]
pub struct Region {
    source: String,
    memory: Mutex<Option<Arc<Memory>>>,
}

impl Region {
    /// A reference, so that no thread holds the lock while the interpreter is released.
    fn memory(&self) -> linkspan::Result<Arc<Memory>> {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner).clone();
        memory.ok_or_else(|| Error::new(ErrorKind::InvalidState, "the region is closed").on(&self.source))
    }
}

#[pymethods]
impl Region {
    /// Opens the memory; `NotFound` or `PermissionDenied`.
    #[new]
    fn new(source: Source) -> Outcome<Region> {
        let memory = Mutex::new(Some(Arc::new(Memory::open(&source)?)));
        Ok(Region { source: source.0, memory })
    }

    /// Returns the size of a struct with this layout in an array, like C's `sizeof`.
    #[staticmethod]
    fn sizeof(layout: StructLayout) -> Outcome<usize> {
        Ok(layout.parse::<Layout>()?.size())
    }

    /// The name that was opened.
    #[getter]
    fn source(&self) -> &str {
        &self.source
    }

    /// Returns the current size in bytes, which may change.
    fn __len__(&self) -> Outcome<usize> {
        Ok(self.memory()?.len()? as usize)
    }

    /// Copies `length` bytes at an offset. `OutOfRange` if they exceed the memory.
    fn bytes<'py>(&self, py: Python<'py>, offset: Offset, length: Length) -> Outcome<Bound<'py, PyBytes>> {
        let memory = self.memory()?;
        let bytes = py.detach(|| memory.bytes(offset.0, length.0))?;
        Ok(made::bytes(py, &bytes)?)
    }

    /// Returns the text at an offset, up to the first NUL or the end. `Malformed` for invalid UTF-8.
    #[pyo3(signature = (offset=Offset(0)), text_signature = "($self, offset=0)")]
    fn text(&self, py: Python<'_>, offset: Offset) -> Outcome<String> {
        let memory = self.memory()?;
        Ok(py.detach(|| memory.text(offset.0))?)
    }

    /// Returns the fields of a struct as a dict. Numbers with dimensions become arrays.
    ///
    /// A layout is text like `f64 celsius; u32 count; char name[16]; i16 raw[8] @64`. `counter` names a field that the
    /// owner makes odd during a write; then the result belongs to one write, or `Stalled`.
    #[pyo3(signature = (layout, *, offset=Offset(0), counter=None), text_signature = "($self, layout, *, offset=0, counter=None)")]
    fn read<'py>(
        &self,
        py: Python<'py>,
        layout: StructLayout,
        offset: Offset,
        counter: Option<Counter>,
    ) -> Outcome<Bound<'py, PyAny>> {
        let layout: Layout = layout.parse()?;
        let memory = self.memory()?;
        let fields = py.detach(|| match counter.as_deref() {
            Some(counter) => memory.read_stable(offset.0, &layout, counter),
            None => memory.read_at(offset.0, &layout),
        })?;
        object(&fields, Builder::copying(py))
    }

    /// Unmaps the memory. A second call does nothing.
    fn close(&self) {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_raised))]
    fn __exit__(&self, _raised: &Bound<'_, PyTuple>) {
        self.close();
    }

    fn __repr__(&self) -> String {
        match self.memory().and_then(|memory| memory.len()) {
            Ok(length) => format!("<linkspan.Region {}: {length} bytes>", self.source),
            Err(_) => format!("<linkspan.Region {}, closed>", self.source),
        }
    }
}
