//! Encodes, decodes and converts values without a channel.

use std::cell::Cell;

use linkspan::codec::{EncodeOptions, FlatMap, decode_into, encode_into};
use linkspan::value::Limits;
use linkspan::{Encoding, ErrorKind};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::arguments::{EncodingName, Endpoint, FromEncoding, ToEncoding, refused};
use crate::array::BorrowedArray;
use crate::builder::{Builder, build};
use crate::errors::Outcome;
use crate::made;
use crate::message::{Message, object};
use crate::template;
use crate::walk::Walk;

thread_local! {
    /// The buffer of the last `encode` on this thread, taken while values may run code that encodes.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// With this capacity short values need no growth check at their end.
const SCRATCH_LEAST: usize = 4096;

/// Longer buffers are freed.
const SCRATCH_LIMIT: usize = 1 << 20;

#[inline(always)]
fn with_scratch<T>(encode: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    SCRATCH.with(|kept| {
        let mut scratch = kept.take();
        scratch.clear();
        if scratch.capacity() < SCRATCH_LEAST {
            scratch.reserve(SCRATCH_LEAST);
        }
        let done = encode(&mut scratch);
        if scratch.capacity() <= SCRATCH_LIMIT {
            kept.set(scratch);
        }
        done
    })
}

/// Encodes a value as bytes; `Unsupported`, with the path, for a value without a form in the encoding.
#[pyfunction]
#[pyo3(signature = (value, encoding=EncodingName("cbor".to_owned())), text_signature = "(value, encoding='cbor')")]
pub fn encode<'py>(value: &Bound<'py, PyAny>, encoding: EncodingName) -> Outcome<Bound<'py, PyBytes>> {
    let encoding = Encoding::from_name(&encoding)?;
    let how = EncodeOptions::default();
    with_scratch(|scratch| {
        let done = Walk::with(value, |walk| encode_into(walk, encoding, &how, scratch));
        done.and_then(|()| Ok(made::bytes(value.py(), scratch)?))
    })
}

/// Decodes a value from bytes; `Malformed`, with the offset, for invalid bytes.
///
/// If `data` is `bytes`, arrays are views of `data`.
#[pyfunction]
#[pyo3(signature = (data, encoding=EncodingName("cbor".to_owned())), text_signature = "(data, encoding='cbor')")]
pub fn decode<'py>(data: &Bound<'py, PyAny>, encoding: EncodingName) -> Outcome<Bound<'py, PyAny>> {
    decoded(data, Encoding::from_name(&encoding)?)
}

fn decoded<'py>(data: &Bound<'py, PyAny>, encoding: Encoding) -> Outcome<Bound<'py, PyAny>> {
    let bytes = frozen(data)?;
    if encoding == Encoding::Cbor
        && let Some(entries) = FlatMap::within(bytes.as_bytes(), &Limits::default())
        && let Some(dict) = template::read(data.py(), entries)
    {
        return Ok(dict.into_any());
    }
    build(Builder::viewing(bytes.clone()), |builder| {
        decode_into(bytes.as_bytes(), encoding, &Limits::default(), builder).map(|_| ())
    })
}

/// Converts an encoded value to another encoding.
#[pyfunction]
pub fn transcode<'py>(
    data: &Bound<'py, PyAny>,
    from_: FromEncoding,
    to: ToEncoding,
) -> Outcome<Bound<'py, PyBytes>> {
    let (from, to) = (Encoding::from_name(&from_)?, Encoding::from_name(&to)?);
    let bytes = frozen(data)?;
    Ok(made::bytes(data.py(), &linkspan::codec::transcode(bytes.as_bytes(), from, to)?)?)
}

/// Returns the canonical schema of an endpoint or of a message there; `NotFound` or `Missing`.
#[pyfunction]
#[pyo3(signature = (endpoint, message = None))]
pub fn schema<'py>(
    py: Python<'py>,
    endpoint: Endpoint,
    message: Option<Bound<'py, PyAny>>,
) -> Outcome<Bound<'py, PyAny>> {
    let arrived = match &message {
        None => None,
        Some(message) => match message.cast::<Message>() {
            Ok(message) => Some(message.get().arrived.clone()),
            Err(_) => return Err(refused(ErrorKind::WrongType, "message", message, "a message, or None")),
        },
    };
    let form = py.detach(|| match &arrived {
        Some(message) => linkspan::registry::schema_of(&endpoint, message),
        None => linkspan::registry::schema(&endpoint),
    })?;
    decoded(made::bytes(py, &form)?.as_any(), Encoding::Cbor)
}

/// Returns the schema of the replies at the endpoint.
#[pyfunction]
pub fn reply_schema<'py>(py: Python<'py>, endpoint: Endpoint) -> Outcome<Bound<'py, PyAny>> {
    let form = py.detach(|| linkspan::registry::reply_schema(&endpoint))?;
    decoded(made::bytes(py, &form)?.as_any(), Encoding::Cbor)
}

/// Returns why a schema text is invalid; None if it is valid.
#[pyfunction]
pub fn schema_problem(text: &str) -> Option<String> {
    linkspan::schema::Schema::parse(text).err().map(|error| error.text().to_owned())
}

/// Returns a dict for each name that is open on this machine.
#[pyfunction]
pub fn names(py: Python<'_>) -> Outcome<Vec<Bound<'_, PyAny>>> {
    let listed = py.detach(linkspan::registry::list)?;
    listed.iter().map(|listed| object(&listed.to_value(), Builder::copying(py))).collect()
}

/// Copies other buffers than `bytes`, because their owners may write to them.
fn frozen<'py>(data: &Bound<'py, PyAny>) -> Outcome<Bound<'py, PyBytes>> {
    if let Ok(bytes) = data.cast_exact::<PyBytes>() {
        return Ok(bytes.clone());
    }
    Ok(made::bytes(data.py(), BorrowedArray::of_argument("data", data)?.array()?.data)?)
}
