//! A column in memory: a tree of buffers in Arrow's layout.

use bytes::Bytes;

/// A column, or its items.
#[derive(Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The format in Arrow's C data interface: `l` for 64-bit integers, `tsn:UTC` for times in nanoseconds.
    pub format: String,
    /// Pairs: `unit`, and for arrays `shape` and `order`; `encoding` is `json` for texts with values of several types.
    pub metadata: Vec<(&'static str, String)>,
    /// The number of values.
    pub length: usize,
    /// The number of nulls.
    pub nulls: usize,
    /// The validity, then the buffers of the format.
    pub buffers: Vec<Option<Buffer>>,
    /// The items of a list.
    pub items: Option<Box<Column>>,
}

impl Column {
    /// Returns the metadata of this key.
    pub fn fact(&self, key: &str) -> Option<&str> {
        self.metadata.iter().find(|(known, _)| *known == key).map(|(_, text)| text.as_str())
    }
}

/// Memory, aligned for its elements.
#[derive(Debug)]
pub enum Buffer {
    /// Bytes, bits, or elements of arrays.
    Bytes(Bytes),
    /// Integers, times, or ends of texts and lists.
    I64(Vec<i64>),
    /// Unsigned integers.
    U64(Vec<u64>),
    /// Floats.
    F64(Vec<f64>),
}

impl Buffer {
    /// Returns the number of bytes.
    pub fn len(&self) -> usize {
        match self {
            Buffer::Bytes(bytes) => bytes.len(),
            Buffer::I64(words) => size_of_val(&words[..]),
            Buffer::U64(words) => size_of_val(&words[..]),
            Buffer::F64(words) => size_of_val(&words[..]),
        }
    }

    /// Returns whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the address of the first byte.
    pub fn as_ptr(&self) -> *const u8 {
        match self {
            Buffer::Bytes(bytes) => bytes.as_ptr(),
            Buffer::I64(words) => words.as_ptr().cast(),
            Buffer::U64(words) => words.as_ptr().cast(),
            Buffer::F64(words) => words.as_ptr().cast(),
        }
    }
}
