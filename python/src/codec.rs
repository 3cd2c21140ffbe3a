//! The codecs by themselves: values into bytes and back, and from one encoding to another.

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
    /// The buffer of the last `encode` on this thread. Taken out while in use: a value may run Python code that
    /// encodes.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The least capacity of the buffer: short values are encoded without a check for growth at their end.
const SCRATCH_LEAST: usize = 4096;

/// A buffer longer than this is given back to the system.
const SCRATCH_LIMIT: usize = 1 << 20;

/// Runs `encode` with the empty buffer of this thread.
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

/// The value in this encoding, as bytes; `Unsupported` with its path where a value has no form.
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

/// The value that these bytes hold; `Malformed` with its offset where they hold none. Arrays are views of `data`
/// where that is `bytes`.
#[pyfunction]
#[pyo3(signature = (data, encoding=EncodingName("cbor".to_owned())), text_signature = "(data, encoding='cbor')")]
pub fn decode<'py>(data: &Bound<'py, PyAny>, encoding: EncodingName) -> Outcome<Bound<'py, PyAny>> {
    decoded(data, Encoding::from_name(&encoding)?)
}

/// [`decode`] of a known encoding.
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

/// The same value in another encoding.
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

/// The schema that was given for an endpoint, or that a message of it was written with, in its canonical form as a
/// value; `NotFound` where no process listens, `Missing` where no schema was given.
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

/// The same for what is replied at the endpoint.
#[pyfunction]
pub fn reply_schema<'py>(py: Python<'py>, endpoint: Endpoint) -> Outcome<Bound<'py, PyAny>> {
    let form = py.detach(|| linkspan::registry::reply_schema(&endpoint))?;
    decoded(made::bytes(py, &form)?.as_any(), Encoding::Cbor)
}

/// Why a text in the notation of schemas is refused; none where it is not.
#[pyfunction]
pub fn schema_problem(text: &str) -> Option<String> {
    linkspan::schema::Schema::parse(text).err().map(|error| error.text().to_owned())
}

/// What is open on this machine: a map for each name, as a listing shows it.
#[pyfunction]
pub fn names(py: Python<'_>) -> Outcome<Vec<Bound<'_, PyAny>>> {
    let listed = py.detach(linkspan::registry::list)?;
    listed.iter().map(|listed| object(&listed.to_value(), Builder::copying(py))).collect()
}

/// `bytes` as they are; a copy of any other buffer, because its owner may write to it.
fn frozen<'py>(data: &Bound<'py, PyAny>) -> Outcome<Bound<'py, PyBytes>> {
    if let Ok(bytes) = data.cast_exact::<PyBytes>() {
        return Ok(bytes.clone());
    }
    Ok(made::bytes(data.py(), BorrowedArray::of_argument("data", data)?.array()?.data)?)
}
