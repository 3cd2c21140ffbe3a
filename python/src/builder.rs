//! Builds Python objects from events: the Sink of a decoder.

use bytes::Bytes;
use linkspan::value::{BigInt, Decimal, NdArrayRef, Sink, Timestamp as Instant};
use linkspan::{Body, Error, ErrorKind, NdArray as Array, Result};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBytes, PyInt};

use crate::array::arrived;
use crate::class_plan::Place;
use crate::entries::Entries;
use crate::errors::{Failure, Outcome, imported};
use crate::made::{self, NoMemory};
use crate::{timestamp, uuid};

pub struct Builder<'py> {
    py: Python<'py>,
    origin: Origin<'py>,
    /// The values of the open lists, outermost first.
    ///
    /// Each list is made at its end, when its length is known.
    items: Vec<Bound<'py, PyAny>>,
    open: Vec<Open<'py>>,
    done: Option<Bound<'py, PyAny>>,
    raised: Option<PyErr>,
    /// Objects that already hold the contents of long byte strings.
    blocks: Vec<Bound<'py, PyBytes>>,
}

pub enum Open<'py> {
    List { from: usize },
    Instance { instance: Bound<'py, PyAny>, slot: Option<Place> },
    Dict(Entries<'py>),
}

/// Arrays may view this memory.
enum Origin<'py> {
    Unknown,
    Shared(Body),
    Object(Bound<'py, PyBytes>),
}

/// Below this size, as in the core, a copy is cheaper than keeping the whole message alive.
const SHARE_FROM: usize = 512;

impl<'py> Builder<'py> {
    pub fn copying(py: Python<'py>) -> Builder<'py> {
        let (items, open, blocks) = (Vec::new(), Vec::new(), Vec::new());
        Builder { py, origin: Origin::Unknown, items, open, done: None, raised: None, blocks }
    }

    /// Arrays in this memory become views.
    pub fn sharing(py: Python<'py>, origin: Body) -> Builder<'py> {
        Builder { origin: Origin::Shared(origin), ..Builder::copying(py) }
    }

    pub fn with_blocks(self, blocks: &[Py<PyBytes>]) -> Builder<'py> {
        let blocks = blocks.iter().map(|object| object.bind(self.py).clone()).collect();
        Builder { blocks, ..self }
    }

    /// Arrays in these bytes become views.
    pub fn viewing(origin: Bound<'py, PyBytes>) -> Builder<'py> {
        Builder { origin: Origin::Object(origin.clone()), ..Builder::copying(origin.py()) }
    }

    pub fn finish(self) -> Outcome<Bound<'py, PyAny>> {
        match (self.raised, self.done) {
            (Some(raised), _) => Err(raised.into()),
            (None, Some(done)) if self.open.is_empty() => Ok(done),
            _ => {
                Err(Error::new(ErrorKind::Internal, "a value ended before all of its events had come").into())
            }
        }
    }

    pub fn py(&self) -> Python<'py> {
        self.py
    }

    pub fn take(&mut self) -> Option<Bound<'py, PyAny>> {
        self.done.take().filter(|_| self.open.is_empty())
    }

    pub fn open(&mut self, open: Open<'py>) -> Result<()> {
        if self.open.len() == self.open.capacity()
            && let Err(lacking) = made::reserve(&mut self.open, 8)
        {
            drop(open);
            return Err(self.without_memory(lacking));
        }
        self.open.push(open);
        Ok(())
    }

    pub fn innermost(&mut self) -> Option<&mut Open<'py>> {
        self.open.last_mut()
    }

    pub fn close(&mut self) -> Option<Open<'py>> {
        self.open.pop()
    }

    /// Returns the object, or keeps the exception and returns an error.
    pub fn made(&mut self, made: PyResult<Bound<'py, PyAny>>) -> Result<Bound<'py, PyAny>> {
        made.map_err(|raised| self.hold(raised))
    }

    pub fn put(&mut self, value: Bound<'py, PyAny>) -> Result<()> {
        match self.open.last_mut() {
            Some(Open::List { .. }) => {
                if self.items.len() == self.items.capacity() {
                    let more = self.items.len().max(16);
                    if let Err(lacking) = made::reserve(&mut self.items, more) {
                        // The value may be large.
                        drop(value);
                        return Err(self.without_memory(lacking));
                    }
                }
                self.items.push(value);
            }
            Some(Open::Instance { instance, slot }) => {
                let slot = slot.take().ok_or_else(unbalanced)?;
                if let Err(raised) = slot.set(instance, value) {
                    return Err(self.hold(raised));
                }
            }
            Some(Open::Dict(entries)) => {
                let put = entries.put(value);
                return put.map_err(|failure| self.failed(failure));
            }
            None => self.done = Some(value),
        }
        Ok(())
    }

    #[cold]
    fn failed(&mut self, failure: Failure) -> Error {
        match failure {
            Failure::Core(error) => error,
            Failure::Python(raised) => self.hold(raised),
        }
    }

    fn put_or_raise(&mut self, made: PyResult<Bound<'py, PyAny>>) -> Result<()> {
        let value = self.made(made)?;
        self.put(value)
    }

    /// Keeps an exception of Python, and returns an error that ends the walk in its place.
    #[cold]
    fn hold(&mut self, raised: PyErr) -> Error {
        self.release();
        let raised = match made::without_memory(self.py, raised) {
            Ok(error) => return error,
            Err(raised) => raised,
        };
        let text = format!("making a Python object raised {raised}");
        self.raised = Some(raised);
        Error::new(ErrorKind::Internal, text)
    }

    #[cold]
    fn without_memory(&mut self, lacking: NoMemory) -> Error {
        self.release();
        lacking.into()
    }

    /// Partial objects may occupy the memory that the error needs.
    fn release(&mut self) {
        self.done = None;
        self.open = Vec::new();
        self.items = Vec::new();
    }

    #[inline]
    fn put_made<T>(&mut self, made: std::result::Result<Bound<'py, T>, NoMemory>) -> Result<()> {
        match made {
            Ok(value) => self.put(value.into_any()),
            Err(lacking) => Err(self.without_memory(lacking)),
        }
    }

    fn block(&self, data: &[u8]) -> std::result::Result<Bytes, NoMemory> {
        let within = |origin: &[u8]| {
            let (outer, inner) = (origin.as_ptr_range(), data.as_ptr_range());
            data.len() >= SHARE_FROM && outer.start <= inner.start && inner.end <= outer.end
        };
        let view = match &self.origin {
            Origin::Shared(origin) if data.len() >= SHARE_FROM => origin.view(data),
            _ => None,
        };
        if let Some(view) = view {
            return Ok(view);
        }
        Ok(match &self.origin {
            Origin::Object(origin) if within(origin.as_bytes()) => {
                let held = pyo3::pybacked::PyBackedBytes::from(origin.clone());
                Bytes::from_owner(held).slice_ref(data)
            }
            _ => made::block(data)?,
        })
    }
}

/// Exceptions of Python are raised unchanged.
pub fn build<'py>(
    mut builder: Builder<'py>,
    run: impl FnOnce(&mut Builder<'py>) -> Result<()>,
) -> Outcome<Bound<'py, PyAny>> {
    match run(&mut builder) {
        Ok(()) => builder.finish(),
        Err(error) => Err(builder.raised.take().map_or(Failure::Core(error), Failure::Python)),
    }
}

impl<'py> Sink for Builder<'py> {
    fn null(&mut self) -> Result<()> {
        self.put(self.py.None().into_bound(self.py))
    }
    fn bool(&mut self, value: bool) -> Result<()> {
        self.put(PyBool::new(self.py, value).to_owned().into_any())
    }
    fn int(&mut self, value: i64) -> Result<()> {
        self.put_made(made::int(self.py, value))
    }
    fn uint(&mut self, value: u64) -> Result<()> {
        self.put_made(made::uint(self.py, value))
    }
    fn big_int(&mut self, value: &BigInt) -> Result<()> {
        static FROM_BYTES: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = self.py;
        let make = || {
            let from_bytes = FROM_BYTES
                .get_or_try_init(py, || py.get_type::<PyInt>().getattr("from_bytes").map(Bound::unbind))?
                .bind(py);
            let magnitude = made::bytes(py, value.magnitude()).map_err(NoMemory::raised)?;
            let magnitude = from_bytes.call1((magnitude, "big"))?;
            if value.is_negative() { magnitude.neg() } else { Ok(magnitude) }
        };
        self.put_or_raise(make())
    }
    fn float(&mut self, value: f64) -> Result<()> {
        self.put_made(made::float(self.py, value))
    }
    fn text(&mut self, value: &str) -> Result<()> {
        self.put_made(made::text(self.py, value))
    }
    fn bytes(&mut self, value: &[u8]) -> Result<()> {
        let is_there = |object: &&Bound<'py, PyBytes>| std::ptr::eq(object.as_bytes(), value);
        let object = match self.blocks.iter().find(is_there) {
            Some(object) => Ok(object.clone()),
            None => made::bytes(self.py, value),
        };
        self.put_made(object)
    }
    fn timestamp(&mut self, value: Instant) -> Result<()> {
        self.put_or_raise(timestamp::object(self.py, value))
    }
    fn uuid(&mut self, value: [u8; 16]) -> Result<()> {
        let made = uuid::object(self.py, &value);
        self.put_or_raise(made)
    }
    fn decimal(&mut self, value: &Decimal) -> Result<()> {
        static DECIMAL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let made = imported(self.py, &DECIMAL, "decimal", "Decimal")
            .and_then(|class| class.call1((value.as_str(),)));
        self.put_or_raise(made)
    }
    fn ndarray(&mut self, value: NdArrayRef<'_>) -> Result<()> {
        let data = self.block(value.data).map_err(|lacking| self.without_memory(lacking))?;
        let array = Array { dtype: value.dtype, order: value.order, shape: value.shape.to_vec(), data };
        self.put_or_raise(arrived(self.py, array))
    }
    fn begin_array(&mut self, _len: usize) -> Result<()> {
        self.open(Open::List { from: self.items.len() })
    }
    fn end_array(&mut self) -> Result<()> {
        let Some(Open::List { from }) = self.open.pop() else { return Err(unbalanced()) };
        let list = made::list(self.py, self.items.drain(from..));
        self.put_made(list)
    }
    fn begin_map(&mut self, len: usize) -> Result<()> {
        let entries = Entries::begin(self.py, len).map_err(|failure| self.failed(failure))?;
        self.open(Open::Dict(entries))
    }
    fn key(&mut self, text: &str) -> Result<()> {
        let Some(Open::Dict(entries)) = self.open.last_mut() else { return Err(unbalanced()) };
        entries.key(text).map_err(|failure| self.failed(failure))
    }
    /// Takes a cached key, which is valid text.
    #[inline]
    fn known_key(&mut self, key: &[u8]) -> Result<bool> {
        let Some(Open::Dict(entries)) = self.open.last_mut() else { return Ok(false) };
        entries.known_key(key).map_err(|failure| self.failed(failure))
    }
    fn refuses_repeated_keys(&self) -> bool {
        true
    }
    fn end_map(&mut self) -> Result<()> {
        let Some(Open::Dict(entries)) = self.open.pop() else { return Err(unbalanced()) };
        let dict = entries.end().map_err(|failure| self.failed(failure))?;
        self.put(dict.into_any())
    }
}

#[cold]
pub fn unbalanced() -> Error {
    Error::new(ErrorKind::Internal, "an end or a key came without its beginning")
}
