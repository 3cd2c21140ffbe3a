//! Conversions to and from the values of other crates.
//!
//! Each has a feature with the crate's name: `serde_json`, `ciborium`, `bson`, `ndarray`. Values of the first three
//! have the forms in `docs/wire-format.md`; a kind without a form is refused with its path or position.

#![allow(unused_imports, reason = "each feature uses some of them")]

use crate::codec::{self, Encoding};
use crate::error::{Error, ErrorKind, Result};
use crate::value::{Element, NdArray, Order, Value};

#[cfg(any(feature = "serde_json", feature = "ciborium", feature = "bson"))]
fn unsupported(doing: &str, why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{doing}: {why}"))
}

#[cfg(feature = "serde_json")]
impl TryFrom<&serde_json::Value> for Value {
    type Error = Error;

    /// Returns the value of this JSON, with `{"$time": …}` and the other escapes resolved.
    fn try_from(json: &serde_json::Value) -> Result<Value> {
        let bytes = serde_json::to_vec(json).map_err(|e| unsupported("writing JSON", e))?;
        codec::decode(&bytes, Encoding::Json)
    }
}

#[cfg(feature = "serde_json")]
impl TryFrom<&Value> for serde_json::Value {
    type Error = Error;

    /// Returns the value as JSON, with escapes for kinds that JSON lacks.
    fn try_from(value: &Value) -> Result<serde_json::Value> {
        serde_json::to_value(value).map_err(|e| unsupported("converting to JSON", e))
    }
}

#[cfg(feature = "ciborium")]
impl TryFrom<&ciborium::Value> for Value {
    type Error = Error;

    /// Returns the value with its tags resolved; `Unsupported` for tags without a meaning here.
    fn try_from(cbor: &ciborium::Value) -> Result<Value> {
        let mut bytes = Vec::new();
        ciborium::into_writer(cbor, &mut bytes).map_err(|e| unsupported("writing CBOR", e))?;
        codec::decode(&bytes, Encoding::Cbor)
    }
}

#[cfg(feature = "ciborium")]
impl TryFrom<&Value> for ciborium::Value {
    type Error = Error;

    /// Returns the value with the tags of its kinds.
    fn try_from(value: &Value) -> Result<ciborium::Value> {
        let bytes = codec::encode(value, Encoding::Cbor)?;
        ciborium::from_reader(&bytes[..]).map_err(|e| unsupported("reading CBOR", e))
    }
}

#[cfg(feature = "bson")]
impl TryFrom<&bson::Document> for Value {
    type Error = Error;

    /// Returns the value; `Unsupported` for types of BSON without a form here.
    fn try_from(document: &bson::Document) -> Result<Value> {
        let mut bytes = Vec::new();
        document.to_writer(&mut bytes).map_err(|e| unsupported("writing BSON", e))?;
        codec::decode(&bytes, Encoding::Bson)
    }
}

#[cfg(feature = "bson")]
impl TryFrom<&Value> for bson::Document {
    type Error = Error;

    /// Returns a map as a document, and any other value as the document for it in BSON.
    fn try_from(value: &Value) -> Result<bson::Document> {
        let bytes = codec::encode(value, Encoding::Bson)?;
        bson::Document::from_reader(&bytes[..]).map_err(|e| unsupported("reading BSON", e))
    }
}

#[cfg(feature = "ndarray")]
impl<T: Element, S: ndarray::Data<Elem = T>, D: ndarray::Dimension> From<&ndarray::ArrayBase<S, D>>
    for NdArray
{
    /// Returns a copy in the order of the memory; row by row if the memory has neither order.
    fn from(array: &ndarray::ArrayBase<S, D>) -> NdArray {
        let shape: Vec<u64> = array.shape().iter().map(|length| *length as u64).collect();
        let made = match (array.as_slice(), array.t().as_slice()) {
            (Some(rows), _) => NdArray::from_slice(rows, &shape, Order::Row),
            (None, Some(columns)) => NdArray::from_slice(columns, &shape, Order::Column),
            (None, None) => {
                let elements: Vec<T> = array.iter().copied().collect();
                NdArray::from_slice(&elements, &shape, Order::Row)
            }
        };
        // An array has as many elements as its shape.
        made.unwrap_or_else(|_| NdArray::vector::<T>(&[]))
    }
}

#[cfg(feature = "ndarray")]
impl<T: Element> TryFrom<&NdArray> for ndarray::ArrayD<T> {
    type Error = Error;

    /// Returns a copy in the same order; `WrongType` for another type of elements.
    fn try_from(array: &NdArray) -> Result<ndarray::ArrayD<T>> {
        use ndarray::ShapeBuilder;
        let shape: Vec<usize> = array.shape.iter().map(|length| *length as usize).collect();
        let shape = shape.set_f(array.order == Order::Column);
        ndarray::ArrayD::from_shape_vec(shape, array.elements::<T>()?.into_owned())
            .map_err(|e| Error::new(ErrorKind::OutOfRange, format!("an array of such a shape: {e}")))
    }
}

#[cfg(test)]
mod tests;
