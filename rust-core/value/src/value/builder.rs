//! `ValueBuilder`: the Sink that builds a value as a tree in memory.
//!
//! It returns `Internal` if a source breaks the promises of [`Sink`]. It checks no limits: a
//! [`super::Meter`] precedes it when bytes of a peer are decoded.

use bytes::Bytes;
use std::fmt;

use super::seen::repeated_key;
use super::{BigInt, Decimal, Map, NdArray, NdArrayRef, Sink, Timestamp, Value};
use crate::body::Body;
use crate::error::{Error, ErrorKind, Result, memory};

/// The Sink that builds a [`Value`].
///
/// With an `origin`, the message being decoded, long blocks of bytes and arrays become views
/// instead of copies.
#[derive(Default)]
pub struct ValueBuilder {
    /// The message being decoded, if blocks may view its memory.
    origin: Option<Body>,
    /// The innermost open array or map.
    ///
    /// A map of scalars allocates only its entries, because this field is in place.
    innermost: Option<PartialValue>,
    outer: Vec<PartialValue>,
    done: Option<Value>,
}

enum PartialValue {
    Array(Vec<Value>),
    /// A map. A new key enters it with null, which its value then replaces.
    Map(Map),
}

/// The length below which a copy is cheaper than keeping the whole message in memory.
const SHARE_FROM: usize = 512;

/// The most items that are reserved for an announced length.
///
/// Without a [`super::Meter`] the length is only a claim.
const RESERVE: usize = 1 << 20;

impl ValueBuilder {
    /// Returns a builder that copies everything.
    pub fn new() -> ValueBuilder {
        ValueBuilder::default()
    }

    /// Returns a builder whose blocks of at least 512 bytes are views of `origin` if they are in
    /// it.
    pub fn sharing(origin: impl Into<Body>) -> ValueBuilder {
        ValueBuilder { origin: Some(origin.into()), ..ValueBuilder::default() }
    }

    /// Takes an array without the copy that [`Sink::ndarray`] makes.
    ///
    /// # Errors
    ///
    /// As for the event.
    pub fn owned_ndarray(&mut self, array: NdArray) -> Result<()> {
        self.put(Value::NdArray(array))
    }

    /// Returns the value; `Internal` if events are missing.
    pub fn finish(self) -> Result<Value> {
        match self.done {
            Some(value) if self.innermost.is_none() => Ok(value),
            _ => Err(Error::new(ErrorKind::Internal, "a value ended before all of its events had come")),
        }
    }

    fn put(&mut self, value: Value) -> Result<()> {
        match &mut self.innermost {
            Some(PartialValue::Array(items)) => items.push(value),
            Some(PartialValue::Map(entries)) => match entries.last_mut() {
                Some(place) => *place = value,
                None => {
                    return Err(Error::new(ErrorKind::Internal, "a value came into a map without its key"));
                }
            },
            None => self.done = Some(value),
        }
        Ok(())
    }

    fn block(&self, data: &[u8]) -> Result<Bytes> {
        shared_block(self.origin.as_ref(), data)
    }
}

/// Returns a long block inside `origin` as a view, any other block as a copy.
///
/// # Errors
///
/// `OutOfMemory` if a copy cannot be allocated.
pub(super) fn shared_block(origin: Option<&Body>, data: &[u8]) -> Result<Bytes> {
    match origin.filter(|_| data.len() >= SHARE_FROM).and_then(|origin| origin.view(data)) {
        Some(view) => Ok(view),
        None => memory::copy_bytes(data).map(Bytes::from),
    }
}

impl Sink for ValueBuilder {
    fn null(&mut self) -> Result<()> {
        self.put(Value::Null)
    }
    fn bool(&mut self, value: bool) -> Result<()> {
        self.put(Value::Bool(value))
    }
    fn int(&mut self, value: i64) -> Result<()> {
        self.put(Value::Int(value))
    }
    fn uint(&mut self, value: u64) -> Result<()> {
        self.put(Value::Uint(value))
    }
    fn big_int(&mut self, value: &BigInt) -> Result<()> {
        self.put(Value::BigInt(value.clone()))
    }
    fn float(&mut self, value: f64) -> Result<()> {
        self.put(Value::Float(value))
    }
    fn text(&mut self, value: &str) -> Result<()> {
        let text = memory::copy_text(value)?;
        self.put(Value::Text(text))
    }
    fn bytes(&mut self, value: &[u8]) -> Result<()> {
        let block = self.block(value)?;
        self.put(Value::Bytes(block))
    }
    fn timestamp(&mut self, value: Timestamp) -> Result<()> {
        self.put(Value::Timestamp(value))
    }
    fn uuid(&mut self, value: [u8; 16]) -> Result<()> {
        self.put(Value::Uuid(value))
    }
    fn decimal(&mut self, value: &Decimal) -> Result<()> {
        self.put(Value::Decimal(value.clone()))
    }
    fn ndarray(&mut self, value: NdArrayRef<'_>) -> Result<()> {
        let data = self.block(value.data)?;
        let array = NdArray { dtype: value.dtype, order: value.order, shape: value.shape.to_vec(), data };
        self.put(Value::NdArray(array))
    }
    fn begin_array(&mut self, len: usize) -> Result<()> {
        let mut items = Vec::new();
        memory::reserve(&mut items, len.min(RESERVE))?;
        self.open(PartialValue::Array(items));
        Ok(())
    }
    fn end_array(&mut self) -> Result<()> {
        self.close()
    }
    fn begin_map(&mut self, len: usize) -> Result<()> {
        self.open(PartialValue::Map(Map::try_with_capacity(len.min(RESERVE))?));
        Ok(())
    }
    fn key(&mut self, key: &str) -> Result<()> {
        match &self.innermost {
            Some(PartialValue::Map(entries)) if entries.contains_key(key) => Err(repeated_key(key)),
            _ => self.new_key(key),
        }
    }
    fn new_key(&mut self, key: &str) -> Result<()> {
        match &mut self.innermost {
            Some(PartialValue::Map(entries)) => {
                entries.push(memory::copy_text(key)?, Value::Null);
                Ok(())
            }
            _ => Err(Error::new(ErrorKind::Internal, "a key came outside a map")),
        }
    }
    fn end_map(&mut self) -> Result<()> {
        self.close()
    }
    /// `key` searches the map anyway, so a Meter need not keep the keys a second time.
    fn refuses_repeated_keys(&self) -> bool {
        true
    }
}

impl ValueBuilder {
    fn open(&mut self, begun: PartialValue) {
        if let Some(around) = self.innermost.replace(begun) {
            self.outer.push(around);
        }
    }

    fn close(&mut self) -> Result<()> {
        match std::mem::replace(&mut self.innermost, self.outer.pop()) {
            Some(PartialValue::Array(items)) => self.put(Value::Array(items)),
            Some(PartialValue::Map(entries)) => self.put(Value::Map(entries)),
            None => Err(Error::new(ErrorKind::Internal, "an end came without its beginning")),
        }
    }
}

impl fmt::Debug for ValueBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValueBuilder").field("done", &self.done).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Order, Source};

    #[test]
    fn builder_rebuilds_the_walked_value() {
        let array = NdArray::from_slice(&[1i16, 2, 3, 4], &[2, 2], Order::Column).unwrap();
        let value = Value::map([
            ("n", Value::Null),
            ("f", Value::Float(-0.0)),
            ("u", Value::from(u64::MAX)),
            ("a", Value::Array(vec![Value::from("x"), Value::NdArray(array)])),
        ]);
        let mut builder = ValueBuilder::new();
        value.walk(&mut builder).unwrap();
        assert_eq!(builder.finish().unwrap(), value);
        assert_ne!(Value::Float(0.0), Value::Float(-0.0));
        assert_ne!(Value::Float(7.0), Value::Int(7));
    }

    #[test]
    fn builder_refuses_a_repeated_key() {
        for keys in [1, 16, 17, 40] {
            let mut builder = ValueBuilder::new();
            builder.begin_map(keys + 1).unwrap();
            for i in 0..keys {
                builder.key(&format!("k{i}")).unwrap();
                builder.null().unwrap();
            }
            let error = builder.key("k0").unwrap_err();
            assert_eq!(
                (error.kind(), builder.refuses_repeated_keys()),
                (ErrorKind::Malformed, true),
                "{keys}"
            );
        }
    }

    #[test]
    fn builder_shares_long_blocks_with_their_origin() {
        let origin = Bytes::from(vec![1u8; 4096]);
        let mut builder = ValueBuilder::sharing(origin.clone());
        builder.bytes(&origin[100..2000]).unwrap();
        let Value::Bytes(view) = builder.finish().unwrap() else { panic!() };
        assert_eq!(view.as_ptr(), origin[100..].as_ptr());
    }
}
