//! Received messages. `Message` decodes its value once, directly into Python objects.

use linkspan::value::Source;
use linkspan::{DType, Error, ErrorKind, Message as Arrived, NdArray, Order, Uncopied, Value};
use pyo3::basic::CompareOp;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{
    PyBytes, PyDict, PyIterator, PyList, PyMapping, PyMemoryView, PySequence, PyString, PyTuple,
};

use crate::any_text::any_text;
use crate::arguments::{Fingerprint, ValuePath, shown};
use crate::builder::{Builder, build};
use crate::errors::{Failure, Outcome};
use crate::{array, long_bytes, made, template, timestamp};

/// A received message: its value and its origin. `message[key]` returns an entry or an item.
#[pyclass(frozen, subclass, module = "linkspan")]
pub struct Message {
    pub arrived: Arrived,
    value: PyOnceLock<Py<PyAny>>,
    /// The long byte strings copied out of the sender's slot, which the value uses.
    blocks: Vec<Py<PyBytes>>,
}

impl Message {
    pub fn new(arrived: Arrived) -> Message {
        Message { arrived, value: PyOnceLock::new(), blocks: Vec::new() }
    }

    /// Copies long bytes of a message with `Options::view_bodies` out of the sender's slot.
    ///
    /// Without memory for them, `put_back` gets the message, to be received again.
    pub fn received(
        py: Python<'_>,
        arrived: Arrived,
        put_back: impl FnOnce(Arrived) -> Outcome<()>,
    ) -> Outcome<Message> {
        Message::copied(py, arrived).or_else(|(error, arrived)| {
            put_back(arrived)?;
            Err(error.into())
        })
    }

    /// Like `received`, for several messages. Fails only if the first finds no memory.
    pub fn received_of(
        py: Python<'_>,
        arrived: Vec<Arrived>,
        put_back: impl Fn(Arrived) -> Outcome<()>,
    ) -> Outcome<Vec<Message>> {
        let (mut messages, mut arrived) = (Vec::with_capacity(arrived.len()), arrived.into_iter());
        while let Some(next) = arrived.next() {
            match Message::copied(py, next) {
                Ok(message) => messages.push(message),
                Err((error, next)) => {
                    // In reverse, because each message goes in front of the previous one.
                    arrived.rev().chain(std::iter::once(next)).try_for_each(put_back)?;
                    return if messages.is_empty() { Err(error.into()) } else { Ok(messages) };
                }
            }
        }
        Ok(messages)
    }

    /// Returns the unchanged message with an error.
    fn copied(py: Python<'_>, arrived: Arrived) -> Result<Message, (Error, Arrived)> {
        let mut uncopied = Uncopied::new(arrived);
        let Some(bytes) = uncopied.bytes() else {
            return match uncopied.copy() {
                Ok(()) => Ok(Message::new(uncopied.into_message())),
                Err(error) => Err((error, uncopied.into_message())),
            };
        };
        match long_bytes::copied(py, &bytes) {
            Ok((blocks, copies)) => {
                Ok(Message { blocks, ..Message::new(uncopied.with_copies(bytes, copies)) })
            }
            Err(error) => {
                drop(bytes);
                Err((error, uncopied.into_message()))
            }
        }
    }

    pub fn builder<'py>(&self, py: Python<'py>) -> Builder<'py> {
        Builder::sharing(py, self.arrived.memory().clone()).with_blocks(&self.blocks)
    }

    fn map<'a, 'py>(&'a self, py: Python<'py>) -> Outcome<&'a Bound<'py, PyDict>> {
        let value = self.decoded(py)?;
        value.cast_exact::<PyDict>().map_err(|_| {
            let found = value.get_type();
            PyTypeError::new_err(format!("the message is not a map, it holds a value of type {found}")).into()
        })
    }

    pub fn shown_as(&self, py: Python<'_>, class: &str) -> Outcome<String> {
        self.shown(py, &format!("{class} {} from {}", self.sequence(), linkspan::one_line(self.source())))
    }

    pub fn shown(&self, py: Python<'_>, head: &str) -> Outcome<String> {
        let value = self.decoded(py)?.repr()?.to_string();
        let shown: String =
            if value.chars().count() > 80 { value.chars().take(79).chain(['…']).collect() } else { value };
        Ok(format!("<linkspan.{head}: {shown}>"))
    }

    /// Whether bytes still lie in the sender's memory. Then the whole value is made only on request.
    fn is_viewed(&self, py: Python<'_>) -> bool {
        let are_views = || self.arrived.memory().split().is_some_and(|split| split.are_opaque());
        self.value.get(py).is_none() && self.blocks.is_empty() && are_views()
    }

    fn found<'py>(&self, py: Python<'py>, path: &str) -> Outcome<Bound<'py, PyAny>> {
        let found = self.arrived.get(path)?;
        object(found, self.builder(py))
    }

    /// Decoded at the first call.
    pub fn decoded<'a, 'py>(&'a self, py: Python<'py>) -> Outcome<&'a Bound<'py, PyAny>> {
        let value = self.value.get_or_try_init(py, || {
            if let Some(dict) = self.arrived.flat_entries().and_then(|entries| template::read(py, entries)) {
                return Ok(dict.into_any().unbind());
            }
            // A shortcut: 2,410 instructions instead of the builder's 3,580.
            if let Some(array) = self.arrived.long_array() {
                return Ok(array::arrived(py, array)?.unbind());
            }
            build(self.builder(py), |builder| self.arrived.walk_into(builder).map(|_| ())).map(Bound::unbind)
        })?;
        Ok(value.bind(py))
    }
}

#[pymethods]
impl Message {
    /// The value. Arrays are read-only views, which keep the message alive.
    #[getter]
    fn value<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyAny>> {
        self.decoded(py).cloned()
    }

    fn __getitem__<'py>(&self, key: &Bound<'py, PyAny>) -> Outcome<Bound<'py, PyAny>> {
        let py = key.py();
        if !(key.is_instance_of::<PyString>() && self.is_viewed(py)) {
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
        }
        // The core fails as well, and its error names the existing keys.
        let escaped = key.str().map_or_else(|_| shown(key), |text| any_text(&text).into_owned());
        let escaped = escaped.replace('~', "~0").replace('/', "~1");
        self.found(py, &escaped)
    }

    /// Returns the value at a path of keys and zero-based positions, such as `rows/0/name`.
    ///
    /// In a key, `~1` means `/` and `~0` means `~`. `Missing` lists the existing keys. `WrongType` if the path enters a
    /// value that contains no others.
    fn at<'py>(&self, py: Python<'py>, path: ValuePath) -> Outcome<Bound<'py, PyAny>> {
        self.found(py, &path)
    }

    /// Returns the bytes or array at a path as a read-only `memoryview`, which keeps the message alive.
    ///
    /// `WrongType` for other values.
    #[pyo3(signature = (path=ValuePath(String::new())), text_signature = "($self, path='')")]
    fn view<'py>(&self, py: Python<'py>, path: ValuePath) -> Outcome<Bound<'py, PyMemoryView>> {
        let array = match self.arrived.get(&path)? {
            Value::NdArray(array) => array.clone(),
            Value::Bytes(bytes) => NdArray {
                dtype: DType::U8,
                order: Order::Row,
                shape: vec![bytes.len() as u64],
                data: bytes.clone(),
            },
            other => {
                let text = format!("expected bytes or an array, found {}", other.type_name());
                let error = Error::new(ErrorKind::WrongType, text);
                return Err(if path.is_empty() { error } else { error.with_path(&*path) }.into());
            }
        };
        Ok(PyMemoryView::from(Bound::new(py, array::NdArray::new(array))?.as_any())?)
    }

    /// Returns the value of a map key, else the value at this path (see `at`), else `default`.
    #[pyo3(signature = (key, default=None))]
    fn get<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> Outcome<Option<Bound<'py, PyAny>>> {
        let py = key.py();
        let Ok(key) = key.cast::<PyString>() else {
            self.decoded(py)?;
            return Ok(default);
        };
        // No message has a key with a lone surrogate.
        let path = key.to_str().ok();
        let is_key = path.is_some_and(|path| !path.contains(['/', '~']));
        if !(is_key && self.is_viewed(py))
            && let Ok(map) = self.decoded(py)?.cast_exact::<PyDict>()
            && let Some(found) = map.get_item(key)?
        {
            return Ok(Some(found));
        }
        let Some(path) = path else { return Ok(default) };
        match self.found(py, path) {
            Err(Failure::Core(error))
                if matches!(error.kind(), ErrorKind::Missing | ErrorKind::WrongType) =>
            {
                Ok(default)
            }
            found => found.map(Some),
        }
    }

    /// Returns the keys of a map.
    fn keys<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyAny>> {
        Ok(self.map(py)?.call_method0("keys")?)
    }

    /// Returns the values of a map.
    fn values<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyAny>> {
        Ok(self.map(py)?.call_method0("values")?)
    }

    /// Returns the pairs of key and value of a map.
    fn items<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyAny>> {
        Ok(self.map(py)?.call_method0("items")?)
    }

    // A number or null is an empty mapping here, so that a mapping pattern of `match` does not match it.
    fn __contains__(&self, item: &Bound<'_, PyAny>) -> Outcome<bool> {
        let py = item.py();
        Ok(unless_type_error(py, self.decoded(py)?.contains(item))?.unwrap_or(false))
    }

    /// Iterates over the keys of a map, or the items of a list or array.
    fn __iter__<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyIterator>> {
        match unless_type_error(py, self.decoded(py)?.try_iter())? {
            Some(items) => Ok(items),
            None => Ok(PyTuple::empty(py).try_iter()?),
        }
    }

    /// Returns the value as a NumPy array.
    #[pyo3(signature = (dtype=None, *, copy=None))]
    fn __array__<'py>(
        &self,
        py: Python<'py>,
        dtype: Option<Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> Outcome<Bound<'py, PyAny>> {
        let numpy = py.import(intern!(py, "numpy"))?;
        let made = if copy == Some(true) { "array" } else { "asarray" };
        Ok(numpy.call_method1(made, (self.decoded(py)?, dtype))?)
    }

    fn __len__(&self, py: Python<'_>) -> Outcome<usize> {
        Ok(unless_type_error(py, self.decoded(py)?.len())?.unwrap_or(0))
    }

    /// Compares the value with another message or a value. Arrays are compared by their elements.
    fn __eq__(&self, other: &Bound<'_, PyAny>) -> Outcome<bool> {
        let py = other.py();
        let value = self.decoded(py)?;
        Ok(match other.cast::<Message>() {
            Ok(other) => is_equal(value, other.get().decoded(py)?)?,
            Err(_) => is_equal(value, other)?,
        })
    }

    /// Supports `copy` and `pickle`, which copy the value. A copied request cannot be answered.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        let read = py.get_type::<Message>().getattr(intern!(py, "_from_bytes"))?;
        Ok((read, (made::bytes(py, &self.arrived.to_bytes()).map_err(made::raised)?,)))
    }

    #[staticmethod]
    fn _from_bytes(bytes: &[u8]) -> Outcome<Message> {
        Ok(Message::new(Arrived::from_bytes(bytes)?))
    }

    /// A message is always true, even with an empty map.
    const fn __bool__(&self) -> bool {
        true
    }

    /// The number of the message in the sender's session, from 1.
    #[getter]
    pub fn sequence(&self) -> u64 {
        self.arrived.sequence()
    }

    /// The time of sending, by the sender's clock.
    #[getter]
    fn sent<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        timestamp::object(py, self.arrived.sent())
    }

    /// The session of the sender.
    #[getter]
    pub fn source(&self) -> &str {
        self.arrived.source()
    }

    /// The endpoint of the publisher, if the subscriber has a pattern or a list; otherwise `None`.
    #[getter]
    fn name(&self) -> Option<&str> {
        self.arrived.name()
    }

    /// The publisher's incarnation in 16 hexadecimal digits, different after each start, or `None`.
    #[getter]
    fn incarnation(&self) -> Option<String> {
        let incarnation = self.arrived.incarnation();
        (incarnation != 0).then(|| format!("{incarnation:016x}"))
    }

    /// The encoding: `cbor`, `json`, `bson` or `smile`.
    #[getter]
    fn encoding(&self) -> &'static str {
        self.arrived.encoding().name()
    }

    /// The number of messages missed directly before this one.
    #[getter]
    fn missed(&self) -> u64 {
        self.arrived.missed()
    }

    /// Checks that code generated from the schema with this fingerprint may decode the message.
    ///
    /// `decode` of generated classes calls it. `SchemaMismatch` if the sender has another, uncompared schema.
    fn check_fingerprint(&self, fingerprint: Fingerprint) -> Outcome<()> {
        Ok(self.arrived.check_fingerprint(&fingerprint)?)
    }

    fn __repr__(&self, py: Python<'_>) -> Outcome<String> {
        self.shown_as(py, "Message")
    }
}

fn unless_type_error<T>(py: Python<'_>, done: PyResult<T>) -> PyResult<Option<T>> {
    match done {
        Err(error) if error.is_instance_of::<PyTypeError>(py) => Ok(None),
        done => done.map(Some),
    }
}

/// `==` of arrays returns arrays, which `==` of a container rejects.
fn is_equal(one: &Bound<'_, PyAny>, other: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = one.py();
    if let (Ok(one), Ok(other)) = (one.cast::<PyDict>(), other.cast::<PyMapping>()) {
        if one.len() != other.len()? {
            return Ok(false);
        }
        for (key, value) in one {
            if !other.contains(&key)? || !is_equal(&value, &other.get_item(key)?)? {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    if let (Ok(one), Ok(other)) = (one.cast::<PyList>(), other.cast::<PySequence>())
        && !other.is_instance_of::<PyString>()
        && !array::is_exact_ndarray(other)
    {
        if one.len() != other.len()? {
            return Ok(false);
        }
        for (at, value) in one.iter().enumerate() {
            if !is_equal(&value, &other.get_item(at)?)? {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    let equal = one.eq(other);
    if !matches!(&equal, Err(error) if error.is_instance_of::<PyValueError>(py)) {
        return equal;
    }
    // At least one side is an array of several elements.
    let shape = intern!(py, "shape");
    match (one.getattr_opt(shape)?, other.getattr_opt(shape)?) {
        (Some(a), Some(b)) if a.eq(&b)? => {
            one.rich_compare(other, CompareOp::Eq)?.call_method0(intern!(py, "all"))?.is_truthy()
        }
        _ => Ok(false),
    }
}

pub fn object<'py>(value: &Value, builder: Builder<'py>) -> Outcome<Bound<'py, PyAny>> {
    build(builder, |builder| value.walk(builder))
}
