//! What one value may ask of us, and the Sink that counts it on the way to another.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use super::sink::forward_scalars;
use super::{BigInt, Decimal, NdArrayRef, Sink};
use crate::error::{Error, ErrorKind, Result};

/// Bytes of memory that one node of a decoded value is taken to cost, beside its text.
const NODE_COST: u64 = 64;

/// What one message may ask of us. The defaults suit anything that a person would call a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one encoded message: 64 MiB.
    pub message: u64,
    /// Arrays and maps inside each other: 64.
    pub depth: u32,
    /// Values in one message, an N-d array counting once: 1,000,000.
    pub nodes: u64,
    /// Bytes of one key: 64 KiB.
    pub key: usize,
    /// Bytes of memory for a decoded message: 256 MiB, four times `message`.
    pub memory: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits::for_message(64 << 20)
    }
}

impl Limits {
    /// The defaults for messages of at most this many bytes.
    pub const fn for_message(message: u64) -> Limits {
        Limits { message, depth: 64, nodes: 1_000_000, key: 64 << 10, memory: message.saturating_mul(4) }
    }

    /// Refuses an encoded message of this many bytes if that is too many.
    pub fn check_message(&self, bytes: u64) -> Result<()> {
        if bytes <= self.message {
            return Ok(());
        }
        Err(over("message", self.message, bytes, "bytes"))
    }
}

#[cold]
fn over(which: &str, limit: u64, asked: u64, unit: &str) -> Error {
    Error::new(ErrorKind::TooLarge, format!("over the {which} limit: {asked} {unit} asked, {limit} allowed"))
}

/// Whether keys come from somewhere that can repeat them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Refuse a key that the same map had before: bytes from a peer.
    Check,
    /// They are known to differ: a dict, a hash table.
    Trust,
}

/// A Sink that holds the [`Limits`] and refuses repeated keys, then passes everything on.
pub struct Meter<S> {
    inner: S,
    limits: Limits,
    keys: Keys,
    depth: u32,
    nodes: u64,
    spent: u64,
    seen: Seen,
}

impl<S> Meter<S> {
    /// Counts what goes to `inner`.
    pub fn new(inner: S, limits: Limits, keys: Keys) -> Meter<S> {
        Meter { inner, limits, keys, depth: 0, nodes: 0, spent: 0, seen: Seen::default() }
    }

    /// The sink behind, with all that was passed on.
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// The sink behind.
    pub fn inner_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    #[inline]
    fn node(&mut self, bytes: usize) -> Result<()> {
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            return Err(over("node", self.limits.nodes, self.nodes, "values"));
        }
        self.spend(NODE_COST + bytes as u64)
    }

    #[inline]
    fn spend(&mut self, bytes: u64) -> Result<()> {
        self.spent = self.spent.saturating_add(bytes);
        if self.spent > self.limits.memory {
            return Err(over("memory", self.limits.memory, self.spent, "bytes"));
        }
        Ok(())
    }

    #[inline]
    fn open(&mut self, len: usize) -> Result<()> {
        self.node(0)?;
        // Refused before anything is reserved for it: a length is only a claim.
        if len as u64 > self.limits.nodes - self.nodes {
            return Err(over("node", self.limits.nodes, self.nodes.saturating_add(len as u64), "values"));
        }
        self.depth += 1;
        if self.depth > self.limits.depth {
            return Err(over("depth", self.limits.depth.into(), self.depth.into(), "levels"));
        }
        Ok(())
    }
}

impl<S: Sink> Sink for Meter<S> {
    forward_scalars!(self => self.inner; self.node(0)?);

    fn big_int(&mut self, value: &BigInt) -> Result<()> {
        self.node(value.magnitude().len())?;
        self.inner.big_int(value)
    }
    #[inline]
    fn text(&mut self, value: &str) -> Result<()> {
        self.node(value.len())?;
        self.inner.text(value)
    }
    fn bytes(&mut self, value: &[u8]) -> Result<()> {
        self.node(value.len())?;
        self.inner.bytes(value)
    }
    fn decimal(&mut self, value: &Decimal) -> Result<()> {
        self.node(value.as_str().len())?;
        self.inner.decimal(value)
    }
    fn ndarray(&mut self, value: NdArrayRef<'_>) -> Result<()> {
        self.node(value.data.len())?;
        self.inner.ndarray(value)
    }
    fn begin_array(&mut self, len: usize) -> Result<()> {
        self.open(len)?;
        self.inner.begin_array(len)
    }
    fn end_array(&mut self) -> Result<()> {
        self.depth -= 1;
        self.inner.end_array()
    }
    fn begin_map(&mut self, len: usize) -> Result<()> {
        self.open(len)?;
        if self.keys == Keys::Check {
            self.seen.open();
        }
        self.inner.begin_map(len)
    }
    #[inline]
    fn key(&mut self, key: &str) -> Result<()> {
        if key.len() > self.limits.key {
            return Err(over("key", self.limits.key as u64, key.len() as u64, "bytes"));
        }
        self.spend(key.len() as u64)?;
        if self.keys == Keys::Check && !self.seen.insert(key.as_bytes()) {
            let text = format!("the key {key:?} stands twice in one map; a map has each key once");
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        self.inner.key(key)
    }
    fn end_map(&mut self) -> Result<()> {
        self.depth -= 1;
        self.seen.close();
        self.inner.end_map()
    }
}

/// The keys of all maps that are open, those of the innermost last: one buffer for all, so that a map costs no memory
/// of its own. Most maps are small, and there a scan beats hashing.
#[derive(Default)]
struct Seen {
    text: Vec<u8>,
    keys: Vec<Key>,
    maps: Vec<OpenMap>,
}

/// A key that was seen.
#[derive(Clone, Copy)]
struct Key {
    /// Differs for most keys that differ.
    print: u32,
    /// Where it ends in the text; it begins where the key before ends.
    end: usize,
}

struct OpenMap {
    /// Where its keys begin in the text, and among the keys.
    text: usize,
    keys: usize,
    /// The hashes of its keys, once there are many; equal ones are looked into.
    many: Option<Box<Hashes>>,
}

#[derive(Default)]
struct Hashes {
    of: RandomState,
    all: HashSet<u64>,
}

impl Hashes {
    fn insert(&mut self, key: &[u8]) -> bool {
        let hash = self.of.hash_one(key);
        self.all.insert(hash)
    }
}

/// Length, first, middle and last byte.
#[inline]
fn print(key: &[u8]) -> u32 {
    match key {
        [] => 0,
        [first, .., last] => u32::from_le_bytes([key.len() as u8, *first, key[key.len() / 2], *last]),
        [only] => u32::from_le_bytes([1, *only, 0, 0]),
    }
}

impl Seen {
    const FEW: usize = 16;

    fn open(&mut self) {
        if self.maps.capacity() == 0 {
            self.maps.reserve(8);
            self.keys.reserve(32);
            self.text.reserve(256);
        }
        self.maps.push(OpenMap { text: self.text.len(), keys: self.keys.len(), many: None });
    }

    fn close(&mut self) {
        if let Some(map) = self.maps.pop() {
            self.text.truncate(map.text);
            self.keys.truncate(map.keys);
        }
    }

    /// Notes a key of the innermost map; false when it was there before.
    #[inline]
    fn insert(&mut self, key: &[u8]) -> bool {
        let Some(map) = self.maps.last_mut() else { return true };
        let print = print(key);
        let new = map.many.as_mut().is_some_and(|many| many.insert(key));
        if !new {
            let keys = &self.keys[map.keys..];
            for (i, seen) in keys.iter().enumerate() {
                if seen.print == print {
                    let from = i.checked_sub(1).map_or(map.text, |before| keys[before].end);
                    if self.text[from..seen.end] == *key {
                        return false;
                    }
                }
            }
        }
        self.text.extend_from_slice(key);
        self.keys.push(Key { print, end: self.text.len() });
        if map.many.is_none() && self.keys.len() - map.keys > Self::FEW {
            let many = map.many.get_or_insert_default();
            let mut from = map.text;
            for key in &self.keys[map.keys..] {
                many.insert(&self.text[from..key.end]);
                from = key.end;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::ValueBuilder;

    fn meter(limits: Limits) -> Meter<ValueBuilder> {
        Meter::new(ValueBuilder::new(), limits, Keys::Check)
    }

    #[test]
    fn depth_is_limited() {
        let mut m = meter(Limits { depth: 2, ..Limits::default() });
        m.begin_array(1).unwrap();
        m.begin_array(1).unwrap();
        assert_eq!(m.begin_array(0).unwrap_err().kind(), ErrorKind::TooLarge);
    }

    #[test]
    fn a_claimed_length_is_refused_before_it_is_believed() {
        let error = meter(Limits::default()).begin_array(usize::MAX).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
    }

    #[test]
    fn keys_of_one_map_are_not_those_of_another() {
        let mut m = meter(Limits::default());
        m.begin_map(40).unwrap();
        for i in 0..40 {
            m.key(&format!("k{i}")).unwrap();
            m.begin_map(20).unwrap();
            for i in 0..20 {
                m.key(&format!("k{i}")).unwrap();
                m.null().unwrap();
            }
            assert_eq!(m.key("k7").unwrap_err().kind(), ErrorKind::Malformed);
            m.end_map().unwrap();
        }
        assert_eq!(m.key("k39").unwrap_err().kind(), ErrorKind::Malformed);
    }

    #[test]
    fn repeated_keys_are_refused_in_small_and_large_maps() {
        for count in [1, 16, 17, 40] {
            let mut m = meter(Limits::default());
            m.begin_map(count + 1).unwrap();
            for i in 0..count {
                m.key(&format!("k{i}")).unwrap();
                m.null().unwrap();
            }
            assert_eq!(m.key("k0").unwrap_err().kind(), ErrorKind::Malformed, "{count} keys");
        }
    }
}
