//! Received messages: the class `Message`, whose value is decoded once, straight into Python objects.

use linkspan::value::Source;
use linkspan::{ErrorKind, Message as Arrived, Value};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyIterator, PyString};

use crate::builder::{Builder, build};
use crate::errors::Outcome;
use crate::{array, template, timestamp};

/// A message: its value, and where it came from. `message[key]` is an entry of a map or an item of a list.
#[pyclass(frozen, subclass, module = "linkspan")]
pub struct Message {
    pub arrived: Arrived,
    value: PyOnceLock<Py<PyAny>>,
}

impl Message {
    pub fn new(arrived: Arrived) -> Message {
        Message { arrived, value: PyOnceLock::new() }
    }

    fn map<'a, 'py>(&'a self, py: Python<'py>) -> Outcome<&'a Bound<'py, PyDict>> {
        let value = self.decoded(py)?;
        value.cast_exact::<PyDict>().map_err(|_| {
            let found = value.get_type();
            PyTypeError::new_err(format!("the message is not a map, it holds a value of type {found}")).into()
        })
    }

    fn decoded<'a, 'py>(&'a self, py: Python<'py>) -> Outcome<&'a Bound<'py, PyAny>> {
        let value = self.value.get_or_try_init(py, || {
            if let Some(dict) = self.arrived.flat_entries().and_then(|entries| template::read(py, entries)) {
                return Ok(dict.into_any().unbind());
            }
            if let Some(array) = self.arrived.long_array() {
                return Ok(array::arrived(py, array)?.unbind());
            }
            let builder = Builder::sharing(py, self.arrived.memory().clone());
            build(builder, |builder| self.arrived.walk_into(builder).map(|_| ())).map(Bound::unbind)
        })?;
        Ok(value.bind(py))
    }
}

/// The result for a missing value: the caller's default, which may be None, or an error.
struct Fallback<'py>(Option<Bound<'py, PyAny>>);

impl<'py> FromPyObject<'_, 'py> for Fallback<'py> {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Fallback<'py>> {
        Ok(Fallback(Some(given.to_owned())))
    }
}

#[pymethods]
impl Message {
    /// The value. Arrays are read-only views of the message, which they keep alive.
    #[getter]
    fn value<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyAny>> {
        self.decoded(py).cloned()
    }

    fn __getitem__<'py>(&self, key: &Bound<'py, PyAny>) -> Outcome<Bound<'py, PyAny>> {
        let py = key.py();
        let value = self.decoded(py)?;
        if let (Ok(map), Ok(key)) = (value.cast_exact::<PyDict>(), key.cast::<PyString>())
            && let Some(found) = map.get_item(key)?
        {
            return Ok(found);
        }
        if !key.is_instance_of::<PyString>()
            && let Ok(found) = value.get_item(key)
        {
            return Ok(found);
        }
        // The core does not find it either, and its error names what is there instead.
        let escaped = key.str()?.to_str()?.replace('~', "~0").replace('/', "~1");
        self.get(py, &escaped, Fallback(None))
    }

    /// The value at this path, keys and zero-based positions joined by `/`: `rows/0/name`; in a key `~1` is a `/` and `~0` a
    /// `~`, and the empty path is the whole value. Where there is none, the default
    /// that is given, else `Missing`, whose text names what is there instead; `WrongType` where the path leads through a
    /// value that holds no others.
    #[pyo3(signature = (path, default=Fallback(None)))]
    fn get<'py>(&self, py: Python<'py>, path: &str, default: Fallback<'py>) -> Outcome<Bound<'py, PyAny>> {
        match (self.arrived.get(path), default) {
            (Ok(found), _) => object(found, Builder::sharing(py, self.arrived.memory().clone())),
            (Err(error), Fallback(Some(default))) if error.kind() == ErrorKind::Missing => Ok(default),
            (Err(error), _) => Err(error.into()),
        }
    }

    /// The keys of a map.
    fn keys<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyAny>> {
        Ok(self.map(py)?.call_method0("keys")?)
    }

    /// The values of a map.
    fn values<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyAny>> {
        Ok(self.map(py)?.call_method0("values")?)
    }

    /// The pairs of key and value of a map.
    fn items<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyAny>> {
        Ok(self.map(py)?.call_method0("items")?)
    }

    fn __contains__(&self, item: &Bound<'_, PyAny>) -> Outcome<bool> {
        Ok(self.decoded(item.py())?.contains(item)?)
    }

    /// The keys of a map, or the items of a list or an array.
    fn __iter__<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyIterator>> {
        Ok(self.decoded(py)?.try_iter()?)
    }

    fn __len__(&self, py: Python<'_>) -> Outcome<usize> {
        Ok(self.decoded(py)?.len()?)
    }

    /// A message is true whatever it holds: an empty map is a message too.
    const fn __bool__(&self) -> bool {
        true
    }

    /// Its number in the sender's session, from 1.
    #[getter]
    fn sequence(&self) -> u64 {
        self.arrived.sequence()
    }

    /// When it was sent, by the sender's clock.
    #[getter]
    fn sent<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        timestamp::object(py, self.arrived.sent())
    }

    /// The session that sent it.
    #[getter]
    fn source(&self) -> &str {
        self.arrived.source()
    }

    /// Its encoding: `cbor`, `json`, `bson` or `smile`.
    #[getter]
    fn encoding(&self) -> &'static str {
        self.arrived.encoding().name()
    }

    /// How many messages were skipped just before this one.
    #[getter]
    fn missed(&self) -> u64 {
        self.arrived.missed()
    }

    fn __repr__(&self, py: Python<'_>) -> Outcome<String> {
        let value = self.decoded(py)?.repr()?.to_string();
        let shown: String =
            if value.chars().count() > 80 { value.chars().take(79).chain(['…']).collect() } else { value };
        Ok(format!("<linkspan.Message {} from {}: {shown}>", self.sequence(), self.source()))
    }
}

/// One of the core's own values as a Python object.
pub fn object<'py>(value: &Value, builder: Builder<'py>) -> Outcome<Bound<'py, PyAny>> {
    build(builder, |builder| value.walk(builder))
}
