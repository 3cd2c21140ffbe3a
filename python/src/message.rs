//! Received messages: the class `Message`, whose value is decoded once, straight into Python objects. It is a mapping.

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

/// A message: its value, and where it came from. `message[key]` is an entry of a map or an item of a list.
#[pyclass(frozen, subclass, module = "linkspan")]
pub struct Message {
    pub arrived: Arrived,
    value: PyOnceLock<Py<PyAny>>,
    /// The long byte strings that were copied out of the sender's slot: the value has these objects.
    blocks: Vec<Py<PyBytes>>,
}

impl Message {
    pub fn new(arrived: Arrived) -> Message {
        Message { arrived, value: PyOnceLock::new(), blocks: Vec::new() }
    }

    /// Of a message that came with `Options::view_bodies`: long bytes in the sender's slot are copied into `bytes`
    /// objects here. Where there is no memory for them, `put_back` gets the message, to be received again.
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

    /// The same of several. Those in front of one that finds no memory are given all the same, where there are any.
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
                    // In front of each other, so the last one first.
                    arrived.rev().chain(std::iter::once(next)).try_for_each(put_back)?;
                    return if messages.is_empty() { Err(error.into()) } else { Ok(messages) };
                }
            }
        }
        Ok(messages)
    }

    /// The message with copies of its long bytes, or why there are none, and the message as it came.
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

    /// What makes objects of the value.
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

    /// Its `repr` as an object of this class.
    pub fn shown_as(&self, py: Python<'_>, class: &str) -> Outcome<String> {
        self.shown(py, &format!("{class} {} from {}", self.sequence(), linkspan::one_line(self.source())))
    }

    /// The `repr` of a message whose class and origin are these words.
    pub fn shown(&self, py: Python<'_>, head: &str) -> Outcome<String> {
        let value = self.decoded(py)?.repr()?.to_string();
        let shown: String =
            if value.chars().count() > 80 { value.chars().take(79).chain(['…']).collect() } else { value };
        Ok(format!("<linkspan.{head}: {shown}>"))
    }

    /// Whether bytes of it lie with their sender, so that the value, which has copies of them all, is made only where
    /// it is asked for as a whole.
    fn is_viewed(&self, py: Python<'_>) -> bool {
        let are_views = || self.arrived.memory().split().is_some_and(|split| split.are_opaque());
        self.value.get(py).is_none() && self.blocks.is_empty() && are_views()
    }

    /// The value at a path.
    fn found<'py>(&self, py: Python<'py>, path: &str) -> Outcome<Bound<'py, PyAny>> {
        let found = self.arrived.get(path)?;
        object(found, self.builder(py))
    }

    /// The value, which is decoded at the first call.
    pub fn decoded<'a, 'py>(&'a self, py: Python<'py>) -> Outcome<&'a Bound<'py, PyAny>> {
        let value = self.value.get_or_try_init(py, || {
            if let Some(dict) = self.arrived.flat_entries().and_then(|entries| template::read(py, entries)) {
                return Ok(dict.into_any().unbind());
            }
            // 2,410 instructions, where the builder takes 3,580.
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
    /// The value. Arrays are read-only views of the message, which they keep alive.
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
        // The core does not find it either, and its error names what is there instead.
        let escaped = key.str().map_or_else(|_| shown(key), |text| any_text(&text).into_owned());
        let escaped = escaped.replace('~', "~0").replace('/', "~1");
        self.found(py, &escaped)
    }

    /// The value at this path, keys and zero-based positions joined by `/`: `rows/0/name`; in a key `~1` is a `/` and
    /// `~0` a `~`, and the empty path is the whole value. `Missing` where there is none, whose text names what is there
    /// instead; `WrongType` where the path leads through a value that holds no others.
    fn at<'py>(&self, py: Python<'py>, path: ValuePath) -> Outcome<Bound<'py, PyAny>> {
        self.found(py, &path)
    }

    /// The bytes or the array at this path as a read-only `memoryview` of the message's own memory, which it keeps
    /// alive: `value` gives bytes as a copy. `WrongType` where the path leads to another value; otherwise as `at`.
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

    /// The value of this key of a map, else the one at this path, as `at` takes it (`rows/0/name`, joined by `/`); the
    /// default, which is None, where there is neither, whatever the message holds.
    #[pyo3(signature = (key, default=None))]
    fn get<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> Outcome<Option<Bound<'py, PyAny>>> {
        let py = key.py();
        // All keys are text.
        let Ok(key) = key.cast::<PyString>() else {
            self.decoded(py)?;
            return Ok(default);
        };
        // Text with half a surrogate pair is a key of no message.
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

    // A message of a number or null is a mapping without entries for these three, so that a pattern of `match` does not
    // fit it.
    fn __contains__(&self, item: &Bound<'_, PyAny>) -> Outcome<bool> {
        let py = item.py();
        Ok(unless_type_error(py, self.decoded(py)?.contains(item))?.unwrap_or(false))
    }

    /// The keys of a map, or the items of a list or an array; nothing of a value that holds no others.
    fn __iter__<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyIterator>> {
        match unless_type_error(py, self.decoded(py)?.try_iter())? {
            Some(items) => Ok(items),
            None => Ok(PyTuple::empty(py).try_iter()?),
        }
    }

    /// The value as an array of NumPy's.
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

    /// Whether both hold the same value: this one and another message, or a value. Arrays are compared by their
    /// elements.
    fn __eq__(&self, other: &Bound<'_, PyAny>) -> Outcome<bool> {
        let py = other.py();
        let value = self.decoded(py)?;
        Ok(match other.cast::<Message>() {
            Ok(other) => is_equal(value, other.get().decoded(py)?)?,
            Err(_) => is_equal(value, other)?,
        })
    }

    /// A copy, or what `pickle` keeps: the message with its value, of which views are copied. A copied request is no
    /// request.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        let read = py.get_type::<Message>().getattr(intern!(py, "_from_bytes"))?;
        Ok((read, (made::bytes(py, &self.arrived.to_bytes()).map_err(made::raised)?,)))
    }

    #[staticmethod]
    fn _from_bytes(bytes: &[u8]) -> Outcome<Message> {
        Ok(Message::new(Arrived::from_bytes(bytes)?))
    }

    /// A message is true whatever it holds: an empty map is a message too.
    const fn __bool__(&self) -> bool {
        true
    }

    /// Its number in the sender's session, from 1.
    #[getter]
    pub fn sequence(&self) -> u64 {
        self.arrived.sequence()
    }

    /// When it was sent, by the sender's clock.
    #[getter]
    fn sent<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        timestamp::object(py, self.arrived.sent())
    }

    /// The session that sent it.
    #[getter]
    pub fn source(&self) -> &str {
        self.arrived.source()
    }

    /// The endpoint that it was published at, where the subscriber was given a pattern or a list; `None` otherwise.
    #[getter]
    fn name(&self) -> Option<&str> {
        self.arrived.name()
    }

    /// The incarnation of its publisher in 16 hexadecimal digits: another one after each start. `None` where a program
    /// has none.
    #[getter]
    fn incarnation(&self) -> Option<String> {
        let incarnation = self.arrived.incarnation();
        (incarnation != 0).then(|| format!("{incarnation:016x}"))
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

    /// Checks that code which was generated from the schema with this fingerprint may decode the message; generated
    /// classes call it in `decode`. `SchemaMismatch` where the sender gave another schema, unless this side was opened
    /// with this one.
    fn check_fingerprint(&self, fingerprint: Fingerprint) -> Outcome<()> {
        Ok(self.arrived.check_fingerprint(&fingerprint)?)
    }

    fn __repr__(&self, py: Python<'_>) -> Outcome<String> {
        self.shown_as(py, "Message")
    }
}

/// `None` where the value is of a type that cannot do this.
fn unless_type_error<T>(py: Python<'_>, done: PyResult<T>) -> PyResult<Option<T>> {
    match done {
        Err(error) if error.is_instance_of::<PyTypeError>(py) => Ok(None),
        done => done.map(Some),
    }
}

/// Whether two values are equal, all the way down. `==` of arrays gives arrays, which `==` of what holds them refuses.
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
    // An array of several elements on at least one side.
    let shape = intern!(py, "shape");
    match (one.getattr_opt(shape)?, other.getattr_opt(shape)?) {
        (Some(a), Some(b)) if a.eq(&b)? => {
            one.rich_compare(other, CompareOp::Eq)?.call_method0(intern!(py, "all"))?.is_truthy()
        }
        _ => Ok(false),
    }
}

/// One of the core's own values as a Python object.
pub fn object<'py>(value: &Value, builder: Builder<'py>) -> Outcome<Bound<'py, PyAny>> {
    build(builder, |builder| value.walk(builder))
}
