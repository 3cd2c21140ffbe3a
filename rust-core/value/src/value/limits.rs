//! The resource limits of one value, and the Sink that enforces them.
//!
//! Only a [`Meter`] counts depth, nodes, bytes of keys and memory, and finds repeated keys and wrong lengths.

use super::Stack;
use super::budget::{Budget, ITEM, array_bytes, map_bytes, over};
use super::seen::{SeenKeys, repeated_key};
use super::sink::forward_scalars;
use super::{BigInt, Decimal, NdArrayRef, Sink};
use crate::error::{Error, ErrorKind, Result};
use std::fmt;

/// In bytes: a short message's nodes take more memory than its encoded form.
const LEAST_MEMORY: u64 = 1 << 20;

/// The resources that one message may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The greatest length of one encoded message, in bytes: 64 MiB.
    pub message: u64,
    /// The greatest depth of nested arrays and maps: 64.
    pub depth: u32,
    /// The greatest number of values in one message: 1,000,000. An N-d array counts as one.
    pub nodes: u64,
    /// The greatest length of one key, in bytes: 64 KiB.
    pub key: usize,
    /// The memory that decoding may hold, with all buffers, in bytes: 256 MiB, four times `message`.
    pub memory: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits::for_message(64 << 20)
    }
}

impl Limits {
    /// Returns the defaults for messages of this many bytes; `memory` is at least 1 MiB.
    pub const fn for_message(message: u64) -> Limits {
        let memory = message.saturating_mul(4);
        let memory = if memory < LEAST_MEMORY { LEAST_MEMORY } else { memory };
        Limits { message, depth: 64, nodes: 1_000_000, key: 64 << 10, memory }
    }

    /// Returns the greatest number of values, which also bounds counts ahead.
    pub(crate) fn most_nodes(&self) -> u64 {
        self.nodes.min(self.memory / ITEM)
    }

    /// Returns whether every short map of scalars of this encoded length is within the limits.
    ///
    /// It has fewer values and keys than bytes, and takes far less than [`LEAST_MEMORY`].
    #[doc(hidden)]
    pub fn allow_flat(&self, bytes: usize) -> bool {
        let count = bytes as u64;
        let short = count <= self.message && count <= self.nodes && bytes <= self.key;
        short && count <= LEAST_MEMORY / 64 && self.depth > 0 && self.memory >= LEAST_MEMORY
    }

    /// Checks the length of an encoded message: `TooLarge` if it exceeds `message`.
    pub fn check_message(&self, bytes: u64) -> Result<()> {
        if bytes <= self.message {
            return Ok(());
        }
        Err(over("message", self.message, bytes, "bytes"))
    }
}

#[cold]
fn length_mismatch() -> Error {
    Error::new(ErrorKind::Internal, "a source gave another number of items than it announced")
}

/// Whether keys may repeat in one map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Keys may repeat, as in a peer's bytes: refuse that.
    Check,
    /// Keys cannot repeat, as in a dict or a hash table.
    Trust,
}

/// A Sink that enforces the [`Limits`], refuses repeated keys and wrong lengths, passes the rest on.
///
/// It counts an array's or map's items at the beginning, so a sink may reserve at once. [Held](Sink::hold) bytes count
/// along.
///
/// A source that sends more or fewer items than announced gets `Internal`: no receiver could read the message.
pub struct Meter<S> {
    inner: S,
    limits: Limits,
    keys: Keys,
    nodes: u64,
    budget: Budget,
    /// The keys of the open maps; unused if `keys` is `Trust`.
    seen: SeenKeys,
    expected: Expected,
    outer: Stack<Expected>,
}

#[derive(Clone, Copy)]
struct Expected {
    remaining: usize,
    map: bool,
}

const TOP: Expected = Expected { remaining: 1, map: false };

impl<S: Sink> Meter<S> {
    /// Returns a meter before `inner`, which may itself refuse repeated keys.
    pub fn new(inner: S, limits: Limits, keys: Keys) -> Meter<S> {
        let keys = if inner.refuses_repeated_keys() { Keys::Trust } else { keys };
        let budget = Budget::new(limits.memory);
        Meter {
            inner,
            limits,
            keys,
            nodes: 0,
            budget,
            seen: SeenKeys::default(),
            expected: TOP,
            outer: Stack::new(),
        }
    }

    /// Returns the inner sink.
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// Returns the inner sink, whose direct events are not counted.
    pub fn inner_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    fn node(&mut self, bytes: usize) -> Result<()> {
        if !self.expected.map {
            self.count_item()?;
        }
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            return Err(over("node", self.limits.nodes, self.nodes, "values"));
        }
        if bytes == 0 { Ok(()) } else { self.budget.hold(bytes as u64) }
    }

    fn count_item(&mut self) -> Result<()> {
        match self.expected.remaining.checked_sub(1) {
            Some(remaining) => {
                self.expected.remaining = remaining;
                Ok(())
            }
            None => Err(length_mismatch()),
        }
    }

    #[inline]
    fn open(&mut self, len: usize, map: bool) -> Result<()> {
        self.node(0)?;
        // Before anything is reserved: a length is only a claim.
        if len as u64 > self.limits.nodes - self.nodes {
            return Err(over("node", self.limits.nodes, self.nodes.saturating_add(len as u64), "values"));
        }
        if self.outer.len() as u64 >= self.limits.depth.into() {
            let asked = self.outer.len() as u64 + 1;
            return Err(over("depth", self.limits.depth.into(), asked, "levels"));
        }
        self.budget.hold(if map { map_bytes(len) } else { array_bytes(len) })?;
        self.outer.push(std::mem::replace(&mut self.expected, Expected { remaining: len, map }));
        Ok(())
    }

    fn close(&mut self, map: bool) -> Result<()> {
        match self.outer.pop() {
            Some(outer) if self.expected.remaining == 0 && self.expected.map == map => {
                self.expected = outer;
                Ok(())
            }
            _ => Err(length_mismatch()),
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
        self.count_item()?;
        self.budget.hold(key.len() as u64)?;
        // A record's builder takes its own keys; only others are stored.
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
    fn known_key(&mut self, key: &[u8]) -> Result<bool> {
        // The decoder sends a long key again, as `key`, which refuses it.
        if key.len() > self.limits.key || !self.inner.known_key(key)? {
            return Ok(false);
        }
        self.count_item()?;
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
    fn meter_refuses_values_deeper_than_the_limit() {
        let mut m = meter(Limits { depth: 2, ..Limits::default() });
        m.begin_array(1).unwrap();
        m.begin_array(1).unwrap();
        assert_eq!(m.begin_array(0).unwrap_err().kind(), ErrorKind::TooLarge);
    }

    #[test]
    fn meter_refuses_a_claimed_length_over_the_limit() {
        let error = meter(Limits::default()).begin_array(usize::MAX).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
    }

    #[test]
    fn meter_refuses_lengths_other_than_announced() {
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
    fn meter_checks_keys_of_nested_maps_separately() {
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
    fn meter_refuses_repeated_keys_in_small_and_large_maps() {
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
    fn documents_show_the_limits() {
        let limits = Limits::default();
        let rows = [
            ("bytes of one encoded message (option `max_message_size`)", limits.message),
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
