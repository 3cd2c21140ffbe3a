//! A decoded value as a flat list of events, which become PHP values.
//!
//! PHP allocates only after the decoder has finished: a fatal error jumps over Rust frames, which would leak their
//! memory.

use std::cell::Cell;

use linkspan::value::{NdArrayRef, Sink};
use linkspan::{BigInt, Decimal, Error, ErrorKind, Result, Timestamp, Value};

/// Below this size in bytes, a copy is cheaper than keeping the whole message alive.
const SHARE_FROM: usize = 512;

pub enum Node {
    Null,
    Bool(bool),
    /// An integer that fits PHP's int.
    Int(i64),
    Float(f64),
    /// The end position in [`Tape::text`]; the text begins at the end of the previous one.
    Text(usize),
    /// The key of the next value, as an end position.
    Key(usize),
    /// The number of values that follow.
    Array(usize),
    /// The number of keys that follow, each with its value.
    Map {
        len: usize,
        /// Whether the keys are 0 to n-1 in order, or there are none.
        like_a_list: bool,
    },
    /// A value with a PHP class; the bytes of arrays are shared.
    Other(Box<Value>),
    /// The beginning of an instance of the class with this number in a plan: its fields follow.
    Record(u32),
    /// The position of the property of the next value.
    Field(usize),
    /// The position of a property with its default.
    Absent(usize),
    /// The end of an instance.
    EndRecord,
    /// The case of an enum with this number in a plan.
    Member(u32),
}

#[derive(Default)]
pub struct Tape {
    /// The events in the order of arrival, without the ends.
    pub nodes: Vec<Node>,
    /// All text and keys in sequence.
    pub text: String,
    /// The open maps: position in the nodes, and the number of keys 0, 1, … so far.
    ///
    /// A map becomes an object if all its keys are such.
    open: Vec<(usize, Option<usize>)>,
    /// The memory of the message, whose blocks are shared.
    origin: linkspan::Body,
}

thread_local! {
    /// The previous tape of this thread, whose lists are reused.
    ///
    /// `None` while PHP code may decode another value.
    static SPARE: Cell<Option<Tape>> = const { Cell::new(None) };
}

/// A tape with more events, or more bytes of text, is freed.
const LONGEST: usize = 4096;

impl Tape {
    /// Arrays and bytes share `origin` if they are inside it.
    pub fn sharing(origin: impl Into<linkspan::Body>) -> Tape {
        Tape { origin: origin.into(), ..SPARE.take().unwrap_or_default() }
    }

    /// Keeps the lists for the next value.
    pub fn recycle(mut self) {
        if self.nodes.capacity() > LONGEST || self.text.capacity() > LONGEST {
            return;
        }
        self.nodes.clear();
        self.text.clear();
        self.open.clear();
        self.origin = linkspan::Body::default();
        SPARE.set(Some(self));
    }

    /// A lower bound of the PHP memory for the value, in bytes, without the 16 of the zval itself.
    pub fn memory(&self) -> usize {
        const STRING: usize = 24;
        const TABLE: usize = 56;
        const OBJECT: usize = 64;
        let of = |node: &Node| match node {
            Node::Null | Node::Bool(_) | Node::Int(_) | Node::Float(_) => 0,
            Node::Text(_) => STRING,
            Node::Key(_) => 32 + STRING,
            Node::Array(len) => TABLE + 16 * len,
            Node::Map { .. } => TABLE,
            // Their bytes stay in Rust memory.
            Node::Other(_) | Node::Record(_) => OBJECT,
            Node::Field(_) => 16,
            Node::Absent(_) | Node::EndRecord | Node::Member(_) => 0,
        };
        self.text.len() + self.nodes.iter().map(of).sum::<usize>()
    }

    pub fn put(&mut self, node: Node) -> Result<()> {
        self.nodes.push(node);
        Ok(())
    }

    /// Begins a map that becomes an array, whatever its keys.
    pub fn begin_entries(&mut self, len: usize) -> Result<()> {
        self.open.push((self.nodes.len(), None));
        self.put(Node::Map { len, like_a_list: false })
    }

    fn block(&self, data: &[u8]) -> Result<bytes::Bytes> {
        let view = if data.len() >= SHARE_FROM { self.origin.view(data) } else { None };
        view.map_or_else(|| linkspan::copy_bytes(data).map(Into::into), Ok)
    }

    fn append(&mut self, text: &str) -> Result<()> {
        self.text.try_reserve(text.len()).map_err(|_| {
            let bytes = self.text.len().saturating_add(text.len());
            Error::new(
                ErrorKind::OutOfMemory,
                format!(
                    "no memory for {bytes} bytes of texts; free some, or raise the limit of this process"
                ),
            )
        })?;
        self.text.push_str(text);
        Ok(())
    }
}

impl Sink for Tape {
    fn null(&mut self) -> Result<()> {
        self.put(Node::Null)
    }
    fn bool(&mut self, value: bool) -> Result<()> {
        self.put(Node::Bool(value))
    }
    fn int(&mut self, value: i64) -> Result<()> {
        self.put(Node::Int(value))
    }
    fn uint(&mut self, value: u64) -> Result<()> {
        self.put(Node::Other(Box::new(Value::Uint(value))))
    }
    fn big_int(&mut self, value: &BigInt) -> Result<()> {
        self.put(Node::Other(Box::new(Value::BigInt(value.clone()))))
    }
    fn float(&mut self, value: f64) -> Result<()> {
        self.put(Node::Float(value))
    }
    fn text(&mut self, value: &str) -> Result<()> {
        self.append(value)?;
        self.put(Node::Text(self.text.len()))
    }
    fn bytes(&mut self, value: &[u8]) -> Result<()> {
        let block = self.block(value)?;
        self.put(Node::Other(Box::new(Value::Bytes(block))))
    }
    fn timestamp(&mut self, value: Timestamp) -> Result<()> {
        self.put(Node::Other(Box::new(Value::Timestamp(value))))
    }
    fn uuid(&mut self, value: [u8; 16]) -> Result<()> {
        self.put(Node::Other(Box::new(Value::Uuid(value))))
    }
    fn decimal(&mut self, value: &Decimal) -> Result<()> {
        self.put(Node::Other(Box::new(Value::Decimal(value.clone()))))
    }
    fn ndarray(&mut self, value: NdArrayRef<'_>) -> Result<()> {
        let data = self.block(value.data)?;
        let shape = value.shape.to_vec();
        let array = linkspan::NdArray { dtype: value.dtype, order: value.order, shape, data };
        self.put(Node::Other(Box::new(Value::NdArray(array))))
    }
    fn begin_array(&mut self, len: usize) -> Result<()> {
        self.put(Node::Array(len))
    }
    fn end_array(&mut self) -> Result<()> {
        Ok(())
    }
    fn begin_map(&mut self, len: usize) -> Result<()> {
        self.open.push((self.nodes.len(), Some(0)));
        self.put(Node::Map { len, like_a_list: false })
    }
    fn key(&mut self, key: &str) -> Result<()> {
        // Only a key that begins with a digit can continue 0, 1, …
        if key.starts_with(|c: char| c.is_ascii_digit())
            && let Some((_, Some(counted))) = self.open.last_mut()
            && itoa::Buffer::new().format(*counted) == key
        {
            *counted += 1;
        }
        self.append(key)?;
        self.put(Node::Key(self.text.len()))
    }
    fn end_map(&mut self) -> Result<()> {
        if let Some((at, Some(counted))) = self.open.pop()
            && let Some(Node::Map { len, like_a_list }) = self.nodes.get_mut(at)
        {
            *like_a_list = counted == *len;
        }
        Ok(())
    }
}
