//! The escape of an N-d array: its four fields, in any order.

use super::malformed;
use super::scalar::{Found, base64};
use crate::error::{Error, ErrorKind, Result, memory, quoted};
use crate::value::{DType, NdArrayRef, Order, Sink};

/// What has come of `{"dtype": …, "shape": […], "order": …, "data": …}`; the order may be left out and is row then.
#[derive(Default)]
pub(super) struct Fields {
    begun: bool,
    left: usize,
    field: Field,
    dtype: Option<DType>,
    order: Option<Order>,
    shape: Option<Vec<u64>>,
    /// Elements that came before the rest was known.
    elements: Option<Vec<u8>>,
    sent: bool,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Field {
    #[default]
    None,
    DType,
    Shape,
    Order,
    Elements,
}

impl Fields {
    pub(super) fn begin_map(&mut self, len: usize) -> Result<()> {
        if self.begun {
            return Err(malformed(
                "$ndarray holds a map of dtype, shape, order and data; none of them is a map",
            ));
        }
        self.begun = true;
        self.left = len;
        Ok(())
    }

    pub(super) fn key(&mut self, key: &str) -> Result<()> {
        self.left = self.left.saturating_sub(1);
        let (field, twice) = match key {
            "dtype" => (Field::DType, self.dtype.is_some()),
            "shape" => (Field::Shape, self.shape.is_some()),
            "order" => (Field::Order, self.order.is_some()),
            "data" => (Field::Elements, self.elements.is_some() || self.sent),
            _ => {
                return Err(malformed(format!(
                    "$ndarray has no {key}: it has dtype, shape, order and data",
                    key = quoted(key)
                )));
            }
        };
        if twice {
            return Err(malformed(format!(
                "the key {key} stands twice in one map; a map has each key once",
                key = quoted(key)
            )));
        }
        self.field = field;
        Ok(())
    }

    pub(super) fn begin_array(&mut self) -> Result<()> {
        if self.field != Field::Shape || self.shape.is_some() {
            return Err(malformed("of $ndarray only the shape is an array, of integers"));
        }
        self.shape = Some(Vec::new());
        Ok(())
    }

    pub(super) fn scalar<S: Sink>(&mut self, found: Found<'_>, sink: &mut S) -> Result<()> {
        match (self.field, found) {
            (Field::DType, Found::Text(name)) => match DType::from_name(name) {
                Some(dtype) => self.dtype = Some(dtype),
                None => return Err(malformed(format!("{name} is no element type", name = quoted(name)))),
            },
            (Field::Order, Found::Text(name)) => match Order::from_name(name) {
                Some(order) => self.order = Some(order),
                None => {
                    return Err(malformed(format!(
                        "{name} is no order: there are row and column",
                        name = quoted(name)
                    )));
                }
            },
            (Field::Shape, found) => return self.dimension(found),
            (Field::Elements, Found::Text(text)) => {
                let bytes = base64(text, sink)?;
                if self.left > 0 {
                    // Kept until the end of the map, and held until then.
                    self.elements = Some(bytes);
                    return Ok(());
                }
                self.sent = true;
                self.send(&bytes, sink)?;
                sink.release(bytes.capacity());
                return Ok(());
            }
            (Field::Elements, Found::Bytes(bytes)) => return self.elements(bytes, sink),
            (_, found) => {
                let name = found.name();
                return Err(malformed(format!("{name} stands in $ndarray where it cannot")));
            }
        }
        Ok(())
    }

    fn dimension(&mut self, found: Found<'_>) -> Result<()> {
        let length = match found {
            Found::Int(n) => u64::try_from(n).ok(),
            Found::Uint(n) => Some(n),
            Found::Text(digits) => digits.parse().ok(),
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

    /// Sends the array at once where all is known, so that the elements need no copy.
    fn elements<S: Sink>(&mut self, elements: &[u8], sink: &mut S) -> Result<()> {
        if self.left == 0 {
            self.sent = true;
            return self.send(elements, sink);
        }
        sink.hold(elements.len())?;
        self.elements = Some(memory::copy_bytes(elements)?);
        Ok(())
    }

    pub(super) fn finish<S: Sink>(&self, sink: &mut S) -> Result<()> {
        match &self.elements {
            _ if self.sent => Ok(()),
            Some(elements) => {
                self.send(elements, sink)?;
                sink.release(elements.capacity());
                Ok(())
            }
            None => Err(malformed("$ndarray has no data")),
        }
    }

    fn send<S: Sink>(&self, elements: &[u8], sink: &mut S) -> Result<()> {
        let (Some(dtype), Some(shape)) = (self.dtype, &self.shape) else {
            return Err(malformed("$ndarray has no dtype or no shape"));
        };
        sink.ndarray(NdArrayRef::new(dtype, self.order.unwrap_or_default(), shape, elements)?)
    }
}
