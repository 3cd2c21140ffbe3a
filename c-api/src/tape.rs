//! A value as a flat sequence of events: recorded by a sink, replayed as a source, without a tree.
//!
//! Writers record what a program puts, readers what a decoder produces. Texts, bytes and the elements of
//! arrays stay in the received body if they are contiguous there; the rest is copied to one block of memory,
//! which is reused for the next value.

use bytes::Bytes;
use linkspan::value::{Decimal, NdArrayRef, Sink, Source, ValueBuilder};
use linkspan::{BigInt, DType, Error, ErrorKind, Order, Result, Timestamp, Value};

/// A range of bytes: in the received body, or in the tape's own memory.
#[derive(Clone, Copy, Default)]
pub(crate) struct Slice {
    at: usize,
    length: usize,
    in_body: bool,
}

/// One value, or the beginning of an array or a map.
#[derive(Clone, Copy)]
pub(crate) enum Event {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    BigInt(bool, Slice),
    Float(f64),
    Text(Slice),
    Bytes(Slice),
    Timestamp(i64),
    Uuid([u8; 16]),
    Decimal(Slice),
    /// The shape is the `rank` numbers from `shape` on.
    NdArray {
        dtype: DType,
        order: Order,
        rank: u8,
        shape: u32,
        data: Slice,
    },
    /// `count` values follow, up to the event at `after`.
    Array {
        count: usize,
        after: usize,
    },
    /// `count` values with keys follow, up to the event at `after`.
    Map {
        count: usize,
        after: usize,
    },
}

/// An event with its key in the enclosing map; the key is empty elsewhere.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub key: Slice,
    pub event: Event,
}

/// The events of one value.
#[derive(Default)]
pub(crate) struct Tape {
    entries: Vec<Entry>,
    memory: Vec<u8>,
    shapes: Vec<u64>,
    body: Bytes,
}

impl Tape {
    /// Removes the value and keeps the memory.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.memory.clear();
        self.shapes.clear();
        self.body = Bytes::new();
    }

    /// The events.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The bytes of a slice.
    #[inline]
    pub fn bytes(&self, slice: Slice) -> &[u8] {
        let from: &[u8] = if slice.in_body { &self.body } else { &self.memory };
        &from[slice.at..slice.at + slice.length]
    }

    /// The text of a slice that was recorded as text.
    pub fn text(&self, slice: Slice) -> Result<&str> {
        std::str::from_utf8(self.bytes(slice)).map_err(|_| {
            Error::new(ErrorKind::Internal, "a recorded text is not UTF-8; please report it".to_owned())
        })
    }

    /// The shape of an array.
    pub fn shape(&self, shape: u32, rank: u8) -> &[u64] {
        &self.shapes[shape as usize..shape as usize + usize::from(rank)]
    }

    /// Copies bytes to the tape's memory.
    #[inline]
    pub fn keep(&mut self, bytes: &[u8]) -> Slice {
        let at = self.memory.len();
        self.memory.extend_from_slice(bytes);
        Slice { at, length: bytes.len(), in_body: false }
    }

    /// Appends an event.
    #[inline]
    pub fn push(&mut self, key: Slice, event: Event) {
        self.entries.push(Entry { key, event });
    }

    /// Appends an array, copied.
    pub fn push_array(&mut self, key: Slice, array: NdArrayRef<'_>) -> Result<()> {
        let data = self.keep(array.data);
        self.push_array_at(key, array, data)
    }

    fn push_array_at(&mut self, key: Slice, array: NdArrayRef<'_>, data: Slice) -> Result<()> {
        let too_many = || Error::new(ErrorKind::TooLarge, "too many arrays in one message");
        let shape = u32::try_from(self.shapes.len()).map_err(|_| too_many())?;
        let rank = u8::try_from(array.shape.len()).map_err(|_| too_many())?;
        self.shapes.extend_from_slice(array.shape);
        self.push(key, Event::NdArray { dtype: array.dtype, order: array.order, rank, shape, data });
        Ok(())
    }

    /// Sets the number of values of the array or map that began at `opened` and ends here.
    pub fn close(&mut self, opened: usize, values: usize) {
        let end = self.entries.len();
        if let Some(Entry { event: Event::Array { count, after } | Event::Map { count, after }, .. }) =
            self.entries.get_mut(opened)
        {
            (*count, *after) = (values, end);
        }
    }

    /// Records the value from `source`.
    pub fn record(&mut self, source: &(impl Source + ?Sized)) -> Result<()> {
        self.clear();
        source.walk(&mut Recorder::into(self, &[]))
    }

    /// Records the value that a decoder reads from `body`, whose bytes stay in place.
    pub fn record_body(
        &mut self,
        body: &Bytes,
        decode: impl FnOnce(&mut Recorder<'_>) -> Result<()>,
    ) -> Result<()> {
        self.clear();
        self.body = body.clone();
        let mut recorder = Recorder::into(self, body);
        recorder.in_body = true;
        decode(&mut recorder)
    }

    /// Records the value that a decoder reads from `bytes`, which are copied once and may be freed.
    pub fn record_bytes(
        &mut self,
        bytes: &[u8],
        decode: impl FnOnce(&mut Recorder<'_>) -> Result<()>,
    ) -> Result<()> {
        self.clear();
        self.memory.extend_from_slice(bytes);
        decode(&mut Recorder::into(self, bytes))
    }

    /// The value as a tree.
    pub fn value(&self) -> Result<Value> {
        self.value_at(0)
    }

    /// The value that begins at an event, as a tree.
    pub fn value_at(&self, at: usize) -> Result<Value> {
        let mut builder = ValueBuilder::new();
        self.send(at, &mut builder)?;
        builder.finish()
    }

    /// Sends the event at `at` and all inside it, and returns the position of the next event.
    pub fn send<S: Sink + ?Sized>(&self, at: usize, sink: &mut S) -> Result<usize> {
        let Some(Entry { event, .. }) = self.entries.get(at) else {
            sink.null()?;
            return Ok(at);
        };
        match *event {
            Event::Null => sink.null()?,
            Event::Bool(value) => sink.bool(value)?,
            Event::Int(value) => sink.int(value)?,
            Event::Uint(value) => sink.uint(value)?,
            Event::BigInt(negative, magnitude) => {
                if let Value::BigInt(value) = BigInt::from_parts(negative, self.bytes(magnitude))? {
                    sink.big_int(&value)?;
                }
            }
            Event::Float(value) => sink.float(value)?,
            Event::Text(text) => sink.text(self.text(text)?)?,
            Event::Bytes(bytes) => sink.bytes(self.bytes(bytes))?,
            Event::Timestamp(at) => sink.timestamp(Timestamp(at))?,
            Event::Uuid(uuid) => sink.uuid(uuid)?,
            Event::Decimal(text) => sink.decimal(&self.text(text)?.parse::<Decimal>()?)?,
            Event::NdArray { dtype, order, rank, shape, data } => {
                sink.ndarray(NdArrayRef::new(dtype, order, self.shape(shape, rank), self.bytes(data))?)?;
            }
            Event::Array { count, .. } => {
                sink.begin_array(count)?;
                let mut next = at + 1;
                for position in 0..count {
                    next = self.send(next, sink).map_err(|error| error.under_index(position))?;
                }
                sink.end_array()?;
                return Ok(next);
            }
            Event::Map { count, .. } => {
                sink.begin_map(count)?;
                let mut next = at + 1;
                for _ in 0..count {
                    let key = self.text(self.entries[next].key)?;
                    sink.key(key)?;
                    next = self.send(next, sink).map_err(|error| error.under_key(key))?;
                }
                sink.end_map()?;
                return Ok(next);
            }
        }
        Ok(at + 1)
    }
}

impl Source for Tape {
    fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<()> {
        self.send(0, sink).map(|_| ())
    }
}

/// A sink that records. Its callers obey the rules of a sink, so nothing is checked here.
pub(crate) struct Recorder<'a> {
    tape: &'a mut Tape,
    /// The bytes that the decoder reads: slices of them need not be copied.
    origin: std::ops::Range<usize>,
    in_body: bool,
    key: Slice,
    open: Vec<usize>,
}

impl<'a> Recorder<'a> {
    fn into(tape: &'a mut Tape, origin: &[u8]) -> Recorder<'a> {
        let begin = origin.as_ptr().addr();
        Recorder {
            tape,
            origin: begin..begin + origin.len(),
            in_body: false,
            key: Slice::default(),
            open: Vec::new(),
        }
    }

    #[inline]
    fn slice(&mut self, bytes: &[u8]) -> Slice {
        let at = bytes.as_ptr().addr();
        if self.origin.start <= at && at + bytes.len() <= self.origin.end {
            return Slice { at: at - self.origin.start, length: bytes.len(), in_body: self.in_body };
        }
        self.tape.keep(bytes)
    }

    #[inline]
    fn push(&mut self, event: Event) -> Result<()> {
        let key = std::mem::take(&mut self.key);
        self.tape.push(key, event);
        Ok(())
    }

    fn begin(&mut self, event: Event) -> Result<()> {
        self.open.push(self.tape.entries.len());
        self.push(event)
    }

    fn end(&mut self) -> Result<()> {
        let Some(opened) = self.open.pop() else { return Ok(()) };
        if let Some(Entry { event: Event::Array { count, .. } | Event::Map { count, .. }, .. }) =
            self.tape.entries.get(opened)
        {
            let count = *count;
            self.tape.close(opened, count);
        }
        Ok(())
    }
}

impl Sink for Recorder<'_> {
    fn null(&mut self) -> Result<()> {
        self.push(Event::Null)
    }
    fn bool(&mut self, value: bool) -> Result<()> {
        self.push(Event::Bool(value))
    }
    fn int(&mut self, value: i64) -> Result<()> {
        self.push(Event::Int(value))
    }
    fn uint(&mut self, value: u64) -> Result<()> {
        self.push(Event::Uint(value))
    }
    fn big_int(&mut self, value: &BigInt) -> Result<()> {
        let magnitude = self.tape.keep(value.magnitude());
        self.push(Event::BigInt(value.is_negative(), magnitude))
    }
    fn float(&mut self, value: f64) -> Result<()> {
        self.push(Event::Float(value))
    }
    fn text(&mut self, value: &str) -> Result<()> {
        let text = self.slice(value.as_bytes());
        self.push(Event::Text(text))
    }
    fn bytes(&mut self, value: &[u8]) -> Result<()> {
        let bytes = self.slice(value);
        self.push(Event::Bytes(bytes))
    }
    fn timestamp(&mut self, value: Timestamp) -> Result<()> {
        self.push(Event::Timestamp(value.nanoseconds()))
    }
    fn uuid(&mut self, value: [u8; 16]) -> Result<()> {
        self.push(Event::Uuid(value))
    }
    fn decimal(&mut self, value: &Decimal) -> Result<()> {
        let text = self.tape.keep(value.as_str().as_bytes());
        self.push(Event::Decimal(text))
    }
    fn ndarray(&mut self, value: NdArrayRef<'_>) -> Result<()> {
        let data = self.slice(value.data);
        let key = std::mem::take(&mut self.key);
        self.tape.push_array_at(key, value, data)
    }
    fn begin_array(&mut self, len: usize) -> Result<()> {
        self.begin(Event::Array { count: len, after: 0 })
    }
    fn end_array(&mut self) -> Result<()> {
        self.end()
    }
    fn begin_map(&mut self, len: usize) -> Result<()> {
        self.begin(Event::Map { count: len, after: 0 })
    }
    fn key(&mut self, key: &str) -> Result<()> {
        self.key = self.slice(key.as_bytes());
        Ok(())
    }
    fn end_map(&mut self) -> Result<()> {
        self.end()
    }
}
