//! An encoded value that is ready to be sent, and the memory that its long arrays may be put into.
//!
//! A [`Payload`] is encoded once and may be sent any number of times: to several peers, and again after
//! a connection was lost. The sending layers pass a [`Lender`] where the receiver maps memory of the
//! sender, so that the encoder puts long arrays there.

use std::sync::Arc;

use bytes::Bytes;

use crate::body::{Body, Few, Part, Placer};
use crate::buffers;
use crate::codec::{self, EncodeOptions, Encoding};
use crate::error::{Error, ErrorKind, Result};
use crate::schema::PreparedSchema;
use crate::value::{Limits, Source};

/// Provides memory that the receiver maps for the elements of long arrays.
pub(crate) trait Lender {
    /// Returns these elements in such memory: in place if they are in it already, else a copy.
    /// `None` where there is no room for them. `shared` is the elements where the caller has them with their owner.
    fn lend(&self, elements: &[u8], shared: Option<&Bytes>) -> Option<Bytes>;
}

/// Bytes reserved for an encoded value, so that a short one does not move as it grows.
const USUAL: usize = 64;
/// The most bytes that are reserved because a source announces them.
const LONGEST_HINT: usize = 4096;

/// The long arrays of a value that is being encoded.
struct Placed<'a> {
    lender: Option<&'a dyn Lender>,
    parts: Few<Part>,
}

impl Placer for Placed<'_> {
    fn place(&mut self, at: usize, elements: &[u8], shared: Option<&Bytes>) -> bool {
        let lent = self.lender.and_then(|lender| lender.lend(elements, shared));
        lent.is_some_and(|bytes| {
            self.parts.push(Part { at, bytes });
            true
        })
    }
}

/// An encoded value, ready to be sent any number of times.
#[derive(Clone, Debug)]
pub struct Payload {
    encoding: Encoding,
    body: Body,
}

impl Payload {
    /// Encodes a value; arrays are aligned so that the receiver can use them in place.
    ///
    /// # Errors
    ///
    /// Those of [`codec::encode`].
    pub fn new<T: Source + ?Sized>(value: &T, encoding: Encoding, limits: &Limits) -> Result<Payload> {
        Payload::with_schema(None, value, encoding, limits, None)
    }

    /// The same, checked against a schema while it is encoded, with a lender for long arrays.
    pub(crate) fn with_schema<T: Source + ?Sized>(
        schema: Option<&Arc<PreparedSchema>>,
        value: &T,
        encoding: Encoding,
        limits: &Limits,
        lender: Option<&dyn Lender>,
    ) -> Result<Payload> {
        let mut body = Vec::with_capacity(value.size_hint().clamp(USUAL, LONGEST_HINT));
        let mut parts = Placed { lender, parts: Few::new() };
        let placer = lender.map(|_| &mut parts as &mut dyn Placer);
        let options = EncodeOptions { limits: *limits, align: true, ..EncodeOptions::default() };
        match schema {
            None => codec::encode_placed(value, encoding, &options, &mut body, placer)?,
            Some(schema) => schema.encode_into(value, encoding, &options, &mut body, placer)?,
        }
        Ok(Payload { encoding, body: Body::of_parts(buffers::bytes(body), parts.parts) })
    }

    /// Returns a payload of bytes that are encoded already; they are not validated.
    pub fn from_bytes(encoding: Encoding, body: Bytes) -> Payload {
        Payload { encoding, body: body.into() }
    }

    /// Returns a payload with the body of a received message.
    pub(crate) fn from_body(encoding: Encoding, body: Body) -> Payload {
        Payload { encoding, body }
    }

    /// Returns the encoding of the body.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Returns the encoded value. Where long arrays of it are in memory that the receiver maps,
    /// this is a copy, made at the first call and kept.
    pub fn body(&self) -> &Bytes {
        self.body.whole()
    }

    /// Returns the number of bytes.
    #[allow(clippy::len_without_is_empty, reason = "an encoded value has at least one byte, except for raw")]
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// Returns the encoded value, whose long arrays may be stored elsewhere.
    pub(crate) fn memory(&self) -> &Body {
        &self.body
    }

    /// Checks the length against the limit that both sides accept; else `TooLarge`.
    pub(crate) fn check(&self, limit: u64) -> Result<()> {
        let size = self.len() as u64;
        if size <= limit {
            return Ok(());
        }
        let text = format!(
            "over the message limit: {size} bytes asked, {limit} allowed by the narrower of the two sides (option max_message_size)"
        );
        Err(Error::new(ErrorKind::TooLarge, text))
    }
}
