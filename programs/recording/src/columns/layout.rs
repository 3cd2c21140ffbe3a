//! A column in memory: a tree of buffers, as Arrow describes it.

use bytes::Bytes;

/// A column, or the items of one.
#[derive(Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The format in Arrow's C data interface: `l` for 64-bit integers, `tsn:UTC` for instants in nanoseconds.
    pub format: String,
    /// Pairs: `unit`, and for arrays `shape` and `order`; `encoding` is `json` for texts that hold values of several
    /// types.
    pub metadata: Vec<(&'static str, String)>,
    /// The number of values.
    pub length: usize,
    /// How many of them are null.
    pub nulls: usize,
    /// The validity, then what the format has.
    pub buffers: Vec<Option<Buffer>>,
    /// The items of a list.
    pub items: Option<Box<Column>>,
}

impl Column {
    /// Returns what is known of it under this key.
    pub fn fact(&self, key: &str) -> Option<&str> {
        self.metadata.iter().find(|(known, _)| *known == key).map(|(_, text)| text.as_str())
    }
}

/// Memory, aligned for its elements.
#[derive(Debug)]
pub enum Buffer {
    /// Bytes, bits, or elements of arrays.
    Bytes(Bytes),
    /// Integers, instants, ends of texts and lists.
    I64(Vec<i64>),
    /// Integers without sign.
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

    /// Returns whether it has none.
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
