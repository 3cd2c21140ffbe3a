//! The escape of an N-d array: its four fields, in any order.
//!
//! Encoders write `data` last, so the elements go to the sink directly. If another writer puts `data` before another
//! field, the elements are copied and kept until the end.

use super::scalar::{EscapedScalar, base64, malformed};
use crate::error::{Error, ErrorKind, Result, memory, quoted};
use crate::value::{DType, NdArrayRef, Order, Sink};

#[derive(Default)]
pub(super) struct NdArrayFields {
    has_begun: bool,
    remaining: usize,
    field: NdArrayField,
    dtype: Option<DType>,
    order: Option<Order>,
    shape: Option<Vec<u64>>,
    /// Elements received before the last field; the sink counts them until `finish`.
    elements: Option<Vec<u8>>,
    is_sent: bool,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum NdArrayField {
    #[default]
    None,
    DType,
    Shape,
    Order,
    Elements,
}

impl NdArrayFields {
    pub(super) fn begin_map(&mut self, len: usize) -> Result<()> {
        if self.has_begun {
            return Err(malformed(
                "$ndarray holds a map of dtype, shape, order and data; none of them is a map",
            ));
        }
        self.has_begun = true;
        self.remaining = len;
        Ok(())
    }

    /// Takes a key of that map; `Malformed` for an unknown or repeated field.
    pub(super) fn key(&mut self, key: &str) -> Result<()> {
        self.remaining = self.remaining.saturating_sub(1);
        let (field, twice) = match key {
            "dtype" => (NdArrayField::DType, self.dtype.is_some()),
            "shape" => (NdArrayField::Shape, self.shape.is_some()),
            "order" => (NdArrayField::Order, self.order.is_some()),
            "data" => (NdArrayField::Elements, self.elements.is_some() || self.is_sent),
            _ => {
                return Err(malformed(format!(
                    "$ndarray has no {key}: it has dtype, shape, order and data",
                    key = quoted(key)
                )));
            }
        };
        if twice {
            return Err(malformed(format!(
                "the key {key} occurs twice in one map; a map has each key once",
                key = quoted(key)
            )));
        }
        self.field = field;
        Ok(())
    }

    pub(super) fn begin_array(&mut self) -> Result<()> {
        if self.field != NdArrayField::Shape || self.shape.is_some() {
            return Err(malformed("in $ndarray only the shape is an array, of integers"));
        }
        self.shape = Some(Vec::new());
        Ok(())
    }

    pub(super) fn scalar<S: Sink>(&mut self, found: EscapedScalar<'_>, sink: &mut S) -> Result<()> {
        match (self.field, found) {
            (NdArrayField::DType, EscapedScalar::Text(name)) => match DType::from_name(name) {
                Some(dtype) => self.dtype = Some(dtype),
                None => return Err(malformed(format!("{name} is not an element type", name = quoted(name)))),
            },
            (NdArrayField::Order, EscapedScalar::Text(name)) => match Order::from_name(name) {
                Some(order) => self.order = Some(order),
                None => {
                    return Err(malformed(format!(
                        "{name} is not an order: there are row and column",
                        name = quoted(name)
                    )));
                }
            },
            (NdArrayField::Shape, found) => return self.dimension(found),
            (NdArrayField::Elements, EscapedScalar::Text(text)) => {
                let bytes = base64(text, sink)?;
                if self.remaining > 0 {
                    self.elements = Some(bytes);
                    return Ok(());
                }
                self.is_sent = true;
                self.send(&bytes, sink)?;
                sink.release(bytes.capacity());
                return Ok(());
            }
            (NdArrayField::Elements, EscapedScalar::Bytes(bytes)) => return self.elements(bytes, sink),
            (_, found) => {
                let name = found.name();
                return Err(malformed(format!("{name} is not allowed in this place of $ndarray")));
            }
        }
        Ok(())
    }

    /// Takes one dimension. A length beyond the encoding's integers is a text of digits.
    fn dimension(&mut self, found: EscapedScalar<'_>) -> Result<()> {
        let length = match found {
            EscapedScalar::Int(n) => u64::try_from(n).ok(),
            EscapedScalar::Uint(n) => Some(n),
            EscapedScalar::Text(digits) => digits.parse().ok(),
            _ => None,
        };
        match (&mut self.shape, length) {
            (Some(shape), _) if shape.len() == NdArrayRef::MAX_RANK => {
                let text = format!("over the rank limit: more than {} dimensions", NdArrayRef::MAX_RANK);
                Err(Error::new(ErrorKind::TooLarge, text))
            }
            (Some(shape), Some(length)) => {
                shape.push(length);
                Ok(())
            }
            _ => Err(malformed("the shape of $ndarray is an array of integers without sign")),
        }
    }

    /// Takes the elements as bytes. Sends the array at once if the other fields are known, to avoid a copy.
    fn elements<S: Sink>(&mut self, elements: &[u8], sink: &mut S) -> Result<()> {
        if self.remaining == 0 {
            self.is_sent = true;
            return self.send(elements, sink);
        }
        sink.hold(elements.len())?;
        self.elements = Some(memory::copy_bytes(elements)?);
        Ok(())
    }

    pub(super) fn finish<S: Sink>(&self, sink: &mut S) -> Result<()> {
        match &self.elements {
            _ if self.is_sent => Ok(()),
            Some(elements) => {
                self.send(elements, sink)?;
                sink.release(elements.capacity());
                Ok(())
            }
            None => Err(malformed("$ndarray has no data")),
        }
    }

    /// Sends the array. `Malformed` if a field is missing, or the length does not fit the shape.
    fn send<S: Sink>(&self, elements: &[u8], sink: &mut S) -> Result<()> {
        let (Some(dtype), Some(shape)) = (self.dtype, &self.shape) else {
            return Err(malformed("$ndarray has no dtype or no shape"));
        };
        sink.ndarray(NdArrayRef::new(dtype, self.order.unwrap_or_default(), shape, elements)?)
    }
}
