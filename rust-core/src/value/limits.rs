//! What one value may ask of us, and the Sink that counts it on the way to another.

use super::budget::{Budget, ITEM, array_bytes, map_bytes, over};
use super::seen::{Seen, repeated_key};
use super::sink::forward_scalars;
use super::stack::Stack;
use super::{BigInt, Decimal, NdArrayRef, Sink};
use crate::error::{Error, ErrorKind, Result};
use std::fmt;

/// The least that [`Limits::memory`] is for a limit on messages: a small message is mostly nodes.
const LEAST_MEMORY: u64 = 1 << 20;

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
    /// Bytes of memory that decoding a message may hold, the value and whatever is needed on the way to it: 256 MiB,
    /// four times `message`.
    pub memory: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits::for_message(64 << 20)
    }
}

impl Limits {
    /// The defaults for messages of at most this many bytes; `memory` is at least 1 MiB.
    pub const fn for_message(message: u64) -> Limits {
        let memory = message.saturating_mul(4);
        let memory = if memory < LEAST_MEMORY { LEAST_MEMORY } else { memory };
        Limits { message, depth: 64, nodes: 1_000_000, key: 64 << 10, memory }
    }

    /// The most values that fit in the memory.
    pub(crate) fn most_nodes(&self) -> u64 {
        self.nodes.min(self.memory / ITEM)
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
fn miscounted() -> Error {
    Error::new(ErrorKind::Internal, "a source gave another number of items than it announced")
}

/// Whether keys come from somewhere that can repeat them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Refuse a key that the same map had before: bytes from a peer.
    Check,
    /// They are known to differ: a dict, a hash table.
    Trust,
}

/// A Sink that holds the [`Limits`], refuses repeated keys and wrong lengths, then passes everything on.
///
/// The memory for the items of an array or map is counted where it begins, so a sink may reserve it at once; text, bytes
/// and arrays are counted where they come, and so is what a decoder [holds](Sink::hold) beside the value.
///
/// Encoders write a length before what it counts, so a source that gives more or fewer items than it announced would
/// make a message that nobody can read; it gets `Internal` instead.
pub struct Meter<S> {
    inner: S,
    limits: Limits,
    keys: Keys,
    nodes: u64,
    budget: Budget,
    seen: Seen,
    due: Due,
    /// What is open around the innermost array or map.
    outer: Stack<Due>,
}

/// What the innermost array or map still wants.
#[derive(Clone, Copy)]
struct Due {
    /// Items or keys to come.
    left: usize,
    /// Whether keys are counted, and not values.
    map: bool,
}

/// At the top there is one value.
const TOP: Due = Due { left: 1, map: false };

impl<S: Sink> Meter<S> {
    /// Counts what goes to `inner`.
    pub fn new(inner: S, limits: Limits, keys: Keys) -> Meter<S> {
        let keys = if inner.refuses_repeated_keys() { Keys::Trust } else { keys };
        let budget = Budget::new(limits.memory);
        Meter {
            inner,
            limits,
            keys,
            nodes: 0,
            budget,
            seen: Seen::default(),
            due: TOP,
            outer: Stack::new(TOP),
        }
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
        if !self.due.map {
            self.one_less()?;
        }
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            return Err(over("node", self.limits.nodes, self.nodes, "values"));
        }
        if bytes == 0 { Ok(()) } else { self.budget.hold(bytes as u64) }
    }

    #[inline]
    fn one_less(&mut self) -> Result<()> {
        match self.due.left.checked_sub(1) {
            Some(left) => {
                self.due.left = left;
                Ok(())
            }
            None => Err(miscounted()),
        }
    }

    #[inline]
    fn open(&mut self, len: usize, map: bool) -> Result<()> {
        self.node(0)?;
        // Refused before anything is reserved for it: a length is only a claim.
        if len as u64 > self.limits.nodes - self.nodes {
            return Err(over("node", self.limits.nodes, self.nodes.saturating_add(len as u64), "values"));
        }
        if self.outer.len() as u64 >= self.limits.depth.into() {
            let asked = self.outer.len() as u64 + 1;
            return Err(over("depth", self.limits.depth.into(), asked, "levels"));
        }
        self.budget.hold(if map { map_bytes(len) } else { array_bytes(len) })?;
        self.outer.push(std::mem::replace(&mut self.due, Due { left: len, map }));
        Ok(())
    }

    #[inline]
    fn close(&mut self, map: bool) -> Result<()> {
        match self.outer.pop() {
            Some(outer) if self.due.left == 0 && self.due.map == map => {
                self.due = outer;
                Ok(())
            }
            _ => Err(miscounted()),
        }
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
        self.open(len, false)?;
        self.inner.begin_array(len)
    }
    fn end_array(&mut self) -> Result<()> {
        self.close(false)?;
        self.inner.end_array()
    }
    fn begin_map(&mut self, len: usize) -> Result<()> {
        self.open(len, true)?;
        if self.keys == Keys::Check {
            self.seen.open(len);
        }
        self.inner.begin_map(len)
    }
    #[inline]
    fn key(&mut self, key: &str) -> Result<()> {
        if key.len() > self.limits.key {
            return Err(over("key", self.limits.key as u64, key.len() as u64, "bytes"));
        }
        self.one_less()?;
        self.budget.hold(key.len() as u64)?;
        if self.keys == Keys::Check {
            if self.inner.known_key(key.as_bytes())? {
                return Ok(());
            }
            if !self.seen.insert(key.as_bytes(), &mut self.budget)? {
                return Err(repeated_key(key));
            }
        }
        self.inner.key(key)
    }
    #[inline]
    fn known_key(&mut self, key: &[u8]) -> Result<bool> {
        // One that is too long comes again, as `key`, and is refused there.
        if self.keys == Keys::Trust || key.len() > self.limits.key || !self.inner.known_key(key)? {
            return Ok(false);
        }
        self.one_less()?;
        self.budget.hold(key.len() as u64)?;
        Ok(true)
    }
    fn end_map(&mut self) -> Result<()> {
        self.close(true)?;
        if self.keys == Keys::Check {
            self.seen.close(&mut self.budget);
        }
        self.inner.end_map()
    }
    fn hold(&mut self, bytes: usize) -> Result<()> {
        self.budget.hold(bytes as u64)
    }
    fn release(&mut self, bytes: usize) {
        self.budget.release(bytes as u64);
    }
}

impl<S> fmt::Debug for Meter<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").field("limits", &self.limits).finish_non_exhaustive()
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
    fn lengths_are_held_to_what_was_announced() {
        let mut m = meter(Limits::default());
        m.begin_array(2).unwrap();
        m.null().unwrap();
        assert_eq!(m.end_array().unwrap_err().kind(), ErrorKind::Internal);
        let mut m = meter(Limits::default());
        m.begin_array(1).unwrap();
        m.null().unwrap();
        assert_eq!(m.null().unwrap_err().kind(), ErrorKind::Internal);
        let mut m = meter(Limits::default());
        m.begin_map(1).unwrap();
        m.key("a").unwrap();
        m.null().unwrap();
        assert_eq!(m.key("b").unwrap_err().kind(), ErrorKind::Internal);
        let mut m = meter(Limits::default());
        m.null().unwrap();
        assert_eq!(m.null().unwrap_err().kind(), ErrorKind::Internal);
    }

    #[test]
    fn keys_of_one_map_are_not_those_of_another() {
        let mut m = meter(Limits::default());
        m.begin_map(41).unwrap();
        for i in 0..40 {
            m.key(&format!("k{i}")).unwrap();
            m.begin_map(21).unwrap();
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

    #[test]
    fn the_documents_have_the_limits() {
        let limits = Limits::default();
        let rows = [
            ("bytes of one encoded message (option `limit`)", limits.message),
            ("arrays and maps inside each other", limits.depth.into()),
            ("values in one message, an N-d array counting once", limits.nodes),
            ("bytes of one key", limits.key as u64),
            ("bytes of memory to decode a message: 4 times the first, at least 1 MiB", limits.memory),
            ("dimensions of an N-d array", crate::value::NdArrayRef::MAX_RANK as u64),
            ("bytes of a big integer", crate::value::BigInt::LIMIT as u64),
        ]
        .map(|(what, limit)| [what.to_owned(), limit.to_string()]);
        crate::documents::check("limits", &crate::documents::table(["what", "at most"], rows));
    }
}
